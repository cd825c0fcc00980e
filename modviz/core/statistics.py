"""The statistics of lesion tests: permutation p-values, effects, and ways to combine them.

Every function says which way is extreme, counts ties, and treats a statistic that is undefined
(NaN) as no evidence. Where the published code of the method does otherwise, an option of the same
function reproduces it, so that its numbers can be compared with.

Source: Hod et al., "Detecting Modularity in Deep Neural Networks", arXiv:2110.08058.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modviz.core.arrays import real_numbers
from modviz.core.combined import (
    Combined,
    Joint,
    Tail,
    bates,
    fisher,
    joint_test,
    rank_chi_square,
)
from modviz.core.settings import one_of

__all__ = [
    "Combined",
    "Joint",
    "QValues",
    "Tail",
    "Ties",
    "as_extreme",
    "bates",
    "benjamini_hochberg",
    "class_range",
    "effect",
    "fisher",
    "joint_test",
    "paired_error",
    "permutation_p",
    "rank_chi_square",
]

Ties = Literal["count", "strict"]
Floats = NDArray[np.float64]

#: A mean of class changes smaller than this is rounding of zero: accuracies are ratios of counts.
_ZERO_CHANGE = 1e-12


def permutation_p(
    observed: ArrayLike, controls: ArrayLike, tail: Tail, ties: Ties = "count"
) -> Floats:
    """One-sided Monte-Carlo p-value of an observation among random controls.

    Parameters
    ----------
    observed : array_like, shape (...)
        The statistic of the thing tested; NaN where it is undefined.
    controls : array_like, shape (..., n)
        The same statistic of n random controls.
    tail : {"low", "high"}
        Which direction is extreme.
    ties : {"count", "strict"}
        ``"count"`` (default): a control equal to the observation is as extreme as it, as a valid
        p-value needs, and an undefined observation gets p = 1. ``"strict"``: only strictly more
        extreme controls count, as in the authors' code, where an observation that equals all
        its controls, or is undefined, gets the best p there is.

    Returns
    -------
    array, shape (...)
        (1 + number of controls at least as extreme) / (1 + n), never below 1 / (n + 1).

    Raises
    ------
    ValueError
        If there are no controls, shapes do not fit, or an option is unknown.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.permutation_p(-0.4, [-0.1, -0.2, -0.5], tail="low").item()  # (1 + 1) / (1 + 3)
    0.5
    """
    extreme = as_extreme(observed, controls, tail, ties)
    return np.asarray((1 + extreme.sum(axis=-1)) / (1 + extreme.shape[-1]))


def as_extreme(
    observed: ArrayLike, controls: ArrayLike, tail: Tail, ties: Ties = "count"
) -> NDArray[np.bool_]:
    """Which controls are at least as extreme as the observation: array of bool, shape (..., n).

    Parameters and errors are those of `permutation_p`, which counts them.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.as_extreme(-0.4, [-0.1, -0.4, -0.5], tail="low").tolist()
    [False, True, True]
    """
    x, null = _with_controls(observed, controls)
    if null.shape[-1] == 0:
        raise ValueError("controls are empty; a permutation p-value needs at least one control")
    one_of("tail", tail, ("low", "high"))
    one_of("ties", ties, ("count", "strict"))
    if tail == "high":
        x, null = -x, -null
    if ties == "strict":
        return np.asarray(null < x[..., None])
    # undefined is the least extreme value there is, for observations and controls alike
    return np.asarray(np.nan_to_num(null, nan=np.inf) <= np.nan_to_num(x, nan=np.inf)[..., None])


def effect(observed: ArrayLike, controls: ArrayLike) -> Floats:
    """Size of an observation relative to its controls, 2x / (x + mean of controls).

    Parameters
    ----------
    observed : array_like, shape (...)
    controls : array_like, shape (..., n)

    Returns
    -------
    array, shape (...)
        1 = no different from the mean control, towards 2 = much larger, 0 = nothing; a ratio of
        means. NaN where undefined. The authors' figure is half of it.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.effect(3.0, [1.0, 1.0]).item()
    1.5
    """
    x, null = _with_controls(observed, controls)
    defined = np.isfinite(null)
    n = defined.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(defined, null, 0.0).sum(axis=-1) / n
        value = 2 * x / (x + mean)
    return np.asarray(np.where(np.isfinite(value) & np.isfinite(mean), value, np.nan))


def _with_controls(observed: ArrayLike, controls: ArrayLike) -> tuple[Floats, Floats]:
    """Both as arrays, shapes (...) and (..., n)."""
    x, null = real_numbers("observed", observed), real_numbers("controls", controls)
    if null.ndim == 0 or null.shape[:-1] != x.shape:
        raise ValueError(
            f"controls have shape {null.shape} for observed of shape {x.shape}; "
            f"expected {(*x.shape, 'n')}: the controls of each observation along the last axis"
        )
    return x, null


def class_range(changes: ArrayLike) -> Floats:
    """How unevenly a lesion hits the classes.

    Parameters
    ----------
    changes : array_like, shape (..., n_classes)
        Change of each class's accuracy under the lesion.

    Returns
    -------
    array, shape (...)
        max(d / mean d) - min(d / mean d) over the classes: 0 = all classes alike, larger = the
        lesion picks out classes. NaN where the mean change is zero (nothing to compare with).

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.class_range([-0.4, 0.0]).item()  # one of two classes takes all the loss
    2.0
    """
    d = real_numbers("changes", changes)
    if d.ndim == 0 or d.shape[-1] == 0:
        raise ValueError(f"changes have shape {d.shape}; expected (..., classes)")
    with np.errstate(invalid="ignore", over="ignore"):  # infinite changes: undefined
        mean = d.mean(axis=-1)
        mean = np.where(np.abs(mean) < _ZERO_CHANGE, np.nan, np.abs(mean))
        return np.asarray((d.max(axis=-1) - d.min(axis=-1)) / mean)


def paired_error(lost: ArrayLike, gained: ArrayLike, n_images: ArrayLike) -> Floats:
    """Standard error of an accuracy change, the unweighted mean over classes, from the same images.

    Other images of the same kind would give another change: it varies by the images that the
    lesion turned from right to wrong, and back. One image is added to each of the two counts
    (Bonett and Price, 2012, doi:10.3102/1076998611411915), so that no change at all in a few
    images is not taken for certainty.

    Parameters
    ----------
    lost, gained : array_like of int, shape (..., n_classes)
        Images of each class that became wrong, and that became right.
    n_images : array_like of int, shape (n_classes,)
        Images of each class, at least 1.

    Returns
    -------
    array, shape (...)

    Raises
    ------
    ValueError
        If shapes do not fit, or more images changed than there are.

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.paired_error([[3, 0]], [[1, 0]], [100, 100]).round(4).tolist()
    [0.0138]
    """
    images, down, up = (
        real_numbers(name, values)
        for name, values in (("n_images", n_images), ("lost", lost), ("gained", gained))
    )
    if images.ndim != 1 or down.shape != up.shape or down.shape[-1:] != images.shape:
        raise ValueError(
            f"lost has shape {down.shape}, gained {up.shape} and n_images {images.shape}; expected "
            "(..., classes) twice and (classes,)"
        )
    if not (images >= 1).all():
        raise ValueError("n_images must be at least 1 of each class")
    if not (down + up <= images).all():
        raise ValueError("lost and gained are together more than n_images, of some class")
    n, worse, better = images + 2, down + 1, up + 1
    variance = (worse + better - (better - worse) ** 2 / n) / n**2
    total = variance.sum(axis=-1)
    if (total < 0).any():
        raise ValueError("lost and gained can't be numbers of images: expected 0 or more")
    return np.asarray(np.sqrt(total) / variance.shape[-1])


class QValues(np.ndarray):
    """q-values as an array, with the decision at the level they were asked for.

    Attributes
    ----------
    level : float
        The accepted share of false discoveries among all that are declared.
    rejected : array of bool
        Which tests are declared at that level; NaN is never declared.
    """

    level: float

    def __array_finalize__(self, obj: NDArray[np.float64] | None) -> None:
        self.level = getattr(obj, "level", 0.05)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """Which tests are declared at `level`; NaN never is."""
        return np.asarray(np.asarray(self) <= self.level)


def benjamini_hochberg(p: ArrayLike, level: float = 0.05) -> QValues:
    """q-values that control the share of false discoveries (Benjamini and Hochberg, 1995).

    Parameters
    ----------
    p : array_like, shape (m,)
        The p-values of all tests shown together. NaN entries are no tests and stay NaN.
    level : float
        Accepted share of false discoveries, used for ``.rejected`` only.

    Returns
    -------
    QValues, shape (m,)
        The q-value of each test: the smallest level at which it would be declared. Where nothing
        passes ``.rejected`` is all False (the authors' function then returns a critical p of 1,
        which declares everything).

    Examples
    --------
    >>> from modviz import statistics
    >>> statistics.benjamini_hochberg([0.01, 0.04, 0.3]).round(3).tolist()
    [0.03, 0.06, 0.3]
    """
    values = real_numbers("p", p)
    if values.ndim != 1:
        raise ValueError(f"p has shape {values.shape}; expected one dimension")
    if np.ndim(level) or not 0 < real_numbers("level", level) < 1:
        raise ValueError(f"level={level!r}; expected a share between 0 and 1")
    tests = ~np.isnan(values)
    if ((values[tests] < 0) | (values[tests] > 1)).any():
        raise ValueError("p must lie between 0 and 1")
    q = np.full(values.shape, np.nan).view(QValues)
    q.level = float(level)
    if tests.any():
        from scipy import stats  # here: it takes a second to load, and opening a file does without

        q[tests] = stats.false_discovery_control(values[tests], method="bh")
    return q
