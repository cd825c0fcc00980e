"""Whether the same module matters in both: accuracy lost without each matched subcluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

import numpy as np

from modviz.core.choice import LEVEL
from modviz.view import drawing, style
from modviz.view.compare_facts import CompareFacts, verdict
from modviz.view.drawing import Drawing, Marks
from modviz.view.lesions import nice_ticks

_TOP: Final = 22
_ROW: Final = 18
_GAP: Final = 8
_SHIFT: Final = 3
_BOTTOM: Final = 44
_X0, _X1 = 92, style.RIGHT - 116
_WORDS: Final = _X1 + 14


@dataclass
class _Marks:
    """Everything drawn, layer by layer."""

    grid: Marks = field(default_factory=list)
    bridges: Marks = field(default_factory=list)
    first: Marks = field(default_factory=list)
    second: Marks = field(default_factory=list)
    names: Marks = field(default_factory=list)
    words: Marks = field(default_factory=list)
    axis: Marks = field(default_factory=list)
    hits: Marks = field(default_factory=list)


def head(facts: CompareFacts) -> str:
    """HTML above the chart."""
    first, second = (escape(style.fit(name, 90)) for name in facts.found.names)
    return style.header(
        "Importance of matched subclusters",
        f"circle: {first}; square: {second}; filled: q ≤ {LEVEL:g}",
    )


def draw(facts: CompareFacts) -> Drawing:
    """A row per matched subcluster that was measured in one, by layer."""
    table = facts.subclusters
    changes = table[["accuracy_change_a", "accuracy_change_b"]].to_numpy(dtype=float) * 100
    rows = table[~np.isnan(changes).all(axis=1)]
    marks = _Marks()
    if rows.empty:
        marks.words.append((0, _TOP, "lesions were not measured", style.MUTED))
        return _drawing(marks, 60)
    low, high = _limits(changes)
    scale = (_X1 - _X0) / (high - low)

    def place(points: float) -> float:
        return _X0 + (points - low) * scale

    y, before = float(_TOP), None
    for row in rows.to_dict("records"):
        y += _GAP if before not in (None, row["layer"]) else 0
        before = row["layer"]
        _row(facts, marks, row, y, place)
        y += _ROW
    for tick in nice_ticks(low, high):
        x = place(tick)
        marks.grid.append((x, _TOP, x, y, style.CONTROL if tick == 0 else style.LINE))
        digits = 0 if float(tick).is_integer() else 1
        marks.axis.append((x, y + 12, style.number(tick, digits)))
    marks.axis.append(((_X0 + _X1) / 2, y + 31, "accuracy change, percentage points"))
    marks.words.append((_WORDS, _TOP / 2, "important in", style.MUTED))
    return _drawing(marks, int(y + _BOTTOM))


def _drawing(marks: _Marks, height: int) -> Drawing:
    dots = {"fill_color": "fill", "line_color": "line", "line_width": 1.8}
    return Drawing(
        style.RIGHT,
        height,
        {
            "hits": drawing.hits(marks.hits, drawing.STRIPE),
            "grid": drawing.segments(marks.grid, "line", line_color="line", line_width=1),
            "bridges": drawing.segments(
                marks.bridges, "line", line_color="line", line_width=2, line_alpha=0.55
            ),
            "first": drawing.points(marks.first, "fill", "line", "tip", size=9, **dots),
            "second": drawing.points(
                marks.second, "fill", "line", "tip", size=8, marker="square", **dots
            ),
            "names": drawing.labels(marks.names, "ink", text_color="ink", text_align="right"),
            "words": drawing.labels(marks.words, "ink", text_color="ink"),
            "axis": drawing.labels(marks.axis, text_align="center"),
        },
    )


def _limits(changes: Any) -> tuple[float, float]:
    """Ends of the axis in points, zero between them."""
    low, high = min(float(np.nanmin(changes)), -0.5), max(float(np.nanmax(changes)), 0.0)
    room = 0.04 * (high - low)
    return low - room, high + room


def _row(facts: CompareFacts, marks: _Marks, row: dict[Any, Any], top: float, place: Any) -> None:
    y = top + _ROW / 2
    entry = next(e for e in facts.entries if e.key == row["key"])
    names = [row[f"name_{side}"] for side in "ab"]
    label = "–".join(name if isinstance(name, str) else "?" for name in names)
    marks.names.append((_X0 - 10, y, label, style.TEXT))
    tip = f"<b>{escape(label)}</b> {escape(str(row['layer']))}<br>" + "<br>".join(
        _said(facts, row, side) for side in (0, 1)
    )
    marks.hits.append((0, top, style.RIGHT, top + _ROW, entry.key, tip))
    found = []
    # one above the other, so that equal changes do not hide each other
    for side, into, shift in (("a", marks.first, -_SHIFT), ("b", marks.second, _SHIFT)):
        points = 100 * float(row[f"accuracy_change_{side}"])
        if not np.isnan(points):
            sure = float(row[f"q_{side}"]) <= LEVEL
            fill = entry.color if sure else style.WHITE
            into.append((place(points), y + shift, fill, entry.edge, tip))
            found += [place(points), y + shift]
    if len(found) == 4:
        marks.bridges.append((*found, entry.edge))
    said = verdict(row["verdict_a"], row["verdict_b"], facts.found.names)
    ink = style.INK if said in ("both", *facts.found.names) else style.MUTED
    marks.words.append((_WORDS, y, style.fit(said, style.RIGHT - _WORDS), ink))


def _said(facts: CompareFacts, row: dict[Any, Any], side: int) -> str:
    letter, name = "ab"[side], escape(facts.found.names[side])
    points = 100 * float(row[f"accuracy_change_{letter}"])
    if np.isnan(points):
        return f"{name}: {row[f'verdict_{letter}']}"
    return (
        f"{name}: {style.signed(points)} points, q {style.q_text(float(row[f'q_{letter}']))}, "
        f"{row[f'verdict_{letter}']}"
    )
