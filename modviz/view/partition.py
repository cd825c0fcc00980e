"""The partition at a glance: a bar per layer, cut into its clusters."""

from __future__ import annotations

from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import drawing, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import Facts

_LABELS = 66
_TOP = 30
_AXIS = 42
#: Half the width of the last figure of the axis stands right of the bars.
_END = 16


def head(facts: Facts) -> str:
    """HTML above the panel."""
    partition = facts.analysis.partition
    units = sum(layer.n_units for layer in facts.hidden_layers)
    clusters = style.plural(partition.n_clusters, "cluster")
    cut = f"normalised cut {facts.cut} of {facts.clusters_cut:.3g}"
    if facts.local:
        return style.header("Partition", f"each layer by itself: letters are per layer; mean {cut}")
    return style.header("Partition", f"{clusters} of {style.plural(units, 'hidden unit')}, {cut}")


def draw(facts: Facts | None, height: int) -> Drawing:
    """A bar per layer of the graph; widths are units, names stand where there is room."""
    bars: Marks = []
    words: Marks = []
    sides: Marks = []
    hits: Marks = []
    ticks: Marks = []
    grid: Marks = []
    if facts is not None:
        partition = facts.analysis.partition
        graph = partition.graph
        most = max(layer.n_units for layer in graph.layers)
        pitch = min(65.0, (height - _TOP - _AXIS) / len(graph.layers))
        thick = min(0.74 * pitch, 46.0)
        scale = (style.LEFT - _LABELS - _END) / most
        bottom = _TOP + pitch * len(graph.layers)
        index = {(s.layer, s.cluster): i for i, s in enumerate(facts.subclusters)}
        for row, layer in enumerate(graph.layers):
            middle = _TOP + pitch * row + thick / 2
            low, high = middle - thick / 2, middle + thick / 2
            sides += _side_labels(layer.name, layer.number, layer.role, middle, pitch)
            counts = np.bincount(partition.labels[graph.layer_slice(row)] + 1)
            x = float(_LABELS)
            for cluster in [*range(len(counts) - 1), -1]:
                size = int(counts[cluster + 1])
                if not size:
                    continue
                end = x + size * scale
                color = style.BAND if cluster < 0 else style.cluster_color(cluster)
                if layer.role != "hidden":
                    color = style.mix(color, style.WHITE, 0.55)
                i = index.get((layer.name, cluster))
                gap = 1.0 if end - x > 4 else 0.25
                hatch = style.cluster_hatch(cluster)
                ink = style.ink_on(color)
                bars.append((x + gap / 2, low, end - gap / 2, high, color, hatch, ink))
                word = _bar_label(facts, i, cluster, size, end - x)
                if word:
                    words.append(((x + end) / 2, middle, word, ink))
                if i is not None:
                    hits.append((x, low, end, high, facts.names[i], _tip(facts, i)))
                x = end
        for tick in _ticks(most):
            x = _LABELS + tick * scale
            ticks.append((x, bottom + 6, f"{tick:,}"))
            grid.append((x, _TOP, x, bottom - (pitch - thick)))
        ticks.append((_LABELS + most * scale / 2, bottom + 24, "units of the layer"))
    return Drawing(
        style.LEFT,
        height,
        {
            "grid": drawing.segments(grid, line_color=style.LINE, line_width=1, line_alpha=0.7),
            "bars": drawing.rectangles(
                bars, "fill", "hatch", "ink", fill_color="fill", **style.HATCHED
            ),
            "words": drawing.labels(
                words, "ink", fixed=True, text_color="ink", text_align="center"
            ),
            "sides": drawing.labels(sides, "ink", text_color="ink"),
            "ticks": drawing.labels(ticks, text_align="center"),
            "hits": drawing.hits(hits),
        },
    )


def _side_labels(name: str, number: int, role: str, middle: float, pitch: float) -> Marks:
    room = _LABELS - 6
    title = f"Layer {number}" if role == "hidden" else role.capitalize()
    if pitch >= 32 and name != title.lower():
        return [
            (0.0, middle - 7, style.fit(title, room), style.TEXT),
            (0.0, middle + 7, style.fit(name, room), style.MUTED),
        ]
    return [(0.0, middle, style.fit(title, room), style.TEXT)]


def _bar_label(facts: Facts, i: int | None, cluster: int, size: int, room: float) -> str:
    short = "dead" if cluster < 0 else cluster_name(cluster) if i is None else facts.names[i]
    for text in (f"{short} · {size:,}", short):
        if style.text_width(text) + 6 <= room:
            return text
    return ""


def _tip(facts: Facts, i: int) -> str:
    s = facts.subclusters[i]
    tested = "" if facts.tested[i] else "<br>not tested (size rule)"
    return (
        f"<b>{s.name}</b> {style.plural(len(s.units), 'unit')}<br>layer {s.layer_number}, "
        f"{escape(s.layer)}{tested}"
    )


def _ticks(most: int) -> list[int]:
    """0, the full width, and halves or quarters of it where they are whole numbers."""
    for parts in (4, 2, 5, 3):
        if most % parts == 0:
            return [most * k // parts for k in range(parts + 1)]
    return [0, most]
