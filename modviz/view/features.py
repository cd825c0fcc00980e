"""The gallery: what drives each subcluster most, optimised and among the real images.

A cell shows the input that was optimised for the subcluster beside that of one random group, and
below them the real images that drive it most. HoloViews draws one picture per element; its Bokeh
glyph takes many, and all pictures of the gallery are one glyph, each at its own place. Marks name
the subcluster of their cell: the page's scripts move cells when the page is narrow or filtered.
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
from modviz.view.pictures import rgba
from modviz.view.sheets import Kind


def head(facts: Facts) -> str:
    """HTML above the panel, a line for each kind of picture."""
    results, tops = facts.analysis.features, facts.analysis.top_images
    images = next((r.images for r in (results, tops) if r is not None), None)
    level = ", bold at 0.05"
    level += "; darker = larger value" if images is not None and images.shape[-1] == 1 else ""
    said = []
    if results is not None:
        place, other = ("left", "right") if tops is None else ("top left", "top right")
        groups = style.plural(facts.n_image_controls, "random group")
        said.append(
            f"{place}: the input that drives the subcluster most; {other}: the same for its first "
            f"random group; p of score · p of entropy against {groups}{level}"
        )
    elif tops is None or facts.awaited("features"):
        said.append(escape(facts.waiting("feature images")))
    if tops is not None:
        groups = style.plural(facts.controls_of("image_entropy"), "random group")
        shown = "the real images that drive it most; " if tops.images is not None else ""
        said.append(
            f"{'below: ' if said else ''}{shown}entropy of the classes of its top "
            f"{tops.numbers.shape[1]} images, 0 = all of one class; its p against {groups}"
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

    shown: Marks = field(default_factory=list)
    blanks: Marks = field(default_factory=list)
    bars: Marks = field(default_factory=list)
    words: Marks = field(default_factory=list)
    bold: Marks = field(default_factory=list)
    hits: Marks = field(default_factory=list)

    def picture(
        self,
        of: str,
        image: NDArray[np.float32] | None,
        box: tuple[float, float, int, int],
        source: tuple[Kind, int],
    ) -> None:
        """A picture in a thin frame, or an empty place for one that is not there."""
        x, y, w, h = box
        if image is None:
            self.blanks.append((x, y, x + w, y + h, style.BAND, of))
        else:
            self.blanks.append((x - 0.5, y - 0.5, x + w + 0.5, y + h + 0.5, style.LINE, of))
            self.shown.append((rgba(image), x, y, w, h, of, *source))

    def name(self, facts: Facts, i: int, x: float, y: float) -> None:
        """The name of a subcluster."""
        self.bold.append((x, y, facts.names[i], style.INK, facts.names[i]))

    def word(self, facts: Facts, i: int, x: float, y: float, text: str) -> None:
        """A word of a cell."""
        self.words.append((x, y, text, style.MUTED, facts.names[i]))

    def p_value(self, facts: Facts, statistic: str, i: int, x: float, y: float) -> float:
        """A p, bold at the level; gives where it ends."""
        text = facts.p_text(statistic, i)
        strong = facts.p(statistic, i) <= LEVEL
        marks = self.bold if strong else self.words
        marks.append((x, y, text, style.INK if strong else style.TEXT, facts.names[i]))
        return x + style.text_width(text, bold=strong)


def draw(facts: Facts | None) -> Drawing:
    """The pictures by layer, with names, units and p below each subcluster's."""
    marks, height = _Marks(), 40
    if facts is not None:
        places = gallery.arrange(facts)
        height = places.height
        marks.words += [(la.x, la.y, la.title, style.MUTED, la.key) for la in places.layers]
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
            "blanks": drawing.rectangles(marks.blanks, "fill", "of", fill_color="fill"),
            "pictures": drawing.pictures(marks.shown),
            "bars": drawing.rectangles(marks.bars, "fill", "of", fill_color="fill"),
            "words": drawing.labels(marks.words, "ink", "of", text_color="ink"),
            "bold": drawing.labels(
                marks.bold, "ink", "of", text_color="ink", text_font_style="bold"
            ),
            "hits": drawing.hits(marks.hits, moving=True),
        },
    )


def _units(facts: Facts, i: int) -> str:
    return style.plural(len(facts.subclusters[i].units), "unit")


def _draw_pair(facts: Facts, marks: _Marks, places: Gallery, cell: Cell) -> None:
    """The optimised picture and that of a random group, with name, units and the p of both."""
    i, x, y, second = cell.i, cell.x, cell.y, cell.x + places.second
    w, h = places.size
    name, results = facts.names[i], facts.analysis.features
    for left, pictures, color, tile in (
        (x, None if results is None else results.images, facts.colors[i], i),
        (
            second,
            None if results is None else results.control_images,
            style.LINE,
            len(facts.names) + i,
        ),
    ):
        image = None if pictures is None else pictures[i]
        if image is not None and np.isnan(image).all():
            image = None
        marks.picture(name, image, (left, y, w, h), ("features", tile))
        bar = y + h + gallery.BAR
        marks.bars.append((left, bar, left + w, bar + 4, color, name))
    marks.name(facts, i, x, y + h + gallery.FIRST)
    marks.word(facts, i, second, y + h + gallery.FIRST, "random")
    line, at = y + h + gallery.SECOND, x + places.beside
    marks.word(facts, i, x, line, _units(facts, i))
    if not facts.pictured[i]:
        marks.word(facts, i, at, line, "–")
        return
    at = marks.p_value(facts, "score", i, at, line)
    marks.word(facts, i, at + 4, line, "·")
    marks.p_value(facts, "entropy", i, at + 10, line)


def _draw_tops(facts: Facts, marks: _Marks, places: Gallery, cell: Cell) -> None:
    """The real images, and below them the entropy of their classes with its p."""
    i, x, y, name = cell.i, cell.x, cell.y, facts.names[cell.i]
    tops, (w, h) = facts.analysis.top_images, places.small
    corners = places.corners()
    if tops is None:
        for dx, dy in corners:
            marks.picture(name, None, (x + dx, y + dy, w, h), ("tops", 0))
    elif tops.images is not None and facts.topped[i]:
        first = i * tops.images.shape[1]
        for t, ((dx, dy), image) in enumerate(
            zip(corners, tops.images[i, : len(corners)], strict=False)
        ):
            marks.picture(name, image, (x + dx, y + dy, w, h), ("tops", first + t))
    line = y + places.tops_from + places.tops_height + gallery.BELOW_TOPS
    if not places.pair:
        end = line - gallery.BELOW_TOPS
        bar = end + gallery.BAR
        marks.bars.append((x, bar, x + places.wide, bar + 4, facts.colors[i], name))
        marks.name(facts, i, x, end + gallery.FIRST)
        marks.word(facts, i, x + places.beside, end + gallery.FIRST, _units(facts, i))
        line = end + gallery.SECOND
    if not facts.topped[i]:
        marks.word(facts, i, x, line, "–")
        return
    entropy = facts.value("image_entropy", i)
    marks.word(facts, i, x, line, f"{entropy:.2f} nats")
    marks.word(facts, i, x + places.beside, line, "p")
    marks.p_value(facts, "image_entropy", i, x + places.beside + 10, line)


def _tip(facts: Facts, i: int) -> str:
    s = facts.subclusters[i]
    lines = [f"<b>{s.name}</b> {_units(facts, i)}, {escape(s.layer)}"]
    for statistic in ("score", "entropy") if facts.pictured[i] else ():
        value = facts.value(statistic, i)
        q = style.q_text(facts.q(statistic, i))
        shown = "undefined" if np.isnan(value) else f"{value:.3g}"
        lines.append(f"{statistic} {shown}, p {facts.p_text(statistic, i)}, q {q}")
    return "<br>".join(lines + top_images.tip(facts, i))
