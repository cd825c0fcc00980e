"""How many random groups it would take: what is promised is what Benjamini-Hochberg then says."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modviz import statistics
from modviz.view import evidence
from modviz.view.facts import LEVEL, Facts
from modviz.view.verdict import verdict
from tests.view.hand_made import judged


def beaten(tests: int, alike: int, n_controls: int) -> Facts:
    """`alike` of `tests` subclusters are worse than all of their random groups, the others are not.

    Random groups change nothing.
    """
    return judged([-0.3] * alike + [0.0] * (tests - alike), control=0.0, n_controls=n_controls)


def promised(facts: Facts) -> int:
    """The number of controls that the first subcluster's words name."""
    found = re.search(r"It would take at least (\d+) controls to decide", verdict(facts, 0).words)
    assert found
    return int(found[1])


def smallest_q(tests: int, alike: int, controls: int) -> float:
    p = np.ones(tests)
    p[:alike] = 1 / (controls + 1)
    return float(statistics.benjamini_hochberg(p)[0])


@given(tests=st.integers(2, 60), share=st.floats(0, 1))
def test_what_is_promised_decides_and_one_less_does_not(tests: int, share: float) -> None:
    alike = max(1, round(share * tests))
    facts = beaten(tests, alike, 9)  # p is .1 at best
    assert verdict(facts, 0).badge == "Undecided"
    needed = promised(facts)
    assert smallest_q(tests, alike, needed) <= LEVEL < smallest_q(tests, alike, needed - 1)
    alone, everyone = verdict(facts, 0).needed
    # the buttons offer a round number that is enough, for this one alone or for all
    assert needed <= everyone
    assert smallest_q(tests, alike, everyone) <= LEVEL
    assert alone >= everyone
    p = np.ones(tests)
    p[:alike] = 0.1
    p[0] = 1 / (alone + 1)
    assert statistics.benjamini_hochberg(p)[0] <= LEVEL


@pytest.mark.parametrize(("tests", "alike"), [(2, 1), (19, 1), (19, 4), (24, 5), (7, 7)])
def test_the_page_itself_changes_its_mind_at_that_number(tests: int, alike: int) -> None:
    needed = promised(beaten(tests, alike, 9))
    assert verdict(beaten(tests, alike, needed), 0).badge == "Important"
    assert verdict(beaten(tests, alike, needed - 1), 0).badge == "Undecided"


def test_round_numbers_are_offered_known_by_hand() -> None:
    # 19 tests, one of them beyond all: q = 19 p, so p <= 1 / 380; 399 is the next round number
    assert verdict(beaten(19, 1, 19), 0).needed == (399, 399)
    # four of 20 alike: q = 20 p / 4, so p <= 1 / 100; alone q = 20 p, so p <= 1 / 400
    assert verdict(beaten(20, 4, 19), 0).needed == (399, 99)
    # beyond the round ones the number itself: 1000 tests, p <= 1 / 20000
    assert verdict(beaten(1000, 1, 19), 0).needed == (19_999, 19_999)


def test_only_who_is_undecided_for_want_of_controls_is_offered_more() -> None:
    assert verdict(beaten(4, 1, 99), 0).needed == (0, 0)  # q = .04
    assert verdict(beaten(19, 1, 19), 1).needed == (0, 0)  # like its controls
    untested = judged([-0.3, 0.0, np.nan], n_controls=9, small=1)
    assert verdict(untested, 2).needed == verdict(untested, 3).needed == (0, 0)


def test_the_card_offers_just_these_numbers() -> None:
    card = evidence.card(beaten(20, 4, 19), 0)
    buttons = re.findall(r'data-command="(\w+)" data-arguments="(.*?)">(.*?)</button>', card)
    offers = [(name, json.loads(unescape(given)), words) for name, given, words in buttons]
    assert offers == [
        (
            "more_controls",
            {"names": ["A1"], "n_controls": 399},
            "Decide with 399 random groups",
        ),
        ("more_controls", {"names": [], "n_controls": 99}, "99 random groups for all"),
    ]
    assert "data-command" not in evidence.card(beaten(20, 4, 19), 5)


def test_a_running_analysis_offers_nothing() -> None:
    facts = judged([-0.3] + [0.0] * 18, n_controls=19, status="running")
    assert verdict(facts, 0).badge == "Undecided"
    assert "data-command" not in evidence.card(facts, 0)
