"""The adjacency matrix of thousands of units as a picture of at most 512 x 512 means.

The whole matrix never travels to a browser. Whatever part of it is in view is pooled here, straight
from the graph's blocks; once at most 512 units a side are in view every pixel is one pair of units.
Numbers that are shown as figures are pooled from the same blocks, never from the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PIXELS = 512


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture of part of the matrix; row 0 is the first unit, as everywhere in modviz.

    Attributes
    ----------
    image : array of float32, shape (rows, columns), at most 512 each
        Mean edge weight of the pairs of units behind each pixel.
    x0, x1, y0, y1 : int
        Which units it shows, in sorted order: columns x0 .. x1 - 1, rows y0 .. y1 - 1.
    """

    image: NDArray[np.float32]
    x0: int
    x1: int
    y0: int
    y1: int


def sorted_units(partition: Partition) -> Ints:
    """All units by cluster, then layer, then number; those in no cluster last.

    Those of a local partition by layer, then cluster: nothing joins its clusters across layers.
    """
    labels = partition.labels
    clusters = np.where(labels < 0, partition.n_clusters, labels)
    if partition.scope == "local":
        sizes = [layer.n_units for layer in partition.graph.layers]
        return np.lexsort((clusters, np.repeat(np.arange(len(sizes)), sizes))).astype(np.int64)
    return np.argsort(clusters, kind="stable").astype(np.int64)


def pool(graph: NeuronGraph, rows: Ints, columns: Ints, shape: tuple[int, int]) -> Floats:
    """Sum of the adjacency matrix over groups of rows and columns.

    Parameters
    ----------
    graph : NeuronGraph
    rows, columns : array of int, shape (n_units,)
        The group of each unit as a row and as a column; negative = left out.
    shape : (int, int)
        Number of groups.
    """
    total = np.zeros(shape)
    by_row = [_indicator(rows[graph.layer_slice(k)], shape[0]) for k in range(len(graph.layers))]
    by_column = [
        _indicator(columns[graph.layer_slice(k)], shape[1]) for k in range(len(graph.layers))
    ]
    for (i, j), block in graph.blocks.items():
        if by_row[i].nnz and by_column[j].nnz:
            total += by_row[i] @ (by_column[j] @ block.T).T
        if i != j and by_row[j].nnz and by_column[i].nnz:
            total += by_row[j] @ (by_column[i] @ block).T
    return total


def _indicator(groups: Ints, n_groups: int) -> sp.csr_array:
    members = np.flatnonzero(groups >= 0)
    return sp.csr_array(
        (np.ones(members.size), (groups[members], members)), shape=(n_groups, groups.size)
    )


def tile(
    partition: Partition, x0: float = 0, x1: float = np.inf, y0: float = 0, y1: float = np.inf
) -> Tile:
    """The part of the sorted matrix between the given unit positions, grown to whole units."""
    n = partition.graph.n_units
    left, right = _whole(x0, x1, n)
    top, bottom = _whole(y0, y1, n)
    position = np.empty(n, dtype=np.int64)
    position[sorted_units(partition)] = np.arange(n)
    rows, row_sizes = _bins(position, top, bottom)
    columns, column_sizes = _bins(position, left, right)
    sums = pool(partition.graph, rows, columns, (row_sizes.size, column_sizes.size))
    mean = sums / np.outer(row_sizes, column_sizes)
    return Tile(mean.astype(np.float32), left, right, top, bottom)


def _whole(low: float, high: float, n: int) -> tuple[int, int]:
    low, high = sorted((float(low), float(high)))
    start = int(np.clip(np.floor(low), 0, max(n - 1, 0)))
    return start, int(np.clip(np.ceil(min(high, n)), start + 1, n))


def _bins(position: Ints, start: int, stop: int) -> tuple[Ints, Floats]:
    """The pixel of every unit in view, -1 outside, and how many units each pixel stands for."""
    count = stop - start
    pixels = min(count, PIXELS)
    inside = (position >= start) & (position < stop)
    bins = np.where(inside, (position - start) * pixels // count, -1)
    return bins, np.bincount(bins[inside], minlength=pixels).astype(float)


def shares_inside(partition: Partition) -> Floats:
    """Share of each cluster's edge weight that stays inside it, 0 .. 1, shape (n_clusters,).

    NaN for a cluster without units or edges. The normalised cut is the sum of one minus these.
    """
    k = partition.n_clusters
    between = pool(partition.graph, partition.labels, partition.labels, (k, k))
    volume = np.zeros(k)
    member = partition.labels >= 0
    np.add.at(volume, partition.labels[member], partition.graph.degrees[member])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(between.diagonal() / volume)


def color_limits(image: NDArray[np.float32]) -> tuple[float, float]:
    """Limits of the logarithmic colours, at one digit: they hold most of the positive values."""
    positive = image[image > 0]
    if not positive.size:
        return 0.01, 1.0
    low, high = (float(v) for v in np.percentile(positive, (5, 99.5)))
    low, high = _one_digit(low, np.floor), _one_digit(high, np.ceil)
    return (low, high) if high > low else (low, 10 * low)


def _one_digit(value: float, towards: np.ufunc) -> float:
    unit = 10.0 ** np.floor(np.log10(value))
    return float(f"{towards(round(value / unit, 9)) * unit:.3g}")
