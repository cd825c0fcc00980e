"""What two subclusters do together: the cost of silencing both beside the cost of each alone.

Plain arrays and tables, as in `modviz.core.analysis`: a panel needs neither the model nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from modviz.core import statistics
from modviz.core.partition import Partition, Subcluster

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interactions:
    """Accuracy changes under double lesions. M subclusters, R controls.

    All changes are of accuracy, the unweighted mean over classes, -1 .. 1; negative = a loss. The
    interaction of subclusters i and j is J - a_i - a_j, with J the change when both are silenced
    and a_i, a_j the changes when only one is. What the numbers mean:

    * **0**: the costs add up. The two do separate things, as far as these images tell.
    * **negative**: together they cost more than apart. Each makes up for the loss of the other, so
      one alone hides what they do: they are *redundant* (an OR: either suffices).
    * **positive**: together they cost less than apart. Either loss already takes what they give
      together: they *need each other* (an AND; a synergy of the two), or one hands its work on to
      the other.

    Two more things make interactions, and random groups have them as well: accuracy can't fall
    below 0, so two lesions that each cost nearly all give a positive one; and a network's answers
    have a margin, so that small lesions cost nothing where their sum does, a negative one. Hence
    the controls: `table` says how far an interaction is from those of random groups.

    Attributes
    ----------
    partition : Partition
    members : array of int, shape (M,)
        Which of ``partition.subclusters`` were paired, ascending.
    single : array, shape (M,)
        Change with one subcluster silenced.
    single_controls : array, shape (M, R)
        The same with random units of the same number and layer silenced.
    paired : array, shape (M, M), symmetric
        Change with both silenced; on the diagonal `single`. NaN = not measured.
    paired_controls : array, shape (M, M, R), symmetric in the first two
        The same for the two random groups that draw r of the controls gives; they are disjoint,
        because a draw is one shuffle of the labels.
    accuracy : float
        Accuracy of the intact network, mean over classes, 0 .. 1; NaN if nothing was measured.
    n_images : int
        Images behind each change.
    status : {"complete", "cancelled"}
        After a cancel all pairs are about the images done by then; if not even the first batch of
        images was done, pairs that had no turn are NaN.
    settings : mapping
        The keywords of `modviz.interactions` that gave this result.
    model_name : str
    """

    partition: Partition
    members: NDArray[np.int64]
    single: Floats
    single_controls: Floats
    paired: Floats
    paired_controls: Floats
    accuracy: float = np.nan
    n_images: int = 0
    status: Literal["complete", "cancelled"] = "complete"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = "model"

    def __post_init__(self) -> None:
        m, r = len(self.members), self.single_controls.shape[-1]
        wanted = {
            "single": (m,),
            "single_controls": (m, r),
            "paired": (m, m),
            "paired_controls": (m, m, r),
        }
        for name, shape in wanted.items():
            given = np.shape(getattr(self, name))
            if given != shape:
                raise ValueError(
                    f"{name} has shape {given}; expected {shape} for {m} members and {r} controls"
                )
        if any(b <= a for a, b in pairwise(self.members)):
            raise ValueError("members are not ascending; expected each subcluster once, in order")

    @property
    def subclusters(self) -> tuple[Subcluster, ...]:
        """The subclusters that were paired: rows and columns of every matrix, in order."""
        return tuple(self.partition.subclusters[k] for k in self.members)

    @property
    def names(self) -> list[str]:
        """Their names: B2 = cluster B in layer 2."""
        return [s.name for s in self.subclusters]

    def _matrix(self, values: Floats) -> pd.DataFrame:
        index = pd.Index(self.names, name="subcluster")
        return pd.DataFrame(values, index=index, columns=pd.Index(self.names, name="with"))

    @property
    def joint(self) -> pd.DataFrame:
        """Accuracy change with both silenced; the diagonal has each one's own change."""
        return self._matrix(self.paired.copy())

    @property
    def interaction(self) -> pd.DataFrame:
        """Joint change minus both single changes, see the class; no pair on the diagonal: NaN."""
        values = _interaction(self.paired, self.single)
        np.fill_diagonal(values, np.nan)
        return self._matrix(values)

    @property
    def conditional(self) -> pd.DataFrame:
        """What the column's subcluster costs once that of the row is silenced; NaN: diagonal."""
        values = (self.paired - self.single[:, None]).round(9) + 0.0
        np.fill_diagonal(values, np.nan)
        return self._matrix(values)

    # ---- pairs -----------------------------------------------------------------------------------

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Places of both subclusters of each pair in `names`, shape (pairs, 2): rows of `table`."""
        return np.stack(np.triu_indices(len(self.members), k=1), axis=1)

    @cached_property
    def samples(self) -> tuple[Floats, Floats]:
        """Interaction of every pair, shape (pairs,), and of its controls, shape (pairs, R)."""
        i, j = self.pairs.T
        everyone = _interaction(
            np.concatenate([self.paired[..., None], self.paired_controls], axis=2),
            np.concatenate([self.single[:, None], self.single_controls], axis=1),
        )[i, j]
        return everyone[:, 0], everyone[:, 1:]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which pairs were measured with all their controls, shape (pairs,)."""
        observed, controls = self.samples
        return np.asarray(~(np.isnan(observed) | np.isnan(controls).any(axis=1)))

    def _distances(self) -> tuple[Floats, Floats]:
        distance = _distance_from_others(np.column_stack(self.samples))
        return distance[:, 0], distance[:, 1:]

    @cached_property
    def p_values(self) -> Floats:
        """Two-sided permutation p of every pair, shape (pairs,); NaN where it was not measured.

        Share of the draws, the real partition among them, whose interaction is at least as far from
        the mean of the others; ties count. Never below 1 / (R + 1).
        """
        p = np.full(len(self.pairs), np.nan)
        rows = self.measured
        if rows.any():
            distance, null = self._distances()
            p[rows] = statistics.permutation_p(distance[rows], null[rows], "high")
        return p

    @cached_property
    def joint_p(self) -> float:
        """One p for all pairs at once: whether they interact more, or less, than random ones do.

        See `modviz.statistics.joint_test`; exact whatever the dependence between pairs.
        """
        rows = self.measured
        distance, null = self._distances()
        return float(statistics.joint_test(distance[rows], null[rows], "high").p)

    @property
    def resolution(self) -> float:
        """The smallest p that the controls allow, 1 / (R + 1)."""
        return 1.0 / (1 + int(self.single_controls.shape[1]))

    @cached_property
    def contrast(self) -> tuple[float, float]:
        """Whether pairs of one cluster, in different layers, interact otherwise than other pairs.

        Returns
        -------
        difference : float
            Mean interaction of pairs of the same cluster minus that of all other pairs.
        p : float
            Its two-sided permutation p: the same difference in every draw of the controls. Both are
            NaN if one of the two kinds of pairs was not measured.
        """
        i, j = self.pairs[self.measured].T
        clusters = np.array([s.cluster for s in self.subclusters])
        same = clusters[i] == clusters[j]
        if same.all() or not same.any():
            return np.nan, np.nan
        everyone = np.column_stack(self.samples)[self.measured]
        difference = everyone[same].mean(axis=0) - everyone[~same].mean(axis=0)
        distance = _distance_from_others(difference)
        return float(difference[0]), float(
            statistics.permutation_p(distance[0], distance[1:], "high")
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        i, j = self.pairs.T
        names = np.array(self.names, dtype=object)
        observed, controls = self.samples
        joint = self.paired[i, j]
        control_mean = controls.mean(axis=1)
        columns = {
            "first": names[i],
            "second": names[j],
            "first_change": self.single[i].round(9),
            "second_change": self.single[j].round(9),
            "joint_change": joint.round(9),
            "second_given_first": (joint - self.single[i]).round(9) + 0.0,
            "first_given_second": (joint - self.single[j]).round(9) + 0.0,
            "interaction": observed,
            "control_mean": control_mean,
            "effect": (observed - control_mean).round(9) + 0.0,
            "p": self.p_values,
            "q": np.asarray(statistics.benjamini_hochberg(self.p_values)),
        }
        index = pd.Index([f"{a} + {b}" for a, b in zip(names[i], names[j], strict=True)])
        return pd.DataFrame(columns, index=index.rename("pair"))

    def table(self) -> pd.DataFrame:
        """Everything about every pair, a row each.

        Returns
        -------
        DataFrame
            Index: ``"A1 + B2"``. Columns: ``first``, ``second`` (names); ``first_change``,
            ``second_change``, ``joint_change`` (accuracy changes with one, the other, both
            silenced); ``second_given_first``, ``first_given_second`` (what the one costs once the
            other is silenced); ``interaction``; ``control_mean`` (mean interaction of the random
            pairs) and ``effect``, the difference from it (0 = like random groups); ``p``
            (two-sided, see `p_values`) and ``q`` (Benjamini-Hochberg over the pairs). NaN = not
            measured.
        """
        return self._table.copy()

    def summary(self) -> pd.Series[float]:
        """What all pairs say together.

        Returns
        -------
        Series
            ``pairs``: how many were measured; ``mean_interaction`` and ``control_mean`` over them;
            ``rejected``: how many have q <= 0.05; ``joint_p``: whether pairs interact otherwise
            than random ones; ``contrast`` and ``contrast_p``: whether pairs of one cluster interact
            otherwise than other pairs; ``resolution``: the smallest p that the controls allow.
        """
        table = self._table[self.measured]
        return pd.Series(
            {
                "pairs": float(len(table)),
                "mean_interaction": float(table["interaction"].mean()),
                "control_mean": float(table["control_mean"].mean()),
                "rejected": float((table["q"] <= 0.05).sum()),
                "joint_p": self.joint_p,
                "contrast": self.contrast[0],
                "contrast_p": self.contrast[1],
                "resolution": self.resolution,
            },
            name="interactions",
        )

    def __repr__(self) -> str:
        return (
            f"Interactions of {self.model_name} ({self.status}): {int(self.measured.sum())} of "
            f"{len(self.pairs)} pairs of {len(self.members)} subclusters on {self.n_images:,} "
            f"images; joint p {self.joint_p:.3g}"
        )


def _interaction(paired: Floats, single: Floats) -> Floats:
    """J - a_i - a_j; accuracies are ratios of counts, so equal ones must be equal to the bit."""
    return np.asarray((paired - single[:, None] - single[None, :]).round(9) + 0.0)


def _distance_from_others(everyone: Floats) -> Floats:
    """How far each value, real or random, lies from the mean of all the others; last axis: draws.

    All are treated alike, so the real one's rank among them is uniform under the null: that makes p
    exact. A distance from the mean of the controls alone would set the real one apart.
    """
    total = everyone.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(everyone - (total - everyone) / (everyone.shape[-1] - 1)).round(9))
