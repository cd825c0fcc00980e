"""More controls for some subclusters, afterwards: p stays valid whoever goes on, and why."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from modviz.core.continued import stop

ENDS = [(19, 99, 399), (19, 39), (9, 19, 39, 79), (1, 2, 3, 4, 5), (39, 999)]


@cache
def urn(count: int, start: int, end: int) -> np.ndarray:
    """Chances of 0, 1, ... exceedances after `end` draws, given those after `start`, by Polya."""
    chances = np.zeros(end + 1)
    more = np.arange(end - start + 1)
    chances[count + more] = betabinom.pmf(more, end - start, count + 1, start - count + 1)
    return chances


def chances_of_p(ends: tuple[int, ...]) -> dict[float, float]:
    """The exact distribution of p under the null if all with zero exceedances go on to the end."""
    found: dict[float, float] = {}
    here = urn(0, 0, ends[0])
    for end, later in pairwise([*ends, None]):
        for count, chance in enumerate(here):
            if count or later is None:
                p = (1 + count) / (1 + end)
                found[p] = found.get(p, 0.0) + float(chance)
        if later is not None:
            here = here[0] * urn(0, end, later)
    return found


@pytest.mark.parametrize("ends", ENDS, ids=str)
def test_p_is_valid_if_all_without_exceedance_go_on(ends):
    found = chances_of_p(ends)
    assert sum(found.values()) == pytest.approx(1)
    for level in found:
        total = sum(chance for p, chance in found.items() if p <= level + 1e-12)
        assert total <= level + 1e-12, level


def highest_chance(ends: tuple[int, ...], level: float, most: int) -> float:
    """The best that anyone can do for P(p <= level) who decides at every end whether to go on.

    Going on is possible with at most `most` exceedances; p is the plain one where it ends.
    """

    def best(k: int, count: int) -> float:
        now = float((1 + count) / (1 + ends[k]) <= level + 1e-12)
        if k + 1 == len(ends) or count > most:
            return now
        return max(now, after(k + 1, urn(count, ends[k], ends[k + 1])))

    def after(k: int, chances: np.ndarray) -> float:
        reach = min(len(chances), int(level * (1 + ends[-1])) + most + 1)  # beyond, p is too large
        return sum(float(chances[c]) * best(k, c) for c in range(reach))

    return after(0, urn(0, 0, ends[0]))


@pytest.mark.parametrize("ends", ENDS, ids=str)
def test_nobody_can_make_p_too_small_by_choosing_who_goes_on(ends):
    for level in {(1 + g) / (1 + end) for end in ends for g in range(min(end, 8) + 1)}:
        assert highest_chance(ends, level, most=0) <= level + 1e-12, level


def test_going_on_with_one_exceedance_would_make_p_too_small():
    """So `modviz.more_controls` refuses it."""
    assert highest_chance((19, 99), 0.05, most=1) > 0.06


def histories(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All orders of n controls and how likely the null makes each: each number has 1 / (n + 1)."""
    every = np.array(list(product([False, True], repeat=n)))
    return every, np.array([1 / ((n + 1) * comb(n, int(one.sum()))) for one in every])


@pytest.mark.parametrize("ends", [(2, 5, 9), (1, 3, 4, 9), (4, 4, 9, 9), (9,)], ids=str)
def test_the_rule_on_every_history_without_the_urn(ends):
    every, chance = histories(9)
    p = np.array([(1 + g) / (1 + n) for g, n in (stop(one, ends) for one in every)])
    for level in np.unique(p):
        assert chance[p <= level + 1e-12].sum() <= level + 1e-12
    by_urn = chances_of_p(tuple(dict.fromkeys(ends)))
    for value in np.unique(p):
        assert chance[p == value].sum() == pytest.approx(by_urn[value])


def test_the_draws_of_a_statistic_end_with_the_round_that_has_an_exceedance():
    late = [False] * 19 + [True] * 3 + [False] * 77
    assert stop(late, [19, 99]) == (3, 99)
    assert stop(late, [19, 21, 99]) == (2, 21)
    assert stop(late, [19, 19, 21]) == (2, 21)
    early = [True] + [False] * 98
    assert stop(early, [19, 99]) == (1, 19)
    assert stop([False] * 99, [19, 99]) == (0, 99)
    assert stop(early, [99]) == (1, 99)
    assert stop([], [0]) == (0, 0)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_a_round_that_was_not_asked_for_changes_nothing(drawn, data):
    ends = sorted(data.draw(st.sets(st.integers(1, len(drawn)), min_size=1)))
    again = sorted([*ends, data.draw(st.sampled_from(ends))])
    assert stop(drawn, ends) == stop(drawn, again)


# ---- two statistics that share their draws, many subclusters, and someone who chooses ------------


def chosen_by(rng: np.random.Generator, how: str, zero: np.ndarray, other: np.ndarray):
    """Who goes on, of those that may: in one of two statistics no control is as extreme."""
    may = zero.any(axis=0)
    if how == "all":
        return may
    if how == "some":
        return may & (rng.random(may.shape) < 0.5)
    return may & (other < np.median(other))  # by what another subcluster shows


@pytest.mark.parametrize("how", ["all", "some", "by another"])
@pytest.mark.parametrize("correlated", [0.0, 0.8, 1.0])
def test_both_statistics_stay_valid_where_either_may_ask_for_more(how, correlated):
    """19 controls, then 99, then 399, by simulation: accuracy and range share units and draws."""
    rng, n, ends = np.random.default_rng(7), 20_000, (19, 99, 399)
    shared = rng.normal(size=(n, 400)).astype(np.float32)
    own = rng.normal(size=(2, n, 400)).astype(np.float32)
    values = correlated * shared + np.sqrt(1 - correlated**2) * own
    other = np.roll(values[0, :, 0], 1)
    extreme = values[:, :, 1:] <= values[:, :, :1]
    rounds = np.full((n, 1), ends[0])
    for end in ends[1:]:
        counted = np.array(
            [[stop(e, r)[0] for e, r in zip(x, rounds, strict=True)] for x in extreme]
        )
        going = chosen_by(rng, how, counted == 0, other) & (rounds[:, -1] >= rounds.max())
        rounds = np.column_stack([rounds, np.where(going, end, rounds[:, -1])])
    assert (rounds[:, -1] == 399).any()
    for statistic in extreme:
        states = np.array([stop(e, r) for e, r in zip(statistic, rounds, strict=True)])
        p = (1 + states[:, 0]) / (1 + states[:, 1])
        for level in (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.5):
            noise = np.sqrt(level * (1 - level) / n)
            assert (p <= level).mean() <= level + 3 * noise, level
