/** Where the rows of the lesion panel and the cells of the gallery stand: in the order that was asked
 * for, without those that a filter or the page leaves out, and in lines as wide as the page.
 *
 * Python has placed everything once, for a page of standard width. Marks that belong to a subcluster
 * name it in their column `of`; they move by as much as its row or cell has moved.
 */
function placing(page) {
  const {rows, cells, subclusters, view} = page
  const [END, GRID] = ["|", "grid"] // marks below the last row, and lines that reach down to it

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
  function rowShifts(shown) {
    const {names, y, pitch, top} = page.read(rows)
    const here = page.paged("rows", [shown])
    const place = new Map(here.map((name, k) => [name, top + pitch * k]))
    const shifts = new Map(names.map((name, k) => [name, place.has(name) ? [0, place.get(name) - y[k]] : null]))
    const end = pitch * (Math.max(place.size, 1) - Math.max(names.length, 1))
    shifts.set(END, place.size > 0 ? [0, end] : null)
    shifts.set(GRID, place.size > 0 ? [0, 0] : null)
    return {shifts, end}
  }

  /** The same for the gallery: in the order of the rows, or layers that follow each other, wrap, and
   * share lines. */
  function cellShifts(width, shown) {
    const {layers, wide, tall, between, spread, inset, title, below} = page.read(cells)
    const sorted = page.read(view).gallery === "rows"
    const visible = new Set(shown)
    const known = new Map(layers.flatMap(({members}) => members).map((member) => [member.name, member]))
    const blocks = sorted
      ? [shown.filter((name) => known.has(name))]
      : layers.map(({members}) => members.map(({name}) => name).filter((name) => visible.has(name)))
    const here = page.paged("cells", blocks)
    const now = new Set(here)
    const room = width - 2 * inset
    const slots = Math.max(1, Math.floor((room + between) / (wide + between)))
    // on a wide page cells keep near each other
    const pitch = slots === 1 ? wide : Math.min((room - wide) / (slots - 1), wide + spread * between)
    const line = title + tall + below
    const shifts = new Map([...known.keys(), ...layers.map(({key}) => key)].map((name) => [name, null]))
    let [slot, y] = [0, sorted ? 8 - title : 0] // without titles there is room for an outline
    const put = (names, perLine) => names.forEach((name, place) => {
      if (place && place % perLine === 0) [slot, y] = [0, y + line - 12]
      const {x, y: at} = known.get(name)
      shifts.set(name, [inset + slot * pitch - x, y + title - at])
      slot += 1
    })
    if (sorted) put(here, slots)
    for (const {key, x, y: at, members} of sorted ? [] : layers) {
      const names = members.map(({name}) => name).filter((name) => now.has(name))
      if (names.length === 0) continue
      if (slot && slot + names.length > slots) [slot, y] = [0, y + line]
      shifts.set(key, [inset + slot * pitch - x, y + 12 - at])
      put(names, Math.ceil(names.length / Math.ceil(names.length / slots)))
    }
    return {shifts, height: here.length > 0 ? Math.floor(y + line) : 40}
  }

  let moved = {rows: null, cells: null}
  page.galleryHeight = 40
  page.arrange = (width) => {
    const shown = page.shown()
    const [below, {shifts, height}] = [rowShifts(shown), cellShifts(width, shown)]
    page.galleryHeight = height
    page.rowsEnd = below.end
    page.nobody = shown.length === 0
    moved = {rows: below.shifts, cells: shifts}
  }
  /** Whether a row or cell is drawn now. */
  page.isPlaced = (group, name) => moved[group]?.get(name) != null

  const AXES = {left: 0, right: 0, x: 0, x0: 0, x1: 0, top: 1, bottom: 1, y: 1, y0: 1, y1: 1}
  const STILL = [0, 0]
  /** The marks of one source where they stand now, without those that are not shown. */
  page.place = (group, data) => {
    const shifts = moved[group]
    if (shifts == null || data.of == null) return data
    const of = [...data.of]
    const by = of.map((name) => (name === "" ? STILL : (shifts.get(name) ?? null)))
    const end = shifts.get(END)?.[1] ?? 0
    // BokehJS fails if there are fewer words than before: those not shown stay, as no words at all
    const words = data.text != null
    const kept = [...of.keys()].filter((k) => words || by[k] != null)
    const placed = {}
    for (const [column, values] of Object.entries(data)) {
      const axis = AXES[column]
      if (axis != null) {
        placed[column] = Float64Array.from(kept, (k) => {
          const reaches = column === "y1" && of[k] === GRID ? end : 0
          return values[k] + (by[k]?.[axis] ?? NaN) + reaches
        })
      } else if (column === "text") placed.text = kept.map((k) => (by[k] == null ? null : values[k]))
      else placed[column] = kept.map((k) => values[k])
    }
    return placed
  }
}
