// A panel that came after the page was made marks what is selected, too.
const wanted = new Set(selection.data.name)
source.selected.indices = [...source.data.name.keys()].filter((k) => wanted.has(source.data.name[k]))
