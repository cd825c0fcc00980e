"""Feature images: the input that drives each subcluster most, and that of one random set.

HoloViews draws one picture per element; its Bokeh glyph takes many. All pictures of the gallery are
one glyph, each at its own place and at its native size, enlarged in the browser without smoothing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modviz.view import drawing, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import LEVEL, Facts

_CELL = 56
_LARGEST = 112
_BETWEEN = 4
_LAYER = 24
_BELOW = 52
#: Room for the outline of a selected picture at both ends of a line.
_INSET = 4
_LIGHT, _DARK = 244.0, 14.0


def reduced(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture with blocks averaged until no side is longer than 112 pixels."""
    factor = int(np.ceil(max(image.shape[:2]) / _LARGEST))
    if factor == 1:
        return image
    h, w, d = (image.shape[0] // factor, image.shape[1] // factor, image.shape[2])
    blocks = image[: h * factor, : w * factor].reshape(h, factor, w, factor, d)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def pixels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture of values 0 .. 1, shape (H, W, 1 or 3), as (H, W, 3) bytes; grey: dark = 1."""
    values = np.clip(np.nan_to_num(reduced(image)), 0, 1)
    if values.shape[2] == 1:
        values = np.repeat(_LIGHT + (_DARK - _LIGHT) * values, 3, axis=2)
    else:
        values = 255 * values
    return np.asarray(np.rint(values), dtype=np.uint8)


def png(image: NDArray[np.float32]) -> str:
    """The same as a data address of a PNG file."""
    buffer = BytesIO()
    Image.fromarray(pixels(image)).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rgba(image: NDArray[np.float32]) -> NDArray[np.uint32]:
    rgb = pixels(image)  # row 0 is painted at the low end of y, which points down here
    alpha = np.full((*rgb.shape[:2], 1), 255, dtype=np.uint8)
    return np.concatenate([rgb, alpha], axis=2).view(np.uint32)[..., 0]


@dataclass(frozen=True)
class Cell:
    """Where the pictures of subcluster `i` stand."""

    i: int
    x: float
    y: float


@dataclass(frozen=True)
class Gallery:
    """Places of all pictures: layers follow each other, wrap, and share a line where they fit."""

    size: tuple[int, int]
    cells: list[Cell]
    layers: list[tuple[float, float, str]]
    height: int


def arrange(facts: Facts) -> Gallery:
    """Lay out the tested subclusters of all layers."""
    w, h = _thumbnail(facts)
    wide = max(2 * w + _BETWEEN, 116)
    line = style.PAGE - 2 * _INSET
    slots = max(1, int((line + 18) // (wide + 18)))
    pitch = wide if slots == 1 else (line - wide) / (slots - 1)
    tall = _LAYER + h + _BELOW
    cells: list[Cell] = []
    titles: list[tuple[float, float, str]] = []
    slot, y = 0, 0.0
    for layer in facts.hidden_layers:
        members = [
            i for i, s in enumerate(facts.subclusters) if s.layer == layer.name and facts.tested[i]
        ]
        if not members:
            continue
        if slot and slot + len(members) > slots:
            slot, y = 0, y + tall
        # lines of about the same length: eight pictures are four and four, not seven and one
        lines = -(-len(members) // slots)
        per_line = -(-len(members) // lines)
        title = f"Layer {layer.number}"
        if layer.name != title.lower():
            title += f" · {layer.name}"
        titles.append(
            (_INSET + slot * pitch, y + 12, style.fit(title, min(len(members), slots) * pitch - 20))
        )
        for place, i in enumerate(members):
            if place and place % per_line == 0:
                slot, y = 0, y + tall - 12
            cells.append(Cell(i, _INSET + slot * pitch, y + _LAYER))
            slot += 1
    return Gallery((w, h), cells, titles, int(y + tall))


def _thumbnail(facts: Facts) -> tuple[int, int]:
    """Width and height of a picture on the page: about 56 pixels, whole multiples of small ones."""
    if facts.analysis.features is None:
        return _CELL, _CELL
    h, w = facts.analysis.features.images.shape[1:3]
    longest = max(h, w)
    times = max(2, round(_CELL / longest)) if 2 * longest <= _LARGEST else _LARGEST / longest
    return max(8, round(w * times)), max(8, round(h * times))


def head(facts: Facts) -> str:
    """HTML above the panel."""
    if facts.analysis.features is None:
        return style.header("Feature images", escape(facts.waiting("feature images")))
    n = facts.n_image_controls
    grey = facts.analysis.features.images.shape[3] == 1
    say = (
        "left: the input that drives the subcluster most; right: the same for its first random "
        f"set; p of score · p of entropy against {style.plural(n, 'random set')}, bold at 0.05"
    )
    return style.header("Feature images", say + ("; darker = larger value" if grey else ""))


def draw(facts: Facts | None) -> Drawing:
    """Thumbnails by layer, each with its first control beside it, its name, units and p."""
    shown: list[tuple[NDArray[np.uint32], float, float, float, float]] = []
    blanks: Marks = []
    bars: Marks = []
    words: Marks = []
    bold: Marks = []
    hits: Marks = []
    height = 40
    if facts is not None:
        gallery = arrange(facts)
        height = gallery.height
        w, h = gallery.size
        second = w + _BETWEEN
        words += [(x, y, text, style.MUTED) for x, y, text in gallery.layers]
        for cell in gallery.cells:
            i, x, y = cell.i, cell.x, cell.y
            s, results = facts.subclusters[i], facts.analysis.features
            for left, pictures in (
                (x, None if results is None else results.images),
                (x + second, None if results is None else results.control_images),
            ):
                if pictures is None or np.isnan(pictures[i]).any():
                    blanks.append((left, y, left + w, y + h, style.BAND))
                else:
                    blanks.append((left - 0.5, y - 0.5, left + w + 0.5, y + h + 0.5, style.LINE))
                    shown.append((_rgba(pictures[i]), left, y, w, h))
            bars.append((x, y + h + 2, x + w, y + h + 6, facts.colors[i]))
            bars.append((x + second, y + h + 2, x + second + w, y + h + 6, style.LINE))
            bold.append((x, y + h + 16, s.name, style.INK))
            words.append((x + second, y + h + 16, "random set", style.MUTED))
            words.append((x, y + h + 30, style.plural(len(s.units), "unit"), style.MUTED))
            _p_values(facts, i, x + max(second, 60), y + h + 30, words, bold)
            right = max(x + second + w, x + 116)
            hits.append((x - 3, y - 5, right + 3, y + h + 39, s.name, _tip(facts, i)))
    return Drawing(
        style.PAGE,
        height,
        {
            "blanks": drawing.rectangles(blanks, "fill", fill_color="fill"),
            "pictures": drawing.pictures(shown),
            "bars": drawing.rectangles(bars, "fill", fill_color="fill"),
            "words": drawing.labels(words, "ink", text_color="ink"),
            "bold": drawing.labels(bold, "ink", text_color="ink", text_font_style="bold"),
            "hits": drawing.hits(hits),
        },
    )


def _p_values(
    facts: Facts,
    i: int,
    x: float,
    y: float,
    words: Marks,
    bold: Marks,
) -> None:
    """Write p of score · p of entropy, each bold on its own at the level."""
    if not facts.pictured[i]:
        words.append((x, y, "–", style.MUTED))
        return
    for place, statistic in enumerate(("score", "entropy")):
        p = facts.p(statistic, i)
        text = style.p_text(p, facts.n_image_controls)
        if place:
            words.append((x, y, "·", style.MUTED))
            x += 6
        strong = p <= LEVEL
        (bold if strong else words).append((x, y, text, style.INK if strong else style.TEXT))
        x += style.text_width(text, bold=strong) + 4


def _tip(facts: Facts, i: int) -> str:
    s = facts.subclusters[i]
    lines = [f"<b>{s.name}</b> {style.plural(len(s.units), 'unit')}, {escape(s.layer)}"]
    for statistic in ("score", "entropy") if facts.pictured[i] else ():
        value = float(facts.table[statistic].iloc[i])
        p, q = facts.p(statistic, i), facts.q(statistic, i)
        shown = "undefined" if np.isnan(value) else f"{value:.3g}"
        lines.append(
            f"{statistic} {shown}, p {style.p_text(p, facts.n_image_controls)}, q {style.q_text(q)}"
        )
    return "<br>".join(lines)
