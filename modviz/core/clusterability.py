"""Whether a network is clusterable at all: its partition against those of shuffled edges.

Source: Filan et al., "Clusterability in Neural Networks", arXiv:2103.03386.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph, warn_if_rounded
from modviz.core.partition import cut_of
from modviz.core.settings import function_or_none, whole_number
from modviz.core.spectral import Partitioner
from modviz.core.threads import in_turn, one_blas_thread

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClusterabilityTest:
    """Whether a network is more clusterable than its own edges in random places.

    Attributes
    ----------
    ncut : float
        Normalised cut of the network's partition: lower = more modular.
    null : array, shape (n_shuffles,)
        Normalised cuts after the entries inside every block were shuffled.
    """

    ncut: float
    null: Floats

    @property
    def z(self) -> float:
        """(ncut - mean of null) / sd of null: negative = more modular than chance.

        NaN if all shuffles give the same cut, as equal weights do.
        """
        spread = float(self.null.std(ddof=1))
        if spread <= 1e-12 * float(np.abs(self.null).max()):
            return float("nan")
        return float((self.ncut - self.null.mean()) / spread)

    @property
    def p(self) -> float:
        """Left-tailed permutation p, ties counted; its resolution is 1 / (n_shuffles + 1)."""
        return float((1 + (self.null <= self.ncut).sum()) / (1 + self.null.size))

    def __repr__(self) -> str:
        return (
            f"ClusterabilityTest(ncut={self.ncut:.4f}, shuffled {self.null.mean():.4f} "
            f"± {self.null.std(ddof=1):.4f}, z={self.z:.2f}, p={self.p:.3g})"
        )


def clusterability_test(
    graph: NeuronGraph,
    n_clusters: int,
    *,
    scope: str = "global",
    n_shuffles: int = 50,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClusterabilityTest:
    """Compare a graph's normalised cut with that of graphs with shuffled edges.

    Parameters
    ----------
    graph : NeuronGraph
        Of weights (they are shuffled inside each block between two layers) or of activations (the
        correlations are).
    n_clusters : int
    scope : {"global", "local"}
        ``"local"``: the mean cut of the layers' own partitions; the neighbourhoods of a shuffled
        graph are cut into as many clusters as those of the graph itself.
    n_shuffles : int
        Number of shuffled graphs, at least 2. Each is clustered anew.
    seed : int
    workers : int, optional
        Threads that cluster shuffled graphs, each with a graph of its own in memory; by default one
        a processor. The result does not depend on it.
    progress : callable, optional
        Called with (done, total) after each shuffle, in the caller's thread. What it raises, or an
        interrupt from the keyboard, ends the test once the graphs in work are done.

    Returns
    -------
    ClusterabilityTest

    Raises
    ------
    ValueError
        If `n_shuffles` is below 2, `workers` below 1, or a local partition has nothing to cut in
        any layer.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> test = modviz.clusterability_test(graph, n_clusters=2, n_shuffles=19)
    >>> bool(test.z < -5), test.p
    (True, 0.05)
    """
    n_shuffles = whole_number("n_shuffles", n_shuffles, 2, "the null needs at least 2 shuffles")
    seed = whole_number("seed", seed, 0)
    function_or_none("progress", progress)
    if workers is not None:
        workers = whole_number("workers", workers, 1)
    warn_if_rounded(graph, "clusterability")
    with one_blas_thread():  # as in the pool: equal cuts must be equal to the last bit
        observed = Partitioner(graph).partition(n_clusters, scope=scope, seed=seed)
        own = observed.ncut if scope == "local" else cut_of(graph, observed.labels)
    if np.isnan(own):
        raise ValueError(
            f"n_clusters={n_clusters} leaves every layer in one cluster, so that scope='local' has "
            "no cut to test; choose more clusters or scope='global'"
        )

    def clustered(child: np.random.SeedSequence) -> float:
        rng = np.random.default_rng(child)
        shuffled = Partitioner(shuffle_blocks(graph, rng))
        start = int(rng.integers(2**31))
        if scope == "local":
            counts = [cut.n_clusters for cut in observed.cuts]
            return shuffled.local(counts, n_clusters, seed=start).ncut
        return shuffled.partition(n_clusters, seed=start).ncut

    null = np.empty(n_shuffles)
    children = np.random.SeedSequence(seed).spawn(n_shuffles)
    with closing(in_turn(clustered, children, workers)) as results:
        for r, ncut in enumerate(results):
            null[r] = ncut
            if progress is not None:
                progress(r + 1, n_shuffles)
    return ClusterabilityTest(own, null)


def shuffle_blocks(graph: NeuronGraph, rng: np.random.Generator) -> NeuronGraph:
    """A graph with the same layers whose edges are shuffled inside every block."""
    blocks = {}
    for (i, j), block in graph.blocks.items():
        if i == j:
            upper = np.triu_indices(len(block), 1)
            shuffled = np.zeros_like(block)
            shuffled[upper] = _permuted(block[upper], rng)
            blocks[i, j] = shuffled + shuffled.T
        else:
            blocks[i, j] = _permuted(block.ravel(), rng).reshape(block.shape)
    return NeuronGraph(graph.layers, blocks, edges=graph.edges)


def _permuted(values: Floats, rng: np.random.Generator) -> Floats:
    """The values in random order: by sorted random numbers, which carry the places in last bits.

    Sorting is quicker than exchanging, which jumps through memory. What is left for chance are at
    least 33 bits a value.
    """
    bits = int(values.size).bit_length()
    if bits > 31:
        return rng.permutation(values)
    keys = rng.integers(2**64, size=values.size, dtype=np.uint64)
    keys >>= np.uint64(bits)
    keys <<= np.uint64(bits)
    keys |= np.arange(values.size, dtype=np.uint64)
    keys.sort()
    return values[(keys & np.uint64(2**bits - 1)).astype(np.int64)]
