"""An Analysis: a partition of a network and all that was measured about it, as tidy tables.

This is the neck of modviz. Whatever needs a model has happened when an Analysis exists; panels,
reports and files need nothing but what is in here: plain arrays and tables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from modviz.core import statistics
from modviz.core.partition import Partition, Subcluster

Floats = NDArray[np.float64]
Status = Literal["running", "complete", "cancelled"]


@dataclass(frozen=True)
class Statistic:
    """One of the four statistics of the method: its name, what it stands for, what is extreme."""

    name: str
    proxy: str
    tail: statistics.Tail
    question: str


#: The four statistics, in the order of the tables.
STATISTICS = (
    Statistic(
        "accuracy", "importance", "low", "Does the network need them more than random units?"
    ),
    Statistic("range", "coherence", "high", "Does their loss single out classes more?"),
    Statistic("score", "importance", "high", "Do their units share an input feature more?"),
    Statistic("entropy", "coherence", "low", "Does that feature mean one class more?"),
)

#: Beyond the paper: the class entropy of the real images that drive a subcluster most.
IMAGE_ENTROPY = Statistic(
    "image_entropy", "coherence", "low", "Do the images that drive them most share a class more?"
)


@dataclass(frozen=True, eq=False)
class LesionResults:
    """Class accuracies of the network under lesions. S subclusters, R controls each, C classes.

    Rows of subclusters that were not measured (too small, too large, or not yet) are NaN.

    Attributes
    ----------
    intact : array, shape (C,)
        Accuracy of each class without a lesion, 0 .. 1.
    lesioned : array, shape (S, C)
        The same with each subcluster silenced.
    controls : array, shape (S, R, C)
        The same with random units of the same number and layer silenced.
    n_images : int
        Images behind each accuracy.
    change_error : array, shape (S,), or None
        Standard error of each subcluster's accuracy change (mean over classes), as other images
        would give another; from the images that the lesion turned right or wrong.
    """

    intact: Floats
    lesioned: Floats
    controls: Floats
    n_images: int
    change_error: Floats | None = None


@dataclass(frozen=True, eq=False)
class FeatureResults:
    """Feature visualizations. S subclusters, R image controls each; pictures of H x W x D pixels.

    Rows of subclusters that were not measured are NaN.

    Attributes
    ----------
    score, entropy : array, shape (S,)
        Optimised objective, and entropy in nats of the network's softmax output on the picture.
    score_controls, entropy_controls : array, shape (S, R)
        The same for random units of the same number and layer.
    images : array of float32, shape (S, H, W, D)
        The pictures, 0 .. 1; D is 1 (grey) or 3 (RGB).
    control_images : array of float32, shape (S, H, W, D)
        The picture of each subcluster's first control.
    """

    score: Floats
    entropy: Floats
    score_controls: Floats
    entropy_controls: Floats
    images: NDArray[np.float32]
    control_images: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TopImages:
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
    images : array of float32, shape (S, T, H, W, D), or None
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
    images: NDArray[np.float32] | None
    n_images: int


@dataclass(frozen=True, eq=False)
class Analysis:
    """A partition and all that was measured about it.

    Attributes
    ----------
    partition : Partition
    tested : array of bool, shape (S,)
        Which of ``partition.subclusters`` the size rule admits: at least 3 units and at most 99 %
        of the layer's live units. Only these are measured.
    class_names : tuple of str
    lesions : LesionResults or None
    features : FeatureResults or None
    top_images : TopImages or None
        None = not measured (switched off, not reached, or cancelled before).
    status : {"complete", "running", "cancelled"}
        ``"cancelled"`` keeps what was finished; the rest is None or NaN.
    settings : mapping
        The keywords of `modviz.analyze` that gave this result.
    model_name : str
        What was analysed, for titles.
    """

    partition: Partition
    tested: NDArray[np.bool_]
    class_names: tuple[str, ...] = ()
    lesions: LesionResults | None = None
    features: FeatureResults | None = None
    top_images: TopImages | None = None
    status: Status = "complete"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = "model"

    @property
    def subclusters(self) -> tuple[Subcluster, ...]:
        """All subclusters of hidden layers: the rows of every table, in order."""
        return self.partition.subclusters

    def samples(self, statistic: str) -> tuple[Floats, Floats] | None:
        """A statistic of every subcluster, shape (S,), and of its controls, shape (S, R).

        None if it was not measured. NaN = undefined or not measured (see `measured`).
        """
        if statistic in ("accuracy", "range") and self.lesions is not None:
            change = self.lesions.lesioned - self.lesions.intact
            control_change = self.lesions.controls - self.lesions.intact
            measure = _mean_change if statistic == "accuracy" else statistics.class_range
            # accuracies are ratios of counts: equal ones must tie, whatever their last bit says
            return measure(change).round(9), measure(control_change).round(9)
        if statistic in ("score", "entropy") and self.features is not None:
            f = self.features
            if statistic == "score":
                return f.score, f.score_controls
            return f.entropy, f.entropy_controls
        if statistic == "image_entropy" and self.top_images is not None:
            return self.top_images.entropy, self.top_images.entropy_controls
        return None

    def measured(self, statistic: str) -> NDArray[np.bool_]:
        """Which subclusters have been measured with all their controls, shape (S,)."""
        if statistic in ("accuracy", "range") and self.lesions is not None:
            lesioned, controls = self.lesions.lesioned, self.lesions.controls
            missing = np.isnan(lesioned).any(axis=1) | np.isnan(controls).any(axis=(1, 2))
            return np.asarray(~missing)
        if statistic in ("score", "entropy") and self.features is not None:
            f = self.features
            return np.asarray(~(np.isnan(f.score) | np.isnan(f.score_controls).any(axis=1)))
        if statistic == "image_entropy" and self.top_images is not None:
            return np.asarray(~np.isnan(self.top_images.entropy))
        return np.zeros(len(self.subclusters), dtype=bool)

    def change_interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Confidence interval of each accuracy change over other images, two arrays of shape (S,).

        It says how sure the change itself is, given the units; whether it is unusual for units of
        that layer is what p says. NaN where it was not measured.
        """
        samples = self.samples("accuracy")
        if samples is None or self.lesions is None or self.lesions.change_error is None:
            nothing = np.full(len(self.subclusters), np.nan)
            return nothing, nothing.copy()
        half = float(norm.ppf((1 + level) / 2)) * self.lesions.change_error
        return samples[0] - half, samples[0] + half

    def p_values(self, statistic: str, *, ties: statistics.Ties = "count") -> Floats:
        """Permutation p of every subcluster, shape (S,); NaN where it was not measured."""
        tail = next(s.tail for s in (*STATISTICS, IMAGE_ENTROPY) if s.name == statistic)
        p = np.full(len(self.subclusters), np.nan)
        samples, rows = self.samples(statistic), self.measured(statistic)
        if samples is not None and rows.any():
            p[rows] = statistics.permutation_p(samples[0][rows], samples[1][rows], tail, ties)
        return p

    @cached_property
    def _table(self) -> pd.DataFrame:
        subclusters = self.subclusters
        columns: dict[str, Any] = {
            "layer": [s.layer for s in subclusters],
            "cluster": [s.cluster for s in subclusters],
            "size": [len(s.units) for s in subclusters],
        }
        empty = np.full(len(subclusters), np.nan)
        change = self.samples("accuracy")
        columns["accuracy"] = empty if self.lesions is None else self.lesions.lesioned.mean(axis=1)
        columns["accuracy_change"] = empty if change is None else change[0]
        for name in ("range", "score", "entropy"):
            values = self.samples(name)
            columns[name] = empty if values is None else values[0]
        for statistic in STATISTICS:
            columns |= self._evidence(statistic.name)
        columns["accuracy_change_low"], columns["accuracy_change_high"] = self.change_interval()
        tops = self.samples(IMAGE_ENTROPY.name)
        columns[IMAGE_ENTROPY.name] = empty if tops is None else tops[0]
        columns |= self._evidence(IMAGE_ENTROPY.name)
        index = pd.Index([s.name for s in subclusters], name="subcluster")
        return pd.DataFrame(columns, index=index)

    def _evidence(self, statistic: str) -> dict[str, Floats]:
        """The columns of a statistic that compare it with its controls."""
        p, samples = self.p_values(statistic), self.samples(statistic)
        nothing = np.full(len(p), np.nan)
        return {
            f"{statistic}_p": p,
            f"{statistic}_q": np.asarray(statistics.benjamini_hochberg(p)),
            f"{statistic}_effect": nothing if samples is None else statistics.effect(*samples),
        }

    def table(self) -> pd.DataFrame:
        """Everything about every subcluster, a row each.

        Returns
        -------
        DataFrame
            Index: name (B2 = cluster B in layer 2). Columns: ``layer``, ``cluster``, ``size``
            (units); ``accuracy`` (unweighted mean of class accuracies under the lesion, 0 .. 1) and
            ``accuracy_change`` from the intact network; ``range`` (unevenness over classes, >= 0);
            ``score`` (optimised objective), ``entropy`` (nats); and for each of accuracy, range,
            score and entropy ``_p`` (permutation, never below 1/(controls + 1)), ``_q``
            (Benjamini-Hochberg over the subclusters) and ``_effect`` (1 = like the mean control).
            The effect of ``accuracy`` is that of its change. Then ``accuracy_change_low`` and
            ``_high``, the 95 % interval of the change over other images; last ``image_entropy``
            (nats, of the classes of the images that drive it most) with its ``_p``, ``_q`` and
            ``_effect``. NaN = not measured; a statistic that is undefined has p = 1 and effect NaN.
        """
        return self._table.copy()

    def class_changes(self) -> pd.DataFrame:
        """Change of each class's accuracy under each lesion, a row per subcluster, -1 .. 1."""
        index = pd.Index([s.name for s in self.subclusters], name="subcluster")
        if self.lesions is None:
            values = np.full((len(self.subclusters), len(self.class_names)), np.nan)
        else:
            values = self.lesions.lesioned - self.lesions.intact
        return pd.DataFrame(values, index=index, columns=list(self.class_names))

    def summary(self) -> pd.DataFrame:
        """What the statistics say about the partition as a whole, a row per statistic.

        The four of the method are always there, ``image_entropy`` if top images were measured.

        Returns
        -------
        DataFrame
            ``n``: subclusters measured; ``fisher_p``: combined p that takes them as independent;
            ``joint_p``: permutation p that does not; ``mean_effect``: effect of the mean over
            subclusters against the mean over their controls (1 = like controls);
            ``rejected``: how many have q <= 0.05; ``undefined``: how many have no value, and so
            count as no evidence; ``resolution``: the smallest p that the controls allow.
        """
        measured = STATISTICS if self.top_images is None else (*STATISTICS, IMAGE_ENTROPY)
        rows = {s.name: self._summary_row(s) for s in measured}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "statistic"
        return frame.astype({"n": int, "rejected": int, "undefined": int})

    def _summary_row(self, statistic: Statistic) -> dict[str, float]:
        measured, samples = self.measured(statistic.name), self.samples(statistic.name)
        if samples is None or not measured.any():
            nothing = dict.fromkeys(("fisher_p", "joint_p", "mean_effect"), np.nan)
            return {"n": 0, **nothing, "rejected": 0, "undefined": 0, "resolution": np.nan}
        x, controls = samples[0][measured], samples[1][measured]
        defined = ~np.isnan(x)
        n_controls = controls.shape[1]
        p = statistics.permutation_p(x, controls, statistic.tail)
        # a ratio of means: the mean of ratios is ruled by subclusters whose change is near zero
        overall = np.nan
        if defined.any():
            overall = float(statistics.effect(x[defined].mean(), controls[defined].ravel()))
        return {
            "n": len(x),
            "fisher_p": statistics.fisher(p[defined], n_controls).p,
            "joint_p": statistics.joint_test(x, controls, statistic.tail).p,
            "mean_effect": overall,
            "rejected": int(statistics.benjamini_hochberg(p).rejected.sum()),
            "undefined": int((~defined).sum()),
            "resolution": 1 / (n_controls + 1),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the analysis to one file (``.modviz``); `modviz.load` reads it without torch."""
        from modviz.core.bundle import save_bundle

        save_bundle(self, path)

    def __repr__(self) -> str:
        def stage(result: object, measured: NDArray[np.bool_]) -> str:
            if result is None:
                return "not measured"
            return f"{int(measured.sum())} of {int(self.tested.sum())} subclusters"

        return (
            f"Analysis of {self.model_name} ({self.status}): {self.partition!r}; "
            f"lesions {stage(self.lesions, self.measured('accuracy'))}, "
            f"features {stage(self.features, self.measured('score'))}"
        )


def _mean_change(changes: Floats) -> Floats:
    return np.asarray(changes.mean(axis=-1))


def size_rule(partition: Partition) -> NDArray[np.bool_]:
    """Which subclusters are measured: from 3 units to 99 % of their layer's live units."""
    return np.array(
        [
            3 <= len(s.units) <= 0.99 * len(partition.live_units(s.layer))
            for s in partition.subclusters
        ],
        dtype=bool,
    )
