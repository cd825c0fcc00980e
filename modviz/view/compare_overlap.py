"""What moved: units that each cluster of a (rows) shares with each of b (columns).

Columns stand in the order of their matches, so what stayed lies on the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modviz.core.partition import cluster_name
from modviz.view import drawing, style
from modviz.view.compare_facts import CompareFacts, Entry
from modviz.view.drawing import Drawing, Marks

_LEFT: Final = 46
_TOP: Final = 22
#: A side of a cell at the least and at the most; from the last on there is room for a name.
_CELLS: Final = (7, 34)
_NAMED: Final = 12
_PAIRED: Final = 18
_TITLE: Final = 20
_BETWEEN: Final = 22
#: What a full row looks like.
DEEP: Final = "#1d4f79"


@dataclass
class _Marks:
    """Everything drawn, layer by layer."""

    cells: Marks = field(default_factory=list)
    frames: Marks = field(default_factory=list)
    figures: Marks = field(default_factory=list)
    names: Marks = field(default_factory=list)
    columns: Marks = field(default_factory=list)
    titles: Marks = field(default_factory=list)
    hits: Marks = field(default_factory=list)


def head(facts: CompareFacts) -> str:
    """HTML above the map."""
    first, second = (escape(style.fit(name, 66)) for name in facts.found.names)
    ramp = style.ramp("of the row", "0", "1", [style.WHITE, DEEP])
    return style.header("What moved", f"framed: matched; rows: {first}; columns: {second}", ramp)


def draw(facts: CompareFacts) -> Drawing:
    """One map, or one a layer where clusters are those of one layer each."""
    found = facts.found
    places: list[tuple[str | None, NDArray[np.int64]]] = [(None, found.overlap)]
    if found.scope == "local":
        names = [layer.name for layer in found.layers_in_both]
        places = list(zip(names, found.overlap, strict=True))
    sides = [_sides(facts, layer) for layer, _ in places]
    extra = int(facts.deaths)
    widest = max(1, *(max(len(rows), len(columns)) + extra for rows, columns in sides))
    # two maps side by side where their figures then still have room
    half = (style.LEFT - style.GUTTER) // 2
    across = 2 if len(places) > 1 and (half - _LEFT) // widest >= _PAIRED else 1
    cell = int(np.clip(((half if across == 2 else style.LEFT) - _LEFT) // widest, *_CELLS))
    marks = _Marks()
    top = bottom = 0.0
    for k, ((layer, overlap), (rows, columns)) in enumerate(zip(places, sides, strict=True)):
        left = 0.0 if k % across == 0 else float(half + style.GUTTER)
        if left == 0:
            top = bottom + (_BETWEEN if k else 0)
        low = top
        if layer is not None:
            marks.titles.append((left, top + _TITLE / 2, style.fit(layer, half), style.TEXT))
            low += _TITLE
        _map(facts, marks, overlap, (rows, columns), (layer, left + _LEFT, low + _TOP, cell))
        bottom = max(bottom, low + _TOP + cell * (len(rows) + extra))
    width = max(style.LEFT, _LEFT + cell * widest + 2)
    return Drawing(
        width,
        int(bottom + 6),
        {
            "cells": drawing.rectangles(marks.cells, "fill", "tip", fill_color="fill"),
            "frames": drawing.rectangles(
                marks.frames, "line", fill_alpha=0.0, line_color="line", line_width=2
            ),
            "figures": drawing.labels(marks.figures, "ink", text_color="ink", text_align="center"),
            "names": drawing.labels(marks.names, "ink", text_color="ink", text_align="right"),
            "columns": drawing.labels(marks.columns, "ink", text_color="ink", text_align="center"),
            "titles": drawing.labels(marks.titles, "ink", text_color="ink"),
            "hits": drawing.hits(marks.hits),
        },
    )


def _sides(facts: CompareFacts, layer: str | None) -> tuple[list[Entry], list[Entry]]:
    """Rows and columns of a map."""
    entries = facts.within(layer)
    return [e for e in entries if e.pair.a >= 0], [e for e in entries if e.pair.b >= 0]


def _map(
    facts: CompareFacts,
    marks: _Marks,
    overlap: NDArray[np.int64],
    sides: tuple[list[Entry], list[Entry]],
    place: tuple[str | None, float, float, int],
) -> None:
    """Cells, names and hit rectangles of one map."""
    rows, columns = sides
    layer, start, top, cell = place
    died, rose = _dead(facts, layer)
    names = facts.found.names
    end = start + cell * (len(columns) + facts.deaths)
    for j, column in enumerate(columns):
        x = start + cell * j
        if cell >= _NAMED:
            name = cluster_name(column.pair.b)
            marks.columns.append((x + cell / 2, top - 9, name, style.TEXT))
        tip = f"<b>{escape(column.words)}</b>"
        marks.hits.append((x, top - _TOP + 3, x + cell, top - 1, column.key, tip))
    if facts.deaths and cell >= _NAMED:
        marks.columns.append((start + cell * (len(columns) + 0.5), top - 9, "dead", style.MUTED))
    for i, row in enumerate(rows):
        y = top + cell * i
        counts = [int(overlap[row.pair.a, column.pair.b]) for column in columns]
        counts += [int(died[row.pair.a])] if facts.deaths else []
        total = max(sum(counts), 1)
        own = cluster_name(row.pair.a)
        if cell >= _NAMED:
            marks.names.append((start - 6, y + cell / 2, own, style.TEXT))
        for j, count in enumerate(counts):
            box = (start + cell * j, y, start + cell * (j + 1), y + cell)
            to = f"{cluster_name(columns[j].pair.b)} of {names[1]}" if j < len(columns) else "dead"
            tip = f"{own} of {names[0]} → {to}: {style.plural(count, 'unit')}"
            tip = f"{escape(tip)}<br>{style.percent(count / total, 0)} of the row"
            _cell(marks, box, count, count / total, tip)
            if j < len(columns) and columns[j] is row:
                marks.frames.append(
                    (*(b + s for b, s in zip(box, (1, 1, -1, -1), strict=True)), row.edge)
                )
        marks.hits.append(
            (start - _LEFT + 2, y, end, y + cell, row.key, f"<b>{escape(row.words)}</b>")
        )
    if facts.deaths:
        y = top + cell * len(rows)
        if cell >= _NAMED:
            marks.names.append((start - 6, y + cell / 2, "dead", style.MUTED))
        total = max(int(rose.sum()), 1)
        for j, column in enumerate(columns):
            count = int(rose[column.pair.b])
            box = (start + cell * j, y, start + cell * (j + 1), y + cell)
            to = f"{cluster_name(column.pair.b)} of {names[1]}"
            tip = escape(f"dead in {names[0]} → {to}: {style.plural(count, 'unit')}")
            _cell(marks, box, count, count / total, tip)


def _cell(
    marks: _Marks, box: tuple[float, float, float, float], count: int, share: float, tip: str
) -> None:
    left, top, right, bottom = box
    fill = style.mix(style.WHITE, DEEP, share)
    marks.cells.append((left + 0.5, top + 0.5, right - 0.5, bottom - 0.5, fill, tip))
    text = f"{count:,}"
    if count and style.text_width(text) + 2 <= right - left and bottom - top >= _NAMED:
        marks.figures.append(((left + right) / 2, (top + bottom) / 2, text, style.ink_on(fill)))


def _dead(facts: CompareFacts, layer: str | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Units of each cluster of a that are dead in b, and of each of b that were dead in a."""
    found = facts.found
    sizes = [la.n_units for la in found.layers_in_both]
    here = np.repeat([layer in (None, la.name) for la in found.layers_in_both], sizes)
    died = found.labels_a[here & (found.status == "became dead")]
    rose = found.labels_b[here & (found.status == "came alive")]
    _, j, k = found.layer_overlaps.shape
    return np.bincount(died, minlength=j), np.bincount(rose, minlength=k)
