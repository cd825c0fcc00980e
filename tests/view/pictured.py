"""Analyses with top images, and what the gallery draws of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource

from modviz.core.analysis import Analysis, TopImages
from modviz.view.drawing import Drawing
from modviz.view.page import Page


def with_tops(
    analysis: Analysis, *, shape: tuple[int, int, int] | None = (28, 28, 1), n: int = 10
) -> Analysis:
    """The analysis with top images: the first subcluster's are all of class 3, its p is .01."""
    rng = np.random.default_rng(2)
    s = len(analysis.subclusters)
    labels = rng.integers(len(analysis.class_names), size=(s, n))
    labels[0] = 3
    entropy, controls = np.full(s, 1.25), np.tile(np.full(99, 1.25), (s, 1))
    entropy[0] = 0.0
    images = None if shape is None else rng.random((s, n, *shape)).astype(np.float32)
    for values in (entropy, controls, *([] if images is None else [images])):
        values[~analysis.tested] = np.nan
    numbers = np.arange(s * n).reshape(s, n)
    tops = TopImages(entropy, controls, np.full((s, n), 2.5), numbers, labels, images, 10_000)
    return replace(analysis, top_images=tops)


def kinds(page: Page, kind: str) -> list[ColumnDataSource]:
    """The sources that carry sheets of a kind."""
    every = page.document.select({"type": ColumnDataSource})
    return [s for s in every if f'"kind": "{kind}"' in str(s.data.get("json"))]


def columns(drawing: Drawing, layer: str) -> list[dict[str, Any]]:
    """The marks of a layer, a dict each."""
    table = drawing.layers[layer].columns
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def words(drawing: Drawing) -> list[str]:
    return [mark["text"] for layer in ("words", "bold") for mark in columns(drawing, layer)]


def inside(drawing: Drawing, name: str, layer: str) -> list[dict[str, Any]]:
    """The marks of a layer that begin in the cell of a subcluster, in their order."""
    (hit,) = [mark for mark in columns(drawing, "hits") if mark["name"] == name]
    x, y = ("left", "bottom") if layer in ("blanks", "bars") else ("x", "y")
    return [
        mark
        for mark in columns(drawing, layer)
        if hit["left"] < mark[x] < hit["right"] and hit["bottom"] < mark[y] < hit["top"]
    ]
