"""Many hands at once: whatever they do, the widget ends at rest with its buttons back."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from modviz.core import choosing
from modviz.core.estimates import Estimate
from modviz.core.progress import Cancelled
from modviz.widgets import Explorer, explore
from tests.widgets.gates import DATA, Gate, Make, ended, problem, report


def at_rest(explorer: Explorer) -> bool:
    """Whether everything can be pressed again that could be before."""
    desk = explorer._desk
    ready = (desk.bar.run, desk.further.suggest, explorer._controls.n_clusters)
    return desk.bar.cancel.disabled and not any(control.disabled for control in ready)


class Hand(threading.Thread):
    """Presses buttons, moves a control and sends commands, in an order of its own."""

    def __init__(self, explorer: Explorer, seed: int) -> None:
        super().__init__()
        self.explorer, self.choices = explorer, random.Random(seed)

    def run(self) -> None:
        desk = self.explorer._desk
        further = desk.further
        buttons = (desk.bar.run, desk.bar.cancel, further.suggest, further.more, further.pairs)
        for _ in range(25):
            match self.choices.randrange(8):
                case 0:
                    self.explorer._controls.n_clusters.value = self.choices.randrange(2, 9)
                case 1:
                    self.explorer._command("more_controls", {"names": [], "n_controls": 9})
                case _:
                    self.choices.choice(buttons).click()


@pytest.mark.usefixtures("estimates")
@pytest.mark.parametrize("seed", range(4))
def test_clicks_in_any_order_never_leave_it_stuck(
    runs: Any, model: Any, make_analysis: Make, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def work(progress: Any, cancel: threading.Event) -> Any:
        for done in range(20):
            partial = make_analysis("running") if done % 5 == 0 else None
            progress(report("lesions", done, 20, partial))
            if cancel.wait(0.0005):
                raise Cancelled
        return make_analysis()

    def broken(progress: Any, cancel: threading.Event) -> Any:
        raise ValueError("not today")

    def choose(graph: Any, *, progress: Any, **others: Any) -> Any:
        for done in range(10):
            progress(1 + done, 21)
        raise ValueError("nothing to choose from")

    monkeypatch.setattr(choosing, "choose_n_clusters", choose)
    runs.body = runs.more_body = work
    runs.pair_body, runs.estimate_body = broken, lambda: Estimate(1.0, 1)
    explorer = explore(model, DATA, n_clusters=2)
    hands = [Hand(explorer, 10 * seed + number) for number in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(60)
        assert not hand.is_alive()
    ended(explorer)
    with explorer._live.lock:
        assert at_rest(explorer)
    assert explorer.status in {"empty", "complete", "cancelled", "failed"}
    explorer.run()
    assert ended(explorer).status == "complete"
    assert at_rest(explorer)


@pytest.mark.usefixtures("estimates")
def test_a_run_does_not_wait_for_an_estimate(runs: Any, model: Any, make_analysis: Make) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow() -> Estimate:
        entered.set()
        assert leave.wait(20)
        return Estimate(1000.0, 1)

    runs.estimate_body = slow
    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA)
    assert entered.wait(20)
    explorer._desk.bar.run.click()
    assert ended(explorer).status == "complete"
    assert explorer._desk.bar.cost.value == ""  # the estimate is not there yet
    leave.set()


def test_everything_else_is_refused_while_something_works(
    runs: Any, explorer: Explorer, make_analysis: Make
) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer.run()
    assert gate.reached.wait(20)
    begin = (
        explorer.run,
        explorer.more_controls,
        explorer.suggest_n_clusters,
        explorer.measure_pairs,
    )
    for method in begin:
        with pytest.raises(RuntimeError, match="a run is working already; cancel"):
            method()
    explorer._command("more_controls", {"names": [], "n_controls": 99})
    assert "a run is working already" in problem(explorer)
    desk = explorer._desk
    for button in (desk.further.suggest, desk.further.more, desk.further.pairs, desk.bar.run):
        assert button.disabled
    gate.opened.set()
    assert ended(explorer).status == "complete"
    assert at_rest(explorer)


def test_an_observer_that_fails_does_not_take_the_buttons_with_it(
    runs: Any, explorer: Explorer, make_analysis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", hooked.append)

    def angry(change: Any) -> None:
        if change.new == "complete":
            raise ZeroDivisionError("an observer of the user's")

    explorer.observe(angry, "status")
    runs.body = gate = Gate(None, make_analysis)
    explorer.run()
    assert gate.reached.wait(20)
    gate.opened.set()
    ended(explorer)
    assert explorer.status == "complete"
    assert at_rest(explorer)


def test_a_thread_that_cannot_start_is_a_failure(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modviz.widgets import work

    class NoThreads(work.Job):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(work, "Job", NoThreads)
    explorer.run()
    assert explorer.wait(0)
    assert explorer.status == "failed"
    assert "can&#x27;t start new thread" in problem(explorer)
    assert at_rest(explorer)


def test_a_result_that_cannot_be_shown_is_a_failure_and_the_page_goes_back(
    runs: Any, explorer: Explorer, make_analysis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, update = explorer.analysis, explorer.page.update
    bad = make_analysis(n_clusters=3)

    def refuse(analysis: Any) -> None:
        if analysis is bad:
            raise ValueError("nothing to draw it with")
        update(analysis)

    monkeypatch.setattr(explorer.page, "update", refuse)
    runs.body = lambda progress, cancel: bad
    explorer.run()
    assert ended(explorer).status == "failed"
    assert explorer.analysis is before
    assert "nothing to draw it with" in problem(explorer)
    assert at_rest(explorer)


def test_waiting_inside_the_run_is_refused(runs: Any, explorer: Explorer) -> None:
    def work(progress: Any, cancel: Any) -> Any:
        explorer.wait()

    runs.body = work
    explorer.run()
    assert ended(explorer).status == "failed"
    assert "wait() was called by the run itself" in problem(explorer)
