"""The interactions of all pairs of subclusters as a matrix: red = redundant, blue = both needed."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import InlineStyleSheet
from bokeh.models.layouts import Column
from bokeh.models.widgets import Div
from numpy.typing import NDArray

from modviz.core.interactions import Interactions
from modviz.view import classes, drawing, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import LEVEL
from modviz.view.linking import Linking
from modviz.view.live import LiveFigure

#: Pixels: names at the left, names at the top, single changes at the right, between layers.
_LEFT: Final = 122
_TOP: Final = 62
_ALONE: Final = 64
_GAP: Final = 6
#: A side of the matrix, and of a cell at the least and at the most.
_SIDE: Final = 660
_CELLS: Final = (5, 34)
#: Cells from here on have room for a name beside them, and for a figure.
_NAMED: Final = 11
_FIGURES: Final = 29
_WIDTH: Final = 720


def panel(interactions: Interactions, linking: Linking | None = None) -> Column:
    """The matrix with its heading and what it says in words; linked to a page if there is one."""
    sheet = InlineStyleSheet(css=style.CSS)
    grid = _Grid.of(interactions)
    live = LiveFigure(draw(interactions, grid), name="modviz-interactions")
    live.explain("cells")
    if linking is not None:
        linking.join("interactions", live.figure, live.sources["hits"])
    width = max(_WIDTH, grid.width)

    def div(text: str, height: int) -> Div:
        return Div(
            text=text,
            width=width,
            height=height,
            margin=0,
            stylesheets=[sheet],
            disable_math=True,  # names of layers are not formulas
        )

    return column(
        div(head(interactions), style.HEADER), live.figure, div(words(interactions), 84), spacing=6
    )


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where the cells stand."""

    cell: int
    starts: NDArray[np.int64]  # first pixel of each subcluster, from the matrix's corner

    @classmethod
    def of(cls, interactions: Interactions) -> _Grid:
        layers = [s.layer_number for s in interactions.subclusters]
        cell = int(np.clip(_SIDE // len(layers), *_CELLS))
        breaks = np.concatenate([[0], np.cumsum(np.diff(layers) != 0)])
        return cls(cell, np.arange(len(layers)) * cell + breaks * _GAP)

    @property
    def end(self) -> int:
        return int(self.starts[-1]) + self.cell

    @property
    def width(self) -> int:
        return _LEFT + self.end + _ALONE

    @property
    def named(self) -> bool:
        return self.cell >= _NAMED


def limit(interactions: Interactions) -> float:
    """Points at which colours are full: a round number that no interaction exceeds."""
    largest = 100 * np.nanmax(np.abs(np.nan_to_num(interactions.samples[0])), initial=0.0)
    steps = [1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300]
    return float(next(step for step in steps if largest <= step + 1e-6))


def head(interactions: Interactions) -> str:
    """HTML above the matrix."""
    most = f"{limit(interactions):.0f}"
    ramp = style.ramp(
        "points", f"−{most}", f"+{most}", [*classes.LOSS[::-1], style.WHITE, *classes.GAIN]
    )
    partial = " (cancelled: partial)" if interactions.status == "cancelled" else ""
    return style.header(
        f"Double lesions: interaction of {style.plural(len(interactions.pairs), 'pair')}{partial}",
        f"accuracy change of both together minus those of each alone; framed: q ≤ {LEVEL}",
        ramp,
    )


def words(interactions: Interactions) -> str:
    """What colours and numbers mean, and what they say together, as HTML."""
    legend = (
        f'<b style="color:{classes.LOSS[2]}">Red</b>: together they cost more than apart; each '
        f'makes up for the other (redundant). <b style="color:{classes.GAIN[2]}">Blue</b>: '
        "together they cost less than apart; they need each other, or there was little left to "
        "lose."
    )
    if not interactions.measured.any():
        return f'<div class="more">{legend}</div><p>No pair was measured with its controls.</p>'
    result = interactions.summary()
    n = interactions.single_controls.shape[1]
    said = (
        f"{style.plural(int(result['rejected']), 'pair')} of {int(result['pairs']):,} declared; "
        f"all pairs at once: p {style.p_text(interactions.joint_p, n)}"
    )
    difference, p = interactions.contrast
    if not np.isnan(p):
        said += (
            f"; pairs of one cluster against other pairs: {style.signed(100 * difference)} points, "
            f"p {style.p_text(p, n)}"
        )
    least = len(interactions.p_values) * interactions.resolution
    if not result["rejected"] and least > LEVEL:
        said += f"; with {style.plural(n, 'control')} one pair alone could not be declared"
    images = style.plural(interactions.n_images, "image")
    return (
        f"<div>{legend}</div><div>{said}. Compared with "
        f"{style.plural(n, 'pair')} of random groups of the same sizes and layers, on {images}."
        "</div>"
    )


def draw(interactions: Interactions, grid: _Grid | None = None) -> Drawing:
    """A cell per ordered pair; rows and columns by layer."""
    grid = grid or _Grid.of(interactions)
    full = limit(interactions)
    table = interactions.table()
    measured, n = interactions.measured, interactions.single_controls.shape[1]
    cells: Marks = []
    frames: Marks = []
    figures: Marks = []
    bold: Marks = []
    digits = 0 if full >= 10 else 1
    for place, (i, j) in enumerate(interactions.pairs):
        pair = table.iloc[place]
        points = 100 * float(pair["interaction"])
        fill = _color(points, full, grid)
        tip = _tip(interactions, i, j, pair, n if measured[place] else 0)
        declared = float(pair["q"]) <= LEVEL
        for row, across in ((i, j), (j, i)):
            box = _box(grid, row, across)
            cells.append((*box, fill, tip))
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            if declared:
                frames.append(box)
            if np.isnan(points):
                if grid.named:
                    figures.append((*middle, "–", style.MUTED))
            elif grid.cell >= _FIGURES and round(points, digits) != 0:
                text = (*middle, style.number(points, digits), style.ink_on(fill))
                (bold if declared else figures).append(text)
    hits: Marks = []  # a row and a column each: a cell is where those of its two names cross
    first, last = float(grid.starts[0]), float(grid.end)
    for i, name in enumerate(interactions.names):
        low = float(grid.starts[i])
        high = low + grid.cell
        hits.append((_LEFT + first, _TOP + low, _LEFT + last, _TOP + high, name, ""))
        hits.append((_LEFT + low, _TOP + first, _LEFT + high, _TOP + last, name, ""))
        single = _points(interactions.single[i])
        cells.append((*_box(grid, i, i), style.BAND, f"<b>{name}</b> alone {single}"))
    return Drawing(
        max(_WIDTH, grid.width),
        _TOP + grid.end + 4,
        {
            "cells": drawing.rectangles(cells, "fill", "tip", fill_color="fill"),
            "frames": drawing.rectangles(
                frames, fill_alpha=0.0, line_color=style.SELECTED, line_width=2
            ),
            "figures": drawing.labels(figures, "ink", text_color="ink", text_align="center"),
            "bold": drawing.labels(
                bold, "ink", text_color="ink", text_align="center", text_font_style="bold"
            ),
            **_margins(interactions, grid),
            "hits": drawing.hits(hits),
        },
    )


def _color(points: float, full: float, grid: _Grid) -> str:
    if np.isnan(points):
        return style.WHITE if grid.named else style.LINE  # a dash says it where there is room
    return classes.color(points / full * classes.FULL)


def _box(grid: _Grid, row: int, across: int) -> tuple[float, float, float, float]:
    left, top = _LEFT + float(grid.starts[across]), _TOP + float(grid.starts[row])
    inset = 0.5 if grid.named else 0.0
    end = grid.cell - inset
    return left + inset, top + inset, left + end, top + end


def _margins(interactions: Interactions, grid: _Grid) -> dict[str, drawing.Layer]:
    """Names of subclusters and of layers, and the single changes at the right."""
    side: Marks = []
    above: Marks = []
    layers: Marks = []
    alone: Marks = []
    right = _LEFT + grid.end + _ALONE - 6
    subclusters = interactions.subclusters
    if grid.named:
        alone.append((right, _TOP - 12, "alone"))
        for i, s in enumerate(subclusters):
            middle = float(grid.starts[i]) + grid.cell / 2
            ink = style.edge_color(s.cluster)
            side.append((_LEFT - 6, _TOP + middle, s.name, ink))
            above.append((_LEFT + middle, _TOP - 6, s.name, ink))
            alone.append((right, _TOP + middle, style.number(100 * interactions.single[i], 1)))
    numbers = [s.layer_number for s in subclusters]
    for number in dict.fromkeys(numbers):
        first, last = numbers.index(number), len(numbers) - 1 - numbers[::-1].index(number)
        start, end = float(grid.starts[first]), float(grid.starts[last]) + grid.cell
        name = subclusters[first].layer
        layers.append((0, _TOP + (start + end) / 2, style.fit(f"{number}  {name}", 92), "left"))
        if end - start >= 14:
            short = name if style.text_width(name) <= end - start else str(number)
            layers.append((_LEFT + (start + end) / 2, 12, short, "center"))
    return {
        "side": drawing.labels(side, "ink", text_color="ink", text_align="right"),
        "above": drawing.labels(above, "ink", text_color="ink", text_align="left", angle=np.pi / 2),
        "alone": drawing.labels(alone, text_align="right"),
        "layers": drawing.labels(layers, "align", text_align="align"),
    }


def _points(change: float) -> str:
    return "not measured" if np.isnan(change) else f"{style.signed(100 * change)} points"


def _tip(interactions: Interactions, i: int, j: int, pair: pd.Series, n: int) -> str:
    """Hover text of a pair, HTML with the layers' names escaped; n = 0: it has no controls."""
    a, b = interactions.subclusters[i], interactions.subclusters[j]
    lines = [
        f"<b>{a.name} + {b.name}</b> {escape(a.layer)}, {escape(b.layer)}",
        f"{a.name} alone {_points(pair['first_change'])}",
        f"{b.name} alone {_points(pair['second_change'])}",
        f"both {_points(pair['joint_change'])}",
        f"interaction {_points(pair['interaction'])}",
    ]
    if n:
        lines += [
            f"random pairs on average {_points(pair['control_mean'])}",
            f"p {style.p_text(pair['p'], n)}, q {style.q_text(pair['q'])}",
        ]
    return "<br>".join(lines)
