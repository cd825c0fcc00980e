// BokehJS reports a second click within 300 ms as a double tap, wherever it is: both mean "this one",
// and of what is selected already "show it large".
const {left, right, top, bottom, name} = source.data
const {x, y, modifiers} = cb_obj
const found = []
for (let k = 0; k < name.length; k++) {
  const across = Math.min(left[k], right[k]) <= x && x < Math.max(left[k], right[k])
  const along = Math.min(top[k], bottom[k]) <= y && y < Math.max(top[k], bottom[k])
  if (across && along) found.push(name[k])
}
const before = [...selection.data.name]
const adding = modifiers != null && modifiers.shift
const again = found.length > 0 && found.every((one) => before.includes(one)) // shift takes it away
const others = before.filter((one) => !again || !found.includes(one))
const names = [...new Set(adding ? [...others, ...(again ? [] : found)] : found)]
const same = names.join(" ") === before.join(" ")
if (!same) selection.data = {name: names}
if (enlarges && found.length > 0 && !adding && same) {
  request.data = {json: [JSON.stringify({enlarge: found[0], n: Date.now()})]}
}
