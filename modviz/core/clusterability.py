"""Whether a network is clusterable at all: its partition against those of shuffled edges.

Source: Filan et al., "Clusterability in Neural Networks", arXiv:2103.03386.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph
from modviz.core.spectral import Partitioner


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
    null: NDArray[np.float64]

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
    progress : callable, optional
        Called with (done, total) after each shuffle.

    Returns
    -------
    ClusterabilityTest

    Raises
    ------
    ValueError
        If `n_shuffles` is below 2, or a local partition has nothing to cut in any layer.
    """
    if n_shuffles < 2:
        raise ValueError(f"n_shuffles={n_shuffles}; the null needs at least 2 shuffles")
    observed = Partitioner(graph).partition(n_clusters, scope=scope, seed=seed)
    if np.isnan(observed.ncut):
        raise ValueError(
            f"n_clusters={n_clusters} leaves every layer in one cluster, so that scope='local' has "
            "no cut to test; choose more clusters or scope='global'"
        )
    null = np.empty(n_shuffles)
    for r, child in enumerate(np.random.SeedSequence(seed).spawn(n_shuffles)):
        rng = np.random.default_rng(child)
        shuffled = Partitioner(shuffle_blocks(graph, rng))
        start = int(rng.integers(2**31))
        if scope == "local":
            counts = [cut.n_clusters for cut in observed.cuts]
            null[r] = shuffled.local(counts, n_clusters, seed=start).ncut
        else:
            null[r] = shuffled.partition(n_clusters, seed=start).ncut
        if progress is not None:
            progress(r + 1, n_shuffles)
    return ClusterabilityTest(observed.ncut, null)


def shuffle_blocks(graph: NeuronGraph, rng: np.random.Generator) -> NeuronGraph:
    """A graph with the same layers whose edges are shuffled inside every block."""
    blocks = {}
    for (i, j), block in graph.blocks.items():
        if i == j:
            upper = np.triu_indices(len(block), 1)
            shuffled = np.zeros_like(block)
            shuffled[upper] = rng.permutation(block[upper])
            blocks[i, j] = shuffled + shuffled.T
        else:
            blocks[i, j] = rng.permutation(block.ravel()).reshape(block.shape)
    return NeuronGraph(graph.layers, blocks, edges=graph.edges)
