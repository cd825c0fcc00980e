"""What was measured about the subclusters: lesions, feature visualizations, top images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modviz.core import continued, statistics
from modviz.core.encoded import Pictures
from modviz.core.questions import tail_of
from modviz.core.sequential import SequentialRule, undecided

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Results:
    """What results have in common: statistics of subclusters and of their controls."""

    rule: SequentialRule | None = None

    def __repr__(self) -> str:
        """Short: the arrays are long."""
        done = int(self.measured.sum())
        return f"{type(self).__name__}({done} of {len(self.measured)} subclusters measured)"

    def samples(self, statistic: str) -> tuple[Floats, Floats]:
        """A statistic of the subclusters, shape (S,), and of their controls, shape (S, R)."""
        raise NotImplementedError

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which subclusters were measured with their controls, shape (S,)."""
        raise NotImplementedError

    @property
    def draws(self) -> Integers:
        """Controls of each subcluster, shape (S,); 0 where it was not measured."""
        raise NotImplementedError

    def counts(self, statistic: str, ties: statistics.Ties = "count") -> tuple[Integers, Integers]:
        """Exceedances and draws behind each p, two arrays of shape (S,); 0 where not measured."""
        x, controls = self.samples(statistic)
        extreme = statistics.as_extreme(x, controls, tail_of(statistic), ties)
        counts, draws = np.zeros((2, len(x)), dtype=np.int64), self.draws
        for i in np.flatnonzero(self.measured):
            counts[:, i] = self._stop(int(i), extreme[i, : draws[i]])
        return counts[0], counts[1]

    def _stop(self, _: int, extreme: NDArray[np.bool_]) -> tuple[int, int]:
        """Exceedances and draws behind the p of one subcluster, given which draws are extreme."""
        return int(extreme.sum()), len(extreme)

    def p_values(self, statistic: str, ties: statistics.Ties = "count") -> Floats:
        """Permutation p, with a rule that of the rule, shape (S,); NaN where not measured."""
        exceedances, draws = self.counts(statistic, ties)
        p = np.where(draws > 0, (1 + exceedances) / (1 + draws), np.nan)
        if self.rule is not None:
            for i in np.flatnonzero(draws):
                p[i] = self.rule.p(int(exceedances[i]), int(draws[i]))
        return np.asarray(p)

    def undecided(self, statistic: str) -> NDArray[np.bool_]:
        """Which measured subclusters need more controls for their verdict, shape (S,)."""
        measured = self.measured
        needing = np.zeros(len(measured), dtype=bool)
        if self.rule is not None:
            exceedances, draws = self.counts(statistic)
            needing[measured] = undecided(self.rule, exceedances[measured], draws[measured])
        return needing

    @property
    def common_draws(self) -> int:
        """Controls that all measured subclusters have, for tests of all of them together."""
        measured = self.measured
        return int(self.draws[measured].min()) if measured.any() else 0


@dataclass(frozen=True, eq=False, repr=False)
class LesionResults(Results):
    """Class accuracies of the network under lesions. S subclusters, R controls each, C classes.

    Rows of subclusters that were not measured (too small, too large, or not yet) are NaN. So are
    controls that were not drawn: where there is a rule that says when drawing may stop, or where
    more were drawn for other subclusters (`modviz.more_controls`).

    Attributes
    ----------
    intact : array, shape (C,)
        Accuracy of each class without a lesion, 0 .. 1.
    lesioned : array, shape (S, C)
        The same with each subcluster silenced.
    controls : array, shape (S, R, C)
        The same with random units of the same number and layer silenced, in the order drawn.
    n_images : int
        Images behind each accuracy.
    change_error : array, shape (S,), or None
        Standard error of each subcluster's accuracy change (mean over classes), as other images
        would give another; from the images that the lesion turned right or wrong.
    rule : SequentialRule, or None
        How many controls each subcluster gets; None = R for all, or as `rounds` says.
    near_ties : int
        Answers, of all images under all lesions that were run, whose two largest scores are so near
        that rounding alone could turn them; they were decided in double precision.
    rounds : array of int, shape (S, L), or None
        Controls of each subcluster at first, the same for all, and after each time that more were
        drawn for some of them: the last column has those that there are. None = R for all, or as
        `rule` says. See `modviz.core.continued` for what p then is.
    class_images : array of int, shape (C,), or None
        Images of each class behind the accuracies; None = nobody kept them.
    """

    intact: Floats
    lesioned: Floats
    controls: Floats
    n_images: int
    change_error: Floats | None = None
    rule: SequentialRule | None = None
    near_ties: int = 0
    rounds: Integers | None = None
    class_images: Integers | None = None

    @cached_property
    def draws(self) -> Integers:
        """Controls of each subcluster, shape (S,); with a rule those of whole rounds only."""
        drawn = (~np.isnan(self.controls).any(axis=2)).sum(axis=1)
        if self.rule is None:
            return np.asarray(drawn, dtype=np.int64)
        ends = np.array([0, *self.rule.ends])
        return np.asarray(ends[np.searchsorted(ends, drawn, side="right") - 1], dtype=np.int64)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which subclusters have their lesion and its controls, shape (S,).

        With a rule those of the first round are enough: p is valid from there on.
        """
        least: int | Integers = self.controls.shape[1]
        if self.rule is not None:
            least = self.rule.ends[0]
        elif self.rounds is not None:
            least = self.rounds[:, -1]
        return np.asarray(~np.isnan(self.lesioned).any(axis=1) & (self.draws >= least))

    @property
    def common_draws(self) -> int:
        """Controls that all measured subclusters had before more were drawn for some of them."""
        if self.rounds is None or not self.measured.any():
            return super().common_draws
        return int(self.rounds[0, 0])

    @property
    def unsurpassed(self) -> NDArray[np.bool_]:
        """Which subclusters `modviz.more_controls` may be asked to draw more for, shape (S,).

        Those that no control has equalled or surpassed so far, in one of the two statistics.
        """
        if self.rule is not None:
            return np.zeros(len(self.lesioned), dtype=bool)
        none = [self.counts(name)[0] == 0 for name in ("accuracy", "range")]
        return np.asarray(self.measured & (none[0] | none[1]))

    def _stop(self, i: int, extreme: NDArray[np.bool_]) -> tuple[int, int]:
        if self.rule is not None:
            return self.rule.stop(extreme)
        if self.rounds is not None:
            return continued.stop(extreme, self.rounds[i])
        return super()._stop(i, extreme)

    def samples(self, statistic: str) -> tuple[Floats, Floats]:
        """``"accuracy"`` change or ``"range"`` of the lesions (S,) and of their controls (S, R)."""
        change, control_change = self.lesioned - self.intact, self.controls - self.intact
        # accuracies are ratios of counts: equal ones must tie, whatever their last bit says
        if statistic == "accuracy":
            return change.mean(axis=-1).round(9), control_change.mean(axis=-1).round(9)
        values, others = (statistics.class_range(of) for of in (change, control_change))
        return values.round(9), others.round(9)


@dataclass(frozen=True, eq=False, repr=False)
class FeatureResults(Results):
    """Feature visualizations. S subclusters, R image controls each; pictures of H x W x D pixels.

    Rows of subclusters that were not measured are NaN.

    Attributes
    ----------
    score, entropy : array, shape (S,)
        Optimised objective, and entropy in nats of the network's softmax output on the picture.
    score_controls, entropy_controls : array, shape (S, R)
        The same for random units of the same number and layer.
    images : array of float32 or EncodedPictures, shape (S, H, W, D)
        The pictures, 0 .. 1; D is 1 (grey) or 3 (RGB).
    control_images : array of float32 or EncodedPictures, shape (S, H, W, D)
        The picture of each subcluster's first control.
    """

    score: Floats
    entropy: Floats
    score_controls: Floats
    entropy_controls: Floats
    images: Pictures
    control_images: Pictures

    def samples(self, statistic: str) -> tuple[Floats, Floats]:
        """``"score"`` or ``"entropy"`` of the subclusters (S,) and of their controls (S, R)."""
        if statistic == "score":
            return self.score, self.score_controls
        return self.entropy, self.entropy_controls

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which subclusters have their picture and those of all their controls, shape (S,)."""
        return np.asarray(~(np.isnan(self.score) | np.isnan(self.score_controls).any(axis=1)))

    @property
    def draws(self) -> Integers:
        """Image controls of each subcluster, shape (S,); 0 where it was not measured."""
        return np.where(self.measured, self.score_controls.shape[1], 0)


@dataclass(frozen=True, eq=False, repr=False)
class TopImages(Results):
    """The images of the data that drive each subcluster most. S subclusters, R controls each.

    Each has its top T images, the strongest first: 10, or all of them if the data have fewer. Of
    equally strong images the one that comes first in the data comes first.

    Attributes
    ----------
    entropy : array, shape (S,)
        Entropy of the classes of the top images, in nats: 0 = all of one class. NaN where the
        subcluster was not measured.
    entropy_controls : array, shape (S, R)
        The same for random units of the same number and layer.
    drives : array, shape (S, T)
        How strongly each image drives the subcluster: the objective of the feature visualization,
        the sum over units of |mean over positions of the pre-activation channel|, to 16 bits.
        NaN where not measured.
    numbers : array of int, shape (S, T)
        Place of each image in the data, from 0; for a DataLoader, place in the order it gave.
        -1 where not measured.
    labels : array of int, shape (S, T)
        Class of each image: a position in ``Analysis.class_names``. -1 where not measured.
    images : array of float32 or EncodedPictures, shape (S, T, H, W, D), or None
        The images themselves, 0 .. 1, no side longer than 64 pixels; D is 1 (grey) or 3 (RGB). Rows
        not measured are NaN. None where the inputs are no images, such as signals.
    n_images : int
        Images that were looked through.
    """

    entropy: Floats
    entropy_controls: Floats
    drives: Floats
    numbers: NDArray[np.int64]
    labels: NDArray[np.int64]
    images: Pictures | None
    n_images: int

    def samples(self, statistic: str) -> tuple[Floats, Floats]:  # noqa: ARG002 - there is but one
        """``"image_entropy"`` of the subclusters (S,) and of their controls (S, R)."""
        return self.entropy, self.entropy_controls

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which subclusters have their top images, shape (S,)."""
        return np.asarray(~np.isnan(self.entropy))

    @property
    def draws(self) -> Integers:
        """Controls of each subcluster, shape (S,); 0 where it was not measured."""
        return np.where(self.measured, self.entropy_controls.shape[1], 0)
