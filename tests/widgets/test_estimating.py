from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

from modviz.core.estimates import Estimate
from modviz.measure.guard import evaluating
from modviz.widgets import estimating, explore
from modviz.widgets.estimating import Estimates, Experience, twin
from tests.widgets.gates import DATA, Gate, Make, ended

SMALL = Estimate(25.0, 400_000_000, {"lesions": 25.0})


class Told:
    """What was told, one after the other."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.event = threading.Event()

    def __call__(self, value: Any) -> None:
        self.values.append(value)
        self.event.set()

    def next(self) -> Any:
        assert self.event.wait(20)
        self.event.clear()
        return self.values[-1]


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The words that appear under Run."""
    told = Told()
    from modviz.widgets.running import RunBar

    say = RunBar.say_cost

    def both(bar: RunBar, words: str) -> None:
        say(bar, words)
        told(words)

    monkeypatch.setattr(RunBar, "say_cost", both)
    return told


# ------------------------------------------------------------------ asking


@pytest.mark.usefixtures("estimates")
def test_only_the_last_question_is_answered() -> None:
    entered, go_on, told = threading.Event(), threading.Event(), Told()
    answers = iter([SMALL, None])

    def work() -> Estimate | None:
        entered.set()
        assert go_on.wait(20)
        return next(answers)

    estimates = Estimates(work, told)
    estimates.ask()
    assert entered.wait(20)
    estimates.ask()  # the first is being worked on: its answer is out of date
    go_on.set()
    assert told.next() is None
    assert told.values == [None]


@pytest.mark.usefixtures("estimates")
def test_controls_that_move_are_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "PAUSE", 3600.0)
    worked: list[int] = []
    estimates = Estimates(lambda: worked.append(1), lambda _: None)
    for _ in range(5):
        estimates.ask()
    timer = estimates._timer
    estimates.stop()
    timer.join(20)  # a stopped timer ends at once
    assert not timer.is_alive()
    assert worked == []


@pytest.mark.usefixtures("estimates")
def test_an_estimate_that_fails_is_none() -> None:
    def broken() -> Estimate:
        raise ValueError("no such layer")

    told = Told()
    Estimates(broken, told).ask()
    assert told.next() is None


# ------------------------------------------------------------------ learning


def test_the_last_run_corrects_the_next_estimate() -> None:
    experience = Experience()
    assert str(experience.corrected(SMALL)) == "about 25 s, 0.4 GB"
    experience.begins(SMALL)
    experience.ended(50.0, complete=True)
    corrected = experience.corrected(SMALL)
    assert (corrected.seconds, dict(corrected.stages)) == (50.0, {"lesions": 50.0})
    experience.begins(SMALL)  # a ratio is of uncorrected estimates: it does not grow on itself
    experience.ended(25.0, complete=True)
    assert experience.corrected(SMALL).seconds == 25.0


@pytest.mark.parametrize(
    ("expected", "seconds", "complete"),
    [(SMALL, 50.0, False), (None, 50.0, True), (Estimate(0.1, 0), 5.0, True), (SMALL, 0.1, True)],
)
def test_some_runs_teach_nothing(expected: Estimate | None, seconds: float, complete: bool) -> None:
    experience = Experience()
    experience.begins(expected)
    experience.ended(seconds, complete=complete)
    assert experience.corrected(SMALL).seconds == 25.0


# ------------------------------------------------------------------ in the explorer


@pytest.mark.usefixtures("estimates")
def test_the_estimate_stands_under_run_and_follows_the_controls(
    runs: Any, model: Any, make_analysis: Make, cost: Told
) -> None:
    runs.estimate_body = lambda: SMALL
    explorer = explore(model, DATA, n_clusters=2, n_controls=3)
    assert cost.next() == "Run: about 25 s, 0.4 GB"
    assert explorer._desk.bar.cost.value == "Run: about 25 s, 0.4 GB"
    asked = runs.estimate_calls[-1]
    assert (asked["n_clusters"], asked["n_subclusters"]) == (2, None)
    assert asked["planned"] == ("reading", "graph", "partition", "lesions", "images", "features")

    runs.body = lambda progress, cancel: make_analysis()
    explorer.run()
    ended(explorer)
    cost.next()
    assert runs.estimate_calls[-1]["n_subclusters"] == 4  # of the analysis: k is the same
    runs.calls[0]["kept"].planned_stages = ("lesions",)
    explorer._controls.n_controls.value = 7
    cost.next()
    asked = runs.estimate_calls[-1]
    assert (asked["planned"], asked["n_controls"], asked["n_subclusters"]) == (("lesions",), 7, 4)
    explorer._controls.n_clusters.value = 3
    cost.next()
    assert runs.estimate_calls[-1]["n_subclusters"] is None
    runs.estimate_body = None  # fails from now on
    explorer._controls.n_clusters.value = 4
    assert cost.next() == ""
    assert explorer._problem.block.value == ""


@pytest.mark.usefixtures("estimates")
def test_nothing_is_estimated_while_a_run_works(
    runs: Any, model: Any, make_analysis: Make, cost: Told
) -> None:
    runs.estimate_body = lambda: SMALL
    explorer = explore(model, DATA, n_clusters=2)
    cost.next()
    runs.body = gate = Gate(make_analysis("running"), make_analysis)
    explorer.run()
    assert gate.reached.wait(20)
    before = len(runs.estimate_calls)
    explorer._controls.n_clusters.value = 3  # by code: the control itself is disabled
    assert explorer._commands._outlook._estimates._timer is None
    gate.opened.set()
    ended(explorer)
    cost.next()
    assert len(runs.estimate_calls) == before + 1


# ------------------------------------------------------------------ the twin


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True))
    model[0].weight.grad = torch.ones(4, 3)
    return model.train()


def test_a_twin_shares_weights_and_nothing_else() -> None:
    model = network()
    copy = twin(model)
    assert copy[0].weight.data_ptr() == model[0].weight.data_ptr()
    assert copy[0].weight is not model[0].weight
    assert copy[1].running_mean.data_ptr() != model[1].running_mean.data_ptr()
    copy.eval()(torch.ones(2, 3)).sum().backward()
    assert model.training
    assert torch.equal(model[0].weight.grad, torch.ones(4, 3))


def test_a_model_can_be_used_while_its_twin_is_measured() -> None:
    model = network()
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with evaluating(twin(model)):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    try:
        with evaluating(model):  # refuses a model that another thread holds
            assert not model.training
    finally:
        leave.set()
        thread.join()
    assert model.training
