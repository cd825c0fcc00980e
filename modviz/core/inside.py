"""How much edge weight a partition keeps inside its clusters, and what would be there anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Inside:
    """What is told of a partition's edges; files have it exactly, also with rounded weights.

    Attributes
    ----------
    ncut : float
        `Partition.ncut`. NaN where nothing was cut.
    shares : array, shape (n_clusters,)
        Share of each cluster's edge weight that stays inside it, 0 .. 1; NaN for a cluster without
        units or edges. The normalised cut of a global partition is the sum of one minus these.
    kept : float
        The same for all clusters together: weight inside them over all weight at clustered units.
        NaN where there is no weight at all.
    mixed : float
        What would be kept if units took no notice of clusters: each pair of layers has the same
        weight between them, each unit the same part of it, and a unit's partners are taken in
        proportion to theirs.
    """

    ncut: float
    shares: Floats
    kept: float
    mixed: float


def inside(graph: NeuronGraph, labels: NDArray[np.int64], n_clusters: int, ncut: float) -> Inside:
    """Measure it on a graph.

    Layer pairs are mixed one by one, since most pairs of layers of a network have no edges and a
    cluster of two layers would seem tight for that alone. Inside a layer, where a unit cannot be
    its own partner, the rest of the proportions stands for all.

    Parameters
    ----------
    graph : NeuronGraph
    labels : array of int, shape (n_units,)
        Cluster of each unit, -1 = in none.
    n_clusters : int
    ncut : float
    """
    member = labels >= 0
    volume = np.zeros(n_clusters)
    np.add.at(volume, labels[member], graph.degrees[member])
    within, expected = np.zeros(n_clusters), 0.0
    for (i, j), block in graph.blocks.items():
        # a block inside a layer holds both ends of its edges, one between layers only one
        ends = 1 if i == j else 2
        rows, columns = labels[graph.layer_slice(i)], labels[graph.layer_slice(j)]
        for cluster in np.intersect1d(rows[rows >= 0], columns).tolist():
            own = block[np.ix_(rows == cluster, columns == cluster)]
            within[cluster] += ends * float(own.sum())
        if total := float(block.sum()):
            parts = (rows, block.sum(axis=1) / total), (columns, block.sum(axis=0) / total)
            expected += ends * total * _together(*parts, n_clusters, same=i == j)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.asarray(within / volume)
    weight = float(volume.sum())
    if not weight > 0:
        return Inside(ncut, shares, float("nan"), float("nan"))
    return Inside(ncut, shares, float(within.sum()) / weight, expected / weight)


def _together(
    first: tuple[NDArray[np.int64], Floats],
    second: tuple[NDArray[np.int64], Floats],
    n_clusters: int,
    *,
    same: bool,
) -> float:
    """Chance that partners, each drawn by its part of the weight, are of one cluster."""
    by_cluster = [
        np.bincount(where[where >= 0], part[where >= 0], minlength=n_clusters)
        for where, part in (first, second)
    ]
    chance = float(by_cluster[0] @ by_cluster[1])
    if not same:
        return chance
    where, part = first
    itself = part**2
    return (chance - float(itself[where >= 0].sum())) / (1 - float(itself.sum()))
