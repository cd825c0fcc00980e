"""An Analysis: a partition of a network and all that was measured about it, as tidy tables.

This is the neck of modviz. Whatever needs a model has happened when an Analysis exists; panels,
reports and files need nothing but what is in here: plain arrays and tables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from modviz.core import statistics
from modviz.core.partition import Partition, Subcluster
from modviz.core.questions import IMAGE_ENTROPY, STATISTICS, Statistic
from modviz.core.results import (
    FeatureResults,
    LesionResults,
    Results,
    TopImages,
)
from modviz.core.support import Support
from modviz.core.tables import table_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Analysis",
    "FeatureResults",
    "LesionResults",
    "Status",
    "Support",
    "TopImages",
    "size_rule",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Status = Literal["running", "complete", "cancelled"]


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
    support : Support or None
        How far subclusters come back with other seeds and other edges. None = not measured, for
        these reasons or as the partition was given, or as the file is older than this measurement.
    status : {"complete", "running", "cancelled"}
        ``"cancelled"`` keeps what was finished; the rest is None or NaN.
    settings : mapping
        The keywords of `modviz.analyze` that gave this result; if there is ``"more_controls"``, the
        keywords of the calls of `modviz.more_controls` that followed, a mapping each.
    model_name : str
        What was analysed, for titles.
    provenance : mapping
        Where it comes from, as JSON: ``"versions"`` of packages, and digests of ``"model"`` and
        ``"data"`` that tell whether another analysis is of the same. ``{}`` in older files.
    """

    partition: Partition
    tested: NDArray[np.bool_]
    class_names: tuple[str, ...] = ()
    lesions: LesionResults | None = None
    features: FeatureResults | None = None
    top_images: TopImages | None = None
    support: Support | None = None
    status: Status = "complete"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = "model"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subclusters(self) -> tuple[Subcluster, ...]:
        """All subclusters of hidden layers: the rows of every table, in order."""
        return self.partition.subclusters

    def samples(self, statistic: str) -> tuple[Floats, Floats] | None:
        """A statistic of every subcluster, shape (S,), and of its controls, shape (S, R).

        None if it was not measured. NaN = undefined, not measured (see `measured`) or not drawn:
        see `LesionResults.draws`.
        """
        result = self._result(statistic)
        return None if result is None else result.samples(statistic)

    def measured(self, statistic: str) -> NDArray[np.bool_]:
        """Which subclusters have been measured with all their controls, shape (S,).

        With ``controls="adaptive"`` the first round of controls is enough, see `undecided`.
        """
        result = self._result(statistic)
        return np.zeros(len(self.subclusters), bool) if result is None else result.measured

    def change_interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Confidence interval of each accuracy change over other images, two arrays of shape (S,).

        It says how sure the change itself is, given the units; whether it is unusual for units of
        that layer is what p says. NaN where it was not measured.
        """
        samples = self.samples("accuracy")
        if samples is None or self.lesions is None or self.lesions.change_error is None:
            nothing = np.full(len(self.subclusters), np.nan)
            return nothing, nothing.copy()
        from scipy.special import ndtri

        half = float(ndtri((1 + level) / 2)) * self.lesions.change_error
        return samples[0] - half, samples[0] + half

    def p_values(self, statistic: str, *, ties: statistics.Ties = "count") -> Floats:
        """Permutation p of every subcluster, shape (S,); NaN where it was not measured.

        Where draws differ it is that of `modviz.core.sequential` or `modviz.core.continued`.
        """
        result = self._result(statistic)
        if result is None:
            return np.full(len(self.subclusters), np.nan)
        return result.p_values(statistic, ties)

    def counts(self, statistic: str) -> tuple[Integers, Integers]:
        """What stands behind each p: exceedances and draws, two arrays of shape (S,).

        That is, how many of how many controls are at least as extreme as the subcluster; 0 of 0
        where it was not measured. With ``controls="adaptive"`` or `modviz.more_controls` they end
        where the statistic had exceedances enough, also if the other one needed more draws.
        """
        result = self._result(statistic)
        if result is None:
            nothing = np.zeros(len(self.subclusters), dtype=np.int64)
            return nothing, nothing.copy()
        return result.counts(statistic)

    def undecided(self, statistic: str) -> NDArray[np.bool_]:
        """Which subclusters need more controls for a verdict, shape (S,).

        Only with ``controls="adaptive"``, while it runs or after a cancel. Their p is valid, but it
        can still become smaller.
        """
        result = self._result(statistic)
        if result is None:
            return np.zeros(len(self.subclusters), dtype=bool)
        return result.undecided(statistic)

    def _result(self, statistic: str) -> Results | None:
        """The results that hold a statistic; None if they were not measured."""
        if statistic in ("accuracy", "range"):
            return self.lesions
        return self.top_images if statistic == IMAGE_ENTROPY.name else self.features

    @cached_property
    def _table(self) -> pd.DataFrame:
        return table_of(self)

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
            ``_high``, the 95 % interval of the change over other images; then ``image_entropy``
            (nats, of the classes of the images that drive it most) with its ``_p``, ``_q`` and
            ``_effect``; last ``accuracy_draws`` and ``range_draws``, the controls behind these p:
            with ``controls="adaptive"`` or `modviz.more_controls` they differ, and effects rest on
            all that were drawn for either statistic, few where there is no evidence. NaN = not
            measured; a statistic that is undefined has p = 1 and effect NaN.
        """
        return self._table.copy()

    def class_changes(self) -> pd.DataFrame:
        """Change of each class's accuracy under each lesion, a row per subcluster, -1 .. 1."""
        import pandas as pd  # here: opening a file does without, and it takes half a second

        index = pd.Index([s.name for s in self.subclusters], name="subcluster")
        if self.lesions is None:
            values = np.full((len(self.subclusters), len(self.class_names)), np.nan)
        else:
            values = self.lesions.lesioned - self.lesions.intact
        return pd.DataFrame(values, index=index, columns=list(self.class_names) or None)

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
            count as no evidence; ``resolution``: the smallest p that the controls allow. Where
            draws differ all but ``rejected`` rest on the first ones, which every subcluster has
            (`LesionResults.common_draws`), and ``resolution`` is theirs.
        """
        import pandas as pd

        measured = STATISTICS if self.top_images is None else (*STATISTICS, IMAGE_ENTROPY)
        rows = {s.name: self._summary_row(s) for s in measured}
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("statistic")
        return frame.astype({"n": int, "rejected": int, "undefined": int})

    def _summary_row(self, statistic: Statistic) -> dict[str, float]:
        result, measured = self._result(statistic.name), self.measured(statistic.name)
        if result is None or not measured.any():
            nothing = dict.fromkeys(("fisher_p", "joint_p", "mean_effect"), np.nan)
            return {"n": 0, **nothing, "rejected": 0, "undefined": 0, "resolution": np.nan}
        n_controls = result.common_draws
        x, controls = (values[measured] for values in result.samples(statistic.name))
        controls = controls[:, :n_controls]
        defined = ~np.isnan(x)
        p = statistics.permutation_p(x, controls, statistic.tail)
        q = statistics.benjamini_hochberg(self.p_values(statistic.name))
        # a ratio of means: the mean of ratios is ruled by subclusters whose change is near zero
        overall = np.nan
        if defined.any():
            overall = float(statistics.effect(x[defined].mean(), controls[defined].ravel()))
        return {
            "n": len(x),
            "fisher_p": statistics.fisher(p[defined], n_controls).p,
            "joint_p": statistics.joint_test(x, controls, statistic.tail).p,
            "mean_effect": overall,
            "rejected": int(q.rejected.sum()),
            "undefined": int((~defined).sum()),
            "resolution": 1 / (n_controls + 1),
        }

    def save(self, path: str | os.PathLike[str], *, exact_graph: bool = False) -> None:
        """Write the analysis to one file (``.modviz``); `modviz.load` reads it without torch.

        Measurements are kept to the last bit, pictures as images of 8 bits, and of the graph what
        its picture needs: weights to 0.02 %, or to 3 % if there are more than a million.

        Parameters
        ----------
        path : str or path
            An existing file is replaced only by a complete one.
        exact_graph : bool
            Keep the graph with all digits, 8 bytes an edge, so that it can be partitioned anew.

        Raises
        ------
        FileNotFoundError, ValueError
            If the folder does not exist, or something can't be stored: the message says what.
        """
        from modviz.core.bundle import save_bundle

        save_bundle(self, path, exact_graph=exact_graph)

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


def size_rule(partition: Partition) -> NDArray[np.bool_]:
    """Which subclusters are measured: from 3 units to 99 % of their layer's live units."""
    return np.array(
        [
            3 <= len(s.units) <= 0.99 * len(partition.live_units(s.layer))
            for s in partition.subclusters
        ],
        dtype=bool,
    )
