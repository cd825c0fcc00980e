"""How far two partitions of the same units agree: overlaps, matching, and what chance gives.

Everything here works on contingency tables: how many units each cluster of the one shares with
each cluster of the other. Leading axes count tables: thousands of random ones are as easy as one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def overlap(first: Integers, second: Integers, shape: tuple[int, int]) -> Integers:
    """Units that each pair of clusters shares.

    Parameters
    ----------
    first, second : array of int, shape (n_units,)
        Cluster of each unit in either partition; units that are negative in one are left out.
    shape : (int, int)
        Clusters of the first and of the second.

    Returns
    -------
    array of int, shape `shape`
    """
    both = (first >= 0) & (second >= 0)
    cells = np.ravel_multi_index((first[both], second[both]), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)


def adjusted_rand(tables: Integers) -> Floats:
    """Adjusted Rand index of contingency tables, shape (..., j, k) -> (...).

    1 = the same partition, 0 = what shuffling all labels gives on average. Two partitions that are
    both one single cluster agree: 1. After Hubert and Arabie, doi:10.1007/BF01908075.
    """

    def pairs(counts: Integers) -> Floats:
        return np.asarray(counts * (counts - 1) / 2, dtype=np.float64)

    together = pairs(tables).sum(axis=(-2, -1))
    rows = pairs(tables.sum(axis=-1)).sum(axis=-1)
    columns = pairs(tables.sum(axis=-2)).sum(axis=-1)
    everyone = np.maximum(pairs(tables.sum(axis=(-2, -1))), 1)
    expected = rows * columns / everyone
    most = (rows + columns) / 2
    trivial = most <= expected
    index = (together - expected) / np.where(trivial, 1.0, most - expected)
    return np.asarray(np.where(trivial, 1.0, index))


def match(table: Integers) -> Integers:
    """The one-to-one matching of clusters that shares the most units (Hungarian algorithm).

    Parameters
    ----------
    table : array of int, shape (j, k)
        From `overlap`.

    Returns
    -------
    array of int, shape (pairs, 2)
        Matched clusters by number of the first. Clusters that share no unit are not matched.
    """
    from scipy.optimize import linear_sum_assignment  # here: opening a file does without

    rows, columns = linear_sum_assignment(table, maximize=True)
    shared = table[rows, columns] > 0
    return np.stack([rows[shared], columns[shared]], axis=1).astype(np.int64)


def matched_units(tables: Integers) -> Integers:
    """Units in matched clusters: what `match` maximises, for tables of shape (n, j, k) -> (n,)."""
    from scipy.optimize import linear_sum_assignment

    total = np.empty(len(tables), dtype=np.int64)
    for place, table in enumerate(tables):
        rows, columns = linear_sum_assignment(table, maximize=True)
        total[place] = table[rows, columns].sum()
    return total


def random_overlaps(table: Integers, n: int, rng: np.random.Generator) -> Integers:
    """Contingency tables after shuffling the labels of one partition, shape (n, j, k).

    Drawn from the distribution of tables with these row and column sums, which is the one that
    shuffling gives (Patefield, doi:10.2307/2346669), without the shuffling.
    """
    from scipy.stats import random_table

    drawn = random_table(table.sum(axis=1), table.sum(axis=0)).rvs(n, random_state=rng)
    return np.asarray(drawn, dtype=np.int64)


def more_than_one(tables: Integers) -> NDArray[np.bool_]:
    """Which layers are more than a single cluster in one partition, shape (..., L)."""
    rows = (tables.sum(axis=-1) > 0).sum(axis=-1)
    columns = (tables.sum(axis=-2) > 0).sum(axis=-1)
    return np.asarray(np.maximum(rows, columns) > 1)


def rand_index(tables: Integers, scope: str) -> Floats:
    """Adjusted Rand index of tables by layer, shape (..., L, j, k) -> (...).

    With scope "local" the mean over layers, without those that `more_than_one` leaves out; 1 if
    none is left.
    """
    if scope == "global":
        return adjusted_rand(tables.sum(axis=-3))
    counted = more_than_one(tables)
    total = np.where(counted, adjusted_rand(tables), 0.0).sum(axis=-1)
    return np.asarray(np.where(counted.any(axis=-1), total, 1.0) / np.maximum(counted.sum(-1), 1))


def chance(tables: Integers, scope: str, n: int, seed: int) -> tuple[Floats, Floats]:
    """What is left of the agreement when labels are shuffled among the units of each layer.

    Parameters
    ----------
    tables : array of int, shape (L, j, k)
        From `overlap`, one a layer.
    scope : {"global", "local"}
        Whether clusters run through all layers or are those of one layer each.
    n, seed : int
        How many shuffles.

    Returns
    -------
    index, matched : array, shape (n,)
        `rand_index`, and the share of units in matched clusters.
    """
    units = max(int(tables.sum()), 1)
    matched: Floats = np.zeros(n)
    drawn = (
        random_overlaps(table, n, np.random.default_rng([seed, layer]))
        for layer, table in enumerate(tables)
    )
    if scope == "global":
        total = np.zeros((n, *tables.shape[1:]), dtype=np.int64)
        for random in drawn:
            total += random
        return rand_index(total[:, None], scope), matched_units(total) / units
    # layer by layer: the random tables of all layers at once could need much memory
    counted, index = more_than_one(tables), np.zeros(n)
    for random, is_counted in zip(drawn, counted, strict=True):
        matched += matched_units(random)
        if is_counted:
            index += adjusted_rand(random)
    index = index / counted.sum() if counted.any() else np.ones(n)
    return index, matched / units
