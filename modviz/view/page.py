"""All panels of one analysis as one linked Bokeh document.

The document is built once; whatever comes later, another number of clusters or the next results
of a running analysis, is copied into the same models. A notebook shows this document through a
widget, the static report is the same document in a file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bokeh.document import Document
from bokeh.layouts import column
from bokeh.models import InlineStyleSheet
from bokeh.models.widgets import Div
from bokeh.themes import Theme

from modviz.core.analysis import Analysis
from modviz.view import evidence, matrix, overview, style
from modviz.view.facts import Facts
from modviz.view.linking import Linking
from modviz.view.panels import Panels

_WELCOME = (
    '<div class="empty"><div class="lead">Choose the layers and the number of clusters, then press '
    'Run.</div><div class="more">The partition of the network appears first, with its edges '
    "sorted by cluster; then, subcluster by subcluster, what the network loses without it beside "
    "what it loses without random units, and the input that drives it most.</div></div>"
)


class _FixedSizes(logging.Filter):
    """Drops one harmless warning: our figures have their size, Bokeh's check does not see it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is any other."""
        return "W-1005" not in record.getMessage()


logging.getLogger("bokeh.core.validation.check").addFilter(_FixedSizes())


class Page:
    """All panels of one analysis as one linked Bokeh document.

    Parameters
    ----------
    analysis : Analysis, optional
        None shows a page that says how to begin.

    Attributes
    ----------
    document : bokeh.document.Document
        With two roots: ``"card"``, the evidence card, 280 pixels wide, and ``"page"``, all panels,
        936 pixels wide. The data source ``"modviz-selection"`` in it holds the selected names; the
        ranges of the figure ``"modviz-adjacency"`` count units in sorted order.
    """

    def __init__(self, analysis: Analysis | None = None) -> None:
        self.document = Document(theme=Theme(json={"attrs": {}}), title="modviz")
        sheet = InlineStyleSheet(css=style.CSS)
        card = Div(
            text=overview.EMPTY, width=style.CARD, margin=0, stylesheets=[sheet], name="card"
        )
        self._linking = Linking(card)
        self._panels = Panels(self._linking, sheet)
        self._welcome = Div(
            text=_WELCOME, width=style.PAGE, height=300, margin=0, stylesheets=[sheet]
        )
        self._panels.layout.visible = False
        page = column(self._welcome, self._panels.layout, width=style.PAGE, name="page")
        # before the roots: Bokeh walks the whole document at every change inside one
        self._linking.connect(self.document)
        self.document.add_root(card)
        self.document.add_root(page)
        self._analysis: Analysis | None = None
        self._facts: Facts | None = None
        if analysis is not None:
            self.update(analysis)

    def update(self, analysis: Analysis) -> None:
        """Show another analysis, or the next state of this one, in the same models.

        The selection stays where its names still exist. Panels whose results are the same objects
        as before are left alone.
        """
        before, self._analysis = self._analysis, analysis
        facts = self._facts = Facts(analysis)
        units = before is None or before.partition is not analysis.partition
        state = before is None or before.status != analysis.status or units
        if units:
            self._panels.show_partition(facts)
        if state or before is None or before.lesions is not analysis.lesions:
            self._panels.show_lesions(facts)
        pictures = before is None or (before.features, before.top_images) != (
            analysis.features,
            analysis.top_images,
        )
        if state or pictures:
            self._panels.show_features(facts)
        self._welcome.visible = False
        self._panels.layout.visible = True
        cards = {name: evidence.card(facts, i) for i, name in enumerate(facts.names)}
        self._linking.show({"": overview.summary(facts), **cards})

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the selected subclusters."""
        return self._linking.selected

    def select(self, names: Iterable[str]) -> None:
        """Highlight subclusters in all panels and show the evidence of the last one.

        Raises
        ------
        TypeError
            If `names` is one string.
        ValueError
            If a name is not in the partition.
        """
        if isinstance(names, str):
            raise TypeError(f"names={names!r} is one string; expected a sequence: ({names!r},)")
        chosen = [str(name) for name in names]
        known = [] if self._facts is None else self._facts.names
        unknown = [name for name in chosen if name not in known]
        if unknown:
            there = ", ".join(known) or "none yet; update the page with an analysis first"
            raise ValueError(f"no subcluster {', '.join(map(repr, unknown))}; there are: {there}")
        self._linking.select(chosen)

    def zoom(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Put the detail of a part of the matrix into its picture.

        Parameters
        ----------
        x0, x1, y0, y1 : float
            Unit positions in sorted order: columns x0 .. x1, rows y0 .. y1. At most 512 units a
            side are shown unit by unit, more as block means; the full range is the overview.
        """
        if self._analysis is not None:
            self._panels.show_tile(matrix.tile(self._analysis.partition, x0, x1, y0, y1))
