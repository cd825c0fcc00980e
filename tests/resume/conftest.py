"""A small network, and what an analysis of it gives that was never interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

import modviz
from modviz.core import checkpoint as folders
from tests.measure.small import tiny_mlp, trained
from tests.resume.scenarios import DATA, QUICK, fingerprint


@pytest.fixture(autouse=True)
def records_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "EVERY", 0.0)
    monkeypatch.setattr(folders, "_TAKEN", 1e9)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return trained(tiny_mlp(), DATA)


@pytest.fixture(scope="module")
def whole(model: nn.Module) -> str:
    return fingerprint(modviz.analyze(model, DATA, **QUICK))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run"
