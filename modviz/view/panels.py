"""The figures of a page, where they stand, and how new results reach them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, InlineStyleSheet
from bokeh.models.layouts import Column, LayoutDOM
from bokeh.models.widgets import Div

from modviz.view import (
    adjacency,
    classes,
    clusters,
    features,
    gallery,
    lesions,
    pagers,
    partition,
    scripts,
    style,
    summaries,
    tables,
    theme,
)
from modviz.view.drawing import Drawing
from modviz.view.facts import Facts
from modviz.view.linking import Linking
from modviz.view.live import EDGE, LiveFigure
from modviz.view.matrix_panel import MatrixPanel
from modviz.view.order import Sorted
from modviz.view.pieces import piece
from modviz.view.sheets import KINDS, Sheet, sheet_of

#: Page widths, in pixels, from which there are two and four columns, and the widest page.
_TWO: Final = 850
_FOUR: Final = 1860
_WIDEST: Final = 2540
#: Pixels for the names of the rows of the class map where it stands alone.
_NAMES: Final = 40

#: Below each panel: what it shows in words, and the same as a table.
_TWINS: Final[dict[str, tuple[Callable[[Facts], str], Callable[[Facts], str]]]] = {
    "partition": (summaries.partition, tables.partition),
    "weights": (summaries.weights, tables.weights),
    "lesions": (summaries.lesions, tables.lesions),
    "classes": (summaries.classes, tables.classes),
    "gallery": (summaries.features, tables.features),
}
#: Panels whose marks move, by what they move with.
_GROUPS: Final = {"lesions": "rows", "classes": "rows", "gallery": "cells"}
_MATRIX_TOOLS: Final = (
    '<div class="tools" role="group" aria-label="Matrix">'
    '<label class="field">Order <select data-view="order"><option value="cluster">cluster, layer'
    '</option><option value="layer">layer, cluster</option></select></label>'
    '<button type="button" class="button" data-act="zoom-in" aria-label="Zoom in">+</button>'
    '<button type="button" class="button" data-act="zoom-out" aria-label="Zoom out">−</button>'
    '<button type="button" class="button" data-act="zoom-selection">Zoom to selection</button>'
    '<button type="button" class="button" data-act="whole">Show the whole matrix</button></div>'
)


class Panels:
    """All panels of a page as live figures with their headings, summaries and tables.

    Parameters
    ----------
    linking : Linking
        Hears of every layer of hit rectangles.
    sheet : InlineStyleSheet
        For the headings.

    Attributes
    ----------
    layout : Column
        The panels in their grid.
    """

    def __init__(self, linking: Linking, sheet: InlineStyleSheet) -> None:
        self._linking = linking
        self._heads = {key: piece("", sheet) for key in _TWINS}
        self._twins = {key: piece("", sheet) for key in _TWINS}
        self._tools = piece(_MATRIX_TOOLS, sheet)
        self._pagers = {
            "lesions": piece(pagers.rows(heard=True), sheet),
            "classes": piece(pagers.rows(heard=False), sheet),
            "gallery": piece(pagers.cells(), sheet),
        }
        self._partition = self._clickable(partition.draw(None, clusters.height(0)))
        self._matrices = [MatrixPanel(order, linking) for order in ("cluster", "layer")]
        self._clusters = self._clickable(clusters.draw(None), tips="rows")
        self._lesions = self._clickable(lesions.draw(None, lesions.BOTTOM))
        self._classes = self._clickable(classes.draw(None, lesions.BOTTOM), tips="cells")
        self._gallery = self._clickable(features.draw(None), enlarges=True)
        self._rows = scripts.note("modviz-rows", {"names": [], "y": [], "pitch": 1, "top": 0})
        self._cells = scripts.note("modviz-cells", gallery.NONE)
        self._sizes = scripts.note("modviz-sizes", {"heights": {}})
        self._sheets = {kind: ColumnDataSource(Sheet(kind).source()) for kind in KINDS}
        self._orders: dict[str, Sorted] = {}
        self.columns = {
            "partition": self._panel("partition", self._partition.figure),
            "weights": self._panel("weights", self._weights()),
            "lesions": self._panel("lesions", self._lesions.figure),
            "classes": self._panel("classes", self._classes.figure),
            "gallery": self._panel("gallery", self._gallery.figure),
        }
        first = [panel for key, panel in self.columns.items() if key != "gallery"]
        wrapping = {"flex-wrap": "wrap"}
        self.layout: Column = column(
            row(*first, spacing=style.GUTTER, sizing_mode="stretch_width", styles=wrapping),
            self.columns["gallery"],
            spacing=style.GUTTER,
            sizing_mode="stretch_width",
        )

    def _clickable(
        self, drawing: Drawing, tips: str = "hits", *, enlarges: bool = False
    ) -> LiveFigure:
        live = LiveFigure(drawing)
        live.explain(tips)
        self._linking.clickable(live.figure, live.sources["hits"], enlarges=enlarges)
        return live

    def _weights(self) -> Column:
        matrices = column(*(panel.layout for panel in self._matrices), spacing=0)
        beside = row(matrices, self._clusters.figure, spacing=style.GUTTER)
        return column(self._tools, beside, spacing=0, sizing_mode="stretch_width")

    def _panel(self, key: str, content: LayoutDOM) -> Column:
        above = [self._pagers[key]] if key in self._pagers else []
        return column(
            self._heads[key],
            *above,
            content,
            self._twins[key],
            spacing=0,
            **({"sizing_mode": "stretch_width"} if key == "gallery" else {"width": style.LEFT}),
        )

    @property
    def _figures(self) -> dict[str, LiveFigure]:
        return {
            "partition": self._partition,
            "clusters": self._clusters,
            "lesions": self._lesions,
            "classes": self._classes,
            "gallery": self._gallery,
        }

    def models(self) -> dict[str, Any]:
        """What the page's scripts need of the panels."""
        matrices = [live for panel in self._matrices for live in panel.figures]
        every = [*self._figures.items(), *(("", live) for live in matrices)]
        frames: dict[str, dict[str, Any]] = {
            key: {"figure": live.figure} for key, live in self._figures.items()
        }
        for key, panel in self.columns.items():
            frames.setdefault(key, {})["column"] = panel
        return {
            "rows": self._rows,
            "cells": self._cells,
            "sizes": self._sizes,
            "sheet_features": self._sheets["features"],
            "sheet_tops": self._sheets["tops"],
            "tiles": self._gallery.tiles,
            "gallery": self._gallery.sources["pictures"],
            "tools": self._tools,
            "matrices": [panel.models() for panel in self._matrices],
            "pictured": [
                (figure, title, self._twins[key], _GROUPS.get(key, ""))
                for figure, title, key in (
                    (self._partition.figure, "Partition", "partition"),
                    *((p.matrix.figure, "Adjacency matrix", "weights") for p in self._matrices),
                    (self._clusters.figure, "Clusters", "weights"),
                    (self._lesions.figure, "Lesions", "lesions"),
                    (self._classes.figure, "Accuracy change by class", "classes"),
                    (self._gallery.figure, "Feature images", "gallery"),
                )
            ],
            "pagers": [(_GROUPS[key], div) for key, div in self._pagers.items()],
            "frames": frames,
            "staged": [
                (source, _GROUPS.get(key, ""), fixed)
                for key, live in every
                for source, fixed in live.staged
            ],
            "measures": {
                "LEFT": style.LEFT,
                "RIGHT": style.RIGHT,
                "GUTTER": style.GUTTER,
                "STRIP": adjacency.STRIP,
                "TABLE": clusters.WIDTH,
                "TWO": _TWO,
                "FOUR": _FOUR,
                "WIDEST": _WIDEST,
                "NAMES": _NAMES,
                "EDGE": EDGE,
                "ROWS": pagers.ROWS,
                "CELLS": pagers.CELLS,
            },
            **theme.models([live for _, live in every], [panel.mapper for panel in self._matrices]),
        }

    @property
    def divs(self) -> list[Div]:
        """All HTML in which something can be clicked."""
        return [
            *self._heads.values(),
            *self._twins.values(),
            *self._pagers.values(),
            self._tools,
        ]

    def _measure(self, **heights: int) -> None:
        known = scripts.read(self._sizes)["heights"]
        scripts.write(self._sizes, {"heights": known | heights})

    def _tell(self, facts: Facts, *keys: str) -> None:
        """Write summaries and tables anew."""
        for key in keys:
            words, table = (part(facts) for part in _TWINS[key])
            own = " data-sorted" if key in ("lesions", "classes") else ""  # as the figure above is
            self._twins[key].text = (
                f'<div class="twin"{own}><p>{words}</p><details><summary>Table</summary>'
                f'<div class="scroll" tabindex="0">{table}</div></details></div>'
            )

    def show_partition(self, facts: Facts) -> None:
        """Draw the partition anew; the matrix is shown whole again."""
        by_cluster = Sorted(facts)
        self._orders = {
            "cluster": by_cluster,
            "layer": Sorted(facts, "layer", by_cluster.limits),
        }
        height = clusters.height(clusters.n_rows(facts))
        self._heads["partition"].text = partition.head(facts)
        self._heads["weights"].text = adjacency.head(facts, by_cluster)
        self._partition.update(partition.draw(facts, height))
        for panel in self._matrices:
            panel.update(self._orders[panel.order])
        self._clusters.update(clusters.draw(facts))
        self._measure(partition=height, clusters=height)
        self._tell(facts, "partition", "weights")

    def show_lesions(self, facts: Facts) -> None:
        """Draw lesions and class changes anew; both have the same rows and the same height."""
        below = max(classes.bottom(facts), lesions.BOTTOM)
        self._lesions.update(lesions.draw(facts, below), pagers.TALLEST)
        self._classes.update(classes.draw(facts, below), pagers.TALLEST)
        self._heads["lesions"].text = lesions.head(facts)
        self._heads["classes"].text = classes.head(facts)
        scripts.write(self._rows, lesions.anchors(facts))
        height = lesions.height(len(facts.rows), below)
        self._measure(lesions=height, classes=height)
        self._tell(facts, "lesions", "classes")

    def show_features(self, facts: Facts) -> None:
        """Draw the gallery anew."""
        results = {"features": facts.analysis.features, "tops": facts.analysis.top_images}
        for kind in KINDS:
            columns = sheet_of(results[kind], kind).source()
            held = self._sheets[kind].data
            if columns["json"] != held["json"] or bytes(columns["bytes"][0]) != bytes(
                held["bytes"][0]
            ):
                self._sheets[kind].data = columns
        self._gallery.update(features.draw(facts), pagers.TALLEST)
        self._heads["gallery"].text = features.head(facts)
        scripts.write(self._cells, gallery.anchors(facts))
        self._tell(facts, "gallery")

    def zoom(self, order: str, span: tuple[float, float, float, float]) -> None:
        """Put part of a matrix, columns x0 .. x1 and rows y0 .. y1, into its picture."""
        for panel in self._matrices:
            if panel.order == order and order in self._orders:
                panel.show(self._orders[order], span)
