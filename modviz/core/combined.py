"""One p-value out of many: Fisher's, Bates's, and the joint test that allows for dependence.

Their public home is `modviz.statistics`, with the p-values that go into them.

Source: Hod et al., "Detecting Modularity in Deep Neural Networks", arXiv:2110.08058.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modviz.core.arrays import real_numbers
from modviz.core.settings import one_of, whole_number

#: Which direction of a statistic is extreme.
Tail = Literal["low", "high"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Combined:
    """Several p-values combined into one.

    Attributes
    ----------
    p : float
        The combined p-value; NaN if there was nothing to combine.
    statistic : float
        The quantity it was computed from (see the function that returned it).
    n : int
        How many p-values entered.
    """

    p: float
    statistic: float
    n: int


def fisher(p: ArrayLike, n_controls: int) -> Combined:
    """Fisher's combined test of Monte-Carlo p-values, with the authors' mid-p shift.

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values on the grid 1/(n+1), 2/(n+1), ..., 1. NaN entries are left out.
    n_controls : int
        Number of controls n behind each p-value.

    Returns
    -------
    Combined
        ``p`` of chi-square with 2m degrees of freedom for p - 1/(2(n+1)), and as ``statistic`` the
        mean of -ln of the same (1 = what the null gives on average, larger = more evidence). The
        test takes the p-values as independent, which subclusters of one layer are not: see
        `joint_test`.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.fisher([0.05, 0.05, 0.05], n_controls=19).p < 0.01
    True
    """
    from scipy import stats  # here: it takes a second to load, and opening a file does without

    n_controls = whole_number("n_controls", n_controls, 1)
    shifted = _on_grid(p, n_controls) - 1 / (2 * (n_controls + 1))
    if shifted.size == 0:
        return Combined(p=np.nan, statistic=np.nan, n=0)
    logs = -np.log(shifted)
    return Combined(
        p=float(stats.chi2.sf(2 * logs.sum(), df=2 * shifted.size)),
        statistic=float(logs.mean()),
        n=shifted.size,
    )


def rank_chi_square(p: ArrayLike, n_controls: int) -> Combined:
    """Chi-square test that the ranks behind Monte-Carlo p-values are uniform.

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values on the grid 1/(n+1), ..., 1. NaN entries are left out.
    n_controls : int
        Number of controls n behind each p-value; there are n + 1 possible ranks.

    Returns
    -------
    Combined
        Two-sided in spirit: small where the ranks are uneven in any way.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.rank_chi_square([0.25, 0.5, 0.75, 1.0], n_controls=3).p  # as even as can be
    1.0
    """
    from scipy import stats

    n_controls = whole_number("n_controls", n_controls, 1)
    values = _on_grid(p, n_controls)
    if values.size == 0:
        return Combined(p=np.nan, statistic=np.nan, n=0)
    # the sum over all n + 1 ranks of (count - expected)^2 / expected, without a place for each
    _, counts = np.unique(np.rint(values * (n_controls + 1)), return_counts=True)
    statistic = float((counts.astype(np.float64) ** 2).sum()) * (n_controls + 1) / values.size
    statistic -= values.size
    return Combined(
        p=float(stats.chi2.sf(statistic, n_controls)), statistic=statistic, n=values.size
    )


def _on_grid(p: ArrayLike, n_controls: int) -> Floats:
    values = real_numbers("p", p).ravel()
    values = values[~np.isnan(values)]
    ranks = values * (n_controls + 1)
    off = max(1e-6, 4 * np.finfo(np.float64).eps * n_controls)  # what rounding makes of many
    whole = np.isfinite(ranks)
    whole[whole] = np.abs(ranks[whole] - np.rint(ranks[whole])) < off
    on_grid = whole & (ranks > 0.5) & (values < 1 + 1e-9)
    if not on_grid.all():
        raise ValueError(
            f"p holds {values[~on_grid][0]:.6g}, which {n_controls} controls cannot give; "
            f"expected multiples of 1/{n_controls + 1} up to 1: check n_controls"
        )
    return np.asarray(values)


def bates(p_values: ArrayLike) -> Combined:
    """Combine one p-value per network through their mean (Bates distribution).

    Parameters
    ----------
    p_values : array_like, shape (m,)
        Independent p-values, uniform on 0..1 under the null. NaN entries are left out.

    Returns
    -------
    Combined
        ``statistic`` is the mean p, ``p`` the chance of a mean of m uniform numbers as low.

    Examples
    --------
    >>> from modviz import statistics
    >>> round(statistics.bates([0.1, 0.2]).p, 3)
    0.045
    """
    from scipy import stats

    values = real_numbers("p_values", p_values).ravel()
    values = values[~np.isnan(values)]
    if values.size == 0:
        return Combined(p=np.nan, statistic=np.nan, n=0)
    if ((values < 0) | (values > 1)).any():
        raise ValueError("p_values must lie between 0 and 1")
    total = float(values.sum())
    return Combined(
        p=float(stats.irwinhall(values.size).cdf(total)),
        statistic=total / values.size,
        n=values.size,
    )


@dataclass(frozen=True)
class Joint:
    """The joint permutation test of all subclusters at once.

    Attributes
    ----------
    p : float
        Share of partitions (the real one and the shuffled ones) with at least as much evidence.
    statistic : float
        Sum of -ln p over the subclusters of the real partition.
    null : array, shape (n,)
        The same sum for each shuffled partition.
    """

    p: float
    statistic: float
    null: Floats


def joint_test(observed: ArrayLike, controls: ArrayLike, tail: Tail) -> Joint:
    """One p-value for a whole partition that allows for dependence between its subclusters.

    Control number r of every subcluster must come from one shuffle of the labels within layers, as
    modviz draws them. The real partition and the n shuffled ones are then exchangeable under the
    null, whatever the dependence between subclusters of a layer, and the rank of the real one's
    evidence among all of them is an exact p-value.

    Parameters
    ----------
    observed : array_like, shape (m,)
        The statistic of each subcluster; NaN = undefined, which is no evidence.
    controls : array_like, shape (m, n)
    tail : {"low", "high"}

    Returns
    -------
    Joint

    Examples
    --------
    >>> from modviz import statistics
    >>> controls = [[0.0, -0.1, 0.1], [0.1, 0.0, -0.1]]
    >>> statistics.joint_test([-0.5, -0.6], controls, tail="low").p  # 1 of 4 partitions
    0.25
    """
    from scipy import stats

    x, null = real_numbers("observed", observed), real_numbers("controls", controls)
    one_of("tail", tail, ("low", "high"))
    if x.ndim != 1 or null.ndim != 2 or len(null) != len(x) or not null.shape[1]:
        raise ValueError(
            f"observed {x.shape} and controls {null.shape}; expected (m,) and (m, n), n at least 1"
        )
    if x.size == 0:
        return Joint(p=np.nan, statistic=np.nan, null=np.empty(0))
    everyone = np.concatenate([x[:, None], null], axis=1)
    sign = -1.0 if tail == "high" else 1.0
    ranked = np.nan_to_num(sign * everyone, nan=np.inf)
    # rank of each of the n + 1 partitions within a subcluster, ties counted against it
    rank = np.apply_along_axis(lambda row: stats.rankdata(row, method="max"), 1, ranked)
    logs = np.where(np.isnan(everyone), 0.0, -np.log(rank / everyone.shape[1]))
    evidence = logs.sum(axis=0)
    tolerance = 1e-9 * max(1.0, float(evidence[0]))  # equal sums must tie whatever their order
    return Joint(
        p=float((evidence >= evidence[0] - tolerance).sum() / evidence.size),
        statistic=float(evidence[0]),
        null=evidence[1:],
    )
