"""A `Drawing` painted into a picture, for places that have no browser.

The panels describe themselves as layers of marks; Bokeh draws them in a page, and this module
draws the same marks with Pillow. Layers of hit rectangles are invisible there and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np
from bokeh.core.property.vectorization import Value
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from modviz.view import adjacency, lettering, style
from modviz.view.drawing import Drawing, Layer

#: Pixels of the picture for each pixel of the page.
SCALE: Final = 2
#: Round marks are painted at this many times their size and then made smaller: smooth edges.
_SMOOTH = 4
_ALIGN = {"left": 0.0, "center": 0.5, "right": 1.0}


def text_width(words: str, size: float = 11, *, bold: bool = False) -> float:
    """How many pixels of the page `words` take on a canvas."""
    mask = lettering.mask(lettering.drawable(words), SCALE * size, bold=bold)
    return (mask.width - 2) / SCALE


class Canvas:
    """A white picture that is measured in pixels of the page, y pointing down.

    Parameters
    ----------
    width, height : int
        Pixels of the page; the picture has `SCALE` times as many a side.
    """

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (SCALE * width, SCALE * height), style.WHITE)
        self._pen = ImageDraw.Draw(self.image)

    def png(self) -> bytes:
        """The picture as a PNG file of at most 256 colours."""
        buffer = BytesIO()
        few = self.image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        # it takes the mean of similar colours: white paper would come out as a light grey
        palette = np.array(few.getpalette(), dtype=np.uint8).reshape(-1, 3)
        palette[(palette >= 252).all(axis=1)] = 255
        few.putpalette(palette.tobytes())
        few.save(buffer, format="PNG")
        return buffer.getvalue()

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: str, alpha: float = 1.0
    ) -> None:
        """A filled rectangle, at least one pixel of the picture wide and high."""
        x, y = (sorted(round(SCALE * v) for v in pair) for pair in ((left, right), (top, bottom)))
        size = max(1, x[1] - x[0]), max(1, y[1] - y[0])
        if alpha >= 1:
            self.image.paste(fill, (x[0], y[0], x[0] + size[0], y[0] + size[1]))
        elif alpha > 0:
            self.image.paste(fill, (x[0], y[0]), Image.new("L", size, round(255 * alpha)))

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        color: str,
        width: float = 1.0,
        alpha: float = 1.0,
    ) -> None:
        """A straight line; upright and level ones are rectangles, so that they stay sharp."""
        (x0, y0), (x1, y1) = start, end
        half = width / 2
        if x0 == x1:
            self.box(x0 - half, min(y0, y1), x0 + half, max(y0, y1), color, alpha)
        elif y0 == y1:
            self.box(min(x0, x1), y0 - half, max(x0, x1), y0 + half, color, alpha)
        else:
            ends = [SCALE * v for v in (x0, y0, x1, y1)]
            color = style.mix(color, style.WHITE, 1 - alpha)
            self._pen.line(ends, fill=color, width=max(1, round(SCALE * width)))

    def dot(self, x: float, y: float, size: float, fill: str, line: str, width: float) -> None:
        """A disc of `size` pixels across with an outline."""
        side = round(SCALE * (size + width)) + 2
        corner = round(SCALE * x - side / 2), round(SCALE * y - side / 2)
        middle = [_SMOOTH * (SCALE * v - c) for v, c in zip((x, y), corner, strict=True)]
        stamp = Image.new("RGB", (_SMOOTH * side,) * 2, line)
        masks = []
        for across in (size + width, size - width):
            r = _SMOOTH * SCALE * across / 2
            mask = Image.new("L", stamp.size)
            edges = [middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r]
            ImageDraw.Draw(mask).ellipse(edges, fill=255)
            masks.append(mask)
        stamp.paste(fill, (0, 0), masks[1])
        small = (side, side)
        self.image.paste(stamp.resize(small), corner, masks[0].resize(small))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        color: str = style.TEXT,
        size: float = 11,
        bold: bool = False,
        align: str = "left",
        angle: float = 0.0,
    ) -> None:
        """Words with their middle line at y; `angle` in radians, anticlockwise."""
        said = lettering.drawable(words)
        if not said:
            return
        mask = lettering.mask(said, SCALE * size, bold=bold)
        back = _ALIGN[align] * (mask.width - 2)
        if angle:
            # only upright words are in use: a quarter turn keeps every pixel
            mask = mask.rotate(float(np.degrees(angle)), expand=True)
            along = -np.sin(angle) * (0.5 - _ALIGN[align]) * mask.height
            left, top = SCALE * x - mask.width / 2, SCALE * y + along - mask.height / 2
        else:
            left, top = SCALE * x - back - 1, SCALE * y - mask.height / 2
        self.image.paste(color, (round(left), round(top)), mask)

    def picture(
        self, pixels: NDArray[np.uint8], left: float, top: float, width: float, height: float
    ) -> None:
        """A picture of shape (h, w, 3), enlarged without smoothing, as in a page."""
        size = max(1, round(SCALE * width)), max(1, round(SCALE * height))
        image = Image.fromarray(np.ascontiguousarray(pixels))
        larger = size[0] >= image.width and size[1] >= image.height
        how = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
        self.image.paste(image.resize(size, how), (round(SCALE * left), round(SCALE * top)))

    def draw(
        self,
        drawing: Drawing,
        left: float = 0,
        top: float = 0,
        limits: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Paint a drawing with its left upper corner at a place.

        Parameters
        ----------
        drawing : Drawing
        left, top : float
        limits : (float, float)
            Values of an image that are white and darkest, evenly graded between them.
        """
        place = _Place(drawing, left, top)
        for layer in drawing.layers.values():
            if layer.selected is None:
                _PAINTERS[layer.kind](self, place, layer, limits)


class _Place:
    """From the coordinates of a drawing to those of the canvas."""

    def __init__(self, drawing: Drawing, left: float, top: float) -> None:
        self._drawing, self._left, self._top = drawing, left, top

    def x(self, value: float) -> float:
        low, high = self._drawing.x_range
        return self._left + (value - low) / (high - low) * self._drawing.width

    def y(self, value: float) -> float:
        low, high = self._drawing.y_range
        return self._top + (high - value) / (high - low) * self._drawing.height

    def frame(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        """Left, top, width and height of a picture whose first row is at `y`."""
        left, right = self.x(x), self.x(x + w)
        first, last = self.y(y), self.y(y + h)
        return left, min(first, last), right - left, abs(last - first)

    @property
    def upward(self) -> bool:
        """Whether y grows upwards: the first row of a picture is then the lowest."""
        low, high = self._drawing.y_range
        return high > low


def _rows(layer: Layer) -> Iterator[dict[str, Any]]:
    """The marks of a layer, each with its columns and with the styles that hold for it."""
    columns = layer.columns
    length = len(next(iter(columns.values()), ()))
    # like Bokeh: a word that is the name of a column stands for the column's values
    named = {
        key: value.value if isinstance(value, Value) else value
        for key, value in layer.style.items()
        if isinstance(value, Value) or not (isinstance(value, str) and value in columns)
    }
    looked_up = {key: columns[value] for key, value in layer.style.items() if key not in named}
    for i in range(length):
        mark = {key: values[i] for key, values in columns.items()}
        yield {**mark, **named, **{key: values[i] for key, values in looked_up.items()}}


def _rectangles(canvas: Canvas, at: _Place, layer: Layer, _limits: object) -> None:
    for row in _rows(layer):
        left, right = at.x(row["left"]), at.x(row["right"])
        top, bottom = sorted((at.y(row["top"]), at.y(row["bottom"])))
        if row.get("fill_color"):
            canvas.box(left, top, right, bottom, row["fill_color"], row.get("fill_alpha", 1.0))
        line, alpha = row.get("line_color"), row.get("line_alpha", 1.0)
        if line:
            width = row.get("line_width", 1.0)
            for start, end in (
                ((left, top), (right, top)),
                ((left, bottom), (right, bottom)),
                ((left, top), (left, bottom)),
                ((right, top), (right, bottom)),
            ):
                canvas.line(start, end, line, width, alpha)


def _segments(canvas: Canvas, at: _Place, layer: Layer, _limits: object) -> None:
    for row in _rows(layer):
        ends = (at.x(row["x0"]), at.y(row["y0"])), (at.x(row["x1"]), at.y(row["y1"]))
        color = row.get("line_color") or style.INK
        canvas.line(*ends, color, row.get("line_width", 1.0), row.get("line_alpha", 1.0))


def _points(canvas: Canvas, at: _Place, layer: Layer, _limits: object) -> None:
    for row in _rows(layer):
        fill = row.get("fill_color") or style.WHITE
        line = row.get("line_color") or fill
        width = row.get("line_width", 1.0) if row.get("line_color") else 0.0
        canvas.dot(at.x(row["x"]), at.y(row["y"]), row.get("size", 4), fill, line, width)


def _labels(canvas: Canvas, at: _Place, layer: Layer, _limits: object) -> None:
    for row in _rows(layer):
        canvas.text(
            at.x(row["x"]),
            at.y(row["y"]),
            row["text"],
            color=row.get("text_color", style.INK),
            size=float(str(row.get("text_font_size", "11px")).removesuffix("px")),
            bold=row.get("text_font_style") == "bold",
            align=row.get("text_align", "left"),
            angle=row.get("angle", 0.0),
        )


def _image(canvas: Canvas, at: _Place, layer: Layer, limits: tuple[float, float]) -> None:
    colors = np.array([ImageColor.getrgb(color) for color in adjacency.palette()], dtype=np.uint8)
    low, high = limits
    for row in _rows(layer):
        share = np.clip((np.asarray(row["image"], dtype=float) - low) / (high - low), 0, 1)
        _paste(canvas, at, row, colors[np.rint(share * (len(colors) - 1)).astype(int)])


def _pictures(canvas: Canvas, at: _Place, layer: Layer, _limits: object) -> None:
    for row in _rows(layer):
        packed = np.ascontiguousarray(row["image"], dtype="<u4")
        rgba = packed.view(np.uint8).reshape(*packed.shape, 4)
        _paste(canvas, at, row, rgba[..., :3])


def _paste(canvas: Canvas, at: _Place, row: Mapping[str, Any], pixels: NDArray[np.uint8]) -> None:
    frame = at.frame(row["x"], row["y"], row["dw"], row["dh"])
    canvas.picture(pixels[::-1] if at.upward else pixels, *frame)


_PAINTERS: Final = {
    "rectangles": _rectangles,
    "segments": _segments,
    "points": _points,
    "labels": _labels,
    "image": _image,
    "pictures": _pictures,
}
