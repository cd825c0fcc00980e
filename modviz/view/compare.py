"""Two analyses side by side: their partitions, what moved, and whether the same modules matter.

A click marks a pair of matched clusters in all parts; this works in the browser alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS, InlineStyleSheet
from bokeh.models.layouts import Column
from bokeh.models.widgets import Div, Select

from modviz.core.comparison import Comparison
from modviz.view import compare_bars, compare_changes, compare_overlap, compare_words, style
from modviz.view.compare_facts import CompareFacts
from modviz.view.drawing import Drawing
from modviz.view.linking import Linking
from modviz.view.live import LiveFigure

_JS: Final = (Path(__file__).parent / "compare.js").read_text(encoding="utf-8")
_CSS: Final = style.CSS + "p { margin: 0 0 3px; } .head { margin-bottom: 3px; }"
_CHOOSER: Final = 220


def panel(comparison: Comparison) -> Column:
    """The panel as a Bokeh layout, 936 pixels wide; `modviz.plot` shows it.

    Parameters
    ----------
    comparison : Comparison
        From `modviz.compare`.
    """
    if not isinstance(comparison, Comparison):
        raise TypeError(
            f"comparison is a {type(comparison).__name__}; expected what modviz.compare returns"
        )
    facts = CompareFacts(comparison)
    sheet = InlineStyleSheet(css=_CSS)

    def div(text: str, width: int, name: str | None = None) -> Div:
        return Div(text=text, width=width, margin=0, stylesheets=[sheet], name=name)

    bars = _live(compare_bars.draw(facts), "modviz-comparison-bars", ("hits",))
    overlap = _live(compare_overlap.draw(facts), "modviz-comparison-overlap", ("cells",))
    changes = _live(compare_changes.draw(facts), "modviz-comparison-changes", ("hits",))
    card = div(compare_words.EMPTY, style.PAGE - _CHOOSER - style.GUTTER, "card")
    chooser = _link(facts, [bars, overlap, changes], card)
    left = column(div(compare_overlap.head(facts), style.LEFT), overlap.figure, spacing=4)
    right = column(div(compare_changes.head(facts), style.RIGHT), changes.figure, spacing=4)
    return column(
        div(compare_words.head(facts), style.PAGE),
        row(chooser, card, spacing=style.GUTTER),
        bars.figure,
        row(left, right, spacing=style.GUTTER),
        div(compare_words.tables(facts), style.PAGE),
        spacing=12,
        width=style.PAGE,
        name="comparison",
    )


def _live(drawing: Drawing, name: str, hovered: tuple[str, ...]) -> LiveFigure:
    """A figure whose marks explain themselves."""
    live = LiveFigure(drawing, name=name)
    live.explain(*hovered)
    return live


def _link(facts: CompareFacts, figures: list[LiveFigure], card: Div) -> Select:
    """Join the figures, the card and a selector, which does by keyboard what a click does."""
    options: list[str | tuple[Any, str]] = [("", "none")]
    options += [(entry.key, entry.words) for entry in facts.entries]
    chooser = Select(
        title="Cluster",
        value="",
        options=options,
        width=_CHOOSER,
        margin=0,
    )
    linking = Linking(card)
    for live in figures:
        linking.clickable(live.figure, live.sources["hits"])
    keys = [entry.key for entry in facts.entries]
    texts = [compare_words.EMPTY, *(compare_words.card(facts, i) for i in range(len(keys)))]
    args = {
        "selection": linking.selection,
        "sources": [live.sources["hits"] for live in figures],
        "chooser": chooser,
        "cards": ColumnDataSource({"name": ["", *keys], "html": texts}),
        "card": card,
    }
    spread = CustomJS(args=args, code=_JS)
    chooser.js_on_change("value", spread)
    linking.selection.js_on_change("data", spread)
    return chooser
