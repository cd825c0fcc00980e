"""Verdicts: declared on q only, undecided where the controls cannot decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.sequential import rule_for
from modviz.view import classes, evidence, lesions, overview
from modviz.view.facts import Facts


def judged(changes: list[float], n_controls: int, control: float = -0.01) -> Facts:
    """Equal subclusters of 4 units in one layer; their accuracy changes by `changes`.

    Controls all change by `control`, in two classes alike.
    """
    s = len(changes)
    layer = Layer("fc<1>", "linear", 4 * s, number=1)
    inner = np.ones((4 * s, 4 * s)) - np.eye(4 * s)
    graph = NeuronGraph([layer], {(0, 0): inner})
    partition = Partition(np.repeat(np.arange(s), 4), s, graph)
    intact = np.array([0.9, 0.8])
    lesioned = intact + np.array(changes)[:, None]
    controls = np.tile(intact + control, (s, n_controls, 1))
    lesions = LesionResults(intact, lesioned, controls, 200)
    return Facts(Analysis(partition, size_rule(partition), ("cat", "<dog>"), lesions=lesions))


def test_a_small_q_is_declared() -> None:
    facts = judged([-0.3] + [0.0] * 3, n_controls=99)  # q = 4 / 100
    result = evidence.verdict(facts, 0)
    assert result.badge == "Important"
    assert "q 0.040 over 4 subclusters" in result.words


def test_undecided_says_how_many_controls_would_do() -> None:
    facts = judged([-0.3] + [0.0] * 18, n_controls=19)  # best p = .05, q = 19 / 20
    result = evidence.verdict(facts, 0)
    assert result.badge == "Undecided"
    assert "p cannot fall below 0.05 with 19 controls" in result.words
    assert "at least 379 controls" in result.words  # 19 / 380 = .05


def test_that_many_controls_do_decide() -> None:
    assert evidence.verdict(judged([-0.3] + [0.0] * 18, n_controls=379), 0).badge == "Important"
    assert evidence.verdict(judged([-0.3] + [0.0] * 18, n_controls=378), 0).badge == "Undecided"


def test_an_ordinary_loss_is_no_evidence() -> None:
    facts = judged([-0.3, -0.01, 0.0], n_controls=19)
    assert evidence.verdict(facts, 1).badge == "No evidence"  # equal to all controls
    assert "19 of 19 random groups lose as much or more" in evidence.verdict(facts, 1).words


def test_the_card_tells_the_loss_and_what_random_groups_lose() -> None:
    card = evidence.card(judged([-0.3, 0.0, 0.0], n_controls=19), 0)
    assert "Without these 4 units, accuracy falls from 85.0 % to 55.0 %." in card
    assert "Random groups of 4 from layer 1 cost 1.0 points on average" in card
    assert "−30.0 points" in card
    assert "−29.0 points" in card  # beyond the mean random group


def test_names_of_users_are_escaped() -> None:
    card = evidence.card(judged([-0.3, 0.0, 0.0], n_controls=19), 0)
    assert "fc&lt;1&gt;" in card
    assert "<dog>" not in card


def test_an_undefined_statistic_is_called_undefined() -> None:
    card = evidence.card(judged([-0.3, 0.0, 0.0], n_controls=19), 1)  # changes nothing
    assert "unevenness: undefined (counts as no evidence)" in card
    assert "accuracy stays at 85.0 %" in card


def test_untested_and_unmeasured_are_told_apart(
    make_analysis: Callable[..., Analysis],
) -> None:
    partial = make_analysis(stage="lesions")
    tested = partial.tested.copy()
    tested[0] = False
    facts = Facts(replace(partial, tested=tested))
    assert evidence.verdict(facts, 0).badge == "Not tested"
    last = len(facts.names) - 1
    assert evidence.verdict(facts, last).words == "Its lesion has not been measured yet."
    cancelled = Facts(replace(partial, status="cancelled"))
    assert "cancelled before" in evidence.verdict(cancelled, last).words
    assert "This is after 10 of 20 subclusters." in evidence.card(Facts(partial), 1)


def test_the_overview_counts_discoveries() -> None:
    text = overview.summary(judged([-0.3] + [0.0] * 3, n_controls=99))
    assert "1 of 4 with q ≤ 0.05" in text
    assert "joint p 0.01 (99 controls)" in text
    assert "not measured" in text  # no feature images


@pytest.mark.parametrize(
    ("points", "expected"), [(-40, "#7d0a22"), (-90, "#7d0a22"), (0, "#ffffff"), (40, "#0f4a80")]
)
def test_class_colours_have_fixed_limits(points: float, expected: str) -> None:
    assert classes.color(points) == expected


def adaptive(n_controls: int = 999, status: str = "complete") -> Facts:
    """A: worse than all of 199 sets. B: like a third of 69. C: like all, so 20 were enough."""
    facts = judged([-0.3, -0.05, 0.0], n_controls=199)
    results = facts.analysis.lesions
    assert results is not None
    controls = results.controls.copy()
    controls[1, 0:69:3] = results.intact - 0.05
    controls[1, 69:] = np.nan
    controls[2] = results.intact
    controls[2, 39:] = np.nan
    judged_so_far = replace(results, controls=controls, rule=rule_for(n_controls))
    return Facts(replace(facts.analysis, lesions=judged_so_far, status=status))


def test_adaptive_controls_are_told_for_each_subcluster() -> None:
    facts = adaptive()
    cards = [evidence.card(facts, i) for i in range(3)]
    assert evidence.verdict(facts, 0).badge == "Important"
    assert "199 controls, of at most 999" in cards[0]
    assert 'p</div><div class="value">0.012' in cards[0]
    assert "lowest possible" not in cards[0]  # 800 more could give less
    assert "20 of 58 random groups lose as much or more" in evidence.verdict(facts, 1).words
    assert "58 controls, of at most 999" in cards[1]
    assert "20 of 20 random groups lose as much or more" in evidence.verdict(facts, 2).words
    # the mean is that of all 69 sets: 23 of them cost 5 points, 46 of them 1
    assert "cost 2.3 points on average (changes of −5.0 to −1.0)" in cards[1]
    assert "69 random groups: mean −2.3, −5.0 to −1.0" in lesions.tip(facts, 1)
    assert "random groups on average −2.3" in classes._tip(facts, 1, 0)


def test_adaptive_controls_are_told_for_the_whole() -> None:
    facts = adaptive()
    assert "grey: 39 to 199 random groups of equal size" in lesions.head(facts)
    assert "worse than all<span" in lesions.head(facts)  # each of its own number
    words = " ".join(overview.in_words(facts))
    assert "against 39 to 199 random groups of units each" in words
    assert "as many as a verdict needs, at most 999" in words
    # all together are compared by the draws that all have
    assert "(39 controls" in overview.summary(facts)


def test_an_open_verdict_says_that_more_are_needed() -> None:
    results = adaptive().analysis.lesions
    assert results is not None
    controls = results.controls.copy()
    controls[0, 39:] = np.nan
    for status, words in (
        ("running", "More are drawn, up to 999, until it is clear."),
        ("cancelled", "The analysis ended before more, up to 999, could make it clear."),
    ):
        start = adaptive(status=status).analysis
        facts = Facts(replace(start, lesions=replace(results, controls=controls)))
        result = evidence.verdict(facts, 0)
        assert result.badge == "Undecided"
        assert "So far 0 of 39 random groups lose as much or more" in result.words
        assert words in result.words
        assert evidence.verdict(facts, 2).badge == "No evidence"


def test_with_all_draws_made_the_lowest_p_is_called_so() -> None:
    facts = adaptive(n_controls=199)
    assert "199 controls, of at most 199, the lowest possible" in evidence.card(facts, 0)
