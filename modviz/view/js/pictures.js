/** Sheets of pictures: one compressed image holds all tiles of a kind. The card shows tiles through
 * CSS; the gallery, a Bokeh figure, gets those of its page as pixels, scaled smoothly or, if they are
 * coarse, not. A sheet that is not compressed takes much memory: it is one only while tiles are cut.
 */
function pictures(page) {
  const {tiles, gallery, roots} = page
  const sheets = {features: page.sheet_features, tops: page.sheet_tops}
  const blobs = new Map()
  const urls = new Map()
  const canvas = new OffscreenCanvas(1, 1)
  const context = canvas.getContext("2d", {willReadFrequently: true})
  let drawn = ""

  const about = (sheet) => JSON.parse(sheet.data.json[0])

  function take(sheet) {
    const bytes = sheet.data.bytes[0]
    const {kind, mime, columns, rows, tile} = about(sheet)
    if (urls.has(kind)) URL.revokeObjectURL(urls.get(kind))
    urls.delete(kind)
    blobs.delete(kind)
    if (bytes.length > 0) {
      const blob = new Blob([Uint8Array.from(bytes)], {type: mime})
      const url = URL.createObjectURL(blob)
      blobs.set(kind, blob)
      urls.set(kind, url)
    }
    for (const root of roots) {
      const element = page.index.get(root)?.el
      const url = urls.get(kind)
      element?.style.setProperty(`--mv-${kind}`, url == null ? "none" : `url(${url})`)
      element?.style.setProperty(`--mv-${kind}-size`, `${100 * columns}% ${100 * rows}%`)
      element?.style.setProperty(`--mv-${kind}-ratio`, `${tile[0]} / ${tile[1]}`)
    }
  }

  /** The pictures of one cell as one image, as Bokeh takes it: packed pixels, row 0 at the top. Bokeh
   * makes a canvas of every image, and one for each of hundreds of tiles would take much memory. */
  function cell(numbers, bitmaps, scale) {
    const {sheet, tile, x, y, dw, dh} = tiles.data
    const ends = (from, size) => [
      Math.min(...numbers.map((k) => from[k])),
      Math.max(...numbers.map((k) => from[k] + size[k])),
    ]
    const [[left, right], [top, bottom]] = [ends(x, dw), ends(y, dh)]
    const [width, height] = [right - left, bottom - top].map((side) => Math.round(side * scale))
    Object.assign(canvas, {width, height}) // which wipes it
    context.imageSmoothingQuality = "high"
    for (const k of numbers) {
      const {columns, tile: [w, h], coarse} = about(sheets[sheet[k]])
      context.imageSmoothingEnabled = !coarse
      const [column, row] = [tile[k] % columns, Math.floor(tile[k] / columns)]
      const place = [x[k] - left, y[k] - top, dw[k], dh[k]].map((v) => Math.round(v * scale))
      context.drawImage(bitmaps.get(sheet[k]), column * w, row * h, w, h, ...place)
    }
    const Pixels = sheets[sheet[numbers[0]]].data.pixel[0].constructor // Bokeh's own type of array
    const image = new Pixels(context.getImageData(0, 0, width, height).data.buffer, [height, width])
    return {image, x: left, y: top, dw: right - left, dh: bottom - top}
  }

  /** The pictures of the cells that are shown; those of others are let go. */
  async function fill() {
    const {sheet, tile, x, y, dw, dh, of} = tiles.data
    const here = [...sheet.keys()].filter((k) => urls.has(sheet[k]) && page.isPlaced("cells", of[k]))
    const wanted = JSON.stringify([[...urls], here.map((k) => [of[k], tile[k], x[k], y[k], dw[k], dh[k]])])
    if (wanted === drawn) return
    drawn = wanted
    const cells = new Map(here.map((k) => [of[k], []]))
    for (const k of here) cells.get(of[k]).push(k)
    const kinds = [...new Set(here.map((k) => sheet[k]))]
    const found = await Promise.all(kinds.map((kind) => createImageBitmap(blobs.get(kind))))
    if (wanted === drawn) { // else other pictures are wanted meanwhile
      const bitmaps = new Map(kinds.map((kind, k) => [kind, found[k]]))
      const scale = Math.min(2, Math.max(1, window.devicePixelRatio))
      const drawings = [...cells.values()].map((numbers) => cell(numbers, bitmaps, scale))
      const columns = ["image", "x", "y", "dw", "dh"].map((key) => [key, drawings.map((one) => one[key])])
      gallery.data = {...Object.fromEntries(columns), of: [...cells.keys()]}
    }
    for (const bitmap of found) bitmap.close()
  }
  page.fill = fill

  const every = Object.values(sheets)
  page.follow("data", every, (sheet) => {
    take(sheet)
    fill()
  })
  page.follow("data", [tiles], fill)
  page.ended = () => {
    for (const url of urls.values()) URL.revokeObjectURL(url)
    urls.clear()
  }
  every.forEach(take)
}
