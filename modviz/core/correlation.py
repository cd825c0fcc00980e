"""Squared rank correlations, exact to the last bit that a float can hold.

Ranks are doubled and centred, so that they are whole numbers also where ties share a mean rank.
Sums of their products are then exact (below 2**53, that is for up to 200,000 samples), whatever the
order of the samples or of the sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata


def centred_ranks(values: ArrayLike) -> NDArray[np.float32]:
    """Ranks of each column, ties averaged, as 2 * rank - (n + 1).

    Parameters
    ----------
    values : array_like, shape (n, m)

    Returns
    -------
    array of float32, shape (n, m)
        Whole numbers from -(n - 1) to n - 1 that sum to 0; all 0 for a constant column.
    """
    columns = np.asarray(values)
    ranks = np.empty(columns.shape, dtype=np.float32)
    for start in range(0, columns.shape[1], 256):  # ranks in double precision only a part at a time
        part = slice(start, start + 256)
        ranks[:, part] = 2 * rankdata(columns[:, part], axis=0) - (len(columns) + 1)
    return ranks


def squared_spearman(
    a: NDArray[np.float32], b: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Squared Spearman correlation between columns of centred ranks.

    Parameters
    ----------
    a : array, shape (n, p)
        From `centred_ranks`.
    b : array, shape (n, q), optional
        The same; without it columns of `a` are correlated with each other, and the diagonal is 0.

    Returns
    -------
    array, shape (p, q) or (p, p)
        0 .. 1; 0 where a constant column leaves the correlation undefined.
    """
    first = np.asarray(a, dtype=np.float64)
    second = first if b is None else np.asarray(b, dtype=np.float64)
    scale = np.outer((first**2).sum(axis=0), (second**2).sum(axis=0))
    squared = (first.T @ second) ** 2
    squared = np.divide(squared, scale, out=np.zeros_like(squared), where=scale > 0)
    if b is None:
        np.fill_diagonal(squared, 0)
    return np.asarray(squared)
