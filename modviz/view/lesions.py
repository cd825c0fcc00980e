"""Accuracy lost under each lesion, beside what random sets of the same size and layer lose.

The loss alone misleads: a large set of units always costs something. So a row shows its controls
first, and a dot is filled only when the subcluster is worse than every one of them.
"""

from __future__ import annotations

from html import escape

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


def head(facts: Facts) -> str:
    """HTML above the panel."""
    if facts.analysis.lesions is None:
        return style.header("Lesions", escape(facts.waiting("lesions")))
    n = facts.n_controls
    return style.header(
        "Lesions",
        f"grey: {facts.sets} of equal size"
        f"<span class='dot full'></span>worse than all {'of them' if facts.adaptive else n}"
        "<span class='dot'></span>within their range",
    )


def height(n_rows: int, bottom: int) -> int:
    """Pixels of a panel with a row per tested subcluster."""
    return TOP + style.ROW * max(n_rows, 1) + bottom


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


def draw(facts: Facts | None, bottom: int) -> Drawing:
    """A row per tested subcluster, worst first: its controls, its dot, its p and q."""
    rows = [] if facts is None else facts.rows
    total = height(len(rows), bottom)
    ticks: Marks = []
    dots: Marks = []
    arrows: Marks = []
    words: Marks = []
    figures: Marks = []
    bold: Marks = []
    grid: Marks = []
    axis: Marks = []
    hits: Marks = []
    blanks: Marks = []
    if facts is not None and rows:
        low, high = limits(facts)
        scale = (_X1 - _X0) / (high - low)
        end = TOP + style.ROW * len(rows)
        if facts.measured.any():
            for tick in nice_ticks(low, high):
                x = _X0 + (tick - low) * scale
                color = "#a9b1ba" if tick == 0 else style.LINE
                grid.append((x, TOP, x, end, color))
                axis.append((x, end + 14, style.number(tick, 0 if float(tick).is_integer() else 1)))
            axis.append(((_X0 + _X1) / 2, end + 33, "accuracy change, percentage points"))
            figures += [(_P, TOP / 2, "p", style.MUTED), (_Q, TOP / 2, "q", style.MUTED)]
        for place, i in enumerate(rows):
            top = TOP + style.ROW * place
            y = top + style.ROW / 2
            words.append((_NAMES, y, facts.names[i], style.TEXT))
            hits.append((0, top, style.LEFT, top + style.ROW, facts.names[i], tip(facts, i)))
            if not facts.measured[i]:
                blanks.append((_X0, y - 3, _X1, y + 3, style.BAND))
                figures += [(_P, y, "–", style.MUTED), (_Q, y, "–", style.MUTED)]
                continue
            controls = facts.drawn(i)
            for v in np.unique(np.round(controls[controls >= low], 6)):
                x = _X0 + (v - low) * scale
                ticks.append((x, y - 4.5, x, y + 4.5))
            arrows += _beyond(facts, i, low, y)
            change = facts.change[i]
            x = _X0 + (max(change, low) - low) * scale
            fill = facts.colors[i] if facts.worst[i] else style.WHITE
            dots.append((x, y, fill, facts.edges[i]))
            q = facts.q("accuracy", i)
            figures.append((_P, y, facts.p_text("accuracy", i), style.TEXT))
            (bold if q <= LEVEL else figures).append((_Q, y, style.q_text(q), style.INK))
    return Drawing(
        style.LEFT,
        total,
        {
            "hits": drawing.hits(hits, drawing.STRIPE),
            "blanks": drawing.rectangles(blanks, "fill", fill_color="fill"),
            "grid": drawing.segments(grid, "line", line_color="line", line_width=1),
            "controls": drawing.segments(
                ticks, line_color=style.CONTROL, line_width=1, line_alpha=0.5
            ),
            "dots": drawing.points(
                dots, "fill", "line", fill_color="fill", line_color="line", size=9, line_width=1.8
            ),
            "names": drawing.labels(words, "ink", text_color="ink", text_align="right"),
            "beyond": drawing.labels(arrows, "ink", text_color="ink"),
            "figures": drawing.labels(figures, "ink", text_color="ink", text_align="right"),
            "bold": drawing.labels(
                bold, "ink", text_color="ink", text_align="right", text_font_style="bold"
            ),
            "axis": drawing.labels(axis, text_align="center"),
        },
    )


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
        f"{style.plural(len(controls), 'random set')}: mean {style.signed(controls.mean())}, "
        f"{style.signed(controls.min())} to {style.signed(controls.max())}<br>"
        f"p {facts.p_text('accuracy', i)}, "
        f"q {style.q_text(facts.q('accuracy', i))}"
    )
