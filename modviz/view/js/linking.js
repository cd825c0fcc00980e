/** Selects the rows of the selected names in every panel, and shows the card of the last one. */
function linking(page) {
  const {selection, sources, cards, card, several} = page
  const same = (a, b) => a.length === b.length && a.every((value, k) => value === b[k])
  const unique = (values) => [...new Set(values)]
  let busy = false // keeps changes made in here from coming back as clicks

  function spread(clicked) {
    if (busy) return
    busy = true
    let names = unique(selection.data.name)
    try {
      if (clicked != null) {
        const chosen = unique(clicked.selected.indices.map((k) => clicked.data.name[k]))
        if (!same([...chosen].sort(), [...names].sort())) {
          names = chosen
          selection.data = {name: names}
        }
      }
      const wanted = new Set(names)
      for (const source of sources) {
        const indices = []
        const keys = source.data.name
        for (let k = 0; k < keys.length; k++) if (wanted.has(keys[k])) indices.push(k)
        if (!same(indices, [...source.selected.indices])) source.selected.indices = indices
      }
    } finally {
      busy = false
    }
    tellLater()
  }

  /** Words take the browser longer than marks do, and come in the next frame. */
  const tellLater = page.later(() => {
    showCard([...selection.data.name])
    page.marked?.()
  })

  function showCard(names) {
    const known = names.filter((name) => cards.data.name.includes(name))
    const last = known.at(-1) ?? ""
    const row = cards.data.name.indexOf(last)
    let text = row < 0 ? card.text : cards.data.html[row]
    if (known.length > 1) {
      const words = several.replace("{n}", known.length).replace("{names}", known.join(", "))
      text = words.replace("{last}", last) + text
    }
    if (card.text !== text) card.text = text
  }

  /** Many sources changed, and the marks of the selection set once after the last of them. */
  page.atOnce = (change) => {
    const before = busy
    busy = true
    try {
      change()
    } finally {
      busy = before
    }
    spread()
  }

  page.select = (names) => {
    const before = [...selection.data.name]
    if (names.join(" ") !== before.join(" ")) selection.data = {name: unique(names)}
  }
  page.follow("data", [selection, cards], () => spread())
  page.follow("data", sources, () => spread())
  for (const source of sources) {
    source.selected.properties.indices.change.connect(() => spread(source))
  }
  page.spread = spread
}
