"""Statistics against the authors' numbers, closed forms and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from modviz.core import statistics

TIGHT = {"rel": 0, "abs": 1e-9}


# --- the authors' numbers


def test_strict_permutation_p_is_the_authors(official):
    sizes = {key: len(cases) for key, cases in official.items() if isinstance(cases, list)}
    assert sizes == {  # all there are: a case that went missing would pass unseen
        "permutation_p": 12, "combine": 8, "ncut": 6, "conv_to_adjacency_l1": 4,
        "conv_bn_to_adjacency": 3, "spearman_adjacency": 3, "lesion_tests": 4,
    }  # fmt: skip
    for case in official["permutation_p"]:
        for tail, expected in (("low", case["left"]), ("high", case["right"])):
            p = statistics.permutation_p(case["x"], case["null"], tail, "strict")
            assert p == pytest.approx(expected, **TIGHT)


def test_combined_tests_are_the_authors(official):
    for case in official["combine"]:
        fisher = statistics.fisher(case["p"], case["n_random"])
        assert fisher.p == pytest.approx(case["fisher_p"], **TIGHT)
        assert fisher.statistic == pytest.approx(case["fisher_stat"], **TIGHT)
        assert fisher.n == len(case["p"])
        ranks = statistics.rank_chi_square(case["p"], case["n_random"])
        assert ranks.p == pytest.approx(case["chi2_p"], **TIGHT)
        # their critical p of 1 declares everything; nothing passes, so nothing is declared here
        assert case["bh_critical"] == 1.0
        assert not statistics.benjamini_hochberg(case["p"]).rejected.any()


@pytest.mark.parametrize("case", range(4))
def test_lesion_tests_are_the_authors(official, case):
    expected = official["lesion_tests"][case]
    intact = np.array(expected["class_accuracy"])
    change = np.array(expected["lesioned"]) - intact
    control_change = np.array(expected["random"]).swapaxes(0, 1) - intact
    for name, key, tail, x, null in (
        ("means", "mean", "low", change.mean(axis=-1), control_change.mean(axis=-1)),
        (
            "ranges",
            "range",
            "high",
            statistics.class_range(change),
            statistics.class_range(control_change),
        ),
    ):
        p = statistics.permutation_p(x, null, tail, "strict")
        assert p == pytest.approx(np.array(expected[f"{key}_percentiles"]), **TIGHT)
        factors = expected["effect_factors_means" if key == "mean" else "effect_factors_range"]
        assert statistics.effect(x, null) / 2 == pytest.approx(np.array(factors), **TIGHT)
        fisher = statistics.fisher(p, 19)
        assert fisher.p == pytest.approx(expected[f"fisher_p_{name}"], **TIGHT)
        assert fisher.statistic == pytest.approx(expected[f"fisher_stat_{name}"], **TIGHT)
        ranks = statistics.rank_chi_square(p, 19)
        assert ranks.p == pytest.approx(expected[f"chi2_p_{name}"], **TIGHT)


# --- permutation p


def test_ties_count_as_extreme():
    controls = [1.0, 2.0, 2.0, 3.0]
    assert statistics.permutation_p(2.0, controls, "low") == 4 / 5
    assert statistics.permutation_p(2.0, controls, "low", "strict") == 2 / 5
    assert statistics.permutation_p(2.0, controls, "high") == 4 / 5
    assert statistics.permutation_p(2.0, controls, "high", "strict") == 2 / 5


def test_a_lesion_that_changes_nothing_is_no_evidence():
    assert statistics.permutation_p(0.0, np.zeros(19), "low") == 1.0
    assert statistics.permutation_p(0.0, np.zeros(19), "low", "strict") == 0.05


@pytest.mark.parametrize("tail", ["low", "high"])
def test_undefined_is_the_least_extreme_value(tail):
    nan = np.nan
    assert statistics.permutation_p(nan, [1.0, 2.0, 3.0], tail) == 1.0
    assert statistics.permutation_p(nan, [nan, nan, nan], tail) == 1.0
    assert statistics.permutation_p(nan, [1.0, 2.0, 3.0], tail, "strict") == 0.25
    # undefined controls are never more extreme than a defined observation
    assert statistics.permutation_p(5.0, [nan, nan, nan], tail) == 0.25


def test_permutation_p_keeps_the_shape_of_observed():
    rng = np.random.default_rng(0)
    p = statistics.permutation_p(rng.random((3, 2)), rng.random((3, 2, 9)), "low")
    assert p.shape == (3, 2)


@pytest.mark.parametrize(
    ("observed", "controls", "options", "message"),
    [
        (1.0, [], {"tail": "low"}, "controls are empty"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], {"tail": "low"}, r"expected \(2, 'n'\)"),
        (1.0, [1.0], {"tail": "left"}, "tail='left'; expected 'low' or 'high'"),
        (1.0, [1.0], {"tail": "low", "ties": "half"}, "ties='half'; expected 'count' or 'strict'"),
    ],
)
def test_permutation_p_says_what_is_wrong(observed, controls, options, message):
    with pytest.raises(ValueError, match=message):
        statistics.permutation_p(observed, controls, **options)


# --- effect and class range


@pytest.mark.parametrize(
    ("observed", "expected"), [(2.0, 1.0), (6.0, 1.5), (0.0, 0.0), (2e12, 2.0)]
)
def test_effect_limits(observed, expected):
    assert statistics.effect(observed, [1.0, 2.0, 3.0]) == pytest.approx(expected, abs=1e-9)


def test_effect_is_a_ratio_of_means_and_nan_where_undefined():
    # a mean of ratios would give (2*3/4 + 2*3/8) / 2 = 1.125
    assert statistics.effect(3.0, [1.0, 5.0]) == 1.0
    assert statistics.effect(3.0, [1.0, np.nan, 5.0]) == 1.0
    assert np.isnan(statistics.effect(0.0, [0.0, 0.0]))
    assert np.isnan(statistics.effect(np.nan, [1.0, 2.0]))
    assert np.isnan(statistics.effect(1.0, [np.nan, np.nan]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([-0.1, -0.2, -0.3], 1.0),
        ([-0.2, -0.2, -0.2], 0.0),
        ([-0.6, 0.0, 0.0], 3.0),
        ([0.0, 0.4], 2.0),
        ([0.0, 0.0], np.nan),
        ([0.1, -0.1], np.nan),
    ],
)
def test_class_range_by_hand(changes, expected):
    assert statistics.class_range(changes) == pytest.approx(expected, nan_ok=True)


# --- combined tests


def test_fisher_leaves_out_nan_and_knows_nothing_of_nothing():
    with_nan = statistics.fisher([0.05, np.nan, 0.5], 19)
    assert with_nan == statistics.fisher([0.05, 0.5], 19)
    assert with_nan.n == 2
    empty = statistics.fisher([np.nan], 19)
    assert empty.n == 0
    assert np.isnan(empty.p)


def test_fisher_of_one_p_is_the_shifted_p():
    assert statistics.fisher([0.3], 9).p == pytest.approx(0.3 - 1 / 20)


@pytest.mark.parametrize("function", [statistics.fisher, statistics.rank_chi_square])
def test_p_values_off_their_grid_are_refused(function):
    with pytest.raises(ValueError, match=r"holds 0.013, which 19 controls cannot give"):
        function([0.05, 0.013], 19)
    with pytest.raises(ValueError, match="cannot give"):
        function([0.0], 19)
    with pytest.raises(ValueError, match="n_controls=0"):
        function([0.5], 0)


def test_rank_chi_square_by_hand():
    # four ranks, 8 p-values, observed 5 1 1 1, expected 2 each: 9/2 + 3 * 1/2 = 6
    p = [0.25] * 5 + [0.5, 0.75, 1.0]
    result = statistics.rank_chi_square(p, 3)
    assert result.statistic == pytest.approx(6.0)
    assert statistics.rank_chi_square([0.25, 0.5, 0.75, 1.0], 3).p == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.3], 0.3),
        ([0.2, 0.4], 0.6**2 / 2),
        ([0.8, 0.9], 1 - 0.3**2 / 2),
        ([0.1, 0.2, 0.3], 0.6**3 / 6),
        ([0.5, 0.5, 0.5], 0.5),
        ([0.3, 0.4, 0.5], (-2 * 1.2**3 + 9 * 1.2**2 - 9 * 1.2 + 3) / 6),
        ([0.9, 0.8, 0.7], 1 - 0.6**3 / 6),
    ],
)
def test_bates_has_its_closed_forms(p_values, expected):
    result = statistics.bates(p_values)
    assert result.p == pytest.approx(expected, abs=1e-12)
    assert result.statistic == pytest.approx(np.mean(p_values))


def test_bates_leaves_out_nan_and_refuses_what_is_no_p():
    assert statistics.bates([0.3, np.nan]).n == 1
    assert np.isnan(statistics.bates([]).p)
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistics.bates([0.5, 1.5])


# --- Benjamini-Hochberg


def test_q_values_by_hand():
    # sorted .005 .01 .03 .04, times 4/1 4/2 4/3 4/4, then the smallest of each and all after it
    q = statistics.benjamini_hochberg([0.01, 0.04, 0.03, 0.005])
    assert np.asarray(q) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert q.rejected.tolist() == [True, True, True, True]
    at_two_percent = statistics.benjamini_hochberg([0.01, 0.04, 0.03, 0.005], level=0.03)
    assert at_two_percent.rejected.tolist() == [True, False, False, True]


def test_nothing_passes_nothing_is_rejected():
    # what 19 controls give at best, in 9 of 19 tests: q is just above .1
    q = statistics.benjamini_hochberg([0.05] * 9 + [0.5] * 10)
    assert np.asarray(q)[0] == pytest.approx(0.05 * 19 / 9)
    assert q.rejected.sum() == 0


def test_nan_is_no_test():
    q = statistics.benjamini_hochberg([0.01, np.nan, 0.04])
    assert np.asarray(q) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert q.rejected.tolist() == [True, False, True]
    assert statistics.benjamini_hochberg([np.nan]).rejected.tolist() == [False]
    assert statistics.benjamini_hochberg([]).rejected.tolist() == []


@pytest.mark.parametrize(
    ("p", "level", "message"),
    [
        ([[0.1]], 0.05, "expected one dimension"),
        ([0.1], 0.0, "level=0.0"),
        ([1.1], 0.05, "between 0 and 1"),
    ],
)
def test_benjamini_hochberg_says_what_is_wrong(p, level, message):
    with pytest.raises(ValueError, match=message):
        statistics.benjamini_hochberg(p, level)


# --- joint test


def test_joint_test_by_hand():
    # three partitions: the real one is lowest in both subclusters, ranks 1 1, 2 3, 3 2 of 3
    joint = statistics.joint_test([1.0, 1.0], [[2.0, 3.0], [3.0, 2.0]], "low")
    assert joint.statistic == pytest.approx(2 * np.log(3))
    assert joint.null == pytest.approx([np.log(3 / 2)] * 2)
    assert joint.p == pytest.approx(1 / 3)
    mirrored = statistics.joint_test([-1.0, -1.0], [[-2.0, -3.0], [-3.0, -2.0]], "high")
    assert mirrored.p == joint.p


def test_joint_test_takes_undefined_and_equal_as_no_evidence():
    nothing = statistics.joint_test([np.nan, 0.0], [[1.0] * 9, [0.0] * 9], "high")
    assert nothing.p == 1.0
    assert nothing.statistic == 0.0
    assert np.isnan(statistics.joint_test([], np.empty((0, 9)), "low").p)
    with pytest.raises(ValueError, match=r"expected \(m,\) and \(m, n\)"):
        statistics.joint_test([1.0, 2.0], [[1.0, 2.0]], "low")


def test_paired_error_by_hand():
    # one class, 98 images, 3 lost and 1 gained: (4 + 2 - 4 / 100) / 100 ** 2
    assert statistics.paired_error([3], [1], [98]) == pytest.approx(np.sqrt(5.96) / 100)
    # two equal classes: the mean of two independent changes
    two = statistics.paired_error([3, 3], [1, 1], [98, 98])
    assert two == pytest.approx(np.sqrt(2 * 5.96) / 100 / 2)
    assert statistics.paired_error([0], [0], [10]) > 0  # no change in ten images is no certainty


def test_paired_error_covers_the_true_change():
    """Intervals of 95 % hold the true change in about 95 % of the cases, with few images too."""
    rng = np.random.default_rng(3)
    lose, gain = np.array([0.3, 0.02, 0.1]), np.array([0.05, 0.02, 0.0])
    for n, least in ((20, 0.93), (200, 0.935)):
        draws = rng.multinomial(n, np.stack([lose, gain, 1 - lose - gain], axis=1), size=(4000, 3))
        lost, gained = draws[..., 0], draws[..., 1]
        change = ((gained - lost) / n).mean(axis=1)
        half = 1.96 * statistics.paired_error(lost, gained, [n] * 3)
        covered = np.abs(change - (gain - lose).mean()) <= half
        assert least <= covered.mean() <= 0.99
