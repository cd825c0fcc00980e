"""The gallery: what drives each subcluster most, optimised and among the real images.

A cell shows the input that was optimised for the subcluster beside that of one random set, and
below them the real images that drive it most. HoloViews draws one picture per element; its Bokeh
glyph takes many. All pictures of the gallery are one glyph, each at its own place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from modviz.view import drawing, gallery, style, top_images
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import LEVEL, Facts
from modviz.view.gallery import Cell, Gallery
from modviz.view.pictures import COARSE, resized, rgba


def head(facts: Facts) -> str:
    """HTML above the panel, a line for each kind of picture."""
    results, tops = facts.analysis.features, facts.analysis.top_images
    images = next((r.images for r in (results, tops) if r is not None), None)
    level = ", bold at 0.05"
    level += "; darker = larger value" if images is not None and images.shape[-1] == 1 else ""
    said = []
    if results is not None:
        place, other = ("left", "right") if tops is None else ("top left", "top right")
        sets = style.plural(facts.n_image_controls, "random set")
        said.append(
            f"{place}: the input that drives the subcluster most; {other}: the same for its first "
            f"random set; p of score · p of entropy against {sets}{level}"
        )
    elif tops is None or facts.awaited("features"):
        said.append(escape(facts.waiting("feature images")))
    if tops is not None:
        sets = style.plural(facts.controls_of("image_entropy"), "random set")
        shown = "the real images that drive it most; " if tops.images is not None else ""
        said.append(
            f"{'below: ' if said else ''}{shown}entropy of the classes of its top "
            f"{tops.numbers.shape[1]} images, 0 = all of one class; its p against {sets}"
            f"{level if results is None else ''}"
        )
    alone = tops is not None and len(said) == 1
    return style.header("Top images" if alone else "Feature images", "<br>".join(said))


def head_height(facts: Facts) -> int:
    """Pixels that the head takes."""
    return style.HEADER + 16 * head(facts).count("<br>")


@dataclass
class _Marks:
    """What is drawn, layer by layer."""

    shown: list[tuple[NDArray[np.uint32], float, float, float, float]] = field(default_factory=list)
    blanks: Marks = field(default_factory=list)
    bars: Marks = field(default_factory=list)
    words: Marks = field(default_factory=list)
    bold: Marks = field(default_factory=list)
    hits: Marks = field(default_factory=list)

    def picture(
        self, image: NDArray[np.float32] | None, x: float, y: float, w: int, h: int
    ) -> None:
        """A picture in a thin frame, or an empty place for one that is not there."""
        if image is None:
            self.blanks.append((x, y, x + w, y + h, style.BAND))
        else:
            self.blanks.append((x - 0.5, y - 0.5, x + w + 0.5, y + h + 0.5, style.LINE))
            self.shown.append((rgba(image), x, y, w, h))

    def name(self, facts: Facts, i: int, x: float, y: float) -> None:
        """The name of a subcluster."""
        self.bold.append((x, y, facts.names[i], style.INK))

    def p_value(self, facts: Facts, statistic: str, i: int, x: float, y: float) -> float:
        """A p, bold at the level; gives where it ends."""
        text = facts.p_text(statistic, i)
        strong = facts.p(statistic, i) <= LEVEL
        marks = self.bold if strong else self.words
        marks.append((x, y, text, style.INK if strong else style.TEXT))
        return x + style.text_width(text, bold=strong)


def draw(facts: Facts | None) -> Drawing:
    """The pictures by layer, with names, units and p below each subcluster's."""
    marks, height = _Marks(), 40
    if facts is not None:
        places = gallery.arrange(facts)
        height = places.height
        marks.words += [(x, y, text, style.MUTED) for x, y, text in places.layers]
        for cell in places.cells:
            if places.pair:
                _draw_pair(facts, marks, places, cell)
            if places.tops:
                _draw_tops(facts, marks, places, cell)
            x, y, name = cell.x, cell.y, facts.names[cell.i]
            right, bottom = x + places.wide + 3, y + places.tall
            marks.hits.append((x - 3, y - 5, right, bottom, name, _tip(facts, cell.i)))
    return Drawing(
        style.PAGE,
        height,
        {
            "blanks": drawing.rectangles(marks.blanks, "fill", fill_color="fill"),
            "pictures": drawing.pictures(marks.shown),
            "bars": drawing.rectangles(marks.bars, "fill", fill_color="fill"),
            "words": drawing.labels(marks.words, "ink", text_color="ink"),
            "bold": drawing.labels(marks.bold, "ink", text_color="ink", text_font_style="bold"),
            "hits": drawing.hits(marks.hits),
        },
    )


def _units(facts: Facts, i: int) -> str:
    return style.plural(len(facts.subclusters[i].units), "unit")


def _draw_pair(facts: Facts, marks: _Marks, places: Gallery, cell: Cell) -> None:
    """The optimised picture and that of a random set, with name, units and the p of both."""
    i, x, y, second = cell.i, cell.x, cell.y, cell.x + places.second
    w, h = places.size
    results = facts.analysis.features
    for left, pictures, color in (
        (x, None if results is None else results.images, facts.colors[i]),
        (second, None if results is None else results.control_images, style.LINE),
    ):
        there = pictures is not None and not np.isnan(pictures[i]).all()
        marks.picture(pictures[i] if there and pictures is not None else None, left, y, w, h)
        marks.bars.append((left, y + h + gallery.BAR, left + w, y + h + gallery.BAR + 4, color))
    marks.name(facts, i, x, y + h + gallery.FIRST)
    marks.words.append((second, y + h + gallery.FIRST, "random set", style.MUTED))
    line, at = y + h + gallery.SECOND, x + places.beside
    marks.words.append((x, line, _units(facts, i), style.MUTED))
    if not facts.pictured[i]:
        marks.words.append((at, line, "–", style.MUTED))
        return
    at = marks.p_value(facts, "score", i, at, line)
    marks.words.append((at + 4, line, "·", style.MUTED))
    marks.p_value(facts, "entropy", i, at + 10, line)


def _draw_tops(facts: Facts, marks: _Marks, places: Gallery, cell: Cell) -> None:
    """The real images, and below them the entropy of their classes with its p."""
    i, x, y = cell.i, cell.x, cell.y
    tops, (w, h) = facts.analysis.top_images, places.small
    corners = places.corners()
    if tops is None:
        for dx, dy in corners:
            marks.picture(None, x + dx, y + dy, w, h)
    elif tops.images is not None and facts.topped[i]:
        for (dx, dy), image in zip(corners, tops.images[i], strict=False):
            small = max(image.shape[:2]) <= COARSE
            marks.picture(image if small else resized(image, w, h), x + dx, y + dy, w, h)
    line = y + places.tops_from + places.tops_height + gallery.BELOW_TOPS
    if not places.pair:
        end = line - gallery.BELOW_TOPS
        marks.bars.append(
            (x, end + gallery.BAR, x + places.wide, end + gallery.BAR + 4, facts.colors[i])
        )
        marks.name(facts, i, x, end + gallery.FIRST)
        marks.words.append((x + places.beside, end + gallery.FIRST, _units(facts, i), style.MUTED))
        line = end + gallery.SECOND
    if not facts.topped[i]:
        marks.words.append((x, line, "–", style.MUTED))
        return
    entropy = float(facts.table["image_entropy"].iloc[i])
    marks.words.append((x, line, f"{entropy:.2f} nats", style.MUTED))
    marks.words.append((x + places.beside, line, "p", style.MUTED))
    marks.p_value(facts, "image_entropy", i, x + places.beside + 10, line)


def _tip(facts: Facts, i: int) -> str:
    s = facts.subclusters[i]
    lines = [f"<b>{s.name}</b> {_units(facts, i)}, {escape(s.layer)}"]
    for statistic in ("score", "entropy") if facts.pictured[i] else ():
        value = float(facts.table[statistic].iloc[i])
        q = style.q_text(facts.q(statistic, i))
        shown = "undefined" if np.isnan(value) else f"{value:.3g}"
        lines.append(f"{statistic} {shown}, p {facts.p_text(statistic, i)}, q {q}")
    return "<br>".join(lines + top_images.tip(facts, i))
