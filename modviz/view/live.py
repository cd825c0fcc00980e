"""A drawing as a live Bokeh figure, and new results into the same figure.

HoloViews renders the drawing once; it decides from the data which columns a glyph gets and drops
those that nothing uses, so every layer then receives its own columns and styles explicitly. New
results come as a new drawing with the same layers, whose columns, ranges and sizes are copied into
the live models: selections, links and the browser's view stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import holoviews as hv
import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Range1d, Tool
from bokeh.models.renderers import DataRenderer, GlyphRenderer
from bokeh.plotting import figure

from modviz.view import style
from modviz.view.drawing import GEOMETRY, Columns, Drawing, Layer

hv.renderer("bokeh")

#: Pixels at the left and at the top where nothing is drawn: when Bokeh paints anew, it wipes the
#: outermost ones by half, and marks that have gone would stay there as ghosts.
EDGE: Final = 1


def _element(layer: Layer) -> Any:
    """The HoloViews element that draws a layer's kind of mark; its data follow afterwards."""
    match layer.kind:
        case "rectangles":
            return hv.Rectangles([(0.0, 0.0, 1.0, 1.0)])
        case "segments":
            return hv.Segments([(0.0, 0.0, 1.0, 1.0)])
        case "points":
            return hv.Points([(0.0, 0.0)])
        case "labels":
            return hv.Labels([(0.0, 0.0, "")], ["x", "y"], "text")
        case "image":
            return hv.Image(np.ones((2, 2)), bounds=(0, 0, 1, 1)).opts(
                backend="bokeh", clim=(0.1, 1.0)
            )
        case "pictures":
            return hv.RGB(np.zeros((2, 2, 4), dtype=np.uint8), bounds=(0, 0, 1, 1))


class LiveFigure:
    """A drawing as a Bokeh figure whose models outlive every change of its content.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    sources : dict of ColumnDataSource
        By the name of the layer.
    tiles : ColumnDataSource or None
        What the browser fills the layer of pictures from; its own source is empty until then.
    staged : list of (ColumnDataSource, bool)
        Sources that the browser may move and recolour, and whether their colours are fixed.
    fixed : set of str
        Layers whose colours a dark theme leaves alone.
    """

    def __init__(self, drawing: Drawing, tools: Sequence[Tool] = (), name: str | None = None):
        overlay = hv.Overlay([_element(layer) for layer in drawing.layers.values()])
        self.figure: figure = hv.render(overlay, backend="bokeh")
        if len(self.figure.renderers) != len(drawing.layers):
            raise RuntimeError(
                f"HoloViews drew {len(self.figure.renderers)} layers of {list(drawing.layers)}; "
                "modviz needs one renderer a layer: report the version of holoviews"
            )
        self.renderers: dict[str, GlyphRenderer[Any]] = dict(
            zip(drawing.layers, self.figure.renderers, strict=True)
        )
        self.sources: dict[str, ColumnDataSource] = {}
        self.tiles: ColumnDataSource | None = None
        self.staged: list[tuple[ColumnDataSource, bool]] = []
        self.fixed = {key for key, layer in drawing.layers.items() if layer.fixed}
        for key, layer in drawing.layers.items():
            self._dress(key, layer)
        self._frame(name, tools)
        self.figure.x_range = Range1d()
        self.figure.y_range = Range1d()
        self._measure(drawing)

    def _dress(self, key: str, layer: Layer) -> None:
        renderer = self.renderers[key]
        renderer.name = key
        renderer.data_source = ColumnDataSource(_columns(layer), name=key)
        self.sources[key] = renderer.data_source
        if layer.kind == "pictures":
            self.tiles = ColumnDataSource(_tiles(layer), name="tiles")
        if layer.kind != "image":
            self.staged.append((renderer.data_source, layer.fixed))
        glyph = renderer.glyph
        glyph.update(**{place: place for place in GEOMETRY[layer.kind]}, **layer.style)
        # marks of a selection are painted on a canvas of their own: a click paints only that
        renderer.level = "glyph" if layer.selected is None else "overlay"
        renderer.selection_glyph = renderer.nonselection_glyph = None
        if layer.selected is not None:
            renderer.selection_glyph = glyph.clone(**layer.selected)
            renderer.nonselection_glyph = glyph.clone()
        renderer.muted_glyph = None

    def _frame(self, name: str | None, tools: Sequence[Tool]) -> None:
        figure = self.figure
        figure.name = name
        figure.toolbar.tools = list(tools)
        figure.toolbar_location = None
        figure.toolbar.active_drag = None
        figure.toolbar.active_scroll = None
        for axis in figure.axis:
            axis.visible = False
        for grid in figure.grid:
            grid.visible = False
        figure.update(
            title=None,
            min_border_left=EDGE,
            min_border_right=0,
            min_border_top=EDGE,
            min_border_bottom=0,
            margin=0,
            outline_line_color=None,
            background_fill_color=None,  # what lies behind shows, light or dark
            border_fill_color=None,
            sizing_mode="fixed",
        )

    def explain(self, *layers: str) -> None:
        """Show the column ``tip`` of these layers, which is HTML, at the pointer."""
        renderers: list[DataRenderer] = [self.renderers[layer] for layer in layers]
        self.figure.add_tools(HoverTool(tooltips="@tip{safe}", renderers=renderers))

    def _measure(self, drawing: Drawing, tallest: int | None = None) -> None:
        figure, height = self.figure, drawing.height
        y_range = drawing.y_range
        if tallest is not None and height > tallest:
            height, y_range = tallest, (tallest, 0)
        figure.update(width=drawing.width, height=height)
        figure.update(frame_width=drawing.width - EDGE, frame_height=height - EDGE)
        for live, (start, end) in ((figure.x_range, drawing.x_range), (figure.y_range, y_range)):
            live.update(start=start, end=end, reset_start=start, reset_end=end)

    def update(self, drawing: Drawing, tallest: int | None = None) -> None:
        """Show another drawing of the same panel; the layers must have the same names.

        Of a drawing that is measured in pixels no more is in view than `tallest`, until the page's
        scripts show what they want of it.
        """
        for key, layer in drawing.layers.items():
            if layer.kind == "pictures" and self.tiles is not None:
                self.tiles.data = _tiles(layer)
                continue
            columns = _columns(layer)
            if layer.kind == "labels":
                columns = _padded(columns, len(self.sources[key].data["x"]))
            self.sources[key].data = columns
        self._measure(drawing, tallest)


def _columns(layer: Layer) -> Columns:
    """What a layer's own source is given; pictures come to it in the browser."""
    if layer.kind == "pictures":
        return {name: [] for name in (*GEOMETRY["pictures"], "of")}
    return dict(layer.columns)


def _tiles(layer: Layer) -> Columns:
    return {name: list(values) for name, values in layer.columns.items() if name != "image"}


def _padded(columns: Columns, n: int) -> Columns:
    """Labels with empty ones at the end, nowhere, so that there are at least `n`.

    Bokeh 3.9 looks once more for the labels that were there before, and fails if there are fewer.
    """
    missing = n - len(columns["x"])
    if missing <= 0:
        return columns
    longer: Columns = {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray):
            longer[name] = np.concatenate([values, np.full(missing, np.nan)])
        else:
            blank = "" if name in ("text", "of") else style.INK
            longer[name] = [*values, *[blank] * missing]
    return longer
