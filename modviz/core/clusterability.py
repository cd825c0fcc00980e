"""Whether a network is clusterable at all: its partition against those of shuffled weights.

Source: Filan et al., "Clusterability in Neural Networks", arXiv:2103.03386.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.core.graph import NeuronGraph
from modviz.core.partition import spectral_partition


@dataclass(frozen=True, eq=False)
class ClusterabilityTest:
    """Whether a network is more clusterable than its own weights in random places.

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
        """(ncut - mean of null) / sd of null: negative = more modular than chance."""
        return float((self.ncut - self.null.mean()) / self.null.std(ddof=1))

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
    n_shuffles: int = 50,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ClusterabilityTest:
    """Compare a graph's normalised cut with that of graphs with shuffled weights.

    Parameters
    ----------
    graph : NeuronGraph
    n_clusters : int
    n_shuffles : int
        Number of shuffled graphs, at least 2. Each is clustered anew.
    seed : int
    progress : callable, optional
        Called with (done, total) after each shuffle.

    Returns
    -------
    ClusterabilityTest
    """
    if n_shuffles < 2:
        raise ValueError(f"n_shuffles={n_shuffles}; the null needs at least 2 shuffles")
    observed = spectral_partition(graph, n_clusters, seed=seed).ncut
    null = np.empty(n_shuffles)
    for r, child in enumerate(np.random.SeedSequence(seed).spawn(n_shuffles)):
        rng = np.random.default_rng(child)
        shuffled = shuffle_blocks(graph, rng)
        null[r] = spectral_partition(shuffled, n_clusters, seed=int(rng.integers(2**31))).ncut
        if progress is not None:
            progress(r + 1, n_shuffles)
    return ClusterabilityTest(observed, null)


def shuffle_blocks(graph: NeuronGraph, rng: np.random.Generator) -> NeuronGraph:
    """A graph with the same layers whose weights are shuffled inside every block."""
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
