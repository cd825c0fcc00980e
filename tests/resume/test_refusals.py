"""Checkpoints of other work, and places that are none, are refused and left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modviz
from modviz import CheckpointError
from modviz.core.checkpoint import Folder
from tests.measure.small import tiny_cnn
from tests.resume.scenarios import DATA, QUICK, Stopped, fingerprint, stop_at


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_clusters": 4}, "n_clusters was 3, now 4"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"lesion": "mean"}, "lesion was 'zero', now 'mean'"),
        ({"layers": ("fc1", "fc2")}, r"layers was None, now \('fc1', 'fc2'\)"),
        ({"preprocess": nn.functional.relu}, "preprocess differs"),
        ({"class_names": list("abcd")}, "class_names differ"),
    ],
)
def test_other_settings_are_refused_with_what_differs(
    change: dict[str, Any], words: str, model: nn.Module, path: Path
) -> None:
    options = QUICK | {"features": False, "support": False}
    before = modviz.analyze(model, DATA, **options, checkpoint=path)
    with pytest.raises(CheckpointError, match=words):
        modviz.analyze(model, DATA, **options | change, checkpoint=path)
    # and what was there still stands
    again = modviz.analyze(model, DATA, **options, checkpoint=path)
    assert fingerprint(again) == fingerprint(before)


def test_another_model_or_other_data_are_refused(path: Path) -> None:
    options = QUICK | {"features": False, "support": False, "checkpoint": path}
    model = tiny_cnn()
    modviz.analyze(model, DATA, **options)
    with torch.no_grad():
        model.bn1.running_mean[0] += 1
    with pytest.raises(CheckpointError, match=r"1 of the model's .* differ \(bn1.running_mean\)"):
        modviz.analyze(model, DATA, **options)
    with torch.no_grad():
        model.bn1.running_mean[0] -= 1
    model.bn1.eps = 0.1
    with pytest.raises(CheckpointError, match="modules, their settings"):
        modviz.analyze(model, DATA, **options)
    with pytest.raises(CheckpointError, match="was a Sequential, now it is a "):
        modviz.analyze(Wrapped(model), DATA, **options)
    model = tiny_cnn()
    other = DATA[0].clone()
    other[7, 0, 0, 0] += 1e-3
    with pytest.raises(CheckpointError, match="the data hold other images"):
        modviz.analyze(model, (other, DATA[1]), **options)
    with pytest.raises(CheckpointError, match="300 images, now 299"):
        modviz.analyze(model, (DATA[0][:-1], DATA[1][:-1]), **options)
    # in another order they are the same data
    modviz.analyze(model, (DATA[0].flip(0), DATA[1].flip(0)), **options)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_a_partition_of_ones_own_belongs_to_what_is_compared(model: nn.Module, path: Path) -> None:
    options = QUICK | {"features": False, "checkpoint": path}
    graph = modviz.weight_graph(model, DATA[0][:2])
    one, two = (modviz.spectral_partition(graph, 3, seed=seed) for seed in (0, 1))
    labels = two.labels.copy()
    labels[0] = (labels[0] + 1) % 3
    modviz.analyze(model, DATA, **options, partition=one)
    other = modviz.Partition(labels, 3, graph)
    with pytest.raises(CheckpointError, match="partition differs"):
        modviz.analyze(model, DATA, **options, partition=other)


def test_other_versions_are_told_but_not_refused(
    model: nn.Module, path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(modviz, "__version__", "0.0.9")
        options = QUICK | {"progress": stop_at("features")}
        with pytest.raises(Stopped):
            modviz.analyze(model, DATA, **options, checkpoint=path)
    with pytest.warns(UserWarning, match=r"modviz 0\.0\.9 -> "):
        analysis = modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    assert fingerprint(analysis) == whole


@pytest.mark.parametrize("content", ["file", "foreign", "damaged", "newer", "nowhere"])
def test_a_place_that_is_no_checkpoint_is_refused_and_left_alone(
    content: str, model: nn.Module, path: Path
) -> None:
    note = path / "note.txt"
    error, words = CheckpointError, "is a file"
    if content == "file":
        path.write_text("mine")
    elif content == "foreign":
        path.mkdir()
        note.write_text("mine")
        words = "other things in it"
    elif content == "nowhere":
        path, error, words = path / "deeper", FileNotFoundError, "make it first"
    else:
        path.mkdir()
        wrong = "{" if content == "damaged" else '{"format": "modviz checkpoint", "version": 9}'
        (path / "identity.json").write_text(wrong)
        words = "damaged" if content == "damaged" else "version 9"
    with pytest.raises(error, match=words):
        modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    if content == "file":
        assert path.read_text() == "mine"
    if content == "foreign":
        assert [file.name for file in path.iterdir()] == ["note.txt"]
    with pytest.raises(TypeError, match="checkpoint is int; expected the name of a folder"):
        modviz.analyze(model, DATA, **QUICK, checkpoint=3)


def test_two_runs_cannot_share_a_checkpoint(model: nn.Module, path: Path, whole: str) -> None:
    identity = Folder(path, {})  # held open, as by another run
    with pytest.raises(CheckpointError, match="in use by another run"):
        modviz.analyze(model, DATA, **QUICK, checkpoint=path)
    identity.close()
    for file in path.iterdir():
        file.unlink()
    assert fingerprint(modviz.analyze(model, DATA, **QUICK, checkpoint=path)) == whole
