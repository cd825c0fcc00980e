"""Partition a neuron graph by normalised spectral clustering, as a whole or layer by layer.

Source: Hod et al., arXiv:2110.08058, and Filan et al., arXiv:2103.03386.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph, warn_if_rounded
from modviz.core.kmeans import kmeans
from modviz.core.partition import LayerCut, Partition, normalized_cut, require_graph
from modviz.core.settings import one_of, whole_number
from modviz.core.spectrum import Spectrum, spectrum

Ints = NDArray[np.int64]


def spectral_partition(
    graph: NeuronGraph, n_clusters: int, *, scope: str = "global", seed: int = 0
) -> Partition:
    """Partition the units of a graph by normalised spectral clustering.

    Parameters
    ----------
    graph : NeuronGraph
    n_clusters : int
        How many clusters k, 2 .. number of live units.
    scope : {"global", "local"}
        ``"global"``: one partition of all units of the graph. ``"local"``: every layer is
        clustered on its own neighbourhood, and its clusters have nothing to do with those of other
        layers. For weights that is the layer with the layers it has edges to (all are clustered
        together, the labels of the layer itself are kept); for activations it is the correlations
        inside the layer. A neighbourhood is cut into as many clusters as the global partition (same
        `n_clusters`, same seed) has in the layer; with one, or where there is nothing to cut, the
        layer's live units are one cluster.
    seed : int
        Decides the start of k-means; the eigenvectors don't depend on it.

    Returns
    -------
    Partition
        Clusters numbered from the largest, in a local partition layer by layer. Units without
        edges are labelled -1; so are, in a local one, units without edges in their neighbourhood.

    Raises
    ------
    TypeError
        If `graph` is no graph, or `n_clusters` or `seed` no whole number.
    ValueError
        If `n_clusters` is below 2 or above the number of live units, or `seed` negative.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> partition = modviz.spectral_partition(graph, n_clusters=2)
    >>> [subcluster.name for subcluster in partition.subclusters]
    ['A1', 'B1', 'A2', 'B2']
    """
    warn_if_rounded(graph, "the partition")
    return Partitioner(graph).partition(n_clusters, scope=scope, seed=seed)


class Partitioner:
    """Partitions of one graph with any seeds and numbers of clusters; eigenvectors are kept.

    Parameters
    ----------
    graph : NeuronGraph
    """

    def __init__(self, graph: NeuronGraph) -> None:
        require_graph(graph)
        self.graph = graph
        self._spectra: dict[tuple[int, int], Spectrum] = {}
        self._hoods: dict[int, tuple[NeuronGraph, slice]] = {}

    def partition(self, n_clusters: int, *, scope: str = "global", seed: int = 0) -> Partition:
        """See `spectral_partition`."""
        one_of("scope", scope)
        check_n_clusters(n_clusters, self.graph)
        n_clusters, seed = int(n_clusters), whole_number("seed", seed, 0)
        labels = self._clustered(-1, self.graph, n_clusters, seed)
        whole = Partition(_by_size(labels, self.graph), n_clusters, self.graph)
        if scope == "global":
            return whole
        return self.local(_clusters_by_layer(whole), n_clusters, seed=seed)

    def local(self, n_by_layer: Sequence[int], n_clusters: int, *, seed: int) -> Partition:
        """The local partition with a given number of clusters, up to `n_clusters`, by layer."""
        graph = self.graph
        labels = np.full(graph.n_units, -1, dtype=np.int64)
        cuts = []
        for index, wanted in enumerate(n_by_layer):
            if index not in self._hoods:
                self._hoods[index] = neighbourhood(graph, index)
            hood, own = self._hoods[index]
            place = graph.layer_slice(index)
            n = min(wanted, int(hood.live.sum()))
            if n < 2:
                labels[place] = np.where(graph.live[place], 0, -1)
                cuts.append(LayerCut(1, np.nan))
                continue
            found = self._clustered(index, hood, n, seed)
            cuts.append(LayerCut(n, normalized_cut(hood, found)))
            labels[place] = numbered(found[own])
        return Partition(labels, n_clusters, graph, scope="local", cuts=tuple(cuts))

    def _clustered(self, key: int, graph: NeuronGraph, n_clusters: int, seed: int) -> Ints:
        """Cluster of each unit of a graph, in no order; -1 = no edges."""
        if (key, n_clusters) not in self._spectra:
            self._spectra[key, n_clusters] = spectrum(graph, n_clusters)
        labels = np.full(graph.n_units, -1, dtype=np.int64)
        labels[graph.live] = kmeans(self._spectra[key, n_clusters].vectors, n_clusters, seed)
        return labels


def check_n_clusters(n_clusters: int, graph: NeuronGraph) -> None:
    """Refuse a number of clusters that a graph can't be cut into."""
    if isinstance(n_clusters, (bool, np.bool_)) or not isinstance(n_clusters, (int, np.integer)):
        raise TypeError(f"n_clusters={n_clusters!r}; expected a whole number of clusters")
    if n_clusters < 2:
        raise ValueError(f"n_clusters={n_clusters}; a partition needs at least 2 clusters")
    live = int(graph.live.sum())
    if live == 0:
        raise ValueError(
            "no unit of the graph has an edge: all weights (or correlations) between its layers "
            "are 0, so there is nothing to cut; choose other layers or check the network"
        )
    if n_clusters > live:
        raise ValueError(
            f"n_clusters={n_clusters} is more than the {live} live units of the graph; "
            "choose fewer clusters or more layers"
        )


def neighbourhood(graph: NeuronGraph, index: int) -> tuple[NeuronGraph, slice]:
    """The graph that a layer is clustered on in a local partition, and where the layer is in it."""
    near = {index}
    if graph.edges != "activations":
        near |= {i for pair in graph.blocks if index in pair for i in pair}
    order = sorted(near)
    new = {old: k for k, old in enumerate(order)}
    hood = NeuronGraph(
        [graph.layers[i] for i in order],
        {(new[i], new[j]): b for (i, j), b in graph.blocks.items() if i in new and j in new},
        edges=graph.edges,
    )
    return hood, hood.layer_slice(new[index])


def _clusters_by_layer(partition: Partition) -> list[int]:
    graph = partition.graph
    by_layer = [partition.labels[graph.layer_slice(i)] for i in range(len(graph.layers))]
    return [max(1, np.unique(labels[labels >= 0]).size) for labels in by_layer]


def numbered(labels: Ints, counted: NDArray[np.bool_] | None = None) -> Ints:
    """Number clusters from the largest; the first unit decides ties, -1 stays.

    Parameters
    ----------
    labels : array of int, shape (n,)
    counted : array of bool, shape (n,), optional
        Whose units count for the size; by default all.
    """
    alive = labels >= 0
    if not alive.any():
        return labels
    names, first, codes = np.unique(labels[alive], return_index=True, return_inverse=True)
    weight = None if counted is None else counted[alive].astype(np.float64)
    sizes = np.bincount(codes, weights=weight, minlength=names.size)
    rank = np.empty(names.size, dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(names.size)
    new = np.full(labels.shape, -1, dtype=np.int64)
    new[alive] = rank[codes]
    return new


def _by_size(labels: Ints, graph: NeuronGraph) -> Ints:
    """Number the clusters of a whole graph from the one with most hidden units."""
    hidden = [la.role == "hidden" for la in graph.layers]
    return numbered(labels, np.repeat(hidden, [la.n_units for la in graph.layers]))
