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

from modviz.core.graph import NeuronGraph
from modviz.core.settings import one_of


def cluster_name(cluster: int) -> str:
    """Letters of a cluster: 0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    cluster += 1
    while cluster:
        cluster, rest = divmod(cluster - 1, 26)
        letters = ascii_uppercase[rest] + letters
    return letters


@dataclass(frozen=True)
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
    """

    labels: NDArray[np.int64]
    n_clusters: int
    graph: NeuronGraph
    scope: str = "global"
    cuts: tuple[LayerCut, ...] = ()

    def __post_init__(self) -> None:
        one_of("scope", self.scope)
        wanted = len(self.graph.layers) if self.scope == "local" else 0
        if self.cuts and len(self.cuts) != wanted:
            raise ValueError(
                f"cuts has {len(self.cuts)} entries; expected {wanted}: one a layer in a partition "
                "with scope='local', none in a global one"
            )
        labels = np.asarray(self.labels, dtype=np.int64)
        if labels.shape != (self.graph.n_units,):
            raise ValueError(
                f"labels have shape {labels.shape}; expected ({self.graph.n_units},), one a unit"
            )
        if labels.size and (labels.min() < -1 or labels.max() >= self.n_clusters):
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()}; expected -1 (dead) "
                f"to {self.n_clusters - 1}"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "n_clusters", int(self.n_clusters))

    @cached_property
    def ncut(self) -> float:
        """Normalised cut, 0 .. n_clusters: lower = more modular.

        In a local partition the mean over layers of the normalised cut of each layer's
        neighbourhood (see `cuts`), without layers that were not cut; NaN if there is none.
        """
        if self.scope == "local":
            known = [cut.ncut for cut in self.cuts if not np.isnan(cut.ncut)]
            return float(np.mean(known)) if known else float("nan")
        return normalized_cut(self.graph, self.labels)

    @cached_property
    def subclusters(self) -> tuple[Subcluster, ...]:
        """All non-empty subclusters of hidden layers, by layer, then cluster."""
        found = []
        for index, layer in enumerate(self.graph.layers):
            if layer.role != "hidden":
                continue
            labels = self.labels[self.graph.layer_slice(index)]
            for cluster in range(self.n_clusters):
                units = np.flatnonzero(labels == cluster)
                if units.size:
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


def normalized_cut(adjacency_or_graph: NeuronGraph | ArrayLike, labels: ArrayLike) -> float:
    """Sum over clusters of the weight that leaves the cluster over all weight at the cluster.

    Parameters
    ----------
    adjacency_or_graph : NeuronGraph or square matrix (array or scipy sparse), >= 0
    labels : array_like of int, shape (n,)
        Cluster of each unit; negative = in no cluster (its edges still count as leaving).

    Returns
    -------
    float
        0 .. number of clusters: lower = more modular. k - 1 is about what a random partition of an
        even graph gives. A cluster without any weight adds nothing.
    """
    groups = np.asarray(labels)
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
    matrix: Any = sp.csr_array(given)
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise ValueError("adjacency holds NaN, infinite or negative weights; expected all >= 0")
    return tuple(matrix.shape), np.asarray(matrix.sum(axis=1)).ravel(), matrix.__matmul__
