"""How much edge weight a partition keeps inside its clusters, and what would be there anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modviz.core.partition import Partition
from modviz.view import matrix


@dataclass(frozen=True)
class Kept:
    """Edge weight inside clusters as a share of all weight at clustered units, 0 .. 1.

    Attributes
    ----------
    share : float
        What the partition keeps. NaN where there is no weight at all.
    mixed : float
        What it would keep if units took no notice of clusters: each pair of layers has the same
        weight between them, each unit the same part of it, and a unit's partners are taken in
        proportion to theirs.
    """

    share: float
    mixed: float


def kept(partition: Partition) -> Kept:
    """Share of the weight inside clusters, beside that of the same units mixed evenly.

    Layer pairs are mixed one by one, since most pairs of layers of a network have no edges and a
    cluster of two layers would seem tight for that alone. Inside a layer, where a unit cannot be
    its own partner, the rest of the proportions stands for all.
    """
    graph, labels, k = partition.graph, partition.labels, partition.n_clusters
    volume = float(graph.degrees[labels >= 0].sum())
    if not volume > 0:
        return Kept(float("nan"), float("nan"))
    inside = float(np.trace(matrix.pool(graph, labels, labels, (k, k))))
    expected = 0.0
    for (i, j), block in graph.blocks.items():
        total = float(block.sum())
        if not total:
            continue
        ends = [
            (labels[graph.layer_slice(layer)], block.sum(axis=axis) / total)
            for layer, axis in ((i, 1), (j, 0))
        ]
        first, second = (
            np.bincount(where[where >= 0], part[where >= 0], minlength=k) for where, part in ends
        )
        together = float(first @ second)
        if i == j:
            where, part = ends[0]
            together -= float((part[where >= 0] ** 2).sum())
            together /= 1 - float((part**2).sum())
        # a block inside a layer holds both ends of its edges, one between layers only one
        expected += together * total * (1 if i == j else 2)
    return Kept(inside / volume, expected / volume)
