"""Both partitions, a bar per layer each: those of b in the colours of their matches in a."""

from __future__ import annotations

from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modviz.core.partition import cluster_name
from modviz.view import drawing, style
from modviz.view.compare_facts import HATCH, CompareFacts, Entry
from modviz.view.drawing import Drawing, Marks

_LABELS: Final = 84
_GAP: Final = 24
_TOP: Final = 26
_WIDTH: Final = style.PAGE
_BAR: Final = (_WIDTH - _LABELS - _GAP) / 2


def draw(facts: CompareFacts) -> Drawing:
    """A row per layer of both; widths are units, letters stand where there is room."""
    found = facts.found
    rows = len(found.layers_in_both)
    pitch = 34.0 if rows <= 12 else 24.0
    thick = pitch - 8
    most = max(layer.n_units for layer in found.layers_in_both)
    bars: Marks = []
    hatched: Marks = []
    words: Marks = []
    hits: Marks = []
    sides: Marks = []
    starts = (float(_LABELS), _LABELS + _BAR + _GAP)
    heads: Marks = [
        (x, _TOP / 2 - 2, style.fit(name, _BAR, 12), style.INK)
        for x, name in zip(starts, found.names, strict=True)
    ]
    first = 0
    for row, layer in enumerate(found.layers_in_both):
        low = _TOP + pitch * row
        sides += _side(layer.name, layer.number, low + thick / 2, two=pitch >= 32)
        units = slice(first, first + layer.n_units)
        first += layer.n_units
        for side, labels in enumerate((found.labels_a[units], found.labels_b[units])):
            x = starts[side]
            for entry, size in _parts(facts, layer.name, labels, side):
                end = x + size * _BAR / most
                gap = 0.5 if end - x > 4 else 0.12
                box = (x + gap, low, end - gap, low + thick)
                color = style.BAND if entry is None else entry.color
                bars.append((*box, color))
                if entry is not None and not entry.matched:
                    hatched.append(box)
                label = _label(entry, side, size, end - x)
                if label:
                    words.append(((x + end) / 2, low + thick / 2, label, style.ink_on(color)))
                if entry is not None:
                    tip = f"<b>{escape(entry.words)}</b><br>{escape(layer.name)} in "
                    tip += f"{escape(found.names[side])}: {style.plural(size, 'unit')}"
                    hits.append((x, low - 1, end, low + thick + 1, entry.key, tip))
                x = end
    return Drawing(
        _WIDTH,
        int(_TOP + pitch * rows),
        {
            "bars": drawing.rectangles(bars, "fill", fill_color="fill"),
            "hatched": drawing.rectangles(hatched, **HATCH),
            "words": drawing.labels(words, "ink", text_color="ink", text_align="center"),
            "sides": drawing.labels(sides, "ink", text_color="ink"),
            "heads": drawing.labels(
                heads, "ink", text_color="ink", text_font_style="bold", text_font_size="12px"
            ),
            "hits": drawing.hits(hits),
        },
    )


def _parts(
    facts: CompareFacts, layer: str, labels: NDArray[np.int64], side: int
) -> list[tuple[Entry | None, int]]:
    """Units of each row of the table in a bar, in the order of the rows; last the dead (None)."""
    counts = np.bincount(labels + 1)
    parts: list[tuple[Entry | None, int]] = []
    for entry in facts.within(facts.place(layer)):
        cluster = (entry.pair.a, entry.pair.b)[side]
        if cluster >= 0 and cluster + 1 < len(counts) and counts[cluster + 1]:
            parts.append((entry, int(counts[cluster + 1])))
    return parts + ([(None, int(counts[0]))] if counts[0] else [])


def _label(entry: Entry | None, side: int, size: int, room: float) -> str:
    """The longest name that fits: the pair with its units, the pair, the cluster's own letter."""
    names = ["dead"]
    if entry is not None:
        own = cluster_name((entry.pair.a, entry.pair.b)[side])
        pair = entry.letters if entry.matched else f"{own} (no match)"
        names = [pair, own]
    for text in (f"{names[0]} · {size:,}", *names):
        if style.text_width(text) + 6 <= room:
            return text
    return ""


def _side(name: str, number: int, middle: float, *, two: bool) -> Marks:
    room = _LABELS - 8
    title = f"Layer {number}" if number else ""
    if two and title:
        return [
            (0.0, middle - 7, title, style.TEXT),
            (0.0, middle + 7, style.fit(name, room), style.MUTED),
        ]
    return [(0.0, middle, style.fit(f"{number}  {name}" if number else name, room), style.TEXT)]
