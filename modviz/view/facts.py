"""What all panels ask of an analysis, worked out once: names, colours, changes, p and q."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from modviz.core.analysis import Analysis
from modviz.core.graph import Layer
from modviz.core.partition import Subcluster
from modviz.core.verdicts import Verdict, verdicts
from modviz.view import style

Floats = NDArray[np.float64]
#: The level at which q declares something; the same everywhere in modviz.
LEVEL = 0.05


@dataclass(frozen=True)
class Whole:
    """A statistic over the whole partition: subclusters measured, declared, undefined; joint p.

    ``jointly`` says whether the joint p is at most the level at which anything is declared.
    """

    n: int
    declared: int
    undefined: int
    joint_p: str
    jointly: bool


class Facts:
    """An analysis as the panels read it. Subclusters are counted in the order of its tables.

    Attributes
    ----------
    analysis : Analysis
    subclusters : tuple of Subcluster
    names : list of str
    table : DataFrame
        `Analysis.table`, a row per subcluster.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.subclusters: tuple[Subcluster, ...] = analysis.subclusters
        self.names = [s.name for s in self.subclusters]
        self.table: pd.DataFrame = analysis.table()
        self.tested = np.asarray(analysis.tested, dtype=bool)
        self.colors = [style.cluster_color(s.cluster) for s in self.subclusters]
        self.edges = [style.edge_color(s.cluster) for s in self.subclusters]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """`Analysis.summary`; its joint tests take a moment, so only who needs it asks."""
        return self.analysis.summary()

    @cached_property
    def hidden_layers(self) -> list[Layer]:
        """The layers that have subclusters, in the order data flows."""
        return [la for la in self.analysis.partition.graph.layers if la.role == "hidden"]

    @property
    def local(self) -> bool:
        """Whether each layer has clusters of its own: letters mean nothing across layers."""
        return self.analysis.partition.scope == "local"

    @cached_property
    def clusters_cut(self) -> float:
        """Clusters behind the normalised cut: k, or in a local partition their mean by layer."""
        partition = self.analysis.partition
        counts = [c.n_clusters for c in partition.cuts if c.n_clusters > 1]
        return float(np.mean(counts)) if counts else float(partition.n_clusters)

    @property
    def cut(self) -> str:
        """The normalised cut, in two decimals; "–" where it is not known."""
        ncut = self.analysis.partition.ncut
        return "–" if np.isnan(ncut) else f"{ncut:.2f}"

    @cached_property
    def class_names(self) -> list[str]:
        """A name for each class of the lesion results, made up where the analysis has none."""
        lesions = self.analysis.lesions
        count = len(self.analysis.class_names) if lesions is None else len(lesions.intact)
        given = [str(name) for name in self.analysis.class_names[:count]]
        return given + [f"class {i}" for i in range(len(given), count)]

    @property
    def n_controls(self) -> int:
        """The most random groups per subcluster in the lesion test; 0 when there was none."""
        lesions = self.analysis.lesions
        if lesions is None:
            return 0
        return lesions.controls.shape[1] if lesions.rule is None else lesions.rule.n_controls

    @property
    def adaptive(self) -> bool:
        """Whether each subcluster got only as many random groups as its verdict needs."""
        lesions = self.analysis.lesions
        return lesions is not None and lesions.rule is not None

    @property
    def groups(self) -> str:
        """How many random groups each subcluster's lesion is compared with, in words."""
        drawn = self.draws[self.measured]
        if not drawn.size or drawn.min() == drawn.max():
            return style.plural(int(drawn[0]) if drawn.size else self.n_controls, "random group")
        return f"{drawn.min()} to {style.plural(int(drawn.max()), 'random group')}"

    @property
    def n_image_controls(self) -> int:
        """Random groups per subcluster behind the feature images; 0 when there are none."""
        features = self.analysis.features
        return 0 if features is None else features.score_controls.shape[1]

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """Which subclusters have their lesion and its controls."""
        return self.analysis.measured("accuracy")

    @cached_property
    def pictured(self) -> NDArray[np.bool_]:
        """Which subclusters have their feature image and all its controls."""
        return self.analysis.measured("score")

    @cached_property
    def topped(self) -> NDArray[np.bool_]:
        """Which subclusters have their top images and those of all controls."""
        return self.analysis.measured("image_entropy")

    @cached_property
    def change(self) -> Floats:
        """Accuracy change of each subcluster, percentage points, shape (S,)."""
        samples = self.analysis.samples("accuracy")
        return np.full(len(self.names), np.nan) if samples is None else 100 * samples[0]

    @cached_property
    def intervals(self) -> tuple[Floats, Floats]:
        """The 95 % interval of each accuracy change over other images, -1 .. 1; NaN = unknown."""
        return self.analysis.change_interval()

    @cached_property
    def control_change(self) -> Floats:
        """The same for its controls, percentage points, shape (S, R); NaN = not drawn."""
        samples = self.analysis.samples("accuracy")
        return np.full((len(self.names), 0), np.nan) if samples is None else 100 * samples[1]

    @cached_property
    def draws(self) -> NDArray[np.int64]:
        """Random groups that each subcluster's lesion was compared with, shape (S,)."""
        lesions = self.analysis.lesions
        return np.zeros(len(self.names), np.int64) if lesions is None else lesions.draws

    def drawn(self, i: int) -> Floats:
        """`control_change` of the controls that a subcluster has, shape (its draws,)."""
        return np.asarray(self.control_change[i, : self.draws[i]])

    @cached_property
    def class_change(self) -> Floats:
        """Change of each class's accuracy, percentage points, shape (S, C)."""
        lesions = self.analysis.lesions
        if lesions is None:
            return np.full((len(self.names), len(self.class_names)), np.nan)
        return 100 * (lesions.lesioned - lesions.intact)

    @cached_property
    def worst(self) -> NDArray[np.bool_]:
        """Which subclusters lose more accuracy than every one of their controls."""
        return np.asarray(self.measured & (self.counts[0] == 0))

    @cached_property
    def importance(self) -> list[Verdict]:
        """The verdict on every subcluster's importance, in a word."""
        return verdicts(self.analysis)

    @cached_property
    def rows(self) -> list[int]:
        """Tested subclusters as two panels list them: worst first, unmeasured last."""
        tested = [i for i in range(len(self.names)) if self.tested[i]]
        return sorted(
            tested,
            key=lambda i: (not self.measured[i], self.change[i] if self.measured[i] else 0.0, i),
        )

    @cached_property
    def rank(self) -> dict[int, int]:
        """Place of each measured subcluster among them, 1 = largest loss."""
        measured = [i for i in self.rows if self.measured[i]]
        return {i: place for place, i in enumerate(measured, 1)}

    @cached_property
    def _columns(self) -> dict[str, Floats]:
        numbers = self.table.select_dtypes("number")
        return {str(name): numbers[name].to_numpy(dtype=float) for name in numbers}

    def value(self, column: str, i: int) -> float:
        """A number from the table of subclusters; pandas takes its time for single ones."""
        return float(self._columns[column][i])

    def p(self, statistic: str, i: int) -> float:
        """Permutation p of a subcluster; NaN where it was not measured."""
        return self.value(f"{statistic}_p", i)

    def q(self, statistic: str, i: int) -> float:
        """Its p corrected for all subclusters measured; NaN where it was not measured."""
        return self.value(f"{statistic}_q", i)

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Random groups that lose as much or more, and those counted for p, each of shape (S,)."""
        return self.analysis.counts("accuracy")

    @cached_property
    def undecided(self) -> NDArray[np.bool_]:
        """Which subclusters wait for more random groups until their importance is clear."""
        return self.analysis.undecided("accuracy")

    def p_text(self, statistic: str, i: int) -> str:
        """A p with the decimals that the controls of its statistic can give."""
        return style.p_text(self.p(statistic, i), self.controls_of(statistic))

    def common(self, statistic: str) -> int:
        """How many random groups all subclusters have: what joint tests of a statistic rest on."""
        lesions = self.analysis.lesions
        if statistic in ("accuracy", "range") and lesions is not None:
            return lesions.common_draws
        return self.controls_of(statistic)

    def controls_of(self, statistic: str) -> int:
        """How many random groups stand at most behind each p of a statistic."""
        if statistic == "image_entropy":
            tops = self.analysis.top_images
            return 0 if tops is None else tops.entropy_controls.shape[1]
        return self.n_controls if statistic in ("accuracy", "range") else self.n_image_controls

    def whole(self, statistic: str) -> Whole | None:
        """What a statistic says about the partition as a whole; None if it was not measured."""
        row = self.summary.to_dict("index").get(statistic)
        if row is None or not row["n"]:
            return None
        return Whole(
            n=int(row["n"]),
            declared=int(row["rejected"]),
            undefined=int(row["undefined"]),
            joint_p=style.p_text(float(row["joint_p"]), self.common(statistic)),
            jointly=float(row["joint_p"]) <= LEVEL,
        )

    def awaited(self, result: str) -> bool:
        """Whether ``"features"`` or ``"top_images"`` are still to come from a running analysis."""
        analysis = self.analysis
        wanted = analysis.status == "running" and bool(analysis.settings.get(result, False))
        return wanted and getattr(analysis, result) is None

    def waiting(self, what: str) -> str:
        """Words for a panel whose results are not there."""
        return {
            "running": f"{what} not measured yet",
            "cancelled": f"cancelled before {what} were measured",
        }.get(self.analysis.status, f"{what} were not measured in this analysis")
