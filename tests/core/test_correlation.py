"""Squared rank correlations: by hand, and as the authors and scipy compute them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from modviz.core.correlation import centred_ranks, squared_spearman


def squared(values: np.ndarray) -> np.ndarray:
    return squared_spearman(centred_ranks(values))


def test_by_hand_with_ties():
    # ranks 1, 2.5, 2.5, 4 and 1, 2, 3.5, 3.5; deviations -1.5, 0, 0, 1.5 and -1.5, -.5, 1, 1
    values = np.array([[1.0, 10.0], [2.0, 20.0], [2.0, 30.0], [9.0, 30.0]])
    expected = (1.5 * 1.5 + 1.5 * 1) ** 2 / ((2 * 2.25) * (2.25 + 0.25 + 1 + 1))
    assert squared(values)[0, 1] == pytest.approx(expected, abs=1e-15)
    assert squared(values).diagonal().tolist() == [0, 0]


def test_it_is_what_the_authors_compute(official):
    for case in official["spearman_adjacency"]:
        ours = squared(np.array(case["activations_units_by_samples"]).T)
        assert ours == pytest.approx(np.array(case["adj"]), rel=0, abs=1e-9)


@pytest.mark.parametrize("n", [6, 50, 5000])
def test_it_is_what_scipy_computes(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, 6))
    values[:, 3:] = values[:, 3:].round()  # many ties
    expected = stats.spearmanr(values).statistic ** 2
    np.fill_diagonal(expected, 0)
    assert squared(values) == pytest.approx(expected, abs=1e-12)
    shuffled = values[rng.permutation(n)]
    assert np.array_equal(squared(values), squared(shuffled))  # exact: the order can't matter
    assert np.array_equal(
        squared(values)[:2, 2:],
        squared_spearman(*map(centred_ranks, (values[:, :2], values[:, 2:]))),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_ranks_are_scipys_whatever_the_ties(dtype):
    rng = np.random.default_rng(2)
    values = np.column_stack(
        [rng.integers(-9, 9, 500), rng.permutation(500), np.ones(500), rng.integers(0, 2, 500)]
    ).astype(dtype)
    expected = 2 * stats.rankdata(values, axis=0) - 501
    assert np.array_equal(centred_ranks(values), expected)
    assert np.array_equal(centred_ranks(np.asfortranarray(values)), expected)
    zeros = np.array([[0.0], [-0.0], [-1.0]])  # both zeros are the same value
    assert centred_ranks(zeros).ravel().tolist() == [1, 1, -2]


def test_layers_together_or_one_by_one_are_the_same_to_the_last_bit():
    rng = np.random.default_rng(3)
    ranks = centred_ranks(rng.normal(size=(701, 90)).round(2))
    whole = squared_spearman(ranks)
    assert np.array_equal(whole, whole.T)
    parts = np.hstack([squared_spearman(ranks[:, :40], ranks[:, k : k + 30]) for k in (0, 30, 60)])
    np.fill_diagonal(parts, 0)
    assert np.array_equal(parts, whole[:40])


def test_a_constant_column_correlates_with_nothing():
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 1] = 7
    found = squared(values)
    assert (found[1] == 0).all()
    assert found[0, 2] > 0
