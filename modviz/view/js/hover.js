// What the pointer is on in the matrix. Up to 512 units a side every pixel is one pair of units.
const n = units.data.group.length
const clamp = (v) => Math.max(0, Math.min(n - 1, Math.floor(v)))
const [row, column] = [clamp(special_vars.y), clamp(special_vars.x)]
const single = image.data.dw[0] <= 512 && image.data.dh[0] <= 512
const name = (at) => groups.data.text[units.data.group[at]]
const unit = (at) => single ? `, unit ${units.data.unit[at]}` : ""
if (format === "row") return name(row) + unit(row)
if (format === "column") return name(column) + unit(column)
if (format === "measure") return groups.data.measure[0]
if (format === "pixel") {
  const [picture] = image.data.image
  const [height, width] = picture.shape
  const {x: [x0], y: [y0], dw: [dw], dh: [dh]} = image.data
  const at = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)))
  const x = at((special_vars.x - x0) / dw, width)
  const y = at((special_vars.y - y0) / dh, height)
  const code = picture[y * width + x]
  const {least, step} = JSON.parse(scale.data.json[0])
  const weight = code === 0 ? "none" : (least * Math.exp((code - 1) * step)).toPrecision(3)
  return (single ? "this edge: " : "this pixel: ") + weight
}
const between = units.data.group[row] * groups.data.text.length + units.data.group[column]
const mean = cells.data.mean[between]
return mean > 0 ? mean.toPrecision(3) : "no edges"
