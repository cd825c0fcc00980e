"""Squared rank correlations, exact to the last bit that a float can hold.

Ranks are doubled and centred, so that they are whole numbers also where ties share a mean rank.
Sums of their products are then exact (below 2**53, that is for up to 200,000 samples), whatever the
order of the samples or of the sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    columns = np.ascontiguousarray(np.asarray(values).T)
    n = columns.shape[1]
    untied = np.arange(1 - n, n, 2, dtype=np.float32)
    ranks = np.empty(columns.shape, dtype=np.float32)
    for column, own in zip(columns, ranks, strict=True):
        order = np.argsort(column)
        ordered = column[order]
        rises = ordered[1:] != ordered[:-1]
        if rises.all():
            own[order] = untied
        else:
            # equals share the mean of the first and the last place among them
            edges = np.concatenate([[0], np.flatnonzero(rises) + 1, [n]])
            shared = edges[:-1] + edges[1:] - n
            own[order] = np.repeat(shared, np.diff(edges))
    return ranks.T


def squared_spearman(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]] | None = None
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
    # single precision would not hold the sums, and numbers split so that it does take four products
    squared = np.asarray(first.T @ second)
    squared *= squared
    above, beside = _squares(first), _squares(second)
    for i, square in enumerate(above):
        squared[i] /= square * beside  # the same for (i, j) and (j, i), to the last bit
    if b is None:
        np.fill_diagonal(squared, 0)
    return squared


def _squares(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of squares of each column; 1 for a constant one, whose products are 0 anyway."""
    squares = np.einsum("ij,ij->j", columns, columns)
    return np.where(squares > 0, squares, 1.0)
