"""Interactions whose every number is known."""

from __future__ import annotations

import numpy as np
import pytest

from modviz.core import statistics
from modviz.core.interactions import Interactions
from modviz.core.partition import Partition


@pytest.fixture
def make(chain):
    """make(draws, clusters): M subclusters of 4 units; draw 0 is the real partition."""

    def one(single: np.ndarray, paired: np.ndarray, n_layers: int = 1) -> Interactions:
        m = len(single)
        k = m // n_layers
        graph = chain([4 * k] * max(n_layers, 2), lambda a, b: np.ones((a, b)))
        labels = np.tile(np.arange(4 * k) // 4, max(n_layers, 2))
        partition = Partition(labels, k, graph)
        return Interactions(
            partition, np.arange(m), single[:, 0], single[:, 1:], paired[..., 0], paired[..., 1:]
        )

    return one


def drawn(rng, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Changes of M subclusters in n draws that are all alike, the first among them."""
    single = -rng.random((m, n))
    extra = rng.normal(size=(m, m, n))
    paired = single[:, None] + single[None] + np.triu(np.ones((m, m)), 1)[..., None] * extra
    i, j = np.tril_indices(m, k=-1)
    paired[i, j] = paired[j, i]
    paired[range(m), range(m)] = single
    return single, paired


def test_every_number_of_a_pair(make):
    single = np.array([[-0.1, -0.1, -0.1, -0.1], [-0.2, -0.1, -0.3, 0.0]])
    both = np.array([-0.6, -0.2, -0.3, -0.15])
    paired = np.array([[single[0], both], [both, single[1]]])
    result = make(single, paired)
    assert result.names == ["A1", "B1"]
    assert result.interaction.loc["A1", "B1"] == -0.3
    assert result.interaction.loc["B1", "A1"] == -0.3
    assert np.isnan(np.diag(result.interaction)).all()
    assert result.conditional.loc["A1", "B1"] == -0.5  # what B1 costs once A1 is silenced
    assert result.conditional.loc["B1", "A1"] == -0.4
    assert result.joint.loc["A1", "A1"] == -0.1
    (row,) = result.table().to_dict("records")
    # controls: -0.2 + 0.2 = 0, -0.3 + 0.4 = 0.1, -0.15 + 0.1 = -0.05
    assert row["control_mean"] == pytest.approx(0.05 / 3)
    assert row["effect"] == pytest.approx(-0.3 - 0.05 / 3)
    # its distance from the mean of the others is the largest of four
    assert row["p"] == row["q"] == result.joint_p == 0.25 == result.resolution
    assert row["second_given_first"] == -0.5
    assert np.isnan(result.contrast[1])  # both are of one layer: no pair of one cluster


def test_both_directions_count_and_so_do_ties(make):
    def p_of(*interactions):
        single = np.zeros((2, len(interactions)))
        paired = np.zeros((2, 2, len(interactions)))
        paired[0, 1] = paired[1, 0] = interactions
        return make(single, paired).p_values[0]

    assert p_of(0.5, 0.0, 0.0, 0.0) == 0.25
    assert p_of(-0.5, 0.0, 0.0, 0.0) == 0.25
    assert p_of(0.5, 0.5, -0.5, -0.5) == 1
    assert p_of(0.0, 0.0, 0.0, 0.0) == 1
    assert p_of(0.0, 0.5, -0.5, 0.25) == 1  # nearest to the middle
    assert p_of(0.5, 0.5, 0.0, 0.0, 0.0, 0.0) == pytest.approx(2 / 6)
    assert p_of(0.1 + 0.2, 0.3, 0.0, 0.0) == 1  # two of each: only rounding tells them apart


def test_p_is_exact_whichever_draw_is_the_real_one(make):
    """Every draw in turn as the real partition: each rank comes up once."""
    single, paired = drawn(np.random.default_rng(0), 6, 20)
    p, joint, contrast = [], [], []
    for r in range(20):
        order = [r, *range(r), *range(r + 1, 20)]
        result = make(single[:, order], paired[..., order], n_layers=2)
        p.append(result.p_values)
        joint.append(result.joint_p)
        contrast.append(result.contrast[1])
    ranks = np.arange(1, 21) / 20
    for values in (*np.array(p).T, contrast):
        assert np.allclose(np.sort(values), ranks)
    # its ranks may tie, and then count against it
    assert all((np.array(joint) <= level).mean() <= level + 1e-9 for level in ranks)


def test_joint_p_sees_many_weak_interactions(make):
    single, paired = drawn(np.random.default_rng(1), 8, 50)
    assert make(single, paired).joint_p > 0.05
    off = ~np.eye(8, dtype=bool)
    paired[off, 0] += np.sign(paired[off, 0] - single[:, None, 0].repeat(8, 1)[off]) * 1.5
    result = make(single, paired)
    assert result.joint_p == 0.02
    assert np.array_equal(
        result.table()["q"], np.asarray(statistics.benjamini_hochberg(result.p_values))
    )


def test_pairs_of_one_cluster_against_the_others(make):
    single, paired = drawn(np.random.default_rng(2), 6, 40)
    names = make(single, paired, n_layers=2).names
    assert names == ["A1", "B1", "C1", "A2", "B2", "C2"]
    for i, j in ((0, 3), (1, 4), (2, 5)):
        paired[i, j, 0] += 4
        paired[j, i, 0] += 4
    result = make(single, paired, n_layers=2)
    interaction = result.interaction.to_numpy()
    same = np.mean([interaction[0, 3], interaction[1, 4], interaction[2, 5]])
    upper = interaction[np.triu_indices(6, 1)]
    other = (np.nansum(upper) - 3 * same) / 12
    assert result.contrast[0] == pytest.approx(same - other)
    assert result.contrast[1] == 1 / 40
    assert result.summary()["contrast_p"] == 1 / 40


def test_what_was_not_measured_is_no_evidence(make):
    single, paired = drawn(np.random.default_rng(3), 4, 20)
    paired[0, 1] = paired[1, 0] = np.nan
    paired[2, 3, 5] = paired[3, 2, 5] = np.nan
    result = make(single, paired)
    table = result.table()
    assert result.measured.sum() == result.summary()["pairs"] == 4
    assert table["p"].isna().tolist() == [True, False, False, False, False, True]
    assert np.isnan(table.loc["A1 + B1", "interaction"])
    assert not np.isnan(table.loc["C1 + D1", "interaction"])
    assert 0 < result.joint_p <= 1
    assert "4 of 6 pairs" in repr(result)
    nothing = make(np.full((2, 3), np.nan), np.full((2, 2, 3), np.nan))
    assert np.isnan(nothing.joint_p)
    assert nothing.summary()["pairs"] == 0


def test_arrays_that_do_not_fit_are_refused(make):
    single, paired = drawn(np.random.default_rng(4), 3, 5)
    with pytest.raises(ValueError, match=r"paired has shape \(2, 3\); expected \(3, 3\)"):
        make(single, paired[:2])
