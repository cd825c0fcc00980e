/** Sheets of pictures: one compressed image holds all tiles of a kind. The card shows tiles through
 * CSS; the gallery, a Bokeh figure, gets each tile as pixels, scaled smoothly or, if it is coarse, not.
 */
function pictures(page) {
  const {tiles, gallery, roots} = page
  const sheets = {features: page.sheet_features, tops: page.sheet_tops}
  const urls = new Map()
  const bitmaps = new Map()
  let latest = 0

  async function decode(sheet) {
    const bytes = sheet.data.bytes[0]
    const {kind, mime, columns, rows, tile} = JSON.parse(sheet.data.json[0])
    if (urls.has(kind)) URL.revokeObjectURL(urls.get(kind))
    urls.delete(kind)
    bitmaps.delete(kind)
    if (bytes.length > 0) {
      const blob = new Blob([Uint8Array.from(bytes)], {type: mime})
      const url = URL.createObjectURL(blob)
      urls.set(kind, url)
      const bitmap = await createImageBitmap(blob)
      if (urls.get(kind) !== url) return // a newer sheet has come meanwhile
      bitmaps.set(kind, bitmap)
    }
    for (const root of roots) {
      const element = page.index.get(root)?.el
      const url = urls.get(kind)
      element?.style.setProperty(`--mv-${kind}`, url == null ? "none" : `url(${url})`)
      element?.style.setProperty(`--mv-${kind}-size`, `${100 * columns}% ${100 * rows}%`)
      element?.style.setProperty(`--mv-${kind}-ratio`, `${tile[0]} / ${tile[1]}`)
    }
  }

  /** One tile as Bokeh takes it: packed pixels, row 0 at the top. */
  function pixels(kind, number, width, height) {
    const {columns, tile: [w, h], coarse} = JSON.parse(sheets[kind].data.json[0])
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext("2d", {willReadFrequently: true})
    context.imageSmoothingEnabled = !coarse
    context.imageSmoothingQuality = "high"
    const [column, row] = [number % columns, Math.floor(number / columns)]
    context.drawImage(bitmaps.get(kind), column * w, row * h, w, h, 0, 0, width, height)
    const {buffer} = context.getImageData(0, 0, width, height).data
    const Pixels = sheets[kind].data.pixel[0].constructor // Bokeh's own type of array
    return new Pixels(buffer, [height, width])
  }

  async function fill() {
    const turn = ++latest
    await pending
    if (turn !== latest) return // newer pictures came meanwhile
    const {sheet, tile, x, y, dw, dh, of} = tiles.data
    const scale = Math.min(2, Math.max(1, window.devicePixelRatio))
    const ready = [...sheet.keys()].filter((k) => bitmaps.has(sheet[k]))
    const pick = (column) => ready.map((k) => column[k])
    const image = ready.map((k) => pixels(sheet[k], tile[k], Math.round(dw[k] * scale), Math.round(dh[k] * scale)))
    gallery.data = {image, x: pick(x), y: pick(y), dw: pick(dw), dh: pick(dh), of: pick(of)}
  }

  let pending = Promise.resolve()
  const refresh = (changed) => {
    pending = Promise.allSettled([pending, ...changed.map(decode)])
    fill()
  }
  const every = Object.values(sheets)
  page.follow("data", every, (sheet) => refresh([sheet]))
  page.follow("data", [tiles], fill)
  page.left = () => {
    for (const url of urls.values()) URL.revokeObjectURL(url)
    urls.clear()
  }
  refresh(every)
}
