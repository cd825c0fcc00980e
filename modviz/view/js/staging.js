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
    const data = {...page.place(group, original(source))}
    if (page.isDark() && !fixed) {
      for (const column of COLORS) {
        if (data[column] != null) data[column] = [...data[column]].map(page.recoloured)
      }
    }
    live.set(source, data)
    source.data = data
    live.set(source, source.data)
  }

  /** Stage the sources of these groups anew, or all of them. */
  page.restage = (groups = null) => page.atOnce(() => {
    for (const entry of staged) if (groups == null || groups.includes(entry[1])) stage(entry)
  })
  for (const entry of staged) {
    page.follow("data", [entry[0]], (source) => {
      if (live.get(source) !== source.data) stage(entry)
    })
  }
}
