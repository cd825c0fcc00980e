"""The statistics of the study in ``reproduction.py``: of one analysis, and over all networks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

import modviz
from modviz import statistics
from modviz.core.questions import STATISTICS


def evidence(result: modviz.Analysis, options: str) -> Iterator[dict[str, float | str]]:
    """What the four statistics say about one analysis; the authors count ties as extreme."""
    ties: statistics.Ties = "strict" if options == "authors" else "count"
    for statistic in STATISTICS:
        measured, samples = result.measured(statistic.name), result.samples(statistic.name)
        if samples is None:
            continue
        x, controls = samples[0][measured], samples[1][measured]
        p = statistics.permutation_p(x, controls, statistic.tail, ties)
        defined = ~np.isnan(x)
        used = p if options == "authors" else p[defined]
        combined = statistics.fisher(used, controls.shape[1])
        effect = statistics.effect(x[defined].mean(), controls[defined].ravel())
        yield {
            "statistic": statistic.name,
            "subclusters": len(x),
            "undefined": int((~defined).sum()),
            "fisher_p": combined.p,
            "mean_minus_ln_p": combined.statistic,
            "chi_square_p": statistics.rank_chi_square(used, controls.shape[1]).p,
            "joint_p": statistics.joint_test(x, controls, statistic.tail).p,
            "effect": float(effect),
            "declared": int(statistics.benjamini_hochberg(p).rejected.sum()),
        }


def over_networks(table: pd.DataFrame) -> pd.DataFrame:
    """The authors' combination: Fisher within a network, Bates over the networks' p-values."""
    keys = ["network", "edges", "scope", "options", "statistic"]
    rows = []
    for values, group in table.groupby(keys, sort=False):
        bates = statistics.bates(group["fisher_p"])
        joint = statistics.bates(group["joint_p"])
        rows.append(
            dict(zip(keys, values, strict=True))
            | {
                "networks": len(group),
                "subclusters": int(group["subclusters"].sum()),
                "undefined": int(group["undefined"].sum()),
                "mean_minus_ln_p": group["mean_minus_ln_p"].mean(),
                "mean_fisher_p": bates.statistic,
                "bates_p": bates.p,
                "bates_p_of_joint": joint.p,
                "effect": group["effect"].mean(),
                "declared": int(group["declared"].sum()),
            }
        )
    combined = pd.DataFrame(rows)
    for _, part in combined.groupby("options"):
        combined.loc[part.index, "bates_q"] = np.asarray(
            statistics.benjamini_hochberg(part["bates_p"])
        )
    return combined
