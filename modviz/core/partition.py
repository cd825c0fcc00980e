"""A partition of a neuron graph's units into clusters, and how good it is: the normalised cut.

`modviz.core.spectral` makes partitions. After Shi and Malik, doi:10.1109/34.868688.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from modviz.core.arrays import real_numbers, whole_numbers
from modviz.core.graph import NeuronGraph, warn_if_rounded
from modviz.core.inside import Inside, inside
from modviz.core.settings import one_of, whole_number


def cluster_name(cluster: int) -> str:
    """Letters of a cluster: 0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    cluster += 1
    while cluster:
        cluster, rest = divmod(cluster - 1, 26)
        letters = ascii_uppercase[rest] + letters
    return letters


@dataclass(frozen=True, repr=False)
class Subcluster:
    """The units of one cluster in one layer: what every measurement is made on.

    Attributes
    ----------
    layer : str
        Name of the layer.
    layer_number : int
        Its number among the model's hidden layers, from 1.
    cluster : int
        Number of the cluster, from 0.
    units : array of int
        Which units of the layer, ascending.
    """

    layer: str
    layer_number: int
    cluster: int
    units: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Subcluster({self.name}: {len(self.units)} units of {self.layer})"

    @property
    def name(self) -> str:
        """Short name: B2 is cluster B in layer 2."""
        return f"{cluster_name(self.cluster)}{self.layer_number}"

    @property
    def key(self) -> tuple[str, int]:
        """(layer, cluster), as `Explorer.selected` holds it."""
        return (self.layer, self.cluster)


@dataclass(frozen=True)
class LayerCut:
    """How well one layer's neighbourhood was cut, in a local partition.

    Attributes
    ----------
    n_clusters : int
        Clusters that the neighbourhood was cut into; 1 = nothing was cut.
    ncut : float
        Normalised cut of the neighbourhood, 0 .. n_clusters; NaN if nothing was cut.
    """

    n_clusters: int
    ncut: float


@dataclass(frozen=True, eq=False)
class Partition:
    """Every unit of a graph in one of `n_clusters` clusters.

    Attributes
    ----------
    labels : array of int, shape (n_units,)
        Cluster of each unit, 0 .. n_clusters - 1 from the largest cluster to the smallest;
        -1 = dead, in no cluster.
    n_clusters : int
        In a local partition: what no layer has more clusters than.
    graph : NeuronGraph
    scope : {"global", "local"}
        ``"local"``: every layer has clusters of its own; those with the same number in different
        layers have nothing to do with each other.
    cuts : tuple of LayerCut
        One a layer of the graph in a local partition; () in a global one, or if unknown.
    known : Inside, optional
        What was measured on the exact graph, where `graph` is a rounded one from a file.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> partition = modviz.spectral_partition(graph, n_clusters=2)
    >>> from sklearn.metrics import adjusted_rand_score
    >>> adjusted_rand_score(planted.labels, partition.labels)  # 1 = the modules that were planted
    1.0
    """

    labels: NDArray[np.int64]
    n_clusters: int
    graph: NeuronGraph
    scope: str = "global"
    cuts: tuple[LayerCut, ...] = ()
    known: Inside | None = None

    def __post_init__(self) -> None:
        one_of("scope", self.scope)
        require_graph(self.graph)
        n_clusters = whole_number("n_clusters", self.n_clusters, 1)
        if n_clusters > max(1, self.graph.n_units):
            raise ValueError(
                f"n_clusters={n_clusters} is more than the {self.graph.n_units} units of the graph"
            )
        wanted = len(self.graph.layers) if self.scope == "local" else 0
        if self.cuts and len(self.cuts) != wanted:
            raise ValueError(
                f"cuts has {len(self.cuts)} entries; expected {wanted}: one a layer in a partition "
                "with scope='local', none in a global one"
            )
        labels = whole_numbers("labels", self.labels)
        if labels.shape != (self.graph.n_units,):
            raise ValueError(
                f"labels have shape {labels.shape}; expected ({self.graph.n_units},), one a unit"
            )
        if labels.size and (labels.min() < -1 or labels.max() >= n_clusters):
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()}; expected -1 (dead) "
                f"to {n_clusters - 1}"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "n_clusters", n_clusters)

    @cached_property
    def ncut(self) -> float:
        """Normalised cut, 0 .. n_clusters: lower = more modular.

        In a local partition the mean over layers of the normalised cut of each layer's
        neighbourhood (see `cuts`), without layers that were not cut; NaN if there is none.
        """
        if self.known is not None:
            return self.known.ncut
        if self.scope == "local":
            known = [cut.ncut for cut in self.cuts if not np.isnan(cut.ncut)]
            return float(np.mean(known)) if known else float("nan")
        warn_if_rounded(self.graph, "the normalised cut")
        return cut_of(self.graph, self.labels)

    @cached_property
    def inside(self) -> Inside:
        """How much edge weight it keeps inside its clusters."""
        if self.known is not None:
            return self.known
        return inside(self.graph, self.labels, self.n_clusters, self.ncut)

    @cached_property
    def subclusters(self) -> tuple[Subcluster, ...]:
        """All non-empty subclusters of hidden layers, by layer, then cluster."""
        found = []
        for index, layer in enumerate(self.graph.layers):
            if layer.role != "hidden":
                continue
            labels = self.labels[self.graph.layer_slice(index)]
            for cluster in np.unique(labels[labels >= 0]).tolist():
                units = np.flatnonzero(labels == cluster)
                found.append(Subcluster(layer.name, layer.number, cluster, units))
        return tuple(found)

    def live_units(self, layer: str) -> NDArray[np.int64]:
        """The units of a layer that are in some cluster, ascending."""
        index = [la.name for la in self.graph.layers].index(layer)
        return np.flatnonzero(self.labels[self.graph.layer_slice(index)] >= 0)

    def __repr__(self) -> str:
        if self.scope == "local":
            return (
                f"Partition(up to {self.n_clusters} clusters in each of {len(self.graph.layers)} "
                f"layers, {self.graph.n_units:,} units, mean normalised cut {self.ncut:.3f})"
            )
        return (
            f"Partition({self.n_clusters} clusters of {self.graph.n_units:,} units, "
            f"normalised cut {self.ncut:.3f})"
        )


def require_graph(graph: object) -> None:
    """Raise a TypeError for what is no graph."""
    if not isinstance(graph, NeuronGraph):
        raise TypeError(
            f"graph is {type(graph).__name__}; expected a modviz.NeuronGraph, as "
            "modviz.weight_graph and modviz.activation_graph give them"
        )


def normalized_cut(adjacency_or_graph: NeuronGraph | ArrayLike, labels: ArrayLike) -> float:
    """Sum over clusters of the weight that leaves the cluster over all weight at the cluster.

    Parameters
    ----------
    adjacency_or_graph : NeuronGraph or symmetric matrix (array or scipy sparse), >= 0
    labels : array_like of int, shape (n,)
        Cluster of each unit; negative = in no cluster (its edges still count as leaving).

    Returns
    -------
    float
        0 .. number of clusters: lower = more modular. k - 1 is about what a random partition of an
        even graph gives. A cluster without any weight adds nothing.

    Raises
    ------
    TypeError
        If one of them holds no numbers.
    ValueError
        If shapes do not fit, weights are negative or not finite, or labels are fractions.

    Examples
    --------
    >>> import modviz
    >>> pairs = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    >>> modviz.normalized_cut(pairs, [0, 0, 1, 1]), modviz.normalized_cut(pairs, [0, 1, 0, 1])
    (0.0, 2.0)
    """
    warn_if_rounded(adjacency_or_graph, "the normalised cut")
    return cut_of(adjacency_or_graph, labels)


def cut_of(adjacency_or_graph: NeuronGraph | ArrayLike, labels: ArrayLike) -> float:
    """The same without a word about rounded weights, for who has warned already."""
    groups = whole_numbers("labels", labels)
    shape, degrees, multiply = _as_operator(adjacency_or_graph)
    n = shape[0]
    if shape != (n, n) or groups.shape != (n,):
        raise ValueError(
            f"adjacency has shape {shape} and labels {groups.shape}; expected a square "
            "matrix and one label a row"
        )
    names, codes = np.unique(groups[groups >= 0], return_inverse=True)
    indicator = np.zeros((n, names.size))
    indicator[np.flatnonzero(groups >= 0), codes] = 1.0
    volume = indicator.T @ degrees
    inside = (indicator * multiply(indicator)).sum(axis=0)
    weighty = volume > 0
    return float(((volume - inside)[weighty] / volume[weighty]).sum())


def _as_operator(
    adjacency_or_graph: NeuronGraph | ArrayLike,
) -> tuple[tuple[int, ...], NDArray[np.float64], Callable[[Any], Any]]:
    """Shape, row sums and product of a graph (block by block, it may be dense) or a matrix."""
    if isinstance(adjacency_or_graph, NeuronGraph):
        graph = adjacency_or_graph
        return (graph.n_units, graph.n_units), graph.degrees, graph.multiply
    given: Any = adjacency_or_graph
    sparse = bool(sp.issparse(given))
    if sparse:
        if given.dtype.kind not in "biuf":
            raise TypeError(f"adjacency holds values of type {given.dtype}; expected real numbers")
    else:
        given = real_numbers("adjacency", given)
    if given.ndim != 2:
        raise ValueError(f"adjacency has shape {given.shape}; expected a square matrix")
    matrix: Any = sp.csr_array(given).astype(np.float64)
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise ValueError("adjacency holds NaN, infinite or negative weights; expected all >= 0")
    return tuple(matrix.shape), np.asarray(matrix.sum(axis=1)).ravel(), matrix.__matmul__
