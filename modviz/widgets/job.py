"""Work in a thread of its own, such as a run of `modviz.analyze`, so that the kernel stays free.

The job passes on what the run reports, but not faster than a notebook can use it: messages a few
times a second, results about once a second, and always the last ones.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modviz.core.analysis import Analysis
from modviz.core.progress import Cancelled, Progress

_MESSAGE_PAUSE = 0.2  # seconds
_RESULT_PAUSE = 1.0
_RESULT_SHARE = 4  # drawing results may take a quarter of the time, not more


@dataclass(frozen=True)
class Listener:
    """Who is told: all are called in the worker thread."""

    message: Callable[[Progress], None]
    result: Callable[[Analysis], None]
    finished: Callable[[Any, BaseException | None, float], None]


class Job:
    """One run.

    Parameters
    ----------
    work : callable
        Called with ``progress`` and ``cancel``; returns its result.
    listener : Listener
        ``finished`` gets the result (None if there is none), the exception (None if it went well
        or was cancelled) and the seconds it took.
    clock : callable, optional
        Seconds that only go forward.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        listener: Listener,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self._work, self._listener, self._clock = work, listener, clock
        self._stage = ""
        self._next_message = self._next_result = float("-inf")
        self._waiting: Analysis | None = None
        self._lock, self._drawing = threading.Lock(), threading.Lock()
        self.thread = threading.Thread(target=self._run, name="modviz-run", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self.thread.start()

    def _run(self) -> None:
        started = self._clock()
        result: Any = None
        error: BaseException | None = None
        try:
            result = self._work(progress=self.report, cancel=self.cancelled)
        except Cancelled:
            result = self._waiting  # the last results, if they were not shown yet
        except BaseException as caught:  # noqa: BLE001  (shown to the user, whatever it is)
            error = caught
        try:
            self._listener.finished(result, error, self._clock() - started)
        finally:
            self.done.set()

    def report(self, progress: Progress) -> None:
        """Take one report of the run; may be called from several threads."""
        with self._lock:
            now = self._clock()
            if progress.analysis is not None:
                self._waiting = progress.analysis
            if progress.stage != self._stage or progress.done >= progress.total:
                self._next_message = now
            self._stage = progress.stage
            tell = now >= self._next_message
            if tell:
                self._next_message = now + _MESSAGE_PAUSE
        if tell:
            self._listener.message(progress)
        if self._drawing.acquire(blocking=False):  # one thread draws, the others go on working
            try:
                self._draw(now)
            finally:
                self._drawing.release()

    def _draw(self, now: float) -> None:
        with self._lock:
            if self._waiting is None or now < self._next_result:
                return
            newest, self._waiting = self._waiting, None
        self._listener.result(newest)
        after = self._clock()
        self._next_result = after + max(_RESULT_PAUSE, _RESULT_SHARE * (after - now))


def time_left(seconds: float | None) -> str:
    """An estimate in words: ``"about 40 s left"``; empty if there is none."""
    if seconds is None or not 0 <= seconds < math.inf:
        return ""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"
