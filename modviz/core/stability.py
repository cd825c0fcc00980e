"""How much a partition depends on the seed: clusters that come and go with it mean nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from modviz.core.graph import NeuronGraph, warn_if_rounded
from modviz.core.partition import Partition
from modviz.core.settings import whole_number
from modviz.core.spectral import Partitioner

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stability:
    """Partitions of one graph with several seeds, and how far they agree.

    Attributes
    ----------
    seeds : tuple of int
    partitions : tuple of Partition
        One a seed.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> modviz.stability(graph, n_clusters=2, seeds=3).mean
    1.0
    """

    seeds: tuple[int, ...]
    partitions: tuple[Partition, ...]

    @cached_property
    def adjusted_rand(self) -> Floats:
        """Adjusted Rand index between every pair of seeds, shape (seeds, seeds).

        1 = the same partition, about 0 = no more alike than chance. Units in no cluster are left
        out. Between local partitions it is the mean over layers, without layers that are a single
        cluster in both.
        """
        matrix = np.eye(len(self.seeds))
        for s, t in combinations(range(len(self.seeds)), 2):
            matrix[s, t] = matrix[t, s] = _agreement(self.partitions[s], self.partitions[t])
        return matrix

    @property
    def mean(self) -> float:
        """Mean adjusted Rand index over pairs of seeds, up to 1 = the seed does not matter."""
        return float(self.adjusted_rand[np.triu_indices(len(self.seeds), 1)].mean())

    @cached_property
    def unit_agreement(self) -> Floats:
        """How far each unit keeps its companions from seed to seed, shape (n_units,), 0 .. 1.

        With C_s(i) the other units in unit i's cluster under seed s (in a local partition: of the
        same layer), it is the mean over all pairs of seeds s < t of

            |C_s(i) and C_t(i) in common| / |C_s(i) or C_t(i)|

        which counts as 1 where the unit is alone under both seeds. 1 = always the same companions,
        0 = never one of them again; NaN for units in no cluster.
        """
        groups = [_groups(partition) for partition in self.partitions]
        pairs = list(combinations(groups, 2))
        total = np.zeros(groups[0].size)
        for first, second in pairs:
            both = (first >= 0) & (second >= 0)
            a, b = first[both], second[both]
            shared = np.zeros((a.max(initial=0) + 1, b.max(initial=0) + 1))
            np.add.at(shared, (a, b), 1)
            common = shared[a, b] - 1
            either = shared.sum(axis=1)[a] + shared.sum(axis=0)[b] - shared[a, b] - 1
            total[both] += np.where(either > 0, common / np.maximum(either, 1), 1)
            total[~both] = np.nan
        return total / len(pairs)

    @property
    def ncut(self) -> Floats:
        """Normalised cut of each seed's partition, shape (seeds,): lower = more modular."""
        return np.array([partition.ncut for partition in self.partitions])

    def table(self) -> pd.DataFrame:
        """A row per seed: ``ncut`` and ``adjusted_rand``, its mean with the other seeds."""
        others = (self.adjusted_rand.sum(axis=1) - 1) / (len(self.seeds) - 1)
        index = pd.Index(self.seeds, name="seed")
        return pd.DataFrame({"ncut": self.ncut, "adjusted_rand": others}, index=index)

    def unit_table(self) -> pd.DataFrame:
        """A row per unit: ``layer``, ``unit`` and ``agreement`` (see `unit_agreement`)."""
        return self.partitions[0].graph.units.assign(agreement=self.unit_agreement)

    def __repr__(self) -> str:
        first = self.partitions[0]
        return (
            f"Stability({first.n_clusters} clusters, scope={first.scope!r}, {len(self.seeds)} "
            f"seeds: mean adjusted Rand index {self.mean:.3f}, normalised cut "
            f"{self.ncut.min():.3f} to {self.ncut.max():.3f})"
        )


def stability(
    graph: NeuronGraph, n_clusters: int, *, seeds: int | Iterable[int] = 10, scope: str = "global"
) -> Stability:
    """Partition a graph with several seeds and compare.

    Parameters
    ----------
    graph : NeuronGraph
    n_clusters : int
    seeds : int or iterable of int
        How many seeds (0, 1, ...), at least 2; or the seeds themselves.
    scope : {"global", "local"}
        As in `modviz.spectral_partition`, which gives these same partitions.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If there are fewer than 2 seeds, or `n_clusters` does not fit the graph.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> modviz.stability(graph, n_clusters=2, seeds=3)  # the same two modules every time
    Stability(2 clusters, scope='global', 3 seeds: mean adjusted Rand index 1.000, ...)
    """
    chosen = seeds_of(seeds)
    warn_if_rounded(graph, "the stability")
    partitioner = Partitioner(graph)
    return Stability(
        chosen,
        tuple(partitioner.partition(n_clusters, scope=scope, seed=seed) for seed in chosen),
    )


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds that a number of them, or a list, stands for."""
    given: Any = seeds  # what a user gives need not be what the signature says
    if isinstance(given, Iterable) and not (isinstance(given, np.ndarray) and given.ndim == 0):
        chosen = tuple(whole_number("a seed", seed, 0) for seed in given)
    else:
        chosen = tuple(range(whole_number("seeds", seeds, 2)))
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds={seeds!r}; expected at least 2 different seeds to compare")
    return chosen


def _groups(partition: Partition) -> NDArray[np.int64]:
    """A number for each group of companions; -1 = in no cluster."""
    if partition.scope == "global":
        return partition.labels
    sizes = [layer.n_units for layer in partition.graph.layers]
    layer = np.repeat(np.arange(len(sizes)), sizes)
    own = layer * partition.n_clusters + partition.labels
    return np.where(partition.labels < 0, -1, own)


def _agreement(first: Partition, second: Partition) -> float:
    graph = first.graph
    if first.scope == "global":
        parts = [slice(0, graph.n_units)]
    else:
        parts = [graph.layer_slice(index) for index in range(len(graph.layers))]
    found = []
    for part in parts:
        a, b = first.labels[part], second.labels[part]
        both = (a >= 0) & (b >= 0)
        if np.unique(a[both]).size > 1 or np.unique(b[both]).size > 1:
            found.append(adjusted_rand_score(a[both], b[both]))
    return float(np.mean(found)) if found else 1.0
