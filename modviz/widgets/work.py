"""One thing at a time: what an explorer works on, and how that ends.

Whatever happens in a task, in what it reports or in showing it, the buttons come back and the
status is one of those that last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from modviz.core.analysis import Analysis
from modviz.widgets.job import Job, Listener
from modviz.widgets.parts import Problem
from modviz.widgets.running import RunBar


@dataclass(frozen=True)
class Ending:
    """How a task ended: ``"complete"`` or ``"cancelled"``, and words for it."""

    outcome: str
    words: str


@dataclass(frozen=True)
class Task:
    """Something that takes long.

    Attributes
    ----------
    name : str
        How an error speaks of it: ``"The run"``.
    work : callable
        Called with ``progress`` and ``cancel`` in a thread of its own; gives a result.
    ended : callable
        Called with the result, None after a cancel that left nothing, and the seconds it took.
    failed : callable
        Puts back what was there before; says what is shown now.
    aside : bool
        It is not about the analysis: the status comes back to what it was.
    replaces : bool
        Its results take the place of the analysis that is shown, from the first one on.
    """

    name: str
    work: Callable[..., Any]
    ended: Callable[[Any, float], Ending]
    failed: Callable[[BaseException], str]
    aside: bool = False
    replaces: bool = False


class Work:
    """At most one task, with the widgets that say how far it is.

    Parameters
    ----------
    bar, problem
        Where it is said.
    changes : callable
        A context that holds the explorer's lock and sends changes together.
    show : callable
        Called with results on the way.
    status : callable
        Called with the explorer's new status; gives the one before.
    """

    def __init__(
        self,
        bar: RunBar,
        problem: Problem,
        *,
        changes: Callable[[], AbstractContextManager[None]],
        show: Callable[[Analysis], None],
        status: Callable[[str], str],
    ) -> None:
        self.error: BaseException | None = None
        self.task: Task | None = None
        self._bar, self._problem = bar, problem
        self._changes, self._show, self._status = changes, show, status
        self._job: Job | None = None
        self._before = "empty"

    @property
    def busy(self) -> bool:
        """Whether a task is being worked on."""
        return self.task is not None

    def refuse_if_busy(self) -> None:
        """Raise a RuntimeError while a task is being worked on."""
        if self.busy:
            raise RuntimeError("a run is working already; cancel() it or wait() for its end")

    def start(self, task: Task) -> None:
        """Begin; returns at once."""
        with self._changes():
            self.refuse_if_busy()
            self.error, self.task = None, task
            self._problem.clear()
            self._bar.begin("Starting")
            job = Job(
                task.work,
                Listener(
                    self._bar.show_progress,
                    self._show if task.replaces else _look_away,
                    partial(self._finished, task),
                ),
            )
            self._before, self._job = self._status("running"), job
            try:
                job.start()
            except RuntimeError as error:  # the system gives no more threads
                self._job = None
                self._finished(task, None, error, 0.0)

    def cancel(self) -> None:
        """Ask the task to stop; without one nothing happens."""
        with self._changes():
            if self._job is not None and self.busy:
                self._job.cancelled.set()
                self._bar.stopping()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end of the task; False if it is still being worked on."""
        if self._job is not None and self._job.thread is threading.current_thread():
            raise RuntimeError("wait() was called by the run itself, which would never end")
        return self._job is None or self._job.done.wait(timeout)

    def _finished(
        self, task: Task, result: Any, error: BaseException | None, seconds: float
    ) -> None:
        with self._changes():
            ending = Ending("failed", "Failed")
            if error is None:
                try:
                    ending = task.ended(result, seconds)
                except Exception as caught:  # noqa: BLE001  (it ends, whatever happens)
                    error = caught
            if error is not None:
                self._fail(task, error)
            self.task = None
            self._bar.end(ending.outcome, ending.words)
            self._status(self._before if task.aside else ending.outcome)

    def _fail(self, task: Task, error: BaseException) -> None:
        self.error = error
        try:
            now = task.failed(error)
        except Exception as second:  # noqa: BLE001  (the first error is the one to read)
            error.add_note(f"What was there before could not be shown either: {second}")
            now = "."
        self._problem.show(f"{task.name} failed{now}", error)


def _look_away(_analysis: Analysis) -> None:
    """What such a task has on its way is less than what is shown."""
