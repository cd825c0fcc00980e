"""The matrix as a live panel: picture, strips, hover and zoom, in one order of the units."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any, Final

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import BoxZoomTool, Spacer, WheelZoomTool
from bokeh.models.annotations import BoxAnnotation
from bokeh.models.layouts import Column
from bokeh.models.mappers import LinearColorMapper

from modviz.view import adjacency, matrix, style
from modviz.view.linking import Linking
from modviz.view.live import LiveFigure
from modviz.view.order import Sorted

#: Names of the two figures, whose ranges the front end watches.
NAMES: Final[Mapping[matrix.Order, str]] = {
    "cluster": "modviz-adjacency",
    "layer": "modviz-adjacency-by-layer",
}


class MatrixPanel:
    """The matrix in one order.

    Attributes
    ----------
    layout : Column
        The picture with a strip of clusters above and at its left.
    matrix, top, side : LiveFigure
    mapper : LinearColorMapper
        From codes of weights to colours.
    """

    def __init__(self, order: matrix.Order, linking: Linking) -> None:
        self.order: matrix.Order = order
        box = BoxZoomTool(match_aspect=True, overlay=_box())
        # with a key held: a plain wheel has to go on scrolling the page
        wheel = WheelZoomTool(modifiers="ctrl")
        self.matrix = LiveFigure(adjacency.draw(None), [box, wheel], name=NAMES[order])
        self.matrix.figure.toolbar.active_drag = box
        self.matrix.figure.toolbar.active_scroll = "auto"
        image = self.matrix.renderers["image"]
        self._hover = adjacency.Hover(self.matrix.sources["image"])
        self._hover.tool.renderers = [image]
        self.matrix.figure.add_tools(self._hover.tool)
        self.mapper = LinearColorMapper(
            palette=adjacency.palette(), low=1, high=2, low_color=None, nan_color=style.WHITE
        )
        image.glyph.color_mapper = self.mapper
        linking.clickable(self.matrix.figure, self.matrix.sources["hits"])
        linking.follows(self.matrix.sources["columns"])
        self.top = self._strip(linking, across=True)
        self.side = self._strip(linking, across=False)
        self.top.figure.x_range = self.matrix.figure.x_range
        self.side.figure.y_range = self.matrix.figure.y_range
        corner = Spacer(width=adjacency.STRIP, height=adjacency.STRIP)
        self.layout: Column = column(
            row(corner, self.top.figure, spacing=0),
            row(self.side.figure, self.matrix.figure, spacing=0),
            spacing=0,
            visible=order == "cluster",
        )

    @staticmethod
    def _strip(linking: Linking, *, across: bool) -> LiveFigure:
        live = LiveFigure(adjacency.draw_strip(None, across=across))
        live.explain("hits")
        linking.clickable(live.figure, live.sources["hits"])
        return live

    @property
    def figures(self) -> list[LiveFigure]:
        """All of its figures."""
        return [self.matrix, self.top, self.side]

    def update(self, order: Sorted) -> None:
        """Show another partition, whole."""
        limits = order.scale.code(np.asarray(order.limits, dtype=np.float32))
        self.mapper.update(low=int(limits[0]), high=int(limits[1]))
        self._hover.update(order)
        self.matrix.update(adjacency.draw(order))
        self.top.update(adjacency.draw_strip(order, across=True))
        self.side.update(adjacency.draw_strip(order, across=False))

    def show(self, order: Sorted, span: tuple[float, float, float, float]) -> None:
        """Put part of the matrix, columns x0 .. x1 and rows y0 .. y1, into the picture."""
        tile = matrix.tile(order.partition, *span, order=order.order)
        self.matrix.sources["image"].data = {**adjacency.image_columns(tile, order.scale)}

    def models(self) -> dict[str, Any]:
        """What the page's scripts ask of it."""
        return {
            "order": self.order,
            "row": self.layout,
            "matrix": self.matrix.figure,
            "top": self.top.figure,
            "side": self.side.figure,
            "hits": self.matrix.sources["hits"],
        }


def _box() -> BoxAnnotation:
    return BoxAnnotation(
        syncable=False,
        visible=False,  # else it covers the matrix until the first drag
        level="overlay",
        left=nan,
        right=nan,
        top=nan,
        bottom=nan,
        fill_color=style.SELECTED,
        fill_alpha=0.08,
        line_color=style.SELECTED,
        line_alpha=0.6,
    )
