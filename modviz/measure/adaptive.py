"""Lesions in rounds: only subclusters whose verdict is open get more random controls.

The first round silences every tested subcluster and the first draws of its controls. Each round
after it adds the draws up to the next look of the rule, for the subclusters that either statistic
of the lesions leaves undecided. As all draws are those of `draw_controls`, in their order, the
controls of a subcluster are the first of those that it would get with a fixed number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modviz.core.controls import LayerGroups, layer_groups
from modviz.core.partition import Partition
from modviz.core.sequential import SequentialRule
from modviz.measure.counting import CountCallback
from modviz.measure.counts import Counts
from modviz.measure.lesion import LesionCallback, Measured, results_of

#: Counts right answers under the lesions of some groups, over all images; reports as it goes.
Count = Callable[[Sequence[LayerGroups], CountCallback], Counts]

#: Share of the answers without a lesion that may differ between rounds: rounding, where a GPU takes
#: another way to compute. Random changes of images (augmentation) go far beyond it.
_OTHERWISE = 0.01


def measure_adaptively(
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    rule: SequentialRule,
    count: Count,
    *,
    report: LesionCallback | None = None,
) -> Measured:
    """Class accuracies under lesions, with as many controls as each verdict needs.

    Parameters
    ----------
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `modviz.core.controls.draw_controls`, at least ``rule.n_controls`` draws.
    rule : SequentialRule
    count : callable
        Called once a round with what is to be silenced, as `modviz.measure.counting.count_right` is
        with all else given.
    report : callable, optional
        Gets lesions x images done, those known to come, and new results: of the first round after
        each batch of images, of later ones when they end. A round's draws must not be compared
        with a subcluster that was tested on more images.

    Returns
    -------
    LesionResults
        With ``rule``; controls that were not drawn are NaN.
    array of bool, shape (classes,)
        Which classes have images: the columns of the results.

    Raises
    ------
    ValueError
        If there are too few draws, or the data give other images in another round.
    Cancelled
        If `count` raises it; ``report`` has then got all rounds that were finished.
    """
    rounds = Rounds(partition, tested, controls, rule)
    before = 0
    while (groups := rounds.groups()) or rounds.n_rounds == 0:
        largest = before

        def told(
            done: int,
            total: int | None,
            counts: Counts | None,
            groups: list[LayerGroups] = groups,
            before: int = before,
        ) -> None:
            nonlocal largest
            largest = max(largest, before + done)
            if report is not None:
                first = counts is not None and rounds.n_rounds == 0
                measured = rounds.results(groups, counts) if first else None
                report(before + done, None if total is None else before + total, measured)

        rounds.add(groups, count(groups, told))
        before = largest
        if report is not None:
            report(before, before, rounds.results())
    return rounds.results()


class Rounds:
    """What the rounds have given so far, and what the next one has to silence.

    Parameters
    ----------
    partition, tested, controls, rule
        As in `measure_adaptively`.

    Attributes
    ----------
    n_rounds : int
        How many were added.
    """

    def __init__(
        self,
        partition: Partition,
        tested: NDArray[np.bool_],
        controls: dict[str, NDArray[np.int64]],
        rule: SequentialRule,
    ) -> None:
        drawn = min((len(draws) for draws in controls.values()), default=rule.n_controls)
        if drawn < rule.n_controls:
            raise ValueError(
                f"controls hold {drawn} draws, but the rule may need {rule.n_controls}; draw as "
                "many, or take modviz.core.sequential.rule_for of what there is"
            )
        self.n_rounds = 0
        self._partition, self._tested = partition, tested
        self._controls, self._rule = controls, rule
        self._draws = np.zeros(len(tested), dtype=np.int64)
        self._groups: list[LayerGroups] = []
        self._counts: Counts | None = None

    def groups(self) -> list[LayerGroups]:
        """What the next round has to silence; empty when every verdict is clear."""
        going = self._tested
        if self._counts is not None:
            results, _ = self.results()
            going = results.undecided("accuracy") | results.undecided("range")
        draws = {}
        for k in np.flatnonzero(going).tolist():
            done = int(self._draws[k])
            draws[k] = range(done, next(end for end in self._rule.ends if end > done))
        return list(layer_groups(self._partition, self._tested, self._controls, draws))

    def add(self, groups: Sequence[LayerGroups], counts: Counts) -> None:
        """Take in what a round counted for its `groups`."""
        self._counts = self._joined(counts)
        self._groups += groups
        for some in groups:
            np.maximum.at(self._draws, some.rows[:, 0], some.rows[:, 1])
        self.n_rounds += 1

    def results(self, groups: Sequence[LayerGroups] = (), counts: Counts | None = None) -> Measured:
        """Results of the rounds so far, and of `groups` that were counted but not added."""
        joined = self._counts if counts is None else self._joined(counts)
        everything = [*self._groups, *groups]
        if joined is None:
            raise RuntimeError("no round was added yet, so there are no results")
        most = max((int(some.rows[:, 1].max()) for some in everything), default=0)
        shape = len(self._tested), 1 + most
        results, present = results_of(joined, everything, self._tested, shape)
        return replace(results, rule=self._rule), present

    def _joined(self, counts: Counts) -> Counts:
        """The counts so far with those of one more round."""
        before = self._counts
        if before is None:
            return counts
        otherwise = int(np.abs(counts.intact - before.intact).sum())
        if (counts.images != before.images).any() or otherwise > _OTHERWISE * before.images.sum():
            raise ValueError(
                "the data gave other images in another round: without a lesion "
                f"{int(counts.intact.sum())} of {int(counts.images.sum())} answers are right, and "
                f"were {int(before.intact.sum())} of {int(before.images.sum())}; "
                "controls='adaptive' goes through the data several times, so give data without "
                "random changes, or use controls='fixed'"
            )
        return Counts(
            before.images,
            before.intact,
            np.concatenate([before.right, counts.right]),
            np.concatenate([before.still, counts.still]),
            before.near_ties + counts.near_ties,
        )
