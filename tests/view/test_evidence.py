"""Verdicts: declared on q only, undecided where the controls cannot decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.view import classes, evidence, overview
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
    assert "19 of 19 random sets lose as much or more" in evidence.verdict(facts, 1).words


def test_the_card_tells_the_loss_and_what_random_sets_lose() -> None:
    card = evidence.card(judged([-0.3, 0.0, 0.0], n_controls=19), 0)
    assert "Without these 4 units, accuracy falls from 85.0 % to 55.0 %." in card
    assert "Random sets of 4 from layer 1 cost 1.0 points on average" in card
    assert "−30.0 points" in card
    assert "−29.0 points" in card  # beyond the mean random set


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
