from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modviz.core.analysis import Analysis
from modviz.core.progress import Cancelled, Progress
from modviz.widgets.job import Job, Listener, time_left


class Watch:
    """A clock that tests move, and a listener that remembers."""

    def __init__(self, drawing: float = 0.0) -> None:
        self.now = 0.0
        self.drawing = drawing
        self.messages: list[Progress] = []
        self.results: list[Analysis] = []
        self.ended: list[tuple[Analysis | None, BaseException | None, float]] = []

    def job(self, work: Callable[..., Analysis]) -> Job:
        listener = Listener(
            self.messages.append, self.draw, lambda *result: self.ended.append(result)
        )
        return Job(work, listener, clock=lambda: self.now)

    def draw(self, analysis: Analysis) -> None:
        self.results.append(analysis)
        self.now += self.drawing


def progress(done: int, analysis: Any = None, stage: Any = "lesions") -> Progress:
    return Progress(stage, done, 1000, f"{stage}: {done}", None, analysis)


def test_messages_come_a_few_times_a_second_and_at_every_new_stage() -> None:
    watch = Watch()

    def work(progress_callback: Any = None, **own: Any) -> Any:
        for i in range(100):  # 10 s in all
            watch.now = i / 10
            own["progress"](progress(i))
        own["progress"](progress(0, stage="features"))
        return "analysis"

    job = watch.job(work)
    job.start()
    assert job.done.wait(10)
    assert 45 <= len(watch.messages) <= 52
    assert watch.messages[-1].stage == "features"
    assert watch.ended == [("analysis", None, 9.9)]


def test_results_are_drawn_once_a_second_and_none_is_lost_for_good() -> None:
    watch = Watch()

    def work(**own: Any) -> Any:
        for i in range(31):  # a result every 0.1 s for 3 s
            watch.now = i / 10
            own["progress"](progress(i, analysis=f"result {i}"))
        watch.now = 4.2
        own["progress"](progress(40))  # nothing new, but the last result was not drawn yet
        return "last"

    job = watch.job(work)
    job.start()
    assert job.done.wait(10)
    assert watch.results == ["result 0", "result 10", "result 20", "result 30"]
    assert watch.ended[0][0] == "last"


def test_slow_drawing_leaves_most_of_the_time_to_the_run() -> None:
    watch = Watch(drawing=2.0)

    def work(**own: Any) -> Any:
        while watch.now < 40:
            watch.now += 0.1
            own["progress"](progress(1, analysis=f"at {watch.now:.1f}"))
        return "last"

    job = watch.job(work)
    job.start()
    assert job.done.wait(10)
    assert 2.0 * len(watch.results) <= 0.3 * 40


def test_a_cancel_and_a_failure_end_the_job() -> None:
    def stopped(**own: Any) -> Any:
        assert own["cancel"].wait(10)
        raise Cancelled

    def broken(**own: Any) -> Any:
        raise ZeroDivisionError("no units")

    watch = Watch()
    job = watch.job(stopped)
    job.start()
    assert not job.done.is_set()
    job.cancelled.set()
    assert job.done.wait(10)
    assert watch.ended.pop() == (None, None, 0.0)

    job = watch.job(broken)
    job.start()
    assert job.done.wait(10)
    assert str(watch.ended[0][1]) == "no units"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (-1, ""),
        (0.2, "about 1 s left"),
        (40, "about 40 s left"),
        (200, "about 3 min left"),
        (9000, "about 2.5 h left"),
    ],
)
def test_time_left(seconds: float | None, words: str) -> None:
    assert time_left(seconds) == words
