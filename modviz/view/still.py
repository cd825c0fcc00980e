"""An analysis where no front end is: the page as one picture, and the result as plain HTML.

A script, a converted notebook or a page that only shows notebooks has no widgets. What is left of
an explorer there is a picture of its panels, the result in words and a table of the subclusters.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from modviz.core.analysis import Analysis
from modviz.view import adjacency, classes, clusters, features, lesions, partition, style
from modviz.view.canvas import SCALE, Canvas
from modviz.view.drawing import Drawing
from modviz.view.evidence import verdict
from modviz.view.facts import LEVEL, Facts
from modviz.view.heading import Heading
from modviz.view.order import Sorted
from modviz.view.overview import in_words

_MARGIN: Final = 16
#: A panel is cut off at this many pixels: the picture travels with the notebook, twice.
_TALLEST: Final = 720
#: Rows of the table of subclusters; the others are counted in a line below it.
_MOST_ROWS: Final = 60
#: What headings say to a hand that can click; a picture cannot be dragged.
_FOR_HANDS: Final = ("; drag to zoom",)


def picture(analysis: Analysis) -> bytes:
    """The panels of the page as one picture.

    Parameters
    ----------
    analysis : Analysis
        Whole or partial; what was not measured is said.

    Returns
    -------
    bytes
        A PNG file, twice as many pixels as the page has.
    """
    facts = Facts(analysis)
    order = Sorted(facts)
    below = max(classes.bottom(facts), lesions.BOTTOM)
    table = clusters.height(clusters.n_rows(facts))
    side = style.LEFT + style.GUTTER
    rows = [
        [
            _Panel(0, partition.head(facts), _whole(partition.draw(facts, table))),
            _Panel(side, adjacency.head(facts, order), _weights(facts, order)),
        ],
        [
            _Panel(0, lesions.head(facts), _whole(lesions.draw(facts, below))),
            _Panel(side, classes.head(facts), _whole(classes.draw(facts, below))),
        ],
        [_Panel(0, features.head(facts), _whole(features.draw(facts)))],
    ]
    low, high = order.scale.code(np.asarray(order.limits, dtype=np.float32))
    return _compose(rows, (float(low), float(high)))


@dataclass(frozen=True)
class _Panel:
    """A panel on the picture: its left edge, the HTML above it, its drawings and their corners."""

    left: float
    head: str
    drawings: list[tuple[float, float, Drawing]]

    @property
    def height(self) -> float:
        return max(top + drawing.height for _, top, drawing in self.drawings)

    @property
    def width(self) -> float:
        return max(left + drawing.width for left, _, drawing in self.drawings)


def _whole(drawing: Drawing) -> list[tuple[float, float, Drawing]]:
    return [(0, 0, drawing)]


def _weights(facts: Facts, order: Sorted) -> list[tuple[float, float, Drawing]]:
    """The matrix with a strip of clusters at two sides, and the table of clusters beside it."""
    strip = adjacency.STRIP
    return [
        (strip, 0, adjacency.draw_strip(order, across=True)),
        (0, strip, adjacency.draw_strip(order, across=False)),
        (strip, strip, adjacency.draw(order)),
        (style.RIGHT - clusters.WIDTH, 0, clusters.draw(facts)),
    ]


def _without_hands(head: str) -> str:
    for words in _FOR_HANDS:
        head = head.replace(words, "")
    return head


def _compose(rows: list[list[_Panel]], limits: tuple[float, float]) -> bytes:
    """Rows of panels below each other, each with its head, on one canvas."""
    heads = [[Heading.read(_without_hands(panel.head)) for panel in row] for row in rows]
    above = [max(head.height for head in row) for row in heads]
    tall = [min(max(panel.height for panel in row), _TALLEST) for row in rows]
    cut = [max(panel.height for panel in row) > _TALLEST for row in rows]
    gaps = style.GUTTER * (len(rows) - 1)
    total = 2 * _MARGIN + sum(above) + sum(tall) + gaps
    canvas = Canvas(style.PAGE + 2 * _MARGIN, round(total))
    y = float(_MARGIN)
    for row, read, head_height, height, short in zip(rows, heads, above, tall, cut, strict=True):
        for panel, head in zip(row, read, strict=True):
            left = _MARGIN + panel.left
            head.draw(canvas, left, y, panel.width)
            part = Canvas(round(panel.width), round(height))
            for x, top, drawing in panel.drawings:
                part.draw(drawing, x, top, limits)
            if short:
                part.box(0, height - 22, panel.width, height, style.WHITE)
                part.text(
                    0, height - 10, "The rest is in the report: modviz.report(analysis, path)"
                )
            corner = round(SCALE * left), round(SCALE * (y + head_height))
            canvas.image.paste(part.image, corner)
        y += head_height + height + style.GUTTER
    return canvas.png()


def mimebundle(analysis: Analysis | None, title: str, *, mark: str = "") -> dict[str, str]:
    """What an output shows without its front end, by media type.

    Parameters
    ----------
    analysis : Analysis or None
        None: the title alone; there is nothing to draw yet.
    title : str
        The first line, plain text.
    mark : str
        A further class of the HTML's outermost element, by which a page can hide it.

    Returns
    -------
    dict of str
        ``"text/plain"``, ``"text/html"`` (result in words, picture, table of subclusters) and,
        with an analysis, ``"image/png"`` (the picture, base64).
    """
    if analysis is None:
        return {"text/plain": title, "text/html": _block(title, "", mark)}
    facts = Facts(analysis)
    said = in_words(facts)
    png = base64.b64encode(picture(analysis)).decode("ascii")
    words = "".join(f"<p>{escape(sentence)}</p>" for sentence in said)
    # no style sheet: pages that show notebooks strip them
    image = (
        f'<img src="data:image/png;base64,{png}" alt="{escape(_alt(facts), quote=True)}" '
        f'width="{style.PAGE + 2 * _MARGIN}" style="max-width:100%;height:auto">'
    )
    return {
        "text/plain": "\n".join([title, *said]),
        "text/html": _block(title, words + image + _table(facts), mark),
        "image/png": png,
    }


def _block(title: str, content: str, mark: str) -> str:
    kind = escape(f"modviz-still {mark}".strip(), quote=True)
    return f'<div class="{kind}"><p><strong>{escape(title)}</strong></p>{content}</div>'


def _alt(facts: Facts) -> str:
    clusters_ = style.plural(facts.analysis.partition.n_clusters, "cluster")
    layers = style.plural(len(facts.hidden_layers), "layer")
    return (
        f"Panels of the analysis: the partition of {layers} into {clusters_}, the matrix of edges, "
        "what each lesion costs, in which classes, and the feature images. The table below holds "
        "the numbers."
    )


def _table(facts: Facts) -> str:
    """A row for each tested subcluster, worst first."""
    if not facts.rows:
        return ""
    head = "".join(
        f'<th scope="col" style="text-align:left">{name}</th>'
        for name in ("Subcluster", "Layer", "Units", "Accuracy change", "p", "q", "Verdict")
    )
    body = "".join(_row(facts, i) for i in facts.rows[:_MOST_ROWS])
    left = len(facts.rows) - _MOST_ROWS
    more = (
        f"<p>{style.plural(left, 'further subcluster')}: analysis.table()</p>" if left > 0 else ""
    )
    return (
        "<table><caption>Tested subclusters, largest loss of accuracy first; declared at "
        f"q ≤ {LEVEL}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def _row(facts: Facts, i: int) -> str:
    s = facts.subclusters[i]
    change = f"{style.signed(facts.change[i])} points" if facts.measured[i] else "–"
    cells = (
        escape(s.layer),
        f"{len(s.units):,}",
        change,
        facts.p_text("accuracy", i),
        style.q_text(facts.q("accuracy", i)),
        escape(verdict(facts, i).badge),
    )
    body = "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row" style="text-align:left">{s.name}</th>{body}</tr>'
