"""The adjacency matrix, sorted by cluster and layer, with a strip of clusters at two sides.

A click takes the subcluster of its row, which is then outlined as a row and as a column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool

from modviz.core.partition import cluster_name
from modviz.view import drawing, matrix, style
from modviz.view.drawing import Drawing, Layer, Marks
from modviz.view.facts import Facts
from modviz.view.order import Run, Sorted

STRIP = 26
SIDE = 280
_PALETTE_STOPS = ("#ffffff", "#dbe3ec", "#93a7c1", "#3f5878", "#0f1a30")

_WHERE = """
const n = units.data.group.length
const at = (v) => units.data.group[Math.max(0, Math.min(n - 1, Math.floor(v)))]
const row = at(special_vars.y), column = at(special_vars.x)
if (format == "row") return groups.data.text[row]
if (format == "column") return groups.data.text[column]
if (format == "measure") return groups.data.measure[0]
const mean = cells.data.mean[row * groups.data.text.length + column]
return mean > 0 ? mean.toPrecision(3) : "no edges"
"""


def palette() -> list[str]:
    """White to slate in 256 steps."""
    steps = np.linspace(0, len(_PALETTE_STOPS) - 1, 256)
    return [
        style.mix(
            _PALETTE_STOPS[min(int(s), len(_PALETTE_STOPS) - 2)],
            _PALETTE_STOPS[min(int(s), len(_PALETTE_STOPS) - 2) + 1],
            s - min(int(s), len(_PALETTE_STOPS) - 2),
        )
        for s in steps
    ]


def image_columns(tile: matrix.Tile) -> dict[str, list[Any]]:
    """A tile as the columns of the image's source."""
    return {
        "image": [tile.image],
        "x": [tile.x0],
        "y": [tile.y0],
        "dw": [tile.x1 - tile.x0],
        "dh": [tile.y1 - tile.y0],
    }


def measure(facts: Facts) -> str:
    """What an edge's weight is, in a word or two."""
    return "|w|" if facts.analysis.partition.graph.edges == "weights" else "ρ²"


def head(facts: Facts, order: Sorted) -> str:
    """HTML above the matrix."""
    low, high = order.limits
    title = "Weights" if facts.analysis.partition.graph.edges == "weights" else "Correlations"
    ramp = style.ramp(f"mean {measure(facts)}, log", f"{low:g}", f"{high:g}", list(_PALETTE_STOPS))
    by = "units by cluster, then layer; drag to zoom"
    if order.partition.scope == "local":
        by = "units by layer, then cluster; drag to zoom"
    return style.header(title, by, ramp)


def draw(order: Sorted | None) -> Drawing:
    """The matrix itself: picture, cluster borders, and hit bands of rows and columns."""
    n = 1 if order is None else order.n
    borders: Marks = []
    rows: Marks = []
    columns: Marks = []
    image: dict[str, list[Any]] = image_columns(
        matrix.Tile(np.zeros((1, 1), np.float32), 0, 1, 0, 1)
    )
    if order is not None:
        image = image_columns(order.overview)
        for start in order.borders:
            borders += [(start, 0, start, n), (0, start, n, start)]
        for run in order.runs:
            if run.subcluster is not None:
                name = order.facts.names[run.subcluster]
                rows.append((0, run.start, n, run.stop, name, ""))
                columns.append((run.start, 0, run.stop, n, name, ""))
    return Drawing(
        SIDE,
        SIDE,
        {
            "image": Layer("image", image),
            "borders": drawing.segments(borders, line_color="#b4bcc6", line_width=0.8),
            "columns": drawing.hits(columns),
            "hits": drawing.hits(rows),
        },
        x=(0, n),
        y=(n, 0),
    )


def draw_strip(order: Sorted | None, *, across: bool) -> Drawing:
    """Cluster colours and letters along the top (`across`) or the left of the matrix."""
    n = 1 if order is None else order.n
    colors: Marks = []
    words: Marks = []
    hits: Marks = []

    def place(start: float, stop: float, low: float, high: float) -> tuple[float, ...]:
        return (start, low, stop, high) if across else (low, start, high, stop)

    if order is not None:
        for cluster, start, stop in order.clusters:
            color = style.LINE if cluster < 0 else style.cluster_color(cluster)
            colors.append((*place(start, stop, STRIP - 8, STRIP - 2), color))
            word = "dead" if cluster < 0 else cluster_name(cluster)
            room = (stop - start) / n * SIDE
            if (style.text_width(word) if across else 9) <= room:
                middle = (start + stop) / 2
                words.append((middle, 10, word) if across else (8, middle, word))
        for run in order.runs:
            if run.subcluster is not None:
                name = order.facts.names[run.subcluster]
                tip = f"{name}, {style.plural(run.stop - run.start, 'unit')}"
                hits.append((*place(run.start, run.stop, STRIP - 9, STRIP - 1), name, tip))
    layers = {
        "colors": drawing.rectangles(colors, "fill", fill_color="fill", line_color="#ffffff"),
        "words": drawing.labels(words, text_align="center"),
        "hits": drawing.hits(hits),
    }
    if across:
        return Drawing(SIDE, STRIP, layers, x=(0, n))
    return Drawing(STRIP, SIDE, layers, y=(n, 0))


class Hover:
    """The hover of the matrix, at home in the browser: which two subclusters, what mean edge."""

    def __init__(self) -> None:
        self.units = ColumnDataSource({"group": np.zeros(1, dtype=np.int32)})
        self.groups = ColumnDataSource({"text": [""], "measure": [""]})
        self.cells = ColumnDataSource({"mean": np.zeros(1, dtype=np.float32)})
        args = {"units": self.units, "groups": self.groups, "cells": self.cells}
        self.tool = HoverTool(
            tooltips="row <b>$x{row}</b><br>column <b>$x{column}</b><br>"
            "mean $x{measure} between them $x{mean}<br>this pixel @image{0.0000}",
            formatters={"$x": CustomJSHover(args=args, code=_WHERE)},
        )

    def update(self, order: Sorted) -> None:
        """Exact mean edges between all runs of the sorted matrix, from the graph."""
        graph, runs = order.partition.graph, order.runs
        group = np.repeat(np.arange(len(runs)), [run.stop - run.start for run in runs])
        by_unit = np.empty(order.n, dtype=np.int64)
        by_unit[matrix.sorted_units(order.partition)] = group
        sizes = np.bincount(group, minlength=len(runs))
        mean = matrix.pool(graph, by_unit, by_unit, (len(runs), len(runs))) / np.outer(sizes, sizes)
        self.units.data = {"group": group.astype(np.int32)}
        text = [_describe(order, run) for run in runs]
        self.groups.data = {"text": text, "measure": [measure(order.facts)] * len(text)}
        self.cells.data = {"mean": mean.astype(np.float32).ravel()}


def _describe(order: Sorted, run: Run) -> str:
    layer = order.partition.graph.layers[run.layer]
    if run.subcluster is not None:
        what = order.facts.names[run.subcluster]
    else:
        what = "dead" if run.cluster < 0 else cluster_name(run.cluster)
    return f"{what} ({layer.name})"
