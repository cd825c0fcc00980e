"""The whole engine under a true null: labels drawn at random, so no subcluster is special."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import modviz
from modviz.core.questions import IMAGE_ENTROPY, STATISTICS
from tests.measure.small import four_by_four, tiny_mlp, trained

N_PARTITIONS, N_CONTROLS = 60, 19


@pytest.fixture(scope="module")
def random_partitions() -> list[modviz.Analysis]:
    data = four_by_four(160, seed=5)
    model = trained(tiny_mlp(), data)
    graph = modviz.weight_graph(model, data[0])
    rng = np.random.default_rng(7)
    analyses = []
    for seed in range(N_PARTITIONS):
        partition = modviz.Partition(rng.integers(3, size=graph.n_units), 3, graph)
        analyses.append(
            modviz.analyze(
                model, data, partition=partition, n_controls=N_CONTROLS, seed=seed, progress=False
            )
        )
    return analyses


@pytest.mark.slow
@pytest.mark.parametrize("statistic", [s.name for s in (*STATISTICS, IMAGE_ENTROPY)])
def test_random_partitions_give_uniform_p(random_partitions, statistic):
    tail = next(s.tail for s in (*STATISTICS, IMAGE_ENTROPY) if s.name == statistic)
    rng = np.random.default_rng(11)
    p, randomised, joint = [], [], []
    for analysis in random_partitions:
        x, controls = analysis.samples(statistic)
        rows = analysis.measured(statistic)
        p += analysis.p_values(statistic)[rows].tolist()
        joint.append(analysis.summary().loc[statistic, "joint_p"])
        worst = np.inf if tail == "low" else -np.inf  # undefined = least extreme
        x, controls = np.nan_to_num(x, nan=worst)[rows], np.nan_to_num(controls, nan=worst)[rows]
        beyond = controls < x[:, None] if tail == "low" else controls > x[:, None]
        tied = (controls == x[:, None]).sum(axis=1)
        # ties broken at random: exactly uniform if the subcluster is one draw among its controls
        place = beyond.sum(axis=1) + rng.uniform(0, tied + 1)
        randomised += (place / (N_CONTROLS + 1)).tolist()
    assert len(p) >= 500
    assert np.mean(np.array(p) <= 0.05) <= 0.06
    assert stats.kstest(randomised, "uniform").pvalue > 0.01
    joint = np.array(joint)
    assert np.mean(joint <= 0.05) <= 0.12  # 60 of them: 0.05 and two standard errors
    assert (
        stats.kstest(joint - rng.uniform(0, 1 / (N_CONTROLS + 1), len(joint)), "uniform").pvalue
        > 0.01
    )
