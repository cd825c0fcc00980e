/** Where the rows of the lesion panel and the cells of the gallery stand: in the order that was asked
 * for, without those that a filter leaves out, and in lines as wide as the page.
 *
 * Python has placed everything once, for a page of standard width. Marks that belong to a subcluster
 * name it in their column `of`; they move by as much as its row or cell has moved.
 */
function placing(page) {
  const {rows, cells, subclusters, view} = page
  const END = "|" // marks below the last row

  function compare(sort) {
    const {layer, cluster, change, p} = subclusters.data
    const last = (value) => (Number.isFinite(value) ? value : Infinity)
    const keys = {
      effect: (k) => [last(change[k])],
      p: (k) => [last(p[k]), last(change[k])],
      layer: (k) => [layer[k], cluster[k]],
      cluster: (k) => [cluster[k], layer[k]],
    }[sort]
    return (a, b) => {
      const [x, y] = [keys(a), keys(b)]
      const place = x.findIndex((value, k) => value !== y[k])
      return place < 0 ? a - b : x[place] < y[place] ? -1 : 1
    }
  }

  /** Numbers of the subclusters that the filters let through, in the order of the rows. */
  function chosen() {
    const {sort, layer, show} = page.read(view)
    const {name, layer_name, tested, verdict, any} = subclusters.data
    const passes = {
      all: () => true,
      important: (k) => verdict[k] === "yes",
      any: (k) => any[k],
      undecided: (k) => verdict[k] === "open",
    }[show]
    const order = [...name.keys()].filter(
      (k) => tested[k] && (layer === "" || layer_name[k] === layer) && passes(k),
    )
    return order.sort(compare(sort))
  }
  page.shown = () => chosen().map((k) => subclusters.data.name[k])
  page.total = () => subclusters.data.tested.filter(Boolean).length

  /** How far each row has moved; null = it is not shown. */
  function rowShifts() {
    const {names, y, pitch, top} = page.read(rows)
    const place = new Map(page.shown().map((name, k) => [name, top + pitch * k]))
    const shifts = new Map(names.map((name, k) => [name, place.has(name) ? [0, place.get(name) - y[k]] : null]))
    shifts.set(END, [0, pitch * (Math.max(place.size, 1) - Math.max(names.length, 1))])
    return shifts
  }

  /** The same for the gallery: layers follow each other, wrap, and share lines. */
  function cellShifts(width) {
    const {layers, wide, tall, between, spread, inset, title, below} = page.read(cells)
    const visible = new Set(page.shown())
    const room = width - 2 * inset
    const slots = Math.max(1, Math.floor((room + between) / (wide + between)))
    // on a wide page cells keep near each other
    const pitch = slots === 1 ? wide : Math.min((room - wide) / (slots - 1), wide + spread * between)
    const line = title + tall + below
    const shifts = new Map()
    let [slot, y, any] = [0, 0, false]
    for (const {key, x: x0, y: y0, members} of layers) {
      const here = members.filter(({name}) => visible.has(name))
      for (const {name} of members) shifts.set(name, null)
      if (here.length === 0) {
        shifts.set(key, null)
        continue
      }
      any = true
      if (slot && slot + here.length > slots) [slot, y] = [0, y + line]
      const perLine = Math.ceil(here.length / Math.ceil(here.length / slots))
      shifts.set(key, [inset + slot * pitch - x0, y + 12 - y0])
      here.forEach(({name, x, y: at}, place) => {
        if (place && place % perLine === 0) [slot, y] = [0, y + line - 12]
        shifts.set(name, [inset + slot * pitch - x, y + title - at])
        slot += 1
      })
    }
    return {shifts, height: any ? Math.floor(y + line) : 40}
  }

  let moved = {rows: null, cells: null}
  page.galleryHeight = 40
  page.arrange = (width) => {
    const {shifts, height} = cellShifts(width)
    page.galleryHeight = height
    moved = {rows: rowShifts(), cells: shifts}
    page.rowsEnd = moved.rows.get(END)[1]
  }

  const ACROSS = ["left", "right", "x", "x0", "x1"]
  const ALONG = ["top", "bottom", "y", "y0", "y1"]
  /** Move the marks of one source; `data` is a copy that may be changed. */
  page.place = (group, data) => {
    const shifts = moved[group]
    if (shifts == null || data.of == null) return
    const of = [...data.of]
    const shift = (k) => (of[k] === "" ? [0, 0] : (shifts.get(of[k]) ?? null))
    const end = shifts.get(END)?.[1] ?? 0
    for (const [columns, axis] of [[ACROSS, 0], [ALONG, 1]]) {
      for (const column of columns) {
        if (data[column] == null) continue
        data[column] = Float64Array.from(data[column], (value, k) => {
          if (of[k] === "grid") return column === "y1" ? value + end : value
          return value + (shift(k)?.[axis] ?? NaN)
        })
      }
    }
  }
}
