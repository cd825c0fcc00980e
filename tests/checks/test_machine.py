"""Checks of the machine, told what it has."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from modviz.checks import machine
from modviz.core.machine import free_bytes, processors

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "verdict", "said"),
    [
        (0.3 * GIB, "will not work", "0.3 GB free"),
        (1.0 * GIB, "warning", "small networks"),
        (3.0 * GIB, "fine", "a VGG-16 needs about 5 GB"),
        (16 * GIB, "fine", "16.0 GB free"),
        (None, "warning", "does not say"),
    ],
)
def test_memory_is_compared_with_what_networks_need(free, verdict, said):
    found = machine.memory(None if free is None else int(free))
    assert found.verdict == verdict
    assert said in found.words
    assert ("VGG" in found.words) == (free == 3.0 * GIB)


def test_cores_are_counted():
    assert machine.cores(8).words == "8 cores"
    assert machine.cores(1).words.startswith("1 core:")


def fake_torch(*, gpus: int = 0, mps: bool = False) -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_available=lambda: gpus > 0,
        device_count=lambda: gpus,
        mem_get_info=lambda index: (40 * GIB, 80 * GIB),
        get_device_name=lambda index: f"GPU {index}",
    )
    backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps))
    return SimpleNamespace(cuda=cuda, backends=backends)


def test_accelerators_are_named():
    assert machine.accelerators(fake_torch()).words.startswith("none")
    assert "GPU 1 (cuda:1, 40 GB free)" in machine.accelerators(fake_torch(gpus=2)).words
    assert "Apple GPU" in machine.accelerators(fake_torch(mps=True)).words
    assert machine.accelerators(None).verdict == "fine"


def test_a_folder_that_cannot_be_written_to_is_a_warning(tmp_path):
    assert machine.folder(tmp_path).verdict == "fine"
    assert list(tmp_path.iterdir()) == []
    found = machine.folder(tmp_path / "missing")
    assert found.verdict == "warning"
    assert "Save and Report fail" in found.words


def test_this_machine_has_processors_and_memory():
    assert 1 <= processors() <= os.cpu_count()
    free = free_bytes()
    assert free is not None
    assert 2**20 < free < 2**50
