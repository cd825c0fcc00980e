"""Explorers record their runs by themselves: real runs, a small network, no browser."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from modviz.core import checkpoint
from modviz.core.estimates import Estimate
from modviz.measure import identity, silencing
from modviz.widgets import explore
from modviz.widgets.estimating import without
from modviz.widgets.shelf import Extent
from tests.measure.small import Data
from tests.widgets.gates import banner, ended, problem
from tests.widgets.recorded import (
    QUICK,
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


def test_a_run_that_was_cancelled_goes_on_where_it_stopped(
    given: tuple[Any, Data], checkpoints: Path
) -> None:
    explorer = stopped(*given)
    said = going_on(explorer)
    assert said.startswith("Run goes on from ")
    assert said.endswith(" % of the lesions")
    assert 0 < int(said.split()[4]) < 100
    controls = explorer._controls
    controls.n_clusters.value = 4  # of such a run nothing is recorded
    assert going_on(explorer) == ""
    controls.n_clusters.value = 3
    assert going_on(explorer) == said

    explorer.run()
    assert ended(explorer).status == "complete"
    unbroken = explorer.analysis.table()
    assert going_on(explorer) == ""
    assert len(list(checkpoints.iterdir())) == 1
    alone = explored(*given, checkpoint=False)
    alone.run()
    assert ended(alone).analysis.table().equals(unbroken)


def test_a_run_that_failed_goes_on_where_it_stopped(
    given: tuple[Any, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (images, labels) = given

    class Shaky(torch.utils.data.Dataset[Any]):
        broken = True

        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, k: int) -> Any:
            if self.broken and k == len(images) - 1 and recorded.is_set():
                raise OSError("the disk with the images is gone")
            return images[k], int(labels[k])

    monkeypatch.setattr(silencing.Engine, "batch_size", lambda *_: 40)
    data, recorded = Shaky(), threading.Event()
    explorer = explored(model, torch.utils.data.DataLoader(data, batch_size=40))
    with at_record("counts-", recorded.set):
        explorer.run()
        assert ended(explorer).status == "failed"
    assert "the disk with the images is gone" in problem(explorer)
    assert "of the lesions" in going_on(explorer)
    data.broken = False
    explorer.run()
    assert ended(explorer).status == "complete"
    assert explorer.analysis.table().equals(whole(model, given[1]).analysis.table())


def test_each_setting_has_a_folder_of_its_own(given: tuple[Any, Data], checkpoints: Path) -> None:
    explorer = whole(*given)
    (first,) = checkpoints.iterdir()
    explorer._controls.n_clusters.value = 2
    explorer.run()
    ended(explorer)
    assert len(list(checkpoints.iterdir())) == 2
    explorer._controls.n_clusters.value = 3
    explorer.run()  # known in this kernel, and recorded
    assert ended(explorer).status == "complete"
    assert len(list(checkpoints.iterdir())) == 2
    assert first.is_dir()


def test_what_is_saved_needs_no_record_any_more(
    given: tuple[Any, Data], checkpoints: Path, tmp_path: Path
) -> None:
    explorer = whole(*given)
    with pytest.raises(FileNotFoundError):
        explorer.save(tmp_path / "nowhere" / "x.modviz")
    assert len(list(checkpoints.iterdir())) == 1
    explorer.more_controls(n_controls=29)
    ended(explorer)
    assert len(list(checkpoints.iterdir())) == 1
    explorer._desk.files.name.value = str(tmp_path / "mine")
    explorer._desk.files.save.click()
    assert (tmp_path / "mine.modviz").is_file()
    assert list(checkpoints.iterdir()) == []
    assert trouble(explorer) == ""


def test_saving_part_of_a_run_keeps_the_record(
    given: tuple[Any, Data], checkpoints: Path, tmp_path: Path
) -> None:
    stopped(*given).save(tmp_path / "part.modviz")
    assert len(list(checkpoints.iterdir())) == 1


def test_nothing_is_recorded_if_it_is_off(given: tuple[Any, Data], checkpoints: Path) -> None:
    explorer = whole(*given, checkpoint=False)
    assert list(checkpoints.iterdir()) == []
    assert explorer.settings()["checkpoint"] is False
    assert "checkpoint" not in explorer.code()


def test_runs_are_recorded_where_one_says(
    given: tuple[Any, Data], checkpoints: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "runs"
    explorer = stopped(*given, checkpoint=folder)
    assert list(checkpoints.iterdir()) == []
    (run,) = folder.iterdir()
    assert checkpoint.peek(run) is not None
    assert explorer.settings()["checkpoint"] is folder
    assert "checkpoint" not in explorer._commands.settings()  # of modviz.analyze
    assert offered(explored(*given)) == ""
    assert offered(explored(*given, checkpoint=str(folder))) != ""


def test_settings_and_code_know_nothing_of_it(given: tuple[Any, Data]) -> None:
    explorer = whole(*given)
    assert "checkpoint" not in explorer.settings()
    assert "checkpoint" not in explorer.code()
    assert "checkpoint" not in explorer.analysis.settings
    assert banner(explorer) == ""


def test_nothing_is_read_while_there_is_nothing_to_find(
    given: tuple[Any, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    original = identity.Digests.of

    def of(*about: Any) -> Any:
        asked.append(about)
        return original(*about)

    monkeypatch.setattr(identity.Digests, "of", of)
    explored(*given)
    assert asked == []
    stopped(*given)
    assert len(asked) == 1  # for the run
    explored(*given)
    assert len(asked) == 2  # once for all that may be found
    explore(given[0], given[1], **QUICK, checkpoint=False)
    assert len(asked) == 2


def test_an_estimate_leaves_out_what_is_recorded(
    given: tuple[Any, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"graph": 1.0, "lesions": 8.0, "images": 2.0, "features": 4.0}
    estimate = Estimate.of_stages(stages, 10)
    assert without(estimate, None) is estimate
    part = Extent(("lesions", "images", "features"), frozenset(), lesions=0.75)
    assert without(estimate, part).stages == stages | {"lesions": 2.0}
    done = Extent(("lesions", "images", "features"), frozenset({"lesions", "images"}), 0.5)
    assert without(estimate, done).seconds == 5.0
    assert without(estimate, done).memory == 10

    explorer = stopped(*given)
    monkeypatch.setattr("modviz.widgets.estimating.measured", lambda *_, **__: estimate)
    outlook = explorer._commands._outlook
    found = outlook._measure()
    share = 1 - found.stages["lesions"] / 8
    assert 0 < share < 1
    assert found.stages["features"] == 4.0
    explorer._controls.n_controls.value = 18  # another run
    assert outlook._measure() is estimate
    explorer._controls.n_controls.value = 19
    with torch.no_grad():
        given[0].fc1.bias.add_(0.0)  # another model, as far as can be seen at once
    assert outlook._measure() is estimate
