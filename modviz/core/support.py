"""What else supports a subcluster: whether it comes back with other seeds and with other edges.

Both are asked in the same way. A group of units is looked for among the subclusters of the same
layer in another partition, and the best Jaccard overlap with one of them is its number: the share
of the units in either that are in both. Large groups overlap with anything, so the same is done
with random groups of the same sizes, and neither number should be read without the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from modviz.core import agreement
from modviz.core.partition import Partition

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Partitions with other seeds.
OTHER_SEEDS = 9
#: Random groups of each size: in all, whether there is one other partition or several.
_DRAWS = 99


@dataclass(frozen=True, eq=False)
class Support:
    """How far subclusters come back with other seeds of the clustering and with other edges.

    All overlaps are Jaccard overlaps, 0 .. 1: units in both groups over units in either. NaN = not
    measured, or not defined: no unit of the subcluster is in any cluster of the other partition
    (with activations, if none of them ever changes).

    Attributes
    ----------
    names : tuple of str
        Subclusters, in the order of `Analysis.subclusters`: S of them.
    stability : array, shape (S,)
        Overlap with the most similar subcluster of the same layer in a partition of the same graph
        with another seed, mean over `n_seeds` such partitions. 1 = always the same units.
    stability_chance : array, shape (S,)
        The same for random groups of as many units of the layer.
    agreement : array, shape (S,)
        Overlap with the most similar subcluster of the same layer in a partition with as many
        clusters, the same scope and the same seed, of `other_edges`.
    agreement_chance : array, shape (S,)
        The same for random groups of as many units of the layer.
    n_seeds : int
        Other seeds behind `stability`; 0 = not measured.
    other_edges : {"weights", "activations"} or None
        Edges behind `agreement`; None = not measured.
    adjusted_rand : float
        Adjusted Rand index of the whole partition with those of other seeds, mean over them: 1 =
        the same, about 0 = no more alike than chance. Of local partitions the mean over layers, see
        `modviz.core.agreement.rand_index`.
    other_adjusted_rand : float
        The same with the partition of the other edges.
    missing : str
        Why there is no agreement, in words; "" if there is, or if nobody knows.
    """

    names: tuple[str, ...]
    stability: Floats
    stability_chance: Floats
    agreement: Floats
    agreement_chance: Floats
    n_seeds: int
    other_edges: str | None = None
    adjusted_rand: float = float("nan")
    other_adjusted_rand: float = float("nan")
    missing: str = ""

    def table(self) -> pd.DataFrame:
        """A row per subcluster: ``stability``, ``agreement``, each with its ``_chance``."""
        import pandas as pd  # here: opening a file does without, and it takes half a second

        columns = ("stability", "stability_chance", "agreement", "agreement_chance")
        index = pd.Index(self.names, name="subcluster")
        return pd.DataFrame({name: getattr(self, name) for name in columns}, index=index)

    def __repr__(self) -> str:
        words = f"Support({len(self.names)} subclusters"
        if self.n_seeds:
            words += f"; {self.n_seeds} other seeds: adjusted Rand index {self.adjusted_rand:.3f}"
        if self.other_edges is not None:
            index = f"{self.other_adjusted_rand:.3f}"
            words += f"; edges of {self.other_edges}: adjusted Rand index {index}"
        return f"{words})"


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How far the subclusters of a partition are found again in other partitions.

    Attributes
    ----------
    best, chance : array, shape (S,)
        Overlap of each subcluster with the most similar one, and that of random groups of its size;
        means over the other partitions. NaN = in none of them it has a unit in a cluster.
    adjusted_rand : float
        Of the whole, mean over the other partitions; NaN if they share no layer.
    """

    best: Floats
    chance: Floats
    adjusted_rand: float


def other_seeds(seed: int, n: int = OTHER_SEEDS) -> tuple[int, ...]:
    """The `n` seeds that follow a seed."""
    return tuple((seed + step) % 2**32 for step in range(1, n + 1))


def overlaps(partition: Partition, others: Iterable[Partition], seed: int = 0) -> Overlaps:
    """Look for the subclusters of a partition among those of other partitions of the same units.

    Parameters
    ----------
    partition : Partition
    others : iterable of Partition
        At least one. Layers are the same if their names and sizes are; units that are dead in one
        partition only count as units that the other lacks.
    seed : int
        Of the random groups: labels of the other partition, shuffled among the units of a layer
        that are alive in both.

    Returns
    -------
    Overlaps

    Raises
    ------
    ValueError
        If there is no other partition.
    """
    given = list(others)
    if not given:
        raise ValueError("there is no other partition to look for subclusters in; give at least 1")
    draws = -(-_DRAWS // len(given))
    found = [_against(partition, other, draws, [seed, k]) for k, other in enumerate(given)]
    best, chance = (_mean([values[which] for values in found]) for which in (0, 1))
    return Overlaps(best, chance, float(_mean([values[2] for values in found])))


def _against(
    partition: Partition, other: Partition, draws: int, seed: list[int]
) -> tuple[Floats, Floats, Floats]:
    """Best overlap of each subcluster, its chance level, and the adjusted Rand index of all."""
    shape = partition.n_clusters, other.n_clusters
    places = {
        (layer.name, layer.n_units): other.graph.layer_slice(k)
        for k, layer in enumerate(other.graph.layers)
    }
    found: dict[str, tuple[Floats, Floats]] = {}
    tables = []
    for k, layer in enumerate(partition.graph.layers):
        place = places.get((layer.name, layer.n_units))
        if place is None:
            continue
        own, theirs = partition.labels[partition.graph.layer_slice(k)], other.labels[place]
        table = agreement.overlap(own, theirs, shape)
        tables.append(table)
        if not table.any():
            continue
        sizes = _sizes(own, shape[0]), _sizes(theirs, shape[1])
        random = agreement.random_overlaps(table, draws, np.random.default_rng([*seed, k]))
        undefined = table.sum(axis=1) == 0
        values = best_overlap(table, *sizes), best_overlap(random, *sizes).mean(axis=0)
        found[layer.name] = (
            np.where(undefined, np.nan, values[0]),
            np.where(undefined, np.nan, values[1]),
        )
    nothing = np.full(shape[0], np.nan)
    rows = [
        (found.get(s.layer, (nothing, nothing))[which][s.cluster])
        for which in (0, 1)
        for s in partition.subclusters
    ]
    best, chance = np.array(rows, dtype=np.float64).reshape(2, -1)
    scope = "local" if "local" in (partition.scope, other.scope) else "global"
    index = agreement.rand_index(np.stack(tables), scope) if tables else np.array(np.nan)
    return best, chance, index


def best_overlap(tables: Integers, rows: Integers, columns: Integers) -> Floats:
    """Jaccard overlap of each group with the most similar group of another partition.

    Parameters
    ----------
    tables : array of int, shape (..., j, k)
        Units that each pair of groups shares.
    rows, columns : array of int, shape (j,) and (k,)
        Sizes of the groups, also of units that the tables leave out.

    Returns
    -------
    array, shape (..., j)
        0 .. 1; 0 for a group without units.
    """
    either = rows[:, None] + columns - tables
    return np.asarray((tables / np.maximum(either, 1)).max(axis=-1))


def _sizes(labels: Integers, n_clusters: int) -> Integers:
    return np.bincount(labels[labels >= 0], minlength=n_clusters).astype(np.int64)


def _mean(values: list[Floats]) -> Floats:
    """The mean over partitions, of those in which it is defined."""
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    total = np.where(defined, stacked, 0.0).sum(axis=0)
    count = defined.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
