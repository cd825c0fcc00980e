"""Partition a neuron graph into clusters, and say how good the partition is.

Normalised spectral clustering: the leading eigenvectors of the symmetrically normalised adjacency
matrix, then k-means. Source: Hod et al., arXiv:2110.08058, and Filan et al., arXiv:2103.03386,
after Shi and Malik, doi:10.1109/34.868688.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from modviz.core.graph import NeuronGraph

#: Below this many nodes a dense eigensolver is quicker and needs no iteration.
_DENSE_BELOW = 400


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


@dataclass(frozen=True, eq=False)
class Partition:
    """Every unit of a graph in one of `n_clusters` clusters.

    Attributes
    ----------
    labels : array of int, shape (n_units,)
        Cluster of each unit, 0 .. n_clusters - 1 from the largest cluster to the smallest;
        -1 = dead, in no cluster.
    n_clusters : int
    graph : NeuronGraph
    """

    labels: NDArray[np.int64]
    n_clusters: int
    graph: NeuronGraph

    def __post_init__(self) -> None:
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
        """Normalised cut, 0 .. n_clusters: lower = more modular."""
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
    graph = adjacency_or_graph
    given: Any = graph.adjacency if isinstance(graph, NeuronGraph) else graph
    matrix: Any = sp.csr_array(given)
    groups = np.asarray(labels)
    n = matrix.shape[0]
    if matrix.shape != (n, n) or groups.shape != (n,):
        raise ValueError(
            f"adjacency has shape {matrix.shape} and labels {groups.shape}; expected a square "
            "matrix and one label a row"
        )
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise ValueError("adjacency holds NaN, infinite or negative weights; expected all >= 0")
    names, codes = np.unique(groups[groups >= 0], return_inverse=True)
    indicator = np.zeros((n, names.size))
    indicator[np.flatnonzero(groups >= 0), codes] = 1.0
    volume = indicator.T @ np.asarray(matrix.sum(axis=1)).ravel()
    inside = (indicator * (matrix @ indicator)).sum(axis=0)
    weighty = volume > 0
    return float(((volume - inside)[weighty] / volume[weighty]).sum())


def spectral_partition(
    graph: NeuronGraph, n_clusters: int, *, scope: str = "global", seed: int = 0
) -> Partition:
    """Partition the units of a graph by normalised spectral clustering.

    Parameters
    ----------
    graph : NeuronGraph
    n_clusters : int
        How many clusters k, 2 .. number of live units.
    scope : {"global"}
        ``"global"``: one partition of all units of the graph.
    seed : int
        Decides the start of the eigensolver and of k-means.

    Returns
    -------
    Partition
        Clusters numbered from the largest. Units without edges are labelled -1.

    Raises
    ------
    ValueError
        If `n_clusters` is below 2 or above the number of live units.
    """
    if scope != "global":
        raise ValueError(f"scope={scope!r}; this version partitions with scope='global' only")
    _check_n_clusters(n_clusters, graph)
    labels = np.full(graph.n_units, -1, dtype=np.int64)
    labels[graph.live] = _cluster(graph, n_clusters, seed)
    return Partition(_by_size(labels, n_clusters, graph), n_clusters, graph)


def _check_n_clusters(n_clusters: int, graph: NeuronGraph) -> None:
    if isinstance(n_clusters, bool) or not isinstance(n_clusters, (int, np.integer)):
        raise TypeError(f"n_clusters={n_clusters!r}; expected a whole number of clusters")
    if n_clusters < 2:
        raise ValueError(f"n_clusters={n_clusters}; a partition needs at least 2 clusters")
    live = int(graph.live.sum())
    if n_clusters > live:
        raise ValueError(
            f"n_clusters={n_clusters} is more than the {live} live units of the graph; "
            "choose fewer clusters or more layers"
        )


def _cluster(graph: NeuronGraph, n_clusters: int, seed: int) -> NDArray[np.int64]:
    # the work is many small products: more threads made it ten times slower on a busy machine
    with threadpool_limits(1):
        embedding = spectral_embedding(graph, n_clusters, seed=seed)
        # the authors' number of restarts: n-cut varies with the start of k-means
        n_init = 25 if len(embedding) <= 2000 else 100
        kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed)
        return np.asarray(kmeans.fit_predict(embedding), dtype=np.int64)


def spectral_embedding(graph: NeuronGraph, n_vectors: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Leading eigenvectors of the random walk on the live units, shape (n_live, n_vectors)."""
    live = graph.live
    root = np.sqrt(graph.degrees[live])
    n = int(live.sum())

    def normalised(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = vectors.reshape(n, -1) / root[:, None]
        spread = np.zeros((graph.n_units, columns.shape[1]))
        spread[live] = columns
        return graph.multiply(spread)[live] / root[:, None]

    if n <= max(_DENSE_BELOW, 4 * n_vectors):
        _, vectors = np.linalg.eigh(normalised(np.eye(n)))
        vectors = vectors[:, -n_vectors:]
    else:
        operator = LinearOperator((n, n), matvec=normalised, matmat=normalised, dtype=np.float64)
        start = np.random.default_rng(seed).uniform(-1, 1, n)
        _, vectors = eigsh(operator, k=n_vectors, which="LA", v0=start, tol=1e-8)
    return np.asarray(vectors[:, ::-1] / root[:, None])


def _by_size(labels: NDArray[np.int64], n_clusters: int, graph: NeuronGraph) -> NDArray[np.int64]:
    """Number the clusters from the one with most hidden units; the first unit decides ties."""
    hidden = np.repeat(
        [la.role == "hidden" for la in graph.layers], [la.n_units for la in graph.layers]
    )
    sizes = np.bincount(labels[hidden & (labels >= 0)], minlength=n_clusters)
    first = np.full(n_clusters, labels.size)  # k-means leaves a cluster empty if points coincide
    np.minimum.at(first, labels[labels >= 0], np.flatnonzero(labels >= 0))
    new = np.empty(n_clusters + 1, dtype=np.int64)
    new[np.lexsort((first, -sizes))] = np.arange(n_clusters)
    new[-1] = -1
    return new[labels]
