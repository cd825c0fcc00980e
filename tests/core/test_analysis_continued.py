"""The tables and the file of an analysis some of whose subclusters got more controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import modviz
from modviz.core import statistics
from modviz.core.analysis import Analysis


@pytest.fixture
def before(small_analysis) -> Analysis:
    """With 9 controls: those of A1 are surpassed by none, B1 changes nothing at all."""
    lesions = small_analysis.lesions
    return replace(small_analysis, lesions=replace(lesions, controls=lesions.controls[:, :9]))


@pytest.fixture
def continued(small_analysis, before) -> Analysis:
    """A1 went on to 15 controls and then to 19, of which the 17th is as bad; the others have 9."""
    controls = small_analysis.lesions.controls.copy()
    controls[0, 16] = small_analysis.lesions.lesioned[0]
    controls[1:, 9:] = np.nan
    rounds = np.array([[9, 15, 19], [9, 9, 9], [9, 9, 9], [9, 9, 9]])
    lesions = replace(before.lesions, controls=controls, rounds=rounds)
    calls = [{"subclusters": ["A1"], "n_controls": n} for n in (15, 19)]
    return replace(before, lesions=lesions, settings={**before.settings, "more_controls": calls})


def test_p_rests_on_the_draws_of_each(before, continued):
    assert continued.lesions.draws.tolist() == [19, 9, 9, 9]
    assert continued.measured("accuracy").tolist() == [True] * 4
    exceedances, draws = continued.counts("accuracy")
    assert (exceedances[0], draws[0]) == (1, 19)
    table, old = continued.table(), before.table()
    assert table.loc["A1", "accuracy_p"] == 2 / 20
    assert old.loc["A1", "accuracy_p"] == 1 / 10
    assert table.loc["A1", "accuracy_draws"] == 19
    others = ["B1", "A2", "B2"]
    columns = ["accuracy_p", "range_p", "accuracy_draws", "accuracy_effect", "score_p"]
    pd.testing.assert_frame_equal(table.loc[others, columns], old.loc[others, columns])
    assert list(table) == list(old)
    q = statistics.benjamini_hochberg(table["accuracy_p"])
    assert table["accuracy_q"].to_numpy() == pytest.approx(np.asarray(q))
    drawn = continued.samples("accuracy")[1][0]
    effect = statistics.effect(continued.samples("accuracy")[0][0], drawn)
    assert table.loc["A1", "accuracy_effect"] == pytest.approx(float(effect))


def test_a_statistic_that_was_equalled_keeps_its_p(before, continued):
    """A1 went on for its accuracy; if a control is as uneven, its range stays at 9 draws."""
    uneven = continued.lesions.controls.copy()
    uneven[0, 4] = continued.lesions.intact - [0.03, 0, 0]  # all of the loss in one class, too
    lesions = replace(continued.lesions, controls=uneven)
    assert lesions.counts("range")[0][0] == 1
    assert lesions.counts("range")[1][0] == 9
    assert lesions.p_values("range")[0] == 2 / 10
    assert lesions.p_values("accuracy")[0] == 2 / 20


def test_what_combines_subclusters_takes_the_draws_of_all(before, continued):
    lesions = continued.lesions
    assert lesions.common_draws == 9
    pd.testing.assert_frame_equal(
        continued.summary().drop(columns="rejected"), before.summary().drop(columns="rejected")
    )
    everybody = replace(lesions, rounds=np.tile([9, 19], (4, 1)))
    assert everybody.common_draws == 9  # also if each of them was asked for by its name


def test_who_can_go_on(before, continued):
    assert before.lesions.unsurpassed[0]
    assert not before.lesions.unsurpassed[1]  # its controls change as little
    assert continued.lesions.counts("range")[0][0] == 1
    assert not continued.lesions.unsurpassed[0]  # surpassed by now, in both
    nothing = replace(before.lesions, lesioned=np.full((4, 3), np.nan))
    assert not nothing.unsurpassed.any()


def test_the_file_has_it_all(continued, tmp_path):
    path = tmp_path / "x.modviz"
    continued.save(path)
    loaded = modviz.load(path)
    assert np.array_equal(loaded.lesions.rounds, continued.lesions.rounds)
    assert np.array_equal(loaded.lesions.controls, continued.lesions.controls, equal_nan=True)
    pd.testing.assert_frame_equal(loaded.table(), continued.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), continued.summary(), check_exact=True)
    assert loaded.settings == continued.settings
