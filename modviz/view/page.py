"""All panels of one analysis as one linked Bokeh document.

The document is built once; whatever comes later, another number of clusters or the next results
of a running analysis, is copied into the same models. A notebook shows this document through a
widget, the static report is the same document in a file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from bokeh.document import Document
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, CustomJS, InlineStyleSheet, Spacer
from bokeh.models.layouts import Column
from bokeh.models.widgets import Div
from bokeh.themes import Theme

from modviz.core.analysis import Analysis
from modviz.core.choice import ClusterChoice
from modviz.core.interactions import Interactions
from modviz.view import bar, evidence, overview, scripts, style
from modviz.view.facts import Facts
from modviz.view.linking import Linking
from modviz.view.matrix_panel import NAMES
from modviz.view.panels import Panels
from modviz.view.pieces import piece

_WELCOME = (
    '<div class="empty"><div class="lead">Choose the layers and the number of clusters, then press '
    'Run.</div><div class="more">The partition of the network appears first, with its edges '
    "sorted by cluster; then, subcluster by subcluster, what the network loses without it beside "
    "what it loses without random units, and the input that drives it most.</div></div>"
)

_NOBODY: Final[dict[str, Any]] = {
    key: [] for key in "name layer layer_name cluster tested change p verdict any".split()
}
#: Panels that come later are drawn in light colours and stand on paper of their own.
_PAPER: Final[dict[str, Any]] = {
    "background": style.WHITE,
    "padding": "12px",
    "border-radius": "6px",
    "--mv-ink": style.INK,
    "--mv-text": style.TEXT,
    "--mv-muted": style.MUTED,
    "--mv-line": style.LINE,
    "--mv-band": style.BAND,
    "--mv-surface": style.WHITE,
}


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
        With two roots: ``"card"``, the evidence card, and ``"page"``, all panels; both take the
        width that they are given. The data source ``"modviz-selection"`` in it holds the selected
        names, ``"modviz-view"`` how the page is sorted and filtered, ``"modviz-theme"`` light or
        dark, ``"modviz-command"`` what a button asks of Python. The ranges of the figures
        ``"modviz-adjacency"`` and ``"modviz-adjacency-by-layer"`` count units in sorted order.
    """

    def __init__(self, analysis: Analysis | None = None) -> None:
        self.document = Document(theme=Theme(json={"attrs": {}}), title="modviz")
        self._sheet = InlineStyleSheet(css=style.CSS)
        card = piece(overview.EMPTY, self._sheet, "card")
        self._linking = Linking(card)
        self._panels = Panels(self._linking, self._sheet)
        self._bar = piece(bar.html([]), self._sheet)
        self._welcome = piece(_WELCOME, self._sheet)
        self._stage = piece("", self._sheet)  # where pictures are shown large
        self._nothing = Spacer(height=0)  # Bokeh warns of a column without children
        self._extras = column(
            self._nothing, spacing=style.GUTTER, sizing_mode="stretch_width", visible=False
        )
        self._extra: dict[str, Column] = {}
        self._view = scripts.note("modviz-view", bar.VIEW)
        self._theme = scripts.note("modviz-theme", "light")
        self._command = scripts.note("modviz-command", {})
        self._subclusters = ColumnDataSource(_NOBODY, name="modviz-subclusters")
        self._panels.layout.visible = self._bar.visible = False
        page = column(
            self._welcome,
            self._bar,
            self._panels.layout,
            self._extras,
            self._stage,
            spacing=12,
            sizing_mode="stretch_width",
            name="page",
        )
        # before the roots: Bokeh walks the whole document at every change inside one
        conductor = self._conductor(card, page)
        page.tags = [conductor]  # BokehJS does not count as the document's what only it calls
        self.document.js_on_event("document_ready", conductor)
        self.document.add_root(card)
        self.document.add_root(page)
        self._analysis: Analysis | None = None
        self._facts: Facts | None = None
        if analysis is not None:
            self.update(analysis)

    def _conductor(self, card: Div, page: Column) -> CustomJS:
        return scripts.conductor(
            {
                **self._linking.models(),
                **self._panels.models(),
                "root": page,
                "roots": [card, page],
                "divs": [card, self._welcome, self._bar, *self._panels.divs],
                "stage": self._stage,
                "view": self._view,
                "theme": self._theme,
                "command": self._command,
                "subclusters": self._subclusters,
            }
        )

    def update(self, analysis: Analysis) -> None:
        """Show another analysis, or the next state of this one, in the same models.

        The selection stays where its names still exist. Panels whose results are the same objects
        as before are left alone.
        """
        before, self._analysis = self._analysis, analysis
        facts = self._facts = Facts(analysis)
        units = before is None or before.partition is not analysis.partition
        state = before is None or before.status != analysis.status or units
        self._subclusters.data = bar.subclusters(facts)
        if units:
            layers = [layer.name for layer in facts.hidden_layers]
            self._bar.text = bar.html(layers)
            scripts.write(self._view, bar.checked(self.view, layers))
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
        self._bar.visible = self._panels.layout.visible = True
        cards = {
            name: (evidence.card(facts, i), evidence.paragraph(facts, i))
            for i, name in enumerate(facts.names)
        }
        self._linking.show({"": (overview.summary(facts), ""), **cards})

    def show_choice(self, choice: ClusterChoice | None) -> None:
        """Show below the panels what speaks for each number of clusters; None takes it away."""
        from modviz.view import choice as choices

        self._put("choice", None if choice is None else choices.panel(choice))

    def show_interactions(self, found: Interactions | None) -> None:
        """Show below the panels the double lesions of pairs; None takes them away."""
        from modviz.view import interactions

        self._put(
            "interactions",
            None if found is None else interactions.panel(found, self._linking),
        )

    def _put(self, key: str, panel: Column | None) -> None:
        self._extra.pop(key, None)
        if panel is not None:
            panel.styles = _PAPER
            self._extra[key] = panel
        self._extras.children = [self._extra[k] for k in sorted(self._extra)] or [self._nothing]
        self._extras.visible = bool(self._extra)

    @property
    def view(self) -> dict[str, str]:
        """How the page is sorted and filtered: keys sort, layer, show, order and gallery.

        The last two are those of the matrix and of the gallery.
        """
        return dict(scripts.read(self._view))

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

    def zoom(self, x0: float, x1: float, y0: float, y1: float, figure: str | None = None) -> None:
        """Put the detail of a part of the matrix into its picture.

        Parameters
        ----------
        x0, x1, y0, y1 : float
            Unit positions in the order of the matrix: columns x0 .. x1, rows y0 .. y1. At
            most 512 units a side are shown unit by unit, more as block means; the full range is
            the overview.
        figure : str, optional
            Name of the matrix; None = the one that is shown. Who zoomed one and then asked for the
            other order means the first.

        Raises
        ------
        ValueError
            If no matrix is called so.
        """
        name = NAMES["layer" if self.view["order"] == "layer" else "cluster"]
        orders = {known: order for order, known in NAMES.items()}
        if (figure or name) not in orders:
            raise ValueError(f"no matrix {figure!r}; there are: {', '.join(orders)}")
        self._panels.zoom(orders[figure or name], (x0, x1, y0, y1))
