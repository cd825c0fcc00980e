/** The panels take the width there is: one, two or four columns, and the figures stretch with them.
 *
 * Figures are measured in pixels of a page of standard width. Stretched, their marks move apart while
 * words keep their size. The gallery is not stretched but wrapped anew.
 */
function fitting(page) {
  const {root, subclusters, rows, cells, view, sizes, frames, matrices} = page
  const {LEFT, RIGHT, GUTTER, STRIP, TABLE, NAMES, EDGE, TWO, FOUR, WIDEST} = page.measures
  let width = 0

  function columns() {
    if (width >= FOUR) {
      const unit = (Math.min(width, WIDEST) - 3 * GUTTER) / (2 * (LEFT + RIGHT))
      return [unit * LEFT, unit * RIGHT]
    }
    if (width >= TWO) {
      const room = width - GUTTER
      return [(room * LEFT) / (LEFT + RIGHT), (room * RIGHT) / (LEFT + RIGHT)]
    }
    const one = Math.min(Math.max(width, LEFT), 700)
    return [one, one]
  }

  function resize(figure, w, h) {
    const [width, height] = [Math.round(w), Math.round(h)]
    figure.setv({width, height, frame_width: width - EDGE, frame_height: height - EDGE})
  }

  /** Bokeh lays out and paints all figures at every size that changes; once is enough. */
  function atOnce(change) {
    const top = page.index.get(root)
    let wanted = false
    top.invalidate_layout = () => (wanted = true)
    try {
      change()
    } finally {
      delete top.invalidate_layout // that of its class again
    }
    if (wanted) top.invalidate_layout()
  }

  function fit() {
    if (width === 0 || page.index.get(root) == null) return
    atOnce(() => place(["rows", "cells"]))
    page.arranged?.()
  }
  /** Another page of these groups is wanted. */
  page.turned = (groups) => {
    if (width === 0) return
    atOnce(() => place(groups))
    page.arranged?.()
  }

  function place(groups) {
    const [left, right] = columns()
    page.arrange(width)
    const {heights} = page.read(sizes)
    const side = Math.max(200, Math.min(right - STRIP - GUTTER - TABLE, 560))
    const rest = right - STRIP - GUTTER - side
    for (const [key, w] of [["partition", left], ["weights", right], ["lesions", left], ["classes", right]]) {
      frames[key].column.width = Math.round(w)
    }
    const overview = Math.max(STRIP + side, heights.clusters)
    resize(frames.partition.figure, left, Math.max(heights.partition, STRIP + side))
    for (const {matrix, top, side: strip, row} of matrices) {
      resize(matrix, side, side)
      resize(top, side, STRIP)
      resize(strip, STRIP, side)
      row.width = Math.round(STRIP + side)
    }
    resize(frames.clusters.figure, rest, overview)
    // below the lesions instead of beside them, the class map has names of its own
    const names = width < TWO ? NAMES : 0
    frames.classes.figure.x_range.setv({start: (-names * RIGHT) / (right - names), end: RIGHT})
    frames.clusters.figure.x_range.setv({start: 0, end: Math.max(rest, TABLE)})
    for (const key of ["lesions", "classes"]) {
      const h = heights[key] + page.rowsEnd
      resize(frames[key].figure, key === "lesions" ? left : right, h)
      frames[key].figure.y_range.setv({start: h, end: 0})
    }
    const gallery = frames.gallery.figure
    resize(gallery, width, page.galleryHeight)
    gallery.x_range.setv({start: 0, end: width})
    gallery.y_range.setv({start: page.galleryHeight, end: 0})
    // words above them say that no subcluster is left
    for (const key of ["lesions", "classes", "gallery"]) frames[key].figure.visible = !page.nobody
    page.restage(groups)
    page.fill()
  }
  // of subclusters: what rows are sorted and filtered by may change while their places stay
  page.followAll("data", [subclusters, rows, cells, view, sizes], fit)

  let element = page.index.get(root).el.parentElement
  while (getComputedStyle(element).display === "contents") element = element.parentElement
  const measure = () => {
    if (page.index.get(root) == null) { // the document was taken away
      observer.disconnect()
      page.ended()
      return
    }
    const now = Math.floor(element.clientWidth)
    if (now > 0 && now !== width) {
      width = now
      fit()
    }
  }
  const observer = new ResizeObserver(() => requestAnimationFrame(measure))
  observer.observe(element)
  measure()
}
