"""What speaks for each number of clusters: eigengap, normalised cut against chance, stability.

Three charts below each other share the axis of the number of clusters k. Dots are the network, grey
bars the range of its shuffled graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
from bokeh.layouts import column
from bokeh.models import InlineStyleSheet
from bokeh.models.layouts import Column
from bokeh.models.widgets import Div
from numpy.typing import NDArray

from modviz.core.choice import LEVEL, STABLE, ClusterChoice
from modviz.view import drawing, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.live import LiveFigure

_WIDTH = 620
_LEFT, _RIGHT = 52, 16
_CHART, _PITCH, _TOP = 96, 136, 26
_AXIS = 46
_DOT = style.cluster_color(0)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Chart:
    """One of the charts: what it is called, its values by k, and those of shuffled graphs."""

    title: str
    values: Floats
    null: Floats | None
    ends: tuple[float, float]
    line: tuple[float, str] | None = None


def panel(choice: ClusterChoice) -> Column:
    """The panel as a Bokeh layout, 620 pixels wide; `bokeh.io.save` writes it to a file.

    Parameters
    ----------
    choice : ClusterChoice
        From `modviz.choose_n_clusters`.
    """
    if not isinstance(choice, ClusterChoice):
        raise TypeError(
            f"choice is a {type(choice).__name__}; expected what modviz.choose_n_clusters returns"
        )
    live = LiveFigure(draw(choice))
    live.explain("hits")
    sheet = InlineStyleSheet(css=style.CSS + ".say { white-space: normal; }")
    heading = Div(text=head(choice), width=_WIDTH, margin=0, stylesheets=[sheet], disable_math=True)
    return column(heading, live.figure, spacing=6, width=_WIDTH, name="choice")


def head(choice: ClusterChoice) -> str:
    """HTML above the charts: what is suggested and why."""
    found = "none suggested" if choice.suggested is None else f"{choice.suggested} suggested"
    return style.header(f"Number of clusters: {found}", escape(choice.reason))


def draw(choice: ClusterChoice) -> Drawing:
    """The three charts, one below the other."""
    k = choice.candidates
    x = _columns(k)
    step = (_WIDTH - _LEFT - _RIGHT) / len(k)
    charts = _charts(choice)
    bottom = _TOP + _PITCH * (len(charts) - 1) + _CHART
    grid: Marks = []
    words: Marks = []
    ticks: Marks = []
    chance: Marks = []
    dots: Marks = []
    chosen: Marks = []
    if choice.suggested is not None:
        middle = x[int(np.flatnonzero(k == choice.suggested)[0])]
        chosen.append((middle - step / 2, _TOP - 4, middle + step / 2, bottom + 6))
    lines: Marks = []
    for row, chart in enumerate(charts):
        top = _TOP + _PITCH * row
        place = _scale(chart.ends, top)
        words.append((0, top - 16, chart.title, style.TEXT))
        for tick in _ticks(*chart.ends):
            y = place(tick)
            grid.append((_LEFT, y, _WIDTH - _RIGHT, y))
            ticks.append((_LEFT - 6, y, style.number(tick, _digits(chart.ends))))
        if chart.line is not None:
            y = place(chart.line[0])
            lines.append((_LEFT, y, _WIDTH - _RIGHT, y))
            start = _WIDTH - _RIGHT - style.text_width(chart.line[1])
            words.append((start, top - 16, chart.line[1], style.MUTED))
        if chart.null is not None:
            ends = zip(x, chart.null.min(axis=0), chart.null.max(axis=0), strict=True)
            for at, low, high in ends:
                if np.isfinite(low) and np.isfinite(high):
                    chance.append((at - 5, place(low) + 1, at + 5, place(high) - 1))
        for at, value in zip(x, chart.values, strict=True):
            if np.isfinite(value):
                dots.append((at, place(value)))
    numbers: Marks = [
        (at, bottom + 16, str(n))
        for at, n in zip(x, k, strict=True)
        if step >= style.text_width("00") + 4 or (n - k[0]) % 5 == 0
    ]
    numbers.append(((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 34, "number of clusters k"))
    hits: Marks = [
        (at - step / 2, _TOP - 4, at + step / 2, bottom + 6, str(n), _tip(choice, i))
        for i, (at, n) in enumerate(zip(x, k, strict=True))
    ]
    return Drawing(
        _WIDTH,
        bottom + _AXIS,
        {
            "chosen": drawing.rectangles(chosen, fill_color=style.BAND),
            "grid": drawing.segments(grid, line_color=style.LINE, line_width=1, line_alpha=0.7),
            "lines": drawing.segments(lines, line_color=style.MUTED, line_dash="dashed"),
            "chance": drawing.rectangles(chance, fill_color=style.CONTROL, fill_alpha=0.35),
            "dots": drawing.points(dots, size=8, fill_color=_DOT, line_color=style.WHITE),
            "words": drawing.labels(words, "ink", text_color="ink"),
            "ticks": drawing.labels(ticks, text_align="right"),
            "numbers": drawing.labels(numbers, text_align="center"),
            "hits": drawing.hits(hits),
        },
    )


def _charts(choice: ClusterChoice) -> tuple[_Chart, ...]:
    spread = choice.null_ncut.std(axis=0, ddof=1)
    spread = np.where(np.isnan(choice.z), np.nan, spread)
    null_z = (choice.null_ncut - choice.null_ncut.mean(axis=0)) / spread
    shuffled = f"grey: {style.plural(len(null_z), 'shuffled graph')}"
    gaps = np.concatenate([choice.eigengap, choice.null_eigengap.ravel()])
    depths = np.concatenate([choice.z, null_z.ravel()])
    return (
        _Chart(
            f"Eigengap after k clusters (higher = k stands out); {shuffled}",
            choice.eigengap,
            choice.null_eigengap,
            (0.0, _most(gaps)),
        ),
        _Chart(
            f"Normalised cut, z against shuffled {choice.edges} (lower = more modular than chance)",
            choice.z,
            null_z,
            (-_most(-depths), _most(depths)),
        ),
        _Chart(
            "Stability: adjusted Rand index between seeds (1 = always the same)",
            choice.stability,
            None,
            (min(0.0, float(np.nanmin(choice.stability))), 1.0),
            (STABLE, f"dashed: {STABLE:g}"),
        ),
    )


def _most(values: Floats) -> float:
    """The largest value with some air above it; 1 where there is none."""
    known = values[np.isfinite(values)]
    largest = float(known.max()) if known.size else 0.0
    return 1.06 * largest if largest > 0 else 1.0


def _columns(k: NDArray[np.int64]) -> Floats:
    step = (_WIDTH - _LEFT - _RIGHT) / len(k)
    return np.asarray(_LEFT + step * (np.arange(len(k)) + 0.5), dtype=np.float64)


def _scale(ends: tuple[float, float], top: float) -> Callable[[float], float]:
    low, high = ends
    return lambda value: top + _CHART * (high - float(value)) / (high - low)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers inside the range, from 2 to 5 of them."""
    unit = float(10.0 ** np.floor(np.log10(high - low)))
    for step in (unit / 5, unit / 2, unit, 2 * unit):
        numbers = range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
        if len(numbers) <= 5:
            return [n * step for n in numbers]
    return [low, high]


def _digits(ends: tuple[float, float]) -> int:
    """Decimals that tell the ticks apart."""
    ticks = _ticks(*ends)
    return max(0, -int(np.floor(np.log10(ticks[1] - ticks[0]) + 1e-9)))


def _tip(choice: ClusterChoice, i: int) -> str:
    def shown(value: float, digits: int) -> str:
        return "–" if np.isnan(value) else style.number(value, digits)

    p = float(choice.p[i])
    return (
        f"<b>{style.plural(int(choice.candidates[i]), 'cluster')}</b><br>"
        f"eigengap {shown(float(choice.eigengap[i]), 4)}<br>"
        f"normalised cut {shown(float(choice.ncut[i]), 3)}, "
        f"shuffled {shown(float(choice.null_ncut[:, i].mean()), 3)}<br>"
        f"z {shown(float(choice.z[i]), 1)}, p {style.p_text(p, len(choice.null_ncut))}"
        f"{' (below chance)' if p <= LEVEL else ''}<br>"
        f"stability {shown(float(choice.stability[i]), 2)}"
    )
