"""Whatever is in the way of recording is said in words, and the run goes on without."""

from __future__ import annotations

import copy
import errno
from pathlib import Path
from typing import Any

import pytest

from modviz.core import checkpoint
from modviz.measure import kept
from tests.measure.small import Data
from tests.widgets.gates import ended, problem
from tests.widgets.recorded import (
    at_record,
    explored,
    going_on,
    offered,
    stopped,
    subject,
    trouble,
    whole,
)


@pytest.fixture
def given() -> tuple[Any, Data]:
    return subject()


def test_two_explorers_of_the_same_run_do_not_meet(
    given: tuple[Any, Data], checkpoints: Path
) -> None:
    model, data = given  # a model has one run at a time, so each has one of its own
    first, second = (explored(copy.deepcopy(model), data) for _ in range(2))

    def other() -> None:
        second.run()
        ended(second)

    with at_record("lesions", other):
        first.run()
        ended(first)
    assert (first.status, second.status) == ("complete", "complete")
    assert trouble(first) == ""
    assert trouble(second) == (
        "This run is not recorded: another one with the same settings is working, in this kernel "
        "or in another."
    )
    assert second.analysis.table().equals(first.analysis.table())
    second.run()
    ended(second)
    assert trouble(second) == ""


def test_a_run_that_is_refused_its_record_goes_on_without(
    given: tuple[Any, Data], checkpoints: Path
) -> None:
    whole(*given)
    (run,) = checkpoints.iterdir()
    text = (run / "identity.json").read_text()
    (run / "identity.json").write_text(text.replace('"n_controls": 19', '"n_controls": 20'))
    explorer = whole(*given)
    assert trouble(explorer).startswith("This run is not recorded: checkpoint='")
    assert "n_controls was 20, now 19" in trouble(explorer)
    (run / "identity.json").write_text("{")
    explorer.run()  # one so damaged is begun anew
    assert ended(explorer).status == "complete"
    assert trouble(explorer) == ""
    assert offered(explored(*given)) != ""


def test_a_place_that_cannot_be_written_is_named_in_words(
    given: tuple[Any, Data], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODVIZ_CHECKPOINTS", str(tmp_path / "file" / "below"))
    explorer = whole(*given)
    assert trouble(explorer) == (
        f"This run is not recorded: nothing can be written to {tmp_path / 'file' / 'below'} "
        "(Not a directory)."
    )
    assert going_on(explorer) == ""


def test_what_cannot_be_opened_just_now_is_not_deleted(
    given: tuple[Any, Data], checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(*given)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "locked", read_only)
        assert "Read-only file system" in trouble(whole(*given))
    assert "of the lesions" in offered(explored(*given))


def test_a_full_disk_is_said_and_the_run_goes_on(
    given: tuple[Any, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_archive", full)
    explorer = whole(*given)  # a warning of Python would be an error here
    assert trouble(explorer).startswith("The checkpoint '")
    assert "No space left on device); the work goes on without" in trouble(explorer)
    assert 'role="status"' in explorer._desk.bar.trouble.value


def test_a_model_that_cannot_be_read_fails_in_its_own_words_alone(given: tuple[Any, Data]) -> None:
    explorer = explored(*given)

    def out(*_: object) -> None:
        raise RuntimeError("the lamp went out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept.Kept, "reading", out)
        explorer.run()
        assert ended(explorer).status == "failed"
    assert "the lamp went out" in problem(explorer)
    assert trouble(explorer) == ""
    assert going_on(explorer) == ""
    explorer.run()
    assert ended(explorer).status == "complete"
