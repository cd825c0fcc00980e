"""The table of an analysis: everything about every subcluster, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modviz.core import statistics
from modviz.core.questions import IMAGE_ENTROPY, STATISTICS

if TYPE_CHECKING:
    import pandas as pd

    from modviz.core.analysis import Analysis

Floats = NDArray[np.float64]


def table_of(analysis: Analysis) -> pd.DataFrame:
    """See `modviz.core.analysis.Analysis.table`."""
    import pandas as pd  # here: opening a file does without, and it takes half a second

    subclusters = analysis.subclusters
    columns: dict[str, Any] = {
        "layer": [s.layer for s in subclusters],
        "cluster": [s.cluster for s in subclusters],
        "size": [len(s.units) for s in subclusters],
    }
    empty = np.full(len(subclusters), np.nan)
    change, lesions = analysis.samples("accuracy"), analysis.lesions
    columns["accuracy"] = empty if lesions is None else lesions.lesioned.mean(axis=1)
    columns["accuracy_change"] = empty if change is None else change[0]
    for name in ("range", "score", "entropy"):
        values = analysis.samples(name)
        columns[name] = empty if values is None else values[0]
    for statistic in STATISTICS:
        columns |= _evidence(analysis, statistic.name)
    low, high = analysis.change_interval()
    columns["accuracy_change_low"], columns["accuracy_change_high"] = low, high
    tops = analysis.samples(IMAGE_ENTROPY.name)
    columns[IMAGE_ENTROPY.name] = empty if tops is None else tops[0]
    columns |= _evidence(analysis, IMAGE_ENTROPY.name)
    for name in ("accuracy", "range"):
        draws = analysis.counts(name)[1].astype(float)
        columns[f"{name}_draws"] = np.where(draws > 0, draws, np.nan)
    index = pd.Index([s.name for s in subclusters], name="subcluster")
    return pd.DataFrame(columns, index=index)


def _evidence(analysis: Analysis, statistic: str) -> dict[str, Floats]:
    """The columns of a statistic that compare it with its controls."""
    p, samples = analysis.p_values(statistic), analysis.samples(statistic)
    nothing = np.full(len(p), np.nan)
    return {
        f"{statistic}_p": p,
        f"{statistic}_q": np.asarray(statistics.benjamini_hochberg(p)),
        f"{statistic}_effect": nothing if samples is None else statistics.effect(*samples),
    }
