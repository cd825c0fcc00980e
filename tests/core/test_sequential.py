"""p-values that may stop early: exact under the null, however and whyever they stop."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modviz.core import statistics
from modviz.core.sequential import LOOKS, SequentialRule, rule_for, undecided
from modviz.core.settings import Settings

SMALL = [
    SequentialRule(9, looks=(2, 5), enough=3, confidence=0.8),
    SequentialRule(9, looks=(4,), enough=20, confidence=0.6),
    SequentialRule(8, looks=(1, 2, 3, 4, 5, 6, 7), enough=4, confidence=0.9),
    SequentialRule(9, enough=3),
    SequentialRule(1, enough=1),
]


def histories(n: int) -> tuple[list[tuple[bool, ...]], np.ndarray]:
    """All orders of n controls and how likely the null makes each.

    The observation is one of n + 1 equals, so each number of exceedances has chance 1 / (n + 1),
    and each order of them the same.
    """
    every = list(product([False, True], repeat=n))
    return every, np.array([1 / ((n + 1) * comb(n, sum(one))) for one in every])


def states(rule: SequentialRule, history: tuple[bool, ...]) -> list[tuple[int, int]]:
    """All states of one history that have a p."""
    passed = []
    for end in rule.ends:
        passed.append(rule.stop(history[:end]))
        if passed[-1][0] == rule.enough:
            break
    return passed


@pytest.mark.parametrize("rule", SMALL, ids=repr)
def test_p_is_the_chance_to_pass_a_state_that_ranks_as_high(rule):
    """Against enumeration of all histories, without the urn."""
    every, chance = histories(rule.n_controls)
    assert chance.sum() == pytest.approx(1)
    highest = np.array([min(rule.rank(*s) for s in states(rule, one)) for one in every])
    known = {s for one in every for s in states(rule, one)}
    assert len(known) > rule.n_controls / 2
    for state in known:
        expected = chance[highest <= rule.rank(*state) + 1e-12].sum()
        assert rule.p(*state) == pytest.approx(expected, abs=1e-11), state


@pytest.mark.parametrize("rule", SMALL, ids=repr)
def test_the_best_p_of_a_whole_history_is_exactly_uniform(rule):
    """So whoever stops, at whatever look and for whatever reason, has P(p <= a) <= a."""
    every, chance = histories(rule.n_controls)
    best = np.array([min(rule.p(*s) for s in states(rule, one)) for one in every])
    for p in np.unique(best):
        assert chance[best <= p + 1e-11].sum() == pytest.approx(p, abs=1e-10)


@given(st.integers(1, 25), st.integers(1, 60), st.data())
def test_without_looks_p_is_that_of_besag_and_clifford(enough, n, data):
    rule = SequentialRule(n, enough=enough)
    if enough <= n:
        draws = data.draw(st.integers(enough, n))
        assert rule.p(enough, draws) == pytest.approx(enough / draws, abs=1e-11)
    g = data.draw(st.integers(0, min(enough - 1, n)))
    assert rule.p(g, n) == pytest.approx((g + 1) / (n + 1), abs=1e-11)


@given(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40), st.integers(-3, 3))
def test_without_any_stop_p_is_the_permutation_p(controls, x):
    rule = SequentialRule(len(controls), enough=len(controls) + 1)
    stop = rule.stop(statistics.as_extreme(x, controls, "low"))
    assert rule.p(*stop) == pytest.approx(float(statistics.permutation_p(x, controls, "low")))


def test_the_last_draw_gives_what_a_fixed_number_gives():
    """Early stops hardly cost the later ones anything: what they add is below 5 %."""
    rule = rule_for(999)
    assert rule.p(0, 999) == 0.001  # no rounding: q-values are compared with 0.05
    fixed = np.arange(1, rule.enough + 1) / 1000
    p = np.array([rule.p(g, 999) for g in range(rule.enough)])
    assert (p >= fixed - 1e-12).all()
    assert (p <= 1.05 * fixed).all()


@pytest.mark.parametrize("draws", [39, 199, 999])
def test_more_exceedances_are_less_evidence(draws):
    rule = rule_for(999)
    p = [rule.p(g, draws) for g in range(rule.enough)]
    assert (np.diff(p) > 0).all()
    least = [rule.least(g, draws) for g in range(rule.enough)]
    assert (np.diff(least) > 0).all()
    assert (np.array(least) <= p).all()


def test_clear_evidence_is_declared_early_and_no_better_than_all_draws_could():
    rule = rule_for(999)
    p = [rule.p(0, draws) for draws in rule.ends]
    assert (np.diff(p) < 0).all()
    assert p[rule.ends.index(199)] < 0.012
    assert all(now > 1 / (draws + 1) for now, draws in zip(p[:-1], rule.ends, strict=False))


def test_the_rule_stops_at_the_exceedance_that_is_enough():
    rule = SequentialRule(10, looks=(5,), enough=2)
    assert rule.stop([False, True, False, False, True]) == (2, 5)
    assert rule.stop([True, True, False, True, True]) == (2, 2)
    assert rule.stop([False] * 5) == (0, 5)
    assert rule.finished(2, 2)
    assert rule.finished(0, 10)
    assert not rule.finished(1, 5)
    assert rule.least(2, 2) == rule.p(2, 2) == 1.0


def test_looks_are_those_below_the_number_of_controls():
    assert rule_for(999).ends == (39, 69, 99, 149, 199, 299, 399, 499, 699, 999)
    assert rule_for(19).ends == (19,)
    assert rule_for(39).ends == (39,)
    assert rule_for(10_000).ends == (*LOOKS, 10_000)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_controls": 0}, "n_controls=0.*at least 1"),
        ({"n_controls": 9, "enough": 0}, "enough=0"),
        ({"n_controls": 9, "looks": (9,)}, "between 1 and 8"),
        ({"n_controls": 9, "looks": (5, 3)}, "rising"),
        ({"n_controls": 9, "confidence": 1.0}, "confidence=1.0"),
        ({"n_controls": 9, "level": 0.0}, "level=0.0"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        SequentialRule(**wrong)


def test_a_state_in_which_nothing_can_stop_has_no_p():
    rule = SequentialRule(10, looks=(5,), enough=3)
    with pytest.raises(ValueError, match=r"4 draws with 1 exceedances is no place to stop.*5, 10"):
        rule.p(1, 4)
    with pytest.raises(ValueError, match=r"4 exceedances in 5 draws; the rule has at most 3"):
        rule.p(4, 5)


def test_only_open_verdicts_need_more():
    rule = rule_for(999)
    # all above any level; one that no number of draws could make better; one finished
    assert undecided(rule, [20, 19, 20], [30, 39, 39]).tolist() == [False] * 3
    # no exceedance of 39 may be anything: with few tests it is declared later or now
    assert undecided(rule, [0, 20, 20], [39, 30, 30]).tolist() == [True, False, False]
    # twenty that are declared together do not wait
    assert not undecided(rule, [0] * 20, [69] * 20).any()
    assert undecided(rule, [0] * 20, [39] * 20).all()
    # after all draws there is nothing to wait for
    assert undecided(rule, [0, 20, 20], [999, 30, 30]).tolist() == [False] * 3


def test_what_is_finished_never_waits_for_others():
    """Nine that may come to anything could carry it along, but it can get no more draws."""
    rule = rule_for(999)
    assert undecided(rule, [20] + [0] * 9, [450] + [39] * 9).tolist() == [False] + [True] * 9


def test_one_verdict_can_open_another():
    """All count towards each other's verdicts: what many allow, one alone does not."""
    rule = rule_for(999)
    together = undecided(rule, [1] * 10, [199] * 10)
    alone = undecided(rule, [1] + [20] * 9, [199] + [30] * 9)
    assert not together.any()
    assert alone[0]


def test_settings_know_fixed_and_adaptive_controls():
    assert Settings().as_dict()["controls"] == "fixed"
    assert Settings(controls="adaptive", n_controls=999).controls == "adaptive"
    with pytest.raises(ValueError, match=r"controls='some'; expected one of \['fixed', 'adaptive'"):
        Settings(controls="some")
