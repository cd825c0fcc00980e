"""The link between panels: one function in the browser, one lock per document.

The selection is the column ``name`` of one data source. A click in a panel looks up which hit
rectangles lie under the pointer and writes their names there; whenever that source or the data of a
panel change, the same function selects the rows of those names in every panel and shows the card.
No panel knows another, and no kernel is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets import Div
from bokeh.plotting import figure

SELECTION = "modviz-selection"
KEY = "name"

#: Selects the rows of the selected names everywhere. `_modviz_busy` is the document's one lock: it
#: keeps changes made in here from coming back as clicks.
_SPREAD = """
if (selection._modviz_busy) return
selection._modviz_busy = true
const same = (a, b) => a.length == b.length && a.every((v, k) => v === b[k])
const unique = (values) => [...new Set(values)]
try {
  let names = unique(selection.data.name)
  const clicked = sources.find((source) => source.selected === cb_obj)
  if (clicked != null) {
    const chosen = unique(cb_obj.indices.map((k) => clicked.data.name[k]))
    if (!same([...chosen].sort(), [...names].sort())) {
      names = chosen
      selection.data = {name: names}
    }
  }
  const wanted = new Set(names)
  for (const source of sources) {
    const indices = []
    const keys = source.data.name
    for (let k = 0; k < keys.length; k++) if (wanted.has(keys[k])) indices.push(k)
    if (!same(indices, [...source.selected.indices])) source.selected.indices = indices
  }
  const known = names.filter((name) => cards.data.name.includes(name))
  const last = known.length > 0 ? known[known.length - 1] : ""
  const row = cards.data.name.indexOf(last)
  let text = row < 0 ? card.text : cards.data.html[row]
  if (known.length > 1) {
    text = `<div class="several">${known.length} selected: ${known.join(", ")}.
      Evidence of ${last}:</div>` + text
  }
  if (card.text !== text) card.text = text
} finally {
  selection._modviz_busy = false
}
"""

#: BokehJS reports a second click within 300 ms as a double tap: both mean "this one".
_TAP = """
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
const names = [...new Set(adding ? [...before, ...found] : found)]
if (names.join(" ") != before.join(" ")) selection.data = {name: names}
"""


class Linking:
    """Joins hit layers, selection and card of one document.

    Attributes
    ----------
    selection : ColumnDataSource
        Named ``"modviz-selection"``; its column ``name`` holds the selected names.
    cards : ColumnDataSource
        The card's HTML for every name; the empty name stands for no selection.
    """

    def __init__(self, card: Div) -> None:
        self.card = card
        self.selection = ColumnDataSource({KEY: []}, name=SELECTION)
        self.cards = ColumnDataSource({KEY: [""], "html": [card.text]}, name="modviz-cards")
        self._sources: list[ColumnDataSource] = []

    def clickable(self, plot: figure, source: ColumnDataSource) -> None:
        """Let clicks in a figure select by the hit rectangles of a source, which is linked too."""
        self.follows(source)
        tap = CustomJS(args={"selection": self.selection, "source": source}, code=_TAP)
        plot.js_on_event("tap", tap)
        plot.js_on_event("doubletap", tap)

    def follows(self, source: ColumnDataSource) -> None:
        """Highlight the selected names in a source.

        Raises
        ------
        ValueError
            If the source has no column ``name``: HoloViews drops columns that nothing uses.
        """
        if KEY not in source.data:
            raise ValueError(
                f"source {source.name!r} has the columns {list(source.data)}; expected {KEY!r}, "
                "the key that links the panels"
            )
        self._sources.append(source)

    def connect(self, document: Document) -> None:
        """Install the one function that spreads a selection; call after all sources are known."""
        spread = CustomJS(
            args={
                "selection": self.selection,
                "sources": self._sources,
                "cards": self.cards,
                "card": self.card,
            },
            code=_SPREAD,
        )
        self.selection.js_on_change("data", spread)
        self.cards.js_on_change("data", spread)
        for source in self._sources:
            source.js_on_change("data", spread)
            source.selected.js_on_change("indices", spread)
        document.js_on_event("document_ready", spread)

    @property
    def selected(self) -> tuple[str, ...]:
        """Selected names, each once, in the order of selection."""
        return tuple(dict.fromkeys(str(name) for name in self.selection.data[KEY]))

    def select(self, names: Iterable[str]) -> None:
        """Write the selection and, for readers without a browser's help, the card."""
        chosen = list(dict.fromkeys(names))
        if chosen != list(self.selection.data[KEY]):
            self.selection.data = {KEY: chosen}
        self.card.text = self._card_text(chosen)

    def show(self, cards: Mapping[str, str]) -> None:
        """Replace all cards; names that are gone leave the selection."""
        self.cards.data = {KEY: list(cards), "html": list(cards.values())}
        self.select(name for name in self.selected if name in cards)

    def _card_text(self, names: list[str]) -> str:
        cards = dict(zip(self.cards.data[KEY], self.cards.data["html"], strict=True))
        if len(names) < 2:
            return str(cards[names[0] if names else ""])
        return (
            f'<div class="several">{len(names)} selected: {", ".join(names)}. '
            f"Evidence of {names[-1]}:</div>{cards[names[-1]]}"
        )
