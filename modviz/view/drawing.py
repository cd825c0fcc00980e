"""From what a panel wants to show to a live Bokeh figure; from new results into the same figure.

A panel describes itself as a `Drawing`: named layers of marks, back to front, each with columns.
HoloViews renders the drawing once; HoloViews decides from the data which columns a glyph gets and
drops those that nothing uses, so every layer then receives its own columns and styles explicitly.
New results come as a new drawing with the same layers, whose columns, ranges and sizes are copied
into the live models: selections, links and the browser's view stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import holoviews as hv
import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, Range1d, Tool
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from numpy.typing import NDArray

from modviz.view import style

Kind = Literal["rectangles", "segments", "points", "labels", "image", "pictures"]
Columns = dict[str, Any]
#: Marks of one layer on their way into it: place, then the values of its further columns.
Marks = list[tuple[object, ...]]

#: Bokeh's names of the columns that give each kind its place.
GEOMETRY: Final[Mapping[Kind, tuple[str, ...]]] = {
    "rectangles": ("left", "bottom", "right", "top"),
    "segments": ("x0", "y0", "x1", "y1"),
    "points": ("x", "y"),
    "labels": ("x", "y", "text"),
    "image": ("image", "x", "y", "dw", "dh"),
    "pictures": ("image", "x", "y", "dw", "dh"),
}
_INVISIBLE: Final = {"fill_alpha": 0.0, "line_alpha": 0.0}

hv.renderer("bokeh")


@dataclass(frozen=True)
class Layer:
    """Marks of one kind in one figure.

    Attributes
    ----------
    kind : str
    columns : dict
        All columns of the live data source, those of `GEOMETRY` and any that styles name.
    style : dict
        Glyph properties; the same for every drawing of a panel, what varies is a column.
    selected : dict or None
        Makes the layer one of hit rectangles: invisible, its column ``name`` is the link between
        panels, and this is how a selected rectangle looks.
    """

    kind: Kind
    columns: Columns
    style: Mapping[str, Any] = field(default_factory=dict)
    selected: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Drawing:
    """One figure: its size in pixels, its ranges, and its layers from back to front.

    Without ranges a figure is measured in its own pixels, y pointing down.
    """

    width: int
    height: int
    layers: Mapping[str, Layer]
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None

    @property
    def x_range(self) -> tuple[float, float]:
        """Left and right end."""
        return self.x or (0, self.width)

    @property
    def y_range(self) -> tuple[float, float]:
        """Bottom and top; the bottom is the larger one where y points down."""
        return self.y or (self.height, 0)


OUTLINE: Final = {"line_color": style.SELECTED, "line_width": 1.6, "line_alpha": 1.0}
STRIPE: Final = {"fill_color": style.BAND, "fill_alpha": 1.0}


def rectangles(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Rectangles: (left, bottom, right, top) and a value for each of `names` a row."""
    return _table("rectangles", rows, names, {"line_color": None, **style_})


def segments(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Lines: (x0, y0, x1, y1) and a value for each of `names` a row."""
    return _table("segments", rows, names, style_)


def points(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Marks: (x, y) and a value for each of `names` a row."""
    return _table("points", rows, names, style_)


def labels(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Words: (x, y, text) and a value for each of `names` a row; 11 px unless said otherwise."""
    defaults = {
        "text_font": value(style.CANVAS_FONT),
        "text_font_size": value("11px"),
        "text_align": "left",
        "text_baseline": "middle",
        "text_color": style.MUTED,
    }
    return _table("labels", rows, names, defaults | style_)


def hits(rows: Sequence[Sequence[Any]], selected: Mapping[str, Any] = OUTLINE) -> Layer:
    """Invisible rectangles that are clicked: (left, bottom, right, top, name, tip) a row."""
    layer = _table("rectangles", rows, ("name", "tip"), {})
    return Layer("rectangles", layer.columns, _INVISIBLE, selected)


def pictures(rows: Sequence[tuple[NDArray[np.uint32], float, float, float, float]]) -> Layer:
    """RGBA pictures, row 0 at the top: (pixels, left, top, width, height) in pixels a row."""
    columns: Columns = {
        "image": [np.ascontiguousarray(pixels) for pixels, *_ in rows],
        "x": [x for _, x, *_ in rows],
        "y": [y for _, _, y, *_ in rows],
        "dw": [w for *_, w, _ in rows],
        "dh": [h for *_, h in rows],
    }
    return Layer("pictures", columns)


def _table(
    kind: Kind, rows: Sequence[Sequence[Any]], names: Sequence[str], style_: Mapping[str, Any]
) -> Layer:
    columns: Columns = {}
    for place, key in enumerate((*GEOMETRY[kind], *names)):
        cells = [row[place] for row in rows]
        place_of_mark = key in GEOMETRY[kind] and key != "text"
        columns[key] = np.asarray(cells, dtype=float) if place_of_mark else cells
    return Layer(kind, columns, style_)


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
                backend="bokeh", logz=True, clim=(0.1, 1.0)
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
        for key, layer in drawing.layers.items():
            self._dress(key, layer)
        self._frame(name, tools)
        self.figure.x_range = Range1d()
        self.figure.y_range = Range1d()
        self._measure(drawing)

    def _dress(self, key: str, layer: Layer) -> None:
        renderer = self.renderers[key]
        renderer.name = key
        renderer.data_source = ColumnDataSource(dict(layer.columns), name=key)
        self.sources[key] = renderer.data_source
        glyph = renderer.glyph
        glyph.update(**{place: place for place in GEOMETRY[layer.kind]}, **layer.style)
        renderer.level = "glyph"
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
            min_border_left=0,
            min_border_right=0,
            min_border_top=0,
            min_border_bottom=0,
            margin=0,
            outline_line_color=None,
            background_fill_color=style.WHITE,
            border_fill_color=style.WHITE,
            sizing_mode="fixed",
        )

    def _measure(self, drawing: Drawing) -> None:
        figure = self.figure
        figure.update(width=drawing.width, height=drawing.height)
        figure.update(frame_width=drawing.width, frame_height=drawing.height)
        for live, (start, end) in (
            (figure.x_range, drawing.x_range),
            (figure.y_range, drawing.y_range),
        ):
            live.update(start=start, end=end, reset_start=start, reset_end=end)

    def update(self, drawing: Drawing) -> None:
        """Show another drawing of the same panel; the layers must have the same names."""
        for key, layer in drawing.layers.items():
            columns = dict(layer.columns)
            if layer.kind == "labels":
                columns = _padded(columns, len(self.sources[key].data["x"]))
            self.sources[key].data = columns
        self._measure(drawing)


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
            blank = "" if name == "text" else style.INK
            longer[name] = [*values, *[blank] * missing]
    return longer
