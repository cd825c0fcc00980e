"""Tells whoever waits how far an analysis is: a progress bar, a callback, or nobody."""

from __future__ import annotations

import time
from typing import Any

from tqdm.auto import tqdm

from modviz.core.analysis import Analysis
from modviz.core.progress import Progress, ProgressCallback, Stage


class Reporter:
    """Progress of the stages, to a bar, to a callback, or to nobody."""

    def __init__(self, progress: bool | ProgressCallback) -> None:
        self._callback = progress if callable(progress) else None
        self._bar: tqdm[Any] | None = None
        self._wants_bar = progress is True
        self._stage: Stage = "reading"
        self._message = ""
        self._latest = (0, 0)  # done and total, as last reported
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._move_bar(*self._latest)  # the last reports may have come too soon to be told
            self._bar.close()
            self._bar = None
        self._latest = (0, 0)

    def start(self, stage: Stage, message: str) -> None:
        """A new stage begins."""
        self._stage, self._message = stage, message
        self._began = time.monotonic()
        self._close_bar()
        if self._wants_bar and stage in (
            "lesions",
            "images",
            "features",
            "support",
            "interactions",
        ):
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} so far, {remaining} left"
            self._bar = tqdm(desc=message, total=1, bar_format=form)
        self._tell(0, 0, None)

    def advance(self, done: int, total: int) -> None:
        """Some work of this stage is done; told on at most five times a second."""
        self._latest = (done, total)
        if time.monotonic() - self._told > 0.2:
            self._tell(done, total, None)

    def show(self, analysis: Analysis, done: int = 0, total: int = 0) -> None:
        """There are new results."""
        self._latest = (done, total)
        self._tell(done, total, analysis)

    def _move_bar(self, done: int, total: int) -> None:
        if self._bar is not None and total:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def _tell(self, done: int, total: int, analysis: Analysis | None) -> None:
        self._told = time.monotonic()
        self._move_bar(done, total)
        if self._callback is not None:
            elapsed = self._told - self._began
            left = elapsed * (total - done) / done if 0 < done <= total else None
            self._callback(Progress(self._stage, done, total, self._message, left, analysis))
