"""Does p mean what it says? Properties that hold for all inputs, and simulations under the null."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modviz.core import statistics

VALUES = st.integers(-5, 5).map(float)  # few values, so that ties are common
CONTROLS = st.lists(VALUES, min_size=1, max_size=30)
TAIL = st.sampled_from(["low", "high"])


@given(VALUES, CONTROLS, TAIL, st.sampled_from(["count", "strict"]))
def test_p_is_on_its_grid(x, controls, tail, ties):
    p = float(statistics.permutation_p(x, controls, tail, ties))
    n = len(controls)
    assert 1 / (n + 1) - 1e-12 <= p <= 1 + 1e-12
    assert p * (n + 1) == pytest.approx(round(p * (n + 1)))


@given(VALUES, CONTROLS, TAIL, st.integers(0, 5))
def test_more_extreme_is_never_less_significant(x, controls, tail, step):
    further = x - step if tail == "low" else x + step
    assert statistics.permutation_p(further, controls, tail) <= statistics.permutation_p(
        x, controls, tail
    )


@given(VALUES, CONTROLS, TAIL, st.randoms(use_true_random=False))
def test_p_ignores_order_scale_and_direction(x, controls, tail, random):
    p = statistics.permutation_p(x, controls, tail)
    shuffled = random.sample(controls, len(controls))
    assert statistics.permutation_p(x, shuffled, tail) == p
    assert statistics.permutation_p(3 * x + 7, 3 * np.array(controls) + 7, tail) == p
    other = "high" if tail == "low" else "low"
    assert statistics.permutation_p(-x, -np.array(controls), other) == p
    assert statistics.permutation_p(x, controls, tail, "strict") <= p


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_is_never_below_p_and_keeps_its_order(p):
    q = np.asarray(statistics.benjamini_hochberg(p))
    assert (q >= np.array(p) - 1e-12).all()
    assert (np.diff(q[np.argsort(p)]) >= -1e-12).all()


@given(
    st.lists(st.integers(-20, 20).map(lambda i: i / 20), min_size=2, max_size=8),
    st.integers(1, 9),
)
def test_class_range_is_unevenness_whatever_the_size(changes, factor):
    value = statistics.class_range(changes)
    assert np.isnan(value) or value >= 0
    scaled = statistics.class_range(np.array(changes) * factor)
    assert scaled == pytest.approx(float(value), nan_ok=True)


def random_partitions(rng, n_partitions, n_controls, values, n_units=40, n_clusters=4):
    """Sums of unit values over the clusters of random partitions and of shuffled labels.

    Shapes (n_partitions, n_clusters) and (n_partitions, n_clusters, n_controls).
    """
    labels = np.repeat(np.arange(n_clusters), n_units // n_clusters)
    x = np.empty((n_partitions, n_clusters))
    controls = np.empty((n_partitions, n_clusters, n_controls))
    for i in range(n_partitions):
        unit = values(rng, n_units)
        drawn = [np.bincount(rng.permutation(labels), unit) for _ in range(n_controls + 1)]
        x[i], controls[i] = drawn[0], np.array(drawn[1:]).T
    return x, controls


@pytest.mark.parametrize("tail", ["low", "high"])
def test_a_random_partition_has_uniform_p(tail):
    rng = np.random.default_rng(1)
    x, controls = random_partitions(rng, 300, 99, lambda r, n: r.exponential(size=n))
    p = statistics.permutation_p(x, controls, tail).ravel()
    assert p.size == 1200
    # spread each p over its cell of the grid: exactly uniform if the ranks are
    spread = p - rng.random(p.size) / 100
    assert stats.kstest(spread, "uniform").pvalue > 0.01
    assert (p <= 0.05).mean() <= 0.06
    assert statistics.rank_chi_square(p, 99).p > 0.01


def test_ties_make_p_careful_and_strict_p_is_not():
    rng = np.random.default_rng(2)
    x, controls = random_partitions(rng, 200, 19, lambda r, n: (r.random(n) < 0.05).astype(float))
    count = statistics.permutation_p(x, controls, "low")
    strict = statistics.permutation_p(x, controls, "low", "strict")
    assert (count <= 0.05).mean() <= 0.06
    assert (strict <= 0.05).mean() > 0.2


def test_joint_p_is_uniform_when_partitions_are_exchangeable():
    rng = np.random.default_rng(3)
    x, controls = random_partitions(rng, 600, 19, lambda r, n: r.exponential(size=n))
    p = np.array([statistics.joint_test(*case, "high").p for case in zip(x, controls, strict=True)])
    assert statistics.rank_chi_square(p, 19).p > 0.01
    assert (p <= 0.05).mean() <= 0.07


def test_joint_p_stays_valid_under_full_dependence_where_fisher_does_not():
    rng = np.random.default_rng(4)
    joint, fisher = [], []
    for _ in range(500):
        x = np.full(10, rng.normal())
        controls = np.tile(rng.normal(size=19), (10, 1))
        joint.append(statistics.joint_test(x, controls, "low").p)
        fisher.append(statistics.fisher(statistics.permutation_p(x, controls, "low"), 19).p)
    assert np.mean(np.array(joint) <= 0.05) <= 0.07
    # ten times the same p counts as ten pieces of evidence: p = 0.2 is declared, one case in five
    assert statistics.fisher([0.2] * 10, 19).p < 0.05
    assert np.mean(np.array(fisher) <= 0.05) > 0.1
    assert statistics.rank_chi_square(joint, 19).p > 0.01


def test_joint_test_finds_what_is_there():
    rng = np.random.default_rng(5)
    x = rng.normal(size=12) - 2
    assert statistics.joint_test(x, rng.normal(size=(12, 99)), "low").p == pytest.approx(0.01)
