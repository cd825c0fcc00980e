"""The tables of an analysis whose subclusters have different numbers of controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modviz.core import statistics
from modviz.core.analysis import Analysis
from modviz.core.sequential import SequentialRule


@pytest.fixture
def adaptive(small_analysis) -> Analysis:
    """The same lesions with a rule of at most 19 draws, looks after 5 and 9, enough at 3.

    A1 needed all 19 draws, B1 and A2 stopped at 5, B2 at 9.
    """
    rule = SequentialRule(19, looks=(5, 9), enough=3)
    controls = small_analysis.lesions.controls.copy()
    for row, drawn in enumerate((19, 5, 5, 9)):
        controls[row, drawn:] = np.nan
    lesions = replace(small_analysis.lesions, controls=controls, rule=rule)
    return replace(small_analysis, lesions=lesions)


def test_adaptive_p_rests_on_the_draws_made(small_analysis, adaptive):
    lesions, rule = adaptive.lesions, adaptive.lesions.rule
    assert lesions.draws.tolist() == [19, 5, 5, 9]
    assert adaptive.measured("accuracy").tolist() == [True] * 4
    table = adaptive.table()
    assert table.loc["A1", "accuracy_p"] == rule.p(0, 19)
    assert table.loc["A1", "accuracy_draws"] == 19
    # a lesion without effect equals its controls: the third is enough, and so is it for the range
    assert table.loc["B1", ["accuracy_p", "range_p"]].tolist() == [1.0, 1.0]
    assert table.loc["B1", ["accuracy_draws", "range_draws"]].tolist() == [3, 3]
    x, controls = small_analysis.samples("accuracy")
    for row, drawn in ((2, 5), (3, 9)):
        below = np.flatnonzero(controls[row, :drawn] <= x[row])
        state = (3, int(below[2]) + 1) if len(below) > 2 else (len(below), drawn)
        assert tuple(int(c[row]) for c in adaptive.counts("accuracy")) == state
        assert table["accuracy_p"].iloc[row] == rule.p(*state)
        assert table["accuracy_draws"].iloc[row] == state[1]
        # the effect takes all that were drawn
        effect = statistics.effect(x[row], controls[row, :drawn])
        assert table["accuracy_effect"].iloc[row] == pytest.approx(float(effect))
    # what is not a lesion keeps its fixed controls
    expected = small_analysis.table()
    assert table["score_p"].tolist() == expected["score_p"].tolist()
    assert expected["accuracy_draws"].tolist() == [19] * 4


def test_what_combines_subclusters_takes_the_draws_that_all_have(small_analysis, adaptive):
    summary = adaptive.summary()
    assert summary["resolution"].tolist() == pytest.approx([1 / 6, 1 / 6, 0.05, 0.05, 0.05])
    x, controls = small_analysis.samples("accuracy")
    first = controls[:, :5]
    assert summary.loc["accuracy", "joint_p"] == statistics.joint_test(x, first, "low").p
    p = statistics.permutation_p(x, first, "low")
    assert summary.loc["accuracy", "fisher_p"] == statistics.fisher(p, 5).p
    effect = statistics.effect(x.mean(), first.ravel())
    assert summary.loc["accuracy", "mean_effect"] == pytest.approx(float(effect))
    assert summary.loc["range", "undefined"] == 1


def test_declared_are_those_by_the_p_of_the_rule(small_analysis):
    """Not by that of the common draws, which may be too few to declare anything."""
    rng = np.random.default_rng(2)
    controls = small_analysis.lesions.intact - rng.uniform(0.01, 0.03, (4, 199, 3))
    controls[1:, 39:] = np.nan
    rule = SequentialRule(199, looks=(39, 99))
    lesions = replace(small_analysis.lesions, controls=controls, rule=rule)
    summary = replace(small_analysis, lesions=lesions).summary()
    assert summary.loc["accuracy", "resolution"] == 1 / 40
    assert summary.loc["accuracy", "rejected"] == 1


def test_a_round_that_was_cut_short_does_not_count(adaptive):
    lesions = adaptive.lesions
    controls = lesions.controls.copy()
    controls[0, 7:], controls[3, 3:] = np.nan, np.nan
    cut = replace(adaptive, lesions=replace(lesions, controls=controls), status="cancelled")
    assert cut.lesions.draws.tolist() == [5, 5, 5, 0]
    assert cut.measured("accuracy").tolist() == [True, True, True, False]
    assert np.isnan(cut.p_values("accuracy")).tolist() == [False, False, False, True]
    assert cut.p_values("accuracy")[0] == lesions.rule.p(0, 5)
    assert cut.undecided("accuracy").tolist() == [True, False, False, False]
    assert not adaptive.undecided("accuracy").any()
    assert not cut.undecided("score").any()
