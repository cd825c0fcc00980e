"""Work whose steps a test decides, and what it reads of an explorer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from modviz.core.analysis import Analysis
from modviz.core.progress import Cancelled, Progress
from modviz.widgets import Explorer

Make = Callable[..., Analysis]
DATA = "images and labels"


def report(stage: Any, done: int, total: int, analysis: Analysis | None = None) -> Progress:
    return Progress(stage, done, total, f"{stage}: {done} of {total}", 12.4, analysis)


class Gate:
    """Work that shows `partial`, waits to be let through, and then ends as told."""

    def __init__(self, partial: Analysis | None, end: Callable[[], Any]) -> None:
        self.partial, self.end = partial, end
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, progress: Any, cancel: threading.Event) -> Any:
        progress(report("lesions", 3, 12, self.partial))
        self.reached.set()
        assert self.opened.wait(20)
        if cancel.is_set() and self.partial is None:
            raise Cancelled
        return self.end()


def ended(explorer: Explorer) -> Explorer:
    assert explorer.wait(20)
    return explorer


def describe(explorer: Explorer) -> str:
    return str(explorer._desk.panels.announcement)


def problem(explorer: Explorer) -> str:
    return str(explorer._problem.block.value)


def banner(explorer: Explorer) -> str:
    """The words of the banner, without their element."""
    value = str(explorer._desk.banner.value)
    assert value.startswith('<div role="status">')
    return value.removeprefix('<div role="status">').removesuffix("</div>")
