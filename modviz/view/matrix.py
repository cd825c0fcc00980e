"""The adjacency matrix of thousands of units as a picture of at most 512 x 512 means.

The whole matrix never travels to a browser. Whatever part of it is in view is pooled here, straight
from the graph's blocks; once at most 512 units a side are in view every pixel is one pair of units.
Numbers that are shown as figures are pooled from the same blocks, never from the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Order = Literal["cluster", "layer"]

PIXELS = 512
#: Weights travel as whole numbers, evenly spaced in their logarithm; 0 = no edge.
CODES = 65_535


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


def sorted_units(partition: Partition, order: Order = "cluster") -> Ints:
    """All units in the order of the matrix; those in no cluster last.

    ``"cluster"``: by cluster, then layer, then number. ``"layer"``: by layer, then cluster, as
    those of a local partition always are: nothing joins its clusters across layers.
    """
    labels = partition.labels
    clusters = np.where(labels < 0, partition.n_clusters, labels)
    if order == "layer" or partition.scope == "local":
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
    partition: Partition,
    x0: float = 0,
    x1: float = np.inf,
    y0: float = 0,
    y1: float = np.inf,
    *,
    order: Order = "cluster",
) -> Tile:
    """The part of the sorted matrix between the given unit positions, grown to whole units."""
    n = partition.graph.n_units
    left, right = _whole(x0, x1, n)
    top, bottom = _whole(y0, y1, n)
    position = np.empty(n, dtype=np.int64)
    position[sorted_units(partition, order)] = np.arange(n)
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
    return partition.inside.shares


def color_limits(image: NDArray[np.float32]) -> tuple[float, float]:
    """Limits of the logarithmic colours, at one digit: they hold most of the positive values."""
    positive = image[image > 0]
    if not positive.size:
        return 0.01, 1.0
    low, high = (float(v) for v in np.percentile(positive, (5, 99.5)))
    low, high = _one_digit(low, np.floor), _one_digit(high, np.ceil)
    return (low, high) if high > low else (low, 10 * low)


@dataclass(frozen=True)
class Scale:
    """Weights as codes: 0 for no edge, else 1 .. `CODES` from `least` to `most`, by logarithm.

    A step is a factor of less than 1.001 in any graph whose weights span less than 28 decades.
    """

    least: float
    most: float

    @classmethod
    def of(cls, graph: NeuronGraph, limits: tuple[float, float]) -> Scale:
        """A scale for every weight that a picture of the graph can show.

        Means over blocks of pixels can be below any single weight; from a ten-thousandth of the
        lowest colour on they count as that.
        """
        largest = max(
            (float(block.max()) for block in graph.blocks.values() if block.size), default=0
        )
        return cls(limits[0] * 1e-4, max(limits[1], largest) * 1.001)

    @property
    def step(self) -> float:
        """Logarithm of the factor from one code to the next."""
        return float(np.log(self.most / self.least) / (CODES - 1))

    def code(self, weights: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Weights, at least 0, as codes."""
        with np.errstate(divide="ignore"):
            steps = np.log(np.asarray(weights, dtype=float) / self.least) / self.step
        codes = np.clip(np.rint(steps) + 1, 1, CODES)
        return np.where(weights > 0, codes, 0).astype(np.uint16)

    def weight(self, codes: NDArray[np.uint16]) -> Floats:
        """Codes as weights again."""
        return np.where(codes > 0, self.least * np.exp((codes.astype(float) - 1) * self.step), 0.0)


def _one_digit(value: float, towards: np.ufunc) -> float:
    unit = 10.0 ** np.floor(np.log10(value))
    return float(f"{towards(round(value / unit, 9)) * unit:.3g}")
