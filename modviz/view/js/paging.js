/** Long panels in pages: which rows of lesions and classes, and which cells of the gallery, are drawn.
 *
 * A canvas of all rows of a large network takes more memory than the rest of the page. What is on no
 * page now stands in the tables below the panels. Sorting and filtering lead to the page of the
 * selected subcluster, or to the first; a selection leads to its page once, when it is made.
 */
function paging(page) {
  const {selection, view, subclusters, pagers} = page
  const {ROWS, CELLS} = page.measures
  const groups = {
    rows: {most: ROWS, pages: [[]], at: 0, by: ["sort", "layer", "show"], state: null},
    cells: {most: CELLS, pages: [[]], at: 0, by: ["gallery", "sort", "layer", "show"], state: null},
  }

  /** Blocks of names as pages: a block that fits on a page stays together, others are cut evenly. */
  function cut(blocks, most) {
    const pages = [[]]
    for (const block of blocks) {
      const size = Math.ceil(block.length / Math.ceil(block.length / most))
      for (let start = 0; start < block.length; start += size) {
        const part = block.slice(start, start + size)
        if (pages.at(-1).length + part.length > most) pages.push([])
        pages.at(-1).push(...part)
      }
    }
    return pages
  }

  const pageOf = ({pages}, name) => pages.findIndex((names) => names.includes(name))

  /** The names of these blocks that the page of a group shows now. */
  page.paged = (group, blocks) => {
    const own = groups[group]
    own.pages = cut(blocks, own.most)
    const all = page.read(view)
    const state = JSON.stringify(own.by.map((key) => all[key]))
    if (state !== own.state) {
      own.state = state
      own.at = Math.max(0, pageOf(own, selection.data.name.at(-1)))
    }
    own.at = Math.min(own.at, own.pages.length - 1)
    return own.pages[own.at]
  }

  const count = (pages) => pages.reduce((sum, names) => sum + names.length, 0)
  function span({pages, at}) {
    const before = count(pages.slice(0, at))
    return `${before + 1}–${before + pages[at].length} of ${count(pages)}`
  }

  /** What a figure leaves out, for those who can't see it. */
  page.leftOut = (group) => {
    const own = groups[group]
    if (own == null || own.pages.length < 2) return ""
    return ` Drawn are ${span(own)}; the table has all.`
  }

  function turn(group, by) {
    const own = groups[group]
    own.at = Math.min(Math.max(own.at + by, 0), own.pages.length - 1)
    page.turned([group])
  }
  page.turns = Object.fromEntries(
    Object.keys(groups).flatMap((group) => [
      [`${group}-back`, () => turn(group, -1)],
      [`${group}-on`, () => turn(group, 1)],
    ]),
  )

  function seek() {
    const name = selection.data.name.at(-1)
    const away = Object.keys(groups).filter((group) => {
      const own = groups[group]
      const at = pageOf(own, name)
      if (at < 0 || at === own.at) return false
      own.at = at
      return true
    })
    if (away.length > 0) page.turned(away)
  }
  const seekLater = page.later(seek) // the marks of a click come first
  let before = new Set(selection.data.name)
  page.follow("data", [selection], () => {
    const [names, last] = [new Set(selection.data.name), selection.data.name.at(-1)]
    if (last != null && !before.has(last)) seekLater()
    before = names
  })

  /** Say on the buttons which page it is, and in words that no subcluster is left. */
  page.tellPages = () => {
    for (const [group, div] of pagers) {
      const own = groups[group]
      const shadow = page.viewOf(div).shadow_el
      const none = shadow.querySelector("[data-none]")
      none.hidden = own.pages[0].length > 0
      const [few] = none.children
      few.textContent = subclusters.data.tested.some(Boolean)
        ? "No subcluster passes the filters."
        : "No subcluster is of a size that can be tested."
      const turns = shadow.querySelector("[data-turns]")
      turns.hidden = own.pages.length < 2
      if (turns.hidden) continue
      const words = span(own)
      const at = turns.querySelector("[data-span]")
      if (at.textContent !== words) at.textContent = words
      page.enable(turns.querySelector(`[data-act="${group}-back"]`), own.at > 0)
      page.enable(turns.querySelector(`[data-act="${group}-on"]`), own.at < own.pages.length - 1)
    }
  }
}
