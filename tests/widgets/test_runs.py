from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError

from modviz.core.analysis import Analysis
from modviz.core.settings import Settings
from modviz.widgets import explore
from tests.widgets.gates import DATA, Gate, Make, describe, ended


def test_a_run_goes_from_empty_through_running_to_complete(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(make_analysis("running", lesions=False), make_analysis)
    explorer = explore(model, DATA, n_clusters=2, n_controls=3, lesion="weights")
    bar = explorer._desk.bar
    assert (explorer.status, explorer.analysis) == ("empty", None)
    assert describe(explorer) == "modviz: empty · nothing selected"
    assert (bar.run.disabled, bar.cancel.disabled) == (False, True)

    bar.run.click()  # returns although the run does not
    assert gate.reached.wait(20)
    assert explorer.status == "running"
    assert not explorer.wait(0)
    assert explorer.analysis.lesions is None  # the partition is there before the lesions
    assert (bar.run.disabled, bar.cancel.disabled) == (True, False)
    assert bar.bar.value == 0.25
    assert bar.message.value == "lesions: 3 of 12 · about 12 s left"

    gate.opened.set()
    ended(explorer)
    assert explorer.status == "complete"
    assert explorer.analysis.lesions is not None
    assert explorer.page.shown[-1] is explorer.analysis
    assert (bar.run.disabled, bar.cancel.disabled) == (False, True)
    assert bar.message.value.startswith("Finished: 4 of 4 subclusters on 500 images in ")
    (call,) = runs.calls
    assert type(call.pop("kept")).__name__ == "Kept"
    given = {"n_clusters": 2, "n_controls": 3, "n_image_controls": 3, "lesion": "weights"}
    assert call == Settings(**given).as_dict()


def test_a_second_run_while_one_works_is_refused(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.run()
    assert gate.reached.wait(20)
    with pytest.raises(RuntimeError, match=r"a run is working already; cancel\(\) it or wait\(\)"):
        explorer.run()
    gate.opened.set()
    ended(explorer)
    explorer.run()
    assert ended(explorer).status == "complete"


def test_a_cancel_keeps_what_was_finished(runs: Any, model: Any, make_analysis: Make) -> None:
    partial = make_analysis("running")
    runs.body = gate = Gate(partial, lambda: make_analysis("cancelled"))
    explorer = explore(model, DATA)
    explorer.run()
    assert gate.reached.wait(20)
    explorer._desk.bar.cancel.click()
    assert explorer._desk.bar.message.value == "Stopping"
    gate.opened.set()
    assert ended(explorer).status == "cancelled"
    assert explorer.analysis.status == "cancelled"
    said = "Cancelled; kept: the partition, the lesions of 4 of 4 subclusters"
    assert explorer._desk.bar.message.value == said


def test_a_cancel_before_there_are_results_leaves_the_page_empty(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.cancel()  # nothing runs: nothing happens
    explorer.run()
    explorer.cancel()
    gate.opened.set()
    assert ended(explorer).status == "cancelled"
    assert explorer.analysis is None
    assert explorer._desk.bar.message.value == "Cancelled before there were results"


def test_a_failed_run_keeps_the_analysis_before_it(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    def broken() -> Analysis:
        raise ValueError("weights of <fc2> are NaN")

    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA)
    explorer.run()
    before = ended(explorer).analysis
    runs.body = gate = Gate(make_analysis("running", n_clusters=3), broken)
    explorer.run()
    assert gate.reached.wait(20)
    assert explorer.analysis is not before
    gate.opened.set()
    assert ended(explorer).status == "failed"
    assert explorer.analysis is before
    assert explorer.page.shown[-1] is before
    assert str(explorer.error) == "weights of <fc2> are NaN"
    shown = explorer._problem.block.value
    assert "The run failed; the panels show the analysis before it." in shown
    assert "weights of &lt;fc2&gt; are NaN</div><details>" in shown
    assert "<fc2>" not in shown
    assert not explorer._desk.bar.run.disabled

    runs.body = lambda progress, cancel: make_analysis()
    explorer.run()
    assert ended(explorer).status == "complete"
    assert explorer.error is None
    assert explorer._problem.block.value == ""


def test_a_first_run_that_fails_keeps_its_own_partial_results(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    def broken() -> Analysis:
        raise ValueError("out of luck")

    runs.body = gate = Gate(make_analysis("running"), broken)
    explorer = explore(model, DATA)
    explorer.run()
    gate.opened.set()
    assert ended(explorer).status == "failed"
    assert explorer.analysis.status == "cancelled"


def test_results_cannot_be_swapped_under_a_run(runs: Any, model: Any, make_analysis: Make) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.run()
    with pytest.raises(TraitError, match="a run is working and shows its own results"):
        explorer.analysis = make_analysis()
    gate.opened.set()
    ended(explorer)
