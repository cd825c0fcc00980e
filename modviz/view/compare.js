// What is chosen in one part of a comparison is marked in all of them, without a kernel: the rows of the
// table that a click (see linking.py) wrote into the selection, or the one that the selector has.
const names = cb_obj === chooser ? [chooser.value].filter((key) => key !== "") : [...selection.data.name]
if (names.join() !== [...selection.data.name].join()) {
  // comes back here as a change of the selection; more than one row is no choice of the selector
  if (names.length > 0 || selection.data.name.length === 1) selection.data = {name: names}
} else {
  for (const source of sources) {
    const keys = [...source.data.name]
    source.selected.indices = [...keys.keys()].filter((k) => names.includes(keys[k]))
  }
  const {name, html} = cards.data
  const card_of = (key) => html[[...name].indexOf(key)]
  card.text = names.length === 0 ? card_of("") : names.map(card_of).join("")
  chooser.value = names.length === 1 ? names[0] : ""
}
