"""The link between panels: what is selected, where it can be clicked, and the card it shows.

The selection is the column ``name`` of one data source. A click in a panel looks up which hit
rectangles lie under the pointer and writes their names there; whenever that source or the data of a
panel change, a script in the browser (`js/linking.js`) selects the rows of those names in every
panel and shows the card. No panel knows another, and no kernel is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets import Div
from bokeh.plotting import figure

from modviz.view import scripts

SELECTION = "modviz-selection"
KEY = "name"
#: Above the card of the last of several selected; the browser fills it in, too.
_SEVERAL = '<div class="several">{n} selected: {names}. Evidence of {last}:</div>'


class Linking:
    """Joins hit layers, selection and card of one document.

    Attributes
    ----------
    selection : ColumnDataSource
        Named ``"modviz-selection"``; its column ``name`` holds the selected names.
    cards : ColumnDataSource
        The card's HTML for every name, and its evidence in plain words; the empty name stands for
        no selection.
    request : ColumnDataSource
        What a click asked to be shown large.
    """

    def __init__(self, card: Div) -> None:
        self.card = card
        self.selection = ColumnDataSource({KEY: []}, name=SELECTION)
        self.cards = ColumnDataSource(
            {KEY: [""], "html": [card.text], "words": [""]}, name="modviz-cards"
        )
        self.request = scripts.note("modviz-request", {})
        self._sources: list[ColumnDataSource] = []
        self._followers: dict[str, CustomJS] = {}

    def clickable(self, plot: figure, source: ColumnDataSource, *, enlarges: bool = False) -> None:
        """Let clicks in a figure select by the hit rectangles of a source, which is linked too.

        `enlarges`: a click on what is selected already shows its pictures large.
        """
        self.follows(source)
        self._tapped(plot, source, enlarges=enlarges)

    def _tapped(self, plot: figure, source: ColumnDataSource, *, enlarges: bool = False) -> None:
        args = {
            "selection": self.selection,
            "source": source,
            "request": self.request,
            "enlarges": enlarges,
        }
        tap = CustomJS(args=args, code=scripts.code("tap"))
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

    def join(self, key: str, plot: figure, source: ColumnDataSource) -> None:
        """The same for a figure that comes after the page was made, in place of the last `key`."""
        self._tapped(plot, source)
        args = {"selection": self.selection, "source": source}
        if key in self._followers:
            self._followers[key].args = args
        else:
            self._followers[key] = CustomJS(args=args, code=scripts.code("follow"))
            self.selection.js_on_change("data", self._followers[key])
        marked = [k for k, name in enumerate(source.data[KEY]) if name in self.selected]
        source.selected.indices = marked

    def models(self) -> dict[str, Any]:
        """What the page's scripts need of it."""
        return {
            "selection": self.selection,
            "sources": self._sources,
            "cards": self.cards,
            "card": self.card,
            "several": _SEVERAL,
            "request": self.request,
        }

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

    def show(self, cards: Mapping[str, tuple[str, str]]) -> None:
        """Replace all cards, (HTML, plain words) each; names that are gone leave the selection."""
        html, words = ([card[k] for card in cards.values()] for k in (0, 1))
        columns: dict[str, Any] = {KEY: list(cards), "html": html, "words": words}
        if columns != self.cards.data:
            self.cards.data = columns
        self.select(name for name in self.selected if name in cards)

    def _card_text(self, names: list[str]) -> str:
        cards = dict(zip(self.cards.data[KEY], self.cards.data["html"], strict=True))
        last = names[-1] if names else ""
        if len(names) < 2:
            return str(cards[last])
        several = _SEVERAL.format(n=len(names), names=", ".join(names), last=last)
        return several + str(cards[last])
