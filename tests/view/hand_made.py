"""Analyses made by hand, whose every number can be checked by eye, and tables read back."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import LayerCut, Partition
from modviz.view.facts import Facts


def judged(
    changes: Sequence[float | Sequence[float]],
    *,
    control: float = -0.01,
    n_controls: int = 19,
    classes: tuple[str, ...] = ("cat", "dog"),
    layer: str = "fc1",
    small: int = 0,
    **more: Any,
) -> Facts:
    """Subclusters A1, B1, ... of 4 units; each changes the accuracy of the classes by `changes`.

    Without a random group all classes change by `control`. `small` more subclusters have 2 units,
    too few to be tested. NaN = not measured. `more` are arguments of Analysis.
    """
    s = len(changes)
    labels = np.concatenate([np.repeat(np.arange(s), 4), np.repeat(np.arange(s, s + small), 2)])
    inner = np.ones((labels.size, labels.size)) - np.eye(labels.size)
    graph = NeuronGraph([Layer(layer, "linear", labels.size, number=1)], {(0, 0): inner})
    partition = Partition(labels, s + small, graph)
    c = len(classes)
    intact = np.linspace(0.9, 0.8, c)
    lesioned = np.full((s + small, c), np.nan)
    for i, change in enumerate(changes):
        lesioned[i] = intact + np.asarray(change)
    controls = np.tile(intact + control, (s + small, n_controls, 1))
    controls[np.isnan(lesioned).any(axis=1)] = np.nan
    error = np.where(np.isnan(lesioned[:, 0]), np.nan, 0.01)
    lesions = LesionResults(intact, lesioned, controls, 200, error)
    arguments: dict[str, Any] = {"lesions": lesions, "class_names": classes} | more
    return Facts(Analysis(partition, size_rule(partition), **arguments))


def pictures(
    score: Sequence[float], entropy: Sequence[float], n_controls: int = 99
) -> FeatureResults:
    """Feature images with these numbers; all random groups have score 1 and entropy 1."""
    ones = np.ones((len(score), n_controls))
    ones[np.isnan(score)] = np.nan
    images = np.zeros((len(score), 4, 4, 1), np.float32)
    return FeatureResults(np.array(score), np.array(entropy), ones, ones, images, images)


def tops(labels: Sequence[Sequence[int]], n_controls: int = 99) -> TopImages:
    """Top images of these classes; those of all random groups have entropy 1. () = not yet."""
    size = max(map(len, labels))
    entropy = np.full(len(labels), np.nan)
    found = np.full((len(labels), size), -1)
    for i, classes in enumerate(labels):
        if classes:
            found[i] = classes
            share = np.unique(classes, return_counts=True)[1] / size
            entropy[i] = -(share * np.log(share)).sum() + 0.0
    controls = np.ones((len(labels), n_controls))
    drives = np.ones(found.shape)
    return TopImages(entropy, controls, drives, np.zeros_like(found), found, None, 100)


def two_layers(scope: str = "global", dead: bool = False) -> Facts:
    """Clusters A and B with two units each in fc1 and fc2; edges are 3 inside, 1 between them.

    With `dead` the last unit of fc2 has no edges and is in no cluster.
    """
    labels = np.array([0, 0, 1, 1] * 2)
    block = np.where(np.equal.outer(labels[:4], labels[4:]), 3.0, 1.0)
    if dead:
        block[:, -1], labels[-1] = 0, -1
    layers = [Layer("fc1", "linear", 4, number=1), Layer("<fc2>", "linear", 4, number=2)]
    cuts = (LayerCut(2, 0.5), LayerCut(1, np.nan)) if scope == "local" else ()
    partition = Partition(labels, 2, NeuronGraph(layers, {(0, 1): block}), scope, cuts)
    return Facts(Analysis(partition, size_rule(partition), status="running"))


def large() -> Facts:
    """As many results as VGG-16 has: 13 layers, 16 clusters in each, 10 classes; random numbers."""
    rng = np.random.default_rng(0)
    layers = [Layer(f"features.{3 * i}", "conv2d", 80, number=i + 1) for i in range(13)]
    blocks = {(i, i + 1): rng.random((80, 80)) for i in range(12)}
    partition = Partition(np.tile(np.repeat(np.arange(16), 5), 13), 16, NeuronGraph(layers, blocks))
    s, classes = len(partition.subclusters), tuple(f"class {c}" for c in range(10))
    intact = np.full(10, 0.9)
    lesions = LesionResults(
        intact,
        intact - rng.random((s, 10)) / 2,
        intact - rng.random((s, 99, 10)) / 4,
        10000,
        rng.random(s) / 100,
    )
    return Facts(
        Analysis(
            partition,
            size_rule(partition),
            classes,
            lesions=lesions,
            features=pictures(10 * rng.random(s), rng.random(s)),
            top_images=tops(rng.integers(0, 10, (s, 10)).tolist()),
        )
    )


class Read(HTMLParser):
    """HTML read back: its tags balanced, its caption, heads and rows as text.

    Attributes
    ----------
    caption : str
    heads : list of str
    rows : list of list of str
        Text of the cells; what is only heard is in brackets.
    select, of : list of (str or None)
        Per row what its button selects and its ``data-of``.
    scopes : list of (str or None)
        Of all header cells, in order.
    tags : set of str
        All tags that occur.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.caption, self.heads, self.text = "", [], ""
        self.rows: list[list[str]] = []
        self.select: list[str | None] = []
        self.of: list[str | None] = []
        self.scopes: list[str | None] = []
        self.spans: list[int] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._open.append(tag)
        self.tags.add(tag)
        if tag == "tr" and "tbody" in self._open:
            self.rows.append([])
            self.select.append(None)
            self.of.append(given.get("data-of"))
            self.spans.append(0)
        if tag == "th":
            self.scopes.append(given.get("scope"))
        if tag in ("th", "td") and self.rows:
            self.rows[-1].append("")
            self.spans[-1] += int(given.get("colspan") or 1)
        elif tag == "th":
            self.heads.append("")
        if tag == "button":
            assert given["type"] == "button"
            self.select[-1] = given["data-select"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "caption" in self._open:
            self.caption += data
        elif self.rows and self.rows[-1]:
            self.rows[-1][-1] += f"[{data.strip()}]" if self._open[-1] == "span" else data
        elif self.heads:
            self.heads[-1] += data
