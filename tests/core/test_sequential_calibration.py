"""Adaptive controls by simulation: valid under the null, the same verdicts, far fewer draws.

A subcluster is its true tail probability: the share of all random groups that are as extreme. Its
controls exceed it with that probability. Two statistics share the draws, as accuracy and range do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from modviz.core.sequential import SequentialRule, rule_for, undecided
from modviz.core.statistics import benjamini_hochberg

N = 999
Tails = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def null(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.random(shape)


def mixed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Half null, half strong; the null half comes first."""
    tails = rng.random(shape)
    tails[:, shape[1] // 2 :] = rng.beta(0.05, 20, (shape[0], shape[1] - shape[1] // 2))
    return tails


def like_networks(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Accuracy: half null, half near 0, as in the study's networks; range: null."""
    tails = rng.random(shape)
    half = rng.random(shape[1]) < 0.5
    tails[0, half] = rng.beta(0.4, 2, half.sum())
    return tails


@dataclass
class Simulated:
    """p of the rule and of all draws, (analyses, 2, subclusters); draws made; verdicts of both."""

    p: np.ndarray
    fixed: np.ndarray
    draws: np.ndarray

    @staticmethod
    def declared(p: np.ndarray) -> np.ndarray:
        return np.array([[benjamini_hochberg(row).rejected for row in both] for both in p])

    @property
    def differing(self) -> float:
        return float((self.declared(self.p) != self.declared(self.fixed)).mean())


def simulate(tails: Tails, n_analyses: int, seed: int, m: int = 50) -> Simulated:
    rng, rule = np.random.default_rng(seed), rule_for(N)
    results = [one_analysis(rule, rng, tails(rng, (2, m))) for _ in range(n_analyses)]
    return Simulated(*(np.array(part) for part in zip(*results, strict=True)))


def one_analysis(
    rule: SequentialRule, rng: np.random.Generator, tails: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    extreme = rng.random((*tails.shape, rule.n_controls)) < tails[..., None]
    m = tails.shape[1]
    draws, states = np.zeros(m, dtype=int), np.zeros((2, m, 2), dtype=int)
    going = np.ones(m, dtype=bool)
    while going.any():
        for i in np.flatnonzero(going):
            draws[i] = next(end for end in rule.ends if end > draws[i])
            for statistic in range(2):
                states[statistic, i] = rule.stop(extreme[statistic, i, : draws[i]])
        going = undecided(rule, *states[0].T) | undecided(rule, *states[1].T)
    p = np.array([[rule.p(*map(int, state)) for state in some] for some in states])
    return p, (1 + extreme.sum(axis=2)) / (1 + rule.n_controls), draws


@pytest.fixture(scope="module")
def nulls() -> Simulated:
    return simulate(null, 200, seed=1)  # 20,000 p-values


def test_p_is_valid_under_the_null(nulls):
    p = nulls.p.ravel()
    assert p.size == 20_000
    for level in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        noise = np.sqrt(level * (1 - level) / p.size)
        assert (p <= level).mean() <= level + 3 * noise, level


def test_nothing_is_declared_more_often_than_the_level_allows(nulls):
    any_declared = nulls.declared(nulls.p).any(axis=2).mean()  # of 400 families of 50
    assert any_declared <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_where_there_is_no_evidence_a_few_draws_are_enough(nulls):
    assert nulls.draws.mean() < N / 15
    assert nulls.draws.min() == rule_for(N).ends[0]


@pytest.fixture(scope="module")
def halves() -> Simulated:
    return simulate(mixed, 200, seed=2)


def test_p_of_the_null_half_is_valid_whatever_the_other_half_makes_it_do(halves):
    p = halves.p[:, :, :25].ravel()
    for level in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        noise = np.sqrt(level * (1 - level) / p.size)
        assert (p <= level).mean() <= level + 3 * noise, level


def test_false_discoveries_stay_below_the_level(halves):
    declared = halves.declared(halves.p)
    false = declared[:, :, :25].sum(axis=2) / np.maximum(declared.sum(axis=2), 1)
    assert false.mean() <= 0.05
    # and the strong half is found as it is with all draws
    found = halves.declared(halves.fixed)[:, :, 25:].mean()
    assert found > 0.95
    assert declared[:, :, 25:].mean() > found - 0.005
    assert halves.draws.mean() < N / 5


def test_verdicts_are_those_of_all_draws_at_least_five_times_sooner():
    """The bound of issue 4: at most 1 % of the verdicts differ, over 20 seeds."""
    simulated = simulate(like_networks, 20, seed=3)
    assert simulated.declared(simulated.fixed)[:, 0].mean() > 0.04  # there is something to find
    assert simulated.differing <= 0.01
    assert simulated.draws.mean() <= N / 5


def test_whoever_stops_after_seeing_a_good_p_is_still_right():
    """Stopping at the best of all looks: the p of every look holds for all of them."""
    rng, rule = np.random.default_rng(4), rule_for(N)
    best = []
    for tail in rng.random(20_000):
        extreme = rng.random(N) < tail
        best.append(min(rule.p(*rule.stop(extreme[:end])) for end in rule.ends))
    for level in (0.01, 0.02, 0.05, 0.1):
        share = np.mean(np.array(best) <= level)
        assert share <= level + 3 * np.sqrt(level * (1 - level) / 20_000), level
