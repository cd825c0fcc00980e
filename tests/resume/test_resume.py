"""What a checkpoint holds is taken over, whatever ended the run before."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modviz
from modviz.core import files
from modviz.core.checkpoint import Folder, peek
from modviz.measure import counting
from modviz.measure.kept import Kept
from tests.resume.scenarios import DATA, QUICK, Stopped, fingerprint, stop_at


def test_a_checkpoint_changes_no_result(model: nn.Module, path: Path, whole: str) -> None:
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_what_is_finished_is_not_done_again(
    model: nn.Module, path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    stages = "count_right", "measure_top_images", "measure_features", "measure_support"
    for module, name in zip(("lesion", "stages", "stages", "stages"), stages, strict=True):

        def never(*_: Any, name: str = name, **__: Any) -> None:
            raise AssertionError(f"{name} was called")

        monkeypatch.setattr(f"modviz.measure.{module}.{name}", never)
    told: list[str] = []
    again = modviz.analyze(
        model,
        DATA,
        **QUICK | {"progress": lambda progress: told.append(progress.message)},
        checkpoint=path,
    )
    assert fingerprint(again) == whole
    assert "lesions: taken from the checkpoint" in told


@pytest.mark.parametrize("stage", ["partition", "lesions", "images", "features", "support"])
def test_a_run_that_failed_in_any_stage_goes_on(
    stage: str, model: nn.Module, path: Path, whole: str
) -> None:
    share = 0.5 if stage in ("lesions", "features") else 0.0
    with pytest.raises(Stopped):
        modviz.analyze(model, DATA, **QUICK | {"progress": stop_at(stage, share)}, checkpoint=path)
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_lesions_go_on_in_the_middle_of_a_batch(
    model: nn.Module, path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    shared = counting.shared

    def counted(*given: Any) -> Iterator[Any]:
        for outcome in shared(*given):
            yield outcome
            done.append(len(outcome.right))
            if len(done) == 5:
                raise Stopped

    # one lesion a task, so that a batch consists of many
    monkeypatch.setattr("modviz.measure.answers._TASK_BYTES", 1)
    monkeypatch.setattr(counting, "shared", counted)
    with pytest.raises(Stopped):
        modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    monkeypatch.setattr(counting, "shared", shared)
    recorded = Folder(path, {})
    (name,) = [name for name in recorded.names() if name.startswith("counts-")]
    stored = recorded.read(name)
    recorded.close()
    assert stored is not None
    assert stored.arrays["running/have"].sum() == sum(done) > 0
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_damaged_pieces_are_done_again(model: nn.Module, path: Path, whole: str) -> None:
    modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    pieces = sorted(path.glob("*.piece"))
    assert {piece.stem for piece in pieces} >= {"partition", "lesions", "images", "features"}
    for k, piece in enumerate(pieces):
        content = bytearray(piece.read_bytes())
        content[len(content) // 2] ^= 0xFF
        piece.write_bytes(content[: len(content) // 2] if k % 2 else content)
    with pytest.warns(UserWarning, match="can't be read and its work is done again"):
        analysis = modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    assert fingerprint(analysis) == whole
    with warnings.catch_warnings():  # mended by that run
        warnings.simplefilter("error")
        assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_workers_and_limits_of_memory_may_change(model: nn.Module, path: Path, whole: str) -> None:
    options = QUICK | {"progress": stop_at("features"), "workers": 1}
    with pytest.raises(Stopped):
        modviz.analyze(model, DATA, **options, checkpoint=path)
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_less_memory_than_before_is_kept_to(
    model: nn.Module, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = QUICK | {"features": False, "support": False}
    expected = modviz.analyze(model, DATA, **options)
    stopping = options | {"progress": stop_at("lesions", 0.3)}
    with pytest.raises(Stopped):
        modviz.analyze(model, DATA, **stopping, checkpoint=path)
    sizes: list[int] = []
    intact = counting.Engine.intact

    def noted(self: Any, images: torch.Tensor, labels: torch.Tensor) -> Any:
        sizes.append(len(images))
        return intact(self, images, labels)

    monkeypatch.setattr(counting.Engine, "intact", noted)
    monkeypatch.setattr(counting.Engine, "batch_size", lambda *_: 10)
    again = modviz.analyze(model, DATA, **options, checkpoint=path)
    assert again.table().equals(expected.table())
    assert sizes
    assert max(sizes) <= 10


def test_an_executors_work_is_recorded(model: nn.Module, path: Path, whole: str) -> None:
    with ThreadPoolExecutor(2) as executor:
        options = QUICK | {"executor": executor}
        stopping = options | {"progress": stop_at("features")}
        with pytest.raises(Stopped):
            modviz.analyze(model, DATA, **stopping, checkpoint=path)
        assert fingerprint(modviz.analyze(model, DATA, **options, checkpoint=path)) == whole


def test_a_cancelled_run_goes_on(model: nn.Module, path: Path, whole: str) -> None:
    cancel = threading.Event()

    def look(progress: modviz.Progress) -> None:
        if progress.stage == "lesions" and progress.done:
            cancel.set()

    part = modviz.analyze(model, DATA, **QUICK | {"progress": look}, cancel=cancel, checkpoint=path)
    assert part.status == "cancelled"
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole


def test_what_the_process_kept_goes_into_the_checkpoint(
    model: nn.Module, path: Path, whole: str
) -> None:
    kept = Kept()
    modviz.analyze(model, DATA, **QUICK, kept=kept)
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, kept=kept, checkpoint=path)) == whole
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole
    seen = peek(path)
    assert seen is not None
    assert {"partition", "lesions", "images", "features", "support"} <= set(seen.pieces)


def test_a_full_disk_ends_no_run(
    model: nn.Module, path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        modviz.analyze(model, DATA, **QUICK | {"progress": stop_at("features")}, checkpoint=path)
    before = {file.name: file.read_bytes() for file in path.glob("*.piece")}
    full = OSError(28, "No space left on device")

    def no_room(_: int) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_room)
        with pytest.warns(
            RuntimeWarning, match="No space left on device.*the work goes on"
        ) as told:
            analysis = modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    assert len([w for w in told if w.category is RuntimeWarning]) == 1
    assert fingerprint(analysis) == whole
    assert {file.name: file.read_bytes() for file in path.glob("*.piece")} == before
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole
