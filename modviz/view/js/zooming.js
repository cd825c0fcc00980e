/** The acts of the matrix: what dragging and the wheel do, as buttons. */
function zooming(page) {
  const {matrices, view, subclusters, selection} = page
  const current = () => matrices.find(({order}) => order === page.read(view).order)

  function show(spans) {
    const {matrix} = current()
    for (const [range, [from, to]] of [[matrix.x_range, spans[0]], [matrix.y_range, spans[1]]]) {
      const n = Math.max(range.reset_start, range.reset_end)
      const size = Math.min(Math.max(to - from, Math.min(n, 4)), n)
      const start = Math.min(Math.max((from + to - size) / 2, 0), n - size)
      const [low, high] = [start, start + size]
      const down = range.reset_start > range.reset_end
      range.setv(down ? {start: high, end: low} : {start: low, end: high})
    }
  }

  function scale(factor) {
    const {matrix} = current()
    show(
      [matrix.x_range, matrix.y_range].map(({start, end}) => {
        const [middle, half] = [(start + end) / 2, (Math.abs(end - start) * factor) / 2]
        return [middle - half, middle + half]
      }),
    )
  }

  function toSelection() {
    const {top, left, bottom, name} = current().hits.data
    const wanted = new Set(selection.data.name)
    const edges = [...name.keys()].filter((k) => wanted.has(name[k])).flatMap((k) => [top[k], bottom[k]])
    if (edges.length === 0) return
    const [low, high] = [Math.min(...edges), Math.max(...edges)]
    const room = Math.max(2, 0.1 * (high - low))
    // all columns: units of one layer have no edges between them, and their square would be blank
    const {x_range} = current().matrix
    show([[0, Math.max(x_range.reset_start, x_range.reset_end)], [low - room, high + room]])
  }

  /** Which of the buttons can do something now, and which of the two matrices is there. */
  page.zoomed = () => {
    const {order} = page.read(view)
    for (const entry of matrices) {
      if (entry.row.visible !== (entry.order === order)) entry.row.visible = entry.order === order
    }
    const {matrix} = current()
    const part = [matrix.x_range, matrix.y_range].some(
      ({start, end, reset_start: a, reset_end: b}) => Math.abs(end - start) < 0.999 * Math.abs(b - a),
    )
    const shadow = page.viewOf(page.tools).shadow_el
    const able = {whole: part, "zoom-out": part, "zoom-selection": selection.data.name.length > 0}
    for (const [act, can] of Object.entries(able)) {
      const button = shadow.querySelector(`[data-act="${act}"]`)
      if (button != null) page.enable(button, can)
    }
  }
  for (const {matrix} of matrices) {
    for (const range of [matrix.x_range, matrix.y_range]) range.change.connect(() => page.zoomed())
  }
  return {
    "zoom-in": () => scale(0.5),
    "zoom-out": () => scale(2),
    "zoom-selection": toSelection,
    whole: () => {
      const {matrix} = current()
      for (const range of [matrix.x_range, matrix.y_range]) {
        range.setv({start: range.reset_start, end: range.reset_end})
      }
    },
  }
}
