"""Accuracy lost under each lesion, beside what random groups of the same size and layer lose.

The loss alone misleads: a large set of units always costs something. So a row shows its controls
first, and a dot is filled only when the subcluster is worse than every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from modviz.view import drawing, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import LEVEL, Facts

#: Pixels above the first row; the class panel has the same, so that rows read across.
TOP = 18
_NAMES = 36
#: Between the names and the axis stands the value of what lies below the axis.
_BEYOND = 42
_X0 = 84
_P = style.LEFT - 50
_Q = style.LEFT - 4
_X1 = _P - 36
BOTTOM = 46
_ZERO = "#a9b1ba"
#: Marks that stand below the last row, wherever that is; the scripts of the page know the word.
END = "|"


def head(facts: Facts) -> str:
    """HTML above the panel."""
    if facts.analysis.lesions is None:
        return style.header("Lesions", escape(facts.waiting("lesions")), one_line=True)
    n = facts.n_controls
    same = not facts.adaptive and np.unique(facts.draws[facts.measured]).size <= 1
    return style.header(
        "Lesions",
        f"grey: {facts.groups} of equal size"
        f"<span class='dot full'></span>worse than all{f' {n}' if same else ''}"
        "<span class='dot'></span>within their range",
        one_line=True,
    )


def height(n_rows: int, bottom: int) -> int:
    """Pixels of a panel with a row per tested subcluster."""
    return TOP + style.ROW * max(n_rows, 1) + bottom


def anchors(facts: Facts) -> dict[str, Any]:
    """Where the rows stand, as the page's scripts need it to sort and filter them."""
    return {
        "names": [facts.names[i] for i in facts.rows],
        "y": [TOP + style.ROW * place for place in range(len(facts.rows))],
        "pitch": style.ROW,
        "top": TOP,
    }


def limits(facts: Facts) -> tuple[float, float]:
    """Ends of the axis in points: all subclusters but lone outliers, and most controls."""
    rows = [i for i in facts.rows if facts.measured[i]]
    if not rows:
        return -10.0, 1.0
    dots = np.sort(facts.change[rows])
    controls = np.concatenate([facts.drawn(i) for i in rows])
    lowest = float(dots[0])
    if len(dots) > 2 and dots[0] < 3 * min(float(dots[1]), -1.0):
        lowest = float(dots[1])
    low = min(lowest, float(np.quantile(controls, 0.01)), -0.5)
    high = max(float(dots[-1]), float(controls.max()), 0.0)
    room = 0.04 * (high - low)
    return low - room, high + room


@dataclass
class _Marks:
    """What is drawn, layer by layer; the last value of a mark says whose row it moves with."""

    controls: Marks = field(default_factory=list)
    intervals: Marks = field(default_factory=list)
    dots: Marks = field(default_factory=list)
    names: Marks = field(default_factory=list)
    beyond: Marks = field(default_factory=list)
    figures: Marks = field(default_factory=list)
    bold: Marks = field(default_factory=list)
    grid: Marks = field(default_factory=list)
    axis: Marks = field(default_factory=list)
    hits: Marks = field(default_factory=list)
    blanks: Marks = field(default_factory=list)


def draw(facts: Facts | None, bottom: int) -> Drawing:
    """A row per tested subcluster, worst first: its controls, its dot, its p and q."""
    rows = [] if facts is None else facts.rows
    marks = _Marks()
    if facts is not None and rows:
        low, high = limits(facts)
        if facts.measured.any():
            _draw_axis(marks, low, high, TOP + style.ROW * len(rows))
        for place, i in enumerate(rows):
            _draw_row(facts, marks, i, TOP + style.ROW * place, (low, high))
    right: dict[str, Any] = {"text_color": "ink", "text_align": "right"}
    return Drawing(
        style.LEFT,
        height(len(rows), bottom),
        {
            "hits": drawing.hits(marks.hits, drawing.STRIPE, moving=True),
            "blanks": drawing.rectangles(marks.blanks, "fill", "of", fill_color="fill"),
            "grid": drawing.segments(marks.grid, "line", "of", line_color="line", line_width=1),
            "intervals": drawing.segments(
                marks.intervals,
                *("line", "of"),
                line_color="line",
                line_width=1.2,
                line_alpha=0.75,
            ),
            "controls": drawing.segments(
                marks.controls, "of", line_color=style.CONTROL, line_width=1, line_alpha=0.5
            ),
            "dots": drawing.points(
                marks.dots,
                *("fill", "line", "of"),
                fill_color="fill",
                line_color="line",
                size=9,
                line_width=1.8,
            ),
            "names": drawing.labels(marks.names, "ink", "of", **right),
            "beyond": drawing.labels(marks.beyond, "ink", "of", text_color="ink"),
            "figures": drawing.labels(marks.figures, "ink", "of", **right),
            "bold": drawing.labels(marks.bold, "ink", "of", **right, text_font_style="bold"),
            "axis": drawing.labels(marks.axis, "of", text_align="center"),
        },
    )


def _draw_axis(marks: _Marks, low: float, high: float, end: float) -> None:
    for tick in nice_ticks(low, high):
        x = _X0 + (tick - low) * (_X1 - _X0) / (high - low)
        marks.grid.append((x, TOP, x, end, _ZERO if tick == 0 else style.LINE, "grid"))
        digits = 0 if float(tick).is_integer() else 1
        marks.axis.append((x, end + 14, style.number(tick, digits), END))
    marks.axis.append(
        ((_X0 + _X1) / 2, end + 33, "accuracy change, percentage points; line: 95 % interval", END)
    )
    marks.figures += [(_P, TOP / 2, "p", style.MUTED, ""), (_Q, TOP / 2, "q", style.MUTED, "")]


def _draw_row(
    facts: Facts, marks: _Marks, i: int, top: float, limits_: tuple[float, float]
) -> None:
    (low, high), name, y = limits_, facts.names[i], top + style.ROW / 2
    marks.names.append((_NAMES, y, name, style.TEXT, name))
    marks.hits.append((0, top, style.LEFT, top + style.ROW, name, tip(facts, i)))
    if not facts.measured[i]:
        marks.blanks.append((_X0, y - 3, _X1, y + 3, style.BAND, name))
        marks.figures += [(x, y, "–", style.MUTED, name) for x in (_P, _Q)]
        return

    def place(points: float) -> float:
        return _X0 + (min(max(points, low), high) - low) * (_X1 - _X0) / (high - low)

    controls = facts.drawn(i)
    for points in np.unique(np.round(controls[controls >= low], 6)):
        x = place(float(points))
        marks.controls.append((x, y - 4.5, x, y + 4.5, name))
    marks.beyond += [(*mark, name) for mark in _beyond(facts, i, low, y)]
    least, most = (100 * float(limit[i]) for limit in facts.intervals)
    if not np.isnan(least) and most > low:
        marks.intervals.append((place(least), y, place(most), y, facts.edges[i], name))
    fill = facts.colors[i] if facts.worst[i] else style.WHITE
    marks.dots.append((place(float(facts.change[i])), y, fill, facts.edges[i], name))
    q = facts.q("accuracy", i)
    marks.figures.append((_P, y, facts.p_text("accuracy", i), style.TEXT, name))
    strong = marks.bold if q <= LEVEL else marks.figures
    strong.append((_Q, y, style.q_text(q), style.INK, name))


def _beyond(facts: Facts, i: int, low: float, y: float) -> Marks:
    """An arrow with the value of what lies below the axis: the subcluster, its lowest control."""
    lowest = float(facts.drawn(i).min())
    control = f"◂ {style.number(lowest, 0)}"
    if facts.change[i] < low:
        own = (float(_BEYOND), y, f"◂ {style.number(facts.change[i], 0)}", style.INK)
        return [own, (_X0 + 9.0, y, control, style.MUTED)] if lowest < low else [own]
    return [(float(_BEYOND), y, control, style.MUTED)] if lowest < low else []


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers inside the limits, 0 among them, at most `most` of them."""
    span = high - low
    for step in (s * 10.0**e for e in range(-2, 4) for s in (1, 2, 5)):
        ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        if span / step <= most:
            return [float(t) for t in np.round(ticks, 6) + 0.0]
    return [0.0]


def tip(facts: Facts, i: int) -> str:
    """Hover text of a row, HTML with names escaped."""
    name = f"<b>{facts.names[i]}</b> "
    if not facts.measured[i]:
        return name + "not measured"
    controls = facts.drawn(i)
    return (
        f"{name}{style.signed(facts.change[i])} points<br>"
        f"{style.plural(len(controls), 'random group')}: mean {style.signed(controls.mean())}, "
        f"{style.signed(controls.min())} to {style.signed(controls.max())}<br>"
        f"p {facts.p_text('accuracy', i)}, "
        f"q {style.q_text(facts.q('accuracy', i))}"
    )
