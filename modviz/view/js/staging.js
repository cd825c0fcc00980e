/** What the kernel sent, placed and coloured, becomes what is drawn.
 *
 * A source holds the columns that Python wrote until they are staged; then it holds a changed copy,
 * and the original is kept here. New columns from Python are new originals.
 */
function staging(page) {
  const {staged} = page
  const originals = new Map()
  const live = new Map()
  const COLORS = ["fill", "line", "ink"]

  function original(source) {
    if (live.get(source) !== source.data) originals.set(source, source.data)
    return originals.get(source)
  }

  function stage([source, group, fixed]) {
    const sent = original(source)
    const data = {...sent}
    if (group !== "") page.place(group, data)
    if (page.isDark() && !fixed) {
      for (const column of COLORS) {
        if (data[column] != null) data[column] = [...data[column]].map(page.recoloured)
      }
    }
    live.set(source, data)
    source.data = data
    live.set(source, source.data)
  }

  page.restage = () => page.atOnce(() => staged.forEach(stage))
  for (const entry of staged) {
    page.follow("data", [entry[0]], (source) => {
      if (live.get(source) !== source.data) stage(entry)
    })
  }
}
