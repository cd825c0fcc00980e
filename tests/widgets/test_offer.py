"""When an explorer offers earlier runs and when not, and how one gets rid of them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import modviz
from modviz.core.checkpoint import Folder
from modviz.measure import identity
from modviz.widgets import explore
from modviz.widgets.recording import EarlierRun
from modviz.widgets.shelf import Extent
from tests.measure.small import Data
from tests.widgets.gates import DATA, Gate, Make, ended, problem
from tests.widgets.recorded import (
    FULL,
    QUICK,
    buttons,
    earlier_run,
    explored,
    offered,
    stopped,
    subject,
)


@pytest.fixture
def given() -> tuple[Any, Data]:
    return subject()


@pytest.fixture
def plain(given: tuple[Any, Data]) -> modviz.Analysis:
    """The analysis of a run of one piece, without a widget."""
    return modviz.analyze(*given, **QUICK, progress=False)


def test_discard_asks_once_more(given: tuple[Any, Data], checkpoints: Path) -> None:
    stopped(*given, seed=5)
    stopped(*given)
    explorer = explored(*given)
    offer = explorer._desk.offer
    offer.discard.click()
    assert buttons(explorer) == ["Resume", "Discard for good"]
    offer.which.index = 1  # it was not about this one
    assert buttons(explorer) == ["Resume", "Discard"]
    offer.discard.click()
    offer.discard.click()
    assert len(list(checkpoints.iterdir())) == 1
    assert "seed 0 stopped at" in offered(explorer)
    assert buttons(explorer) == ["Resume", "Discard"]
    offer.discard.click()
    offer.discard.click()
    assert list(checkpoints.iterdir()) == []
    assert offered(explorer) == ""
    assert problem(explorer) == ""
    assert offered(explored(*given)) == ""


def test_a_run_that_somebody_goes_on_with_cannot_be_discarded(
    given: tuple[Any, Data], checkpoints: Path
) -> None:
    stopped(*given)
    explorer = explored(*given)
    (path,) = checkpoints.iterdir()
    held = Folder(path, {})
    assert offered(explored(*given)) == ""  # nor is it offered
    explorer._desk.offer.discard.click()
    explorer._desk.offer.discard.click()
    assert "somebody goes on with this run right now" in problem(explorer)
    assert offered(explorer) != ""
    held.close()
    assert path.is_dir()


def test_the_offer_goes_when_there_is_something_to_show(
    given: tuple[Any, Data], plain: modviz.Analysis
) -> None:
    stopped(*given)
    explorer = explored(*given)
    assert offered(explorer) != ""
    explorer.analysis = plain
    assert offered(explorer) == ""


def test_a_run_of_its_own_takes_the_offer_away(given: tuple[Any, Data]) -> None:
    stopped(*given)
    explorer = explored(*given, seed=9)
    explorer.run()
    assert offered(explorer) == ""
    explorer._commands.cancel()
    ended(explorer)
    assert offered(explorer) == ""
    with pytest.raises(RuntimeError, match="no earlier run is offered"):
        explorer._commands.resume()


# ------------------------------------------------------------------ looking for it


def test_an_explorer_is_there_before_the_offer(
    given: tuple[Any, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(*given)
    reached, opened, of = threading.Event(), threading.Event(), identity.Digests.of

    def slow(*about: Any) -> Any:
        reached.set()
        assert opened.wait(20)
        return of(*about)

    monkeypatch.setattr(identity.Digests, "of", slow)
    explorer = explore(*given, **QUICK)
    assert reached.wait(20)
    assert offered(explorer) == ""
    opened.set()
    explorer._commands._search.thread.join(20)
    assert offered(explorer) != ""


def test_an_offer_that_comes_too_late_is_none(
    runs: Any, model: Any, make_analysis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is a stand-in here: what is tested is who comes first."""
    found, opened = earlier_run(Extent(FULL, frozenset())), threading.Event()

    def earlier(*_: object) -> list[EarlierRun]:
        assert opened.wait(20)
        return [found]

    monkeypatch.setattr("modviz.widgets.recording.Recorder.earlier", earlier)
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    search = explorer._commands._search
    explorer.run()
    opened.set()
    search.thread.join(20)
    assert offered(explorer) == ""
    gate.opened.set()
    assert offered(ended(explorer)) == ""


def test_what_goes_wrong_in_looking_stays_there(
    given: tuple[Any, Data], checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(*given)

    def broken(*_: object) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(identity.Digests, "of", broken)
        assert offered(explored(*given)) == ""
    (path,) = checkpoints.iterdir()
    foreign = {"format": "modviz checkpoint", "version": 1, "identity": {"model": 3}}
    (path / "identity.json").write_text(json.dumps(foreign))
    assert offered(explored(*given)) == ""


def test_a_saved_analysis_looks_for_nothing(
    plain: modviz.Analysis, given: tuple[Any, Data]
) -> None:
    stopped(*given)
    explorer = explore(plain)
    assert explorer._commands._search is None
    assert explorer._desk.offer.block not in explorer.children
