"""Measure what speaks for each number of clusters: `modviz.choose_n_clusters`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from modviz.core.choice import ClusterChoice
from modviz.core.clusterability import shuffle_blocks
from modviz.core.graph import NeuronGraph, warn_if_rounded
from modviz.core.kmeans import kmeans
from modviz.core.partition import cut_of, require_graph
from modviz.core.settings import function_or_none, whole_number
from modviz.core.spectral import check_n_clusters
from modviz.core.spectrum import Spectrum, spectrum
from modviz.core.stability import seeds_of
from modviz.core.threads import in_turn, one_blas_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Numbers of clusters that are compared unless told otherwise.
CANDIDATES = range(2, 21)
#: Starts of k-means: a half to a tenth of a partition's, since there are so many partitions.
_STARTS = 10


def choose_n_clusters(
    graph: NeuronGraph,
    candidates: Iterable[int] | None = None,
    *,
    n_shuffles: int = 20,
    seeds: int | Iterable[int] = 5,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClusterChoice:
    """Compare numbers of clusters of one graph (global partitions).

    A number is suggested if it passes four tests, and none otherwise. Its eigengap is the largest
    of all candidates and at least 1.5 times the next; it is larger than any eigengap of 95 % of the
    shuffled graphs; the normalised cut is below that of 95 % of the shuffled graphs; and the
    clusters hardly depend on the seed (mean adjusted Rand index at least 0.8).

    Parameters
    ----------
    graph : NeuronGraph
    candidates : iterable of int, optional
        Numbers of clusters, each from 2 to the number of live units; by default 2 to 20, as far as
        there are units.
    n_shuffles : int
        Graphs with shuffled edges, at least 2; below 19 no p can be 0.05. Each serves all
        candidates.
    seeds : int or iterable of int
        Seeds of the partitions whose agreement is the stability; the first also gives ncut.
    seed : int
        Decides the shuffles.
    workers : int, optional
        Threads that cluster shuffled graphs; by default one a processor. The result does not
        depend on it.
    progress : callable, optional
        Called with (done, total) after the graph itself and after each shuffle.

    Returns
    -------
    ClusterChoice
        After an interrupt from the keyboard, if at least two shuffles are done, with those.

    Raises
    ------
    ValueError
        If a candidate is below 2 or above the number of live units.

    Notes
    -----
    The eigenvectors of a graph are computed once and serve all candidates. K-means starts 10 times
    here, fewer than in `modviz.spectral_partition`, for the graph and for the shuffled ones alike.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> choice = modviz.choose_n_clusters(graph, [2, 3, 4])
    >>> choice.suggested
    2
    >>> choice.reason.split(":")[0]
    '2 clusters stand out'
    """
    n_shuffles = whole_number("n_shuffles", n_shuffles, 2, "the null needs at least 2 shuffles")
    seed = whole_number("seed", seed, 0)
    function_or_none("progress", progress)
    if workers is not None:
        workers = whole_number("workers", workers, 1)
    require_graph(graph)
    warn_if_rounded(graph, "the choice of a number of clusters")
    chosen = _checked(candidates, graph)
    starts = seeds_of(seeds)
    most = int(chosen[-1]) + 1
    own = spectrum(graph, most)
    ncut, stable = np.empty(chosen.size), np.empty(chosen.size)
    for i, k in enumerate(chosen):
        labels = [_clustered(graph, own, k, start) for start in starts]
        with one_blas_thread():  # as in the pool: equal cuts must be equal to the last bit
            ncut[i] = cut_of(graph, labels[0])
        alive = labels[0] >= 0
        stable[i] = np.mean(
            [adjusted_rand_score(a[alive], b[alive]) for a, b in combinations(labels, 2)]
        )
    null_gap, null_ncut = (np.empty((n_shuffles, chosen.size)) for _ in range(2))

    def of_shuffled(child: np.random.SeedSequence) -> tuple[Floats, list[float]]:
        rng = np.random.default_rng(child)
        shuffled = shuffle_blocks(graph, rng)
        start = int(rng.integers(2**31))
        found = spectrum(shuffled, most)
        cuts = [cut_of(shuffled, _clustered(shuffled, found, k, start)) for k in chosen]
        return _gaps(found, chosen), cuts

    done = 0
    children = np.random.SeedSequence(seed).spawn(n_shuffles)
    try:
        with closing(in_turn(of_shuffled, children, workers)) as results:
            for r in range(n_shuffles):
                if progress is not None:
                    progress(1 + r, 1 + n_shuffles)
                null_gap[r], null_ncut[r] = next(results)
                done += 1
        if progress is not None:
            progress(1 + done, 1 + n_shuffles)
    except KeyboardInterrupt:
        if done < 2:
            raise
        warnings.warn(f"interrupted: the null rests on {done} shuffled graphs", stacklevel=2)
    return ClusterChoice(
        chosen, _gaps(own, chosen), ncut, stable, null_gap[:done], null_ncut[:done], graph.edges
    )


def _checked(candidates: Iterable[int] | None, graph: NeuronGraph) -> Ints:
    live = int(graph.live.sum())
    if candidates is None:
        candidates = [k for k in CANDIDATES if k <= max(live, 2)]
    wanted: Any = candidates  # what a user gives need not be what the signature says
    if not isinstance(wanted, Iterable) or (isinstance(wanted, np.ndarray) and wanted.ndim == 0):
        raise TypeError(f"candidates={wanted!r}; expected numbers of clusters, say range(2, 9)")
    given = list(wanted)
    for k in given:
        check_n_clusters(whole_number("a candidate", k, 2), graph)
    if not given:
        raise ValueError("candidates is empty; give numbers of clusters, say range(2, 9)")
    return np.unique(np.array(given, dtype=np.int64))


def _clustered(graph: NeuronGraph, found: Spectrum, n_clusters: int, seed: int) -> Ints:
    labels = np.full(graph.n_units, -1, dtype=np.int64)
    labels[graph.live] = kmeans(found.vectors[:, :n_clusters], n_clusters, seed, _STARTS)
    return labels


def _gaps(found: Spectrum, candidates: Ints) -> Floats:
    """Eigengap after each number of clusters; NaN where there is no further eigenvalue."""
    values = np.full(int(candidates[-1]) + 1, np.nan)
    values[: found.values.size] = found.values
    return np.asarray(values[candidates - 1] - values[candidates])
