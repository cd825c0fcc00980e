"""The two steps of spectral clustering: leading eigenvectors of a graph, then k-means on them.

The eigenvectors don't depend on a seed: whoever clusters one graph with many seeds, or into many
numbers of clusters, computes them once. After Shi and Malik, doi:10.1109/34.868688.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from modviz.core.graph import NeuronGraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Below this many nodes a dense eigensolver is quicker and needs no iteration.
_DENSE_BELOW = 400


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Leading eigenvectors of the random walk on a graph's live units.

    Attributes
    ----------
    values : array, shape (m,)
        Eigenvalues of the symmetrically normalised adjacency matrix, descending from 1. There are
        as many of 1 as the graph has components.
    vectors : array, shape (live units, m)
        Where each live unit stands: the first k columns are what k clusters are made of.
    """

    values: Floats
    vectors: Floats


def spectrum(graph: NeuronGraph, n_vectors: int) -> Spectrum:
    """The `n_vectors` leading eigenvectors of a graph, or as many as it has live units."""
    live = graph.live
    n_vectors = min(n_vectors, int(live.sum()))
    # the work is many small products: more threads made it ten times slower on a busy machine
    with threadpool_limits(1):
        parts = components(graph)[live]
        if parts.size and parts.max() > 0:
            return _of_parts(graph, parts, n_vectors)
        root = np.sqrt(graph.degrees[live])

        def normalised(vectors: Floats) -> Floats:
            columns = vectors.reshape(root.size, -1) / root[:, None]
            spread = np.zeros((graph.n_units, columns.shape[1]))
            spread[live] = columns
            return np.asarray(graph.multiply(spread)[live] / root[:, None])

        if root.size <= max(_DENSE_BELOW, 4 * n_vectors):
            values, vectors = _dense(normalised(np.eye(root.size)), n_vectors)
        else:
            shape = (root.size, root.size)
            operator = LinearOperator(shape, matvec=normalised, matmat=normalised, dtype=np.float64)
            values, vectors = _leading(operator, n_vectors)
    return Spectrum(values, vectors / root[:, None])


def _dense(matrix: Floats, n_vectors: int) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:n_vectors], vectors[:, ::-1][:, :n_vectors]


def _leading(operator: Any, n_vectors: int) -> tuple[Floats, Floats]:
    start = np.random.default_rng(0).uniform(-1, 1, operator.shape[0])
    values, vectors = eigsh(operator, k=n_vectors, which="LA", v0=start, tol=1e-8)
    order = np.argsort(values)[::-1]
    return values[order], vectors[:, order]


def _of_parts(graph: NeuronGraph, parts: Ints, n_vectors: int) -> Spectrum:
    """The spectrum of a graph in several components: an iterative solver can overlook equals."""
    live = np.flatnonzero(graph.live)
    root = np.sqrt(graph.degrees[live])
    matrix = sp.csr_array(sp.diags_array(1 / root) @ graph.adjacency[live][:, live])
    matrix = sp.csr_array(matrix @ sp.diags_array(1 / root))
    order = np.argsort(parts, kind="stable")
    stretches = np.split(order, np.flatnonzero(np.diff(parts[order])) + 1)
    found: list[tuple[float, int, Ints, Floats]] = []
    for members in sorted(stretches, key=len, reverse=True):
        own = matrix[members][:, members]
        m = min(n_vectors, members.size)
        if members.size <= max(_DENSE_BELOW, 4 * m):
            values, vectors = _dense(own.toarray(), m)
        else:
            values, vectors = _leading(own, m)
        # rounding would decide which of the equal first ones leads: take the largest component's
        found += [
            (round(float(v), 9), len(found) + k, members, vectors[:, k])
            for k, v in enumerate(values)
        ]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    embedding = np.zeros((live.size, n_vectors))
    for k, (_, _, members, vector) in enumerate(found[:n_vectors]):
        embedding[members, k] = vector / root[members]
    return Spectrum(np.array([pair[0] for pair in found[:n_vectors]]), embedding)


def components(graph: NeuronGraph) -> Ints:
    """Connected component of each unit, shape (n_units,); -1 for units without edges."""
    live = graph.live
    label = np.full(graph.n_units, -1, dtype=np.int64)
    if not live.any():
        return label
    reached = np.zeros(graph.n_units)
    reached[np.argmax(live)] = 1
    before = 0.0
    while reached.sum() > before:  # a few steps; the sparse matrix of a dense graph would be large
        before = float(reached.sum())
        reached = ((graph.multiply(reached) > 0) | (reached > 0)).astype(np.float64)
    if before == live.sum():
        label[live] = 0
        return label
    _, found = connected_components(graph.adjacency[live][:, live], directed=False)
    label[live] = found
    return label


def kmeans(points: Floats, n_clusters: int, seed: int, n_init: int | None = None) -> Ints:
    """Cluster of each point by k-means.

    Parameters
    ----------
    points : array, shape (n, n_clusters)
    n_clusters : int
        Fewer are found only if fewer points are different.
    seed : int
        Decides where k-means starts.
    n_init : int, optional
        Starts of which the best is kept; by default the authors' number, 25, or 100 above 2,000
        points: the normalised cut varies with the start.
    """
    distinct, which = np.unique(points, axis=0, return_inverse=True)
    if len(distinct) <= n_clusters:
        return np.asarray(which, dtype=np.int64).ravel()
    if n_init is None:
        n_init = 25 if len(points) <= 2000 else 100
    with threadpool_limits(1):
        return np.asarray(
            KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(points), dtype=np.int64
        )
