"""What a panel wants to show: named layers of marks, back to front, each with columns.

`modviz.view.live` makes a Bokeh figure of it, `modviz.view.still` a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from bokeh.core.properties import value

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
_PICTURE: Final = (*GEOMETRY["pictures"], "of", "sheet", "tile")
_INVISIBLE: Final = {"fill_alpha": 0.0, "line_alpha": 0.0}


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
    fixed : bool
        Its colours are those of clusters, or stand on those: a dark theme leaves them alone.
    """

    kind: Kind
    columns: Columns
    style: Mapping[str, Any] = field(default_factory=dict)
    selected: Mapping[str, Any] | None = None
    fixed: bool = False


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
STRIPE: Final = {"fill_color": style.SELECTED, "fill_alpha": 0.09}


def rectangles(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Rectangles: (left, bottom, right, top) and a value for each of `names` a row."""
    return _table("rectangles", rows, names, {"line_color": None, **style_})


def segments(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Lines: (x0, y0, x1, y1) and a value for each of `names` a row."""
    return _table("segments", rows, names, style_)


def points(rows: Sequence[Sequence[Any]], *names: str, **style_: Any) -> Layer:
    """Marks: (x, y) and a value for each of `names` a row."""
    return _table("points", rows, names, style_)


def labels(rows: Sequence[Sequence[Any]], *names: str, fixed: bool = False, **style_: Any) -> Layer:
    """Words: (x, y, text) and a value for each of `names` a row; 11 px unless said otherwise."""
    defaults = {
        "text_font": value(style.CANVAS_FONT),
        "text_font_size": value("11px"),
        "text_align": "left",
        "text_baseline": "middle",
        "text_color": style.MUTED,
    }
    return replace(_table("labels", rows, names, defaults | style_), fixed=fixed)


def hits(
    rows: Sequence[Sequence[Any]], selected: Mapping[str, Any] = OUTLINE, *, moving: bool = False
) -> Layer:
    """Invisible rectangles that are clicked: (left, bottom, right, top, name, tip) a row.

    `moving`: each belongs to the row or cell of its own subcluster, and moves with it.
    """
    layer = _table("rectangles", rows, ("name", "tip"), {})
    own = {"of": list(layer.columns["name"])} if moving else {}
    return Layer("rectangles", layer.columns | own, _INVISIBLE, selected)


def pictures(rows: Sequence[Sequence[Any]]) -> Layer:
    """RGBA pictures, row 0 at the top: (pixels, left, top, width, height) in pixels a row.

    After these may come `of`, `sheet` and `tile`: whose cell a picture moves with, and where a
    browser finds it (see `modviz.view.sheets`), which is not sent the pixels themselves.
    """
    whole = [row if len(row) == len(_PICTURE) else (*row, "", "", 0) for row in rows]
    return Layer("pictures", {name: [row[k] for row in whole] for k, name in enumerate(_PICTURE)})


def _table(
    kind: Kind, rows: Sequence[Sequence[Any]], names: Sequence[str], style_: Mapping[str, Any]
) -> Layer:
    columns: Columns = {}
    for place, key in enumerate((*GEOMETRY[kind], *names)):
        cells = [row[place] for row in rows]
        place_of_mark = key in GEOMETRY[kind] and key != "text"
        columns[key] = np.asarray(cells, dtype=np.float32) if place_of_mark else cells
    return Layer(kind, columns, style_)
