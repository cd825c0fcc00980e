"""The first step of spectral clustering: leading eigenvectors of a graph.

The eigenvectors don't depend on a seed: whoever clusters one graph with many seeds, or into many
numbers of clusters, computes them once. After Shi and Malik, doi:10.1109/34.868688.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from modviz.core.eigen import Product, Values, leading
from modviz.core.graph import NeuronGraph
from modviz.core.threads import one_blas_thread

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
    with one_blas_thread():
        parts = components(graph)
        if parts.max(initial=0) > 0:
            values, vectors = _of_parts(graph, parts, n_vectors)
        else:
            values, vectors = _of_one_part(graph, n_vectors)
    return Spectrum(values, vectors / np.sqrt(graph.degrees[live])[:, None])


def _of_one_part(graph: NeuronGraph, n_vectors: int) -> tuple[Floats, Floats]:
    """Eigenvalues and eigenvectors of the normalised adjacency matrix of the live units."""
    live = graph.live
    root = np.sqrt(graph.degrees[live])

    def double(vectors: Values) -> Floats:
        columns = vectors.reshape(root.size, -1) / root[:, None]
        spread = np.zeros((graph.n_units, columns.shape[1]))
        spread[live] = columns
        return np.asarray(graph.multiply(spread)[live] / root[:, None]).reshape(vectors.shape)

    if root.size <= max(_DENSE_BELOW, 4 * n_vectors):
        return _dense(double(np.eye(root.size)), n_vectors)
    return leading(_single(graph), double, root.size, n_vectors)


def _single(graph: NeuronGraph) -> Product:
    """Product with the normalised adjacency matrix of the live units, in single precision."""
    live = graph.live
    place = np.concatenate([[0], np.cumsum(live)])
    blocks = []
    for (i, j), block in graph.blocks.items():
        rows, columns = graph.layer_slice(i), graph.layer_slice(j)
        kept = block
        if not (live[rows].all() and live[columns].all()):
            kept = block[np.ix_(live[rows], live[columns])]
        here = slice(place[rows.start], place[rows.stop])
        there = slice(place[columns.start], place[columns.stop])
        scaled = kept / np.sqrt(graph.degrees[rows][live[rows]])[:, None]
        normalised = np.empty(kept.shape, dtype=np.float32)
        root = np.sqrt(graph.degrees[columns][live[columns]])
        np.divide(scaled, root, out=normalised, casting="same_kind")
        blocks.append((here, there, normalised))

    def product(vector: Values) -> Values:
        vector = vector.reshape(place[-1])
        result = np.zeros_like(vector)
        for here, there, block in blocks:
            result[here] += block @ vector[there]
            if here != there:
                result[there] += vector[here] @ block
        return result

    return product


def _dense(matrix: Floats, n_vectors: int) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:n_vectors], vectors[:, ::-1][:, :n_vectors]


def _of_parts(graph: NeuronGraph, parts: Ints, n_vectors: int) -> tuple[Floats, Floats]:
    """The same for a graph in several components, each with an eigenvalue of 1."""
    sizes = np.bincount(parts[parts >= 0])
    large = sizes > max(_DENSE_BELOW, 4 * n_vectors)
    small_units = np.flatnonzero((parts >= 0) & ~large[parts])
    root = np.sqrt(graph.degrees[small_units])
    rest = sp.csr_array(sp.diags_array(1 / root) @ restricted(graph, small_units).adjacency)
    rest = sp.csr_array(rest @ sp.diags_array(1 / root))
    order = np.argsort(parts[small_units], kind="stable")
    starts = np.searchsorted(parts[small_units][order], np.arange(sizes.size + 1))
    found: list[tuple[float, int, Ints, Floats]] = []
    for part in np.argsort(-sizes, kind="stable"):
        if large[part]:
            members = np.flatnonzero(parts == part)
            values, vectors = _of_one_part(restricted(graph, members), n_vectors)
        else:
            own = order[starts[part] : starts[part + 1]]
            members = small_units[own]
            values, vectors = _dense(rest[own][:, own].toarray(), min(n_vectors, own.size))
        # rounding would decide which of the equal first ones leads: take the largest component's
        found += [
            (round(float(v), 9), len(found) + k, members, vectors[:, k])
            for k, v in enumerate(values)
        ]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    embedding = np.zeros((graph.n_units, n_vectors))
    for k, (_, _, members, vector) in enumerate(found[:n_vectors]):
        embedding[members, k] = vector
    return np.array([pair[0] for pair in found[:n_vectors]]), embedding[graph.live]


def restricted(graph: NeuronGraph, units: Ints) -> NeuronGraph:
    """The graph of some units (ascending) and the edges between them; layers may become empty."""
    cuts = np.searchsorted(units, graph.offsets)
    own = [units[cuts[i] : cuts[i + 1]] - graph.offsets[i] for i in range(len(graph.layers))]
    return NeuronGraph(
        [replace(la, n_units=kept.size) for la, kept in zip(graph.layers, own, strict=True)],
        {(i, j): block[np.ix_(own[i], own[j])] for (i, j), block in graph.blocks.items()},
        edges=graph.edges,
    )


def components(graph: NeuronGraph) -> Ints:
    """Connected component of each unit, shape (n_units,); -1 for units without edges."""
    live = graph.live
    label = np.where(live, 0, -1)
    if not live.any() or _plainly_connected(graph):
        return label
    # one component holds nearly all units; the sparse matrix of a dense graph would be large
    reached = np.zeros(graph.n_units)
    reached[np.argmax(graph.degrees)] = 1
    before = 0.0
    while reached.sum() > before:
        before = float(reached.sum())
        reached = ((graph.multiply(reached) > 0) | (reached > 0)).astype(np.float64)
    others = np.flatnonzero(live & (reached == 0))
    if others.size:
        _, found = connected_components(restricted(graph, others).adjacency, directed=False)
        label[others] = 1 + found
    return label


def _plainly_connected(graph: NeuronGraph) -> bool:
    """Whether blocks without any 0 connect all layers, as those of an unpruned network do."""
    pairs = []
    for (i, j), block in graph.blocks.items():
        edges = block.size - (len(block) if i == j else 0)
        if edges and np.count_nonzero(block) == edges:
            pairs.append((i, j))
    n = len(graph.layers)
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    links = sp.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    return bool(connected_components(links, directed=False)[0] == 1)
