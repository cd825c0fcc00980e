"""Explorers that follow each other: whoever holds one never waits for who holds the other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from modviz.core.analysis import Analysis
from modviz.widgets import Explorer


def test_two_that_follow_each_other_never_wait_for_each_other(
    make_analysis: Callable[..., Analysis],
) -> None:
    explorers = Explorer(make_analysis()), Explorer(make_analysis())
    keys = [s.key for s in explorers[0].analysis.subclusters]
    for one, other in (explorers, explorers[::-1]):
        one.observe(lambda change, other=other: other.set_trait("selected", change.new), "selected")
    inside = threading.Event(), threading.Event()

    def select(number: int) -> None:
        with explorers[number]._live.changes():
            inside[number].set()
            inside[1 - number].wait(0.5)  # with a lock for each both would be inside now
            explorers[number].selected = (keys[number],)

    threads = [threading.Thread(target=select, args=[n], daemon=True) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert explorers[0].selected == explorers[1].selected != ()
