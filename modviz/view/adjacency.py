"""The adjacency matrix, by cluster or by layer, with a strip of clusters at two sides.

A click takes the subcluster of its row, which is then outlined as a row and as a column.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool

from modviz.core.partition import cluster_name
from modviz.view import drawing, matrix, scripts, style
from modviz.view.drawing import Drawing, Layer, Marks
from modviz.view.facts import Facts
from modviz.view.order import Run, Sorted

STRIP = 26
SIDE = 280
_PALETTE_STOPS = ("#ffffff", "#dbe3ec", "#93a7c1", "#3f5878", "#0f1a30")


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


def image_columns(tile: matrix.Tile, scale: matrix.Scale) -> dict[str, list[Any]]:
    """A tile as the columns of the image's source."""
    return {
        "image": [scale.code(tile.image)],
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
    rounded = "" if facts.analysis.partition.graph.exact else ", rounded"
    return style.header(title, f"mean edge between units{rounded}; drag to zoom", ramp)


def draw(order: Sorted | None) -> Drawing:
    """The matrix itself: picture, cluster borders, and hit bands of rows and columns."""
    n = 1 if order is None else order.n
    borders: Marks = []
    rows: Marks = []
    columns: Marks = []
    blank = matrix.Tile(np.zeros((1, 1), np.float32), 0, 1, 0, 1)
    image = image_columns(blank, matrix.Scale(0.01, 1.0))
    if order is not None:
        image = image_columns(order.overview, order.scale)
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
        for word, start, stop in _words(order):
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


def _words(order: Sorted) -> list[tuple[str, int, int]]:
    """(word, start, stop) along the strips: letters of clusters, or by layer numbers of layers."""
    if not order.by_layer:
        return [
            ("dead" if cluster < 0 else cluster_name(cluster), start, stop)
            for cluster, start, stop in order.clusters
        ]
    graph = order.partition.graph
    words = [str(la.number) if la.role == "hidden" else la.role[:3] for la in graph.layers]
    ends = [int(end) for end in graph.offsets]
    return list(zip(words, ends[:-1], ends[1:], strict=True))


class Hover:
    """The hover of the matrix, at home in the browser: which two units, what is between them.

    Parameters
    ----------
    image : ColumnDataSource
        Of the picture.
    """

    def __init__(self, image: ColumnDataSource) -> None:
        self.units = ColumnDataSource({name: np.zeros(1, np.int32) for name in ("group", "unit")})
        self.groups = ColumnDataSource({"text": [""], "measure": [""]})
        self.cells = ColumnDataSource({"mean": np.zeros(1, dtype=np.float32)})
        self.scale = ColumnDataSource({"json": ["{}"]})
        args = {
            "units": self.units,
            "groups": self.groups,
            "cells": self.cells,
            "scale": self.scale,
            "image": image,
        }
        self.tool = HoverTool(
            tooltips="row <b>$x{row}</b><br>column <b>$x{column}</b><br>"
            "$x{measure}, $x{pixel}<br>mean of the two groups: $x{mean}",
            formatters={"$x": CustomJSHover(args=args, code=scripts.code("hover"))},
        )

    def update(self, order: Sorted) -> None:
        """Exact mean edges between all runs of the sorted matrix, from the graph."""
        graph, runs = order.partition.graph, order.runs
        group = np.repeat(np.arange(len(runs)), [run.stop - run.start for run in runs])
        by_unit = np.empty(order.n, dtype=np.int64)
        by_unit[order.units] = group
        sizes = np.bincount(group, minlength=len(runs))
        mean = matrix.pool(graph, by_unit, by_unit, (len(runs), len(runs))) / np.outer(sizes, sizes)
        number = order.units - np.repeat(graph.offsets[:-1], np.diff(graph.offsets))[order.units]
        self.units.data = {"group": group.astype(np.int32), "unit": number.astype(np.int32)}
        self.scale.data = {
            "json": [json.dumps({"least": order.scale.least, "step": order.scale.step})]
        }
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
