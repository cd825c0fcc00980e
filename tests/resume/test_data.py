"""Data that fail in the middle, or come in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn
from torch.utils.data import DataLoader, Dataset

import modviz
from modviz.core.checkpoint import Folder, peek
from tests.resume.scenarios import DATA, QUICK, Stopped, fingerprint, stop_at


class Fragile(Dataset[Any]):
    """Fails at one image as long as it is told to."""

    def __init__(self, bad: int) -> None:
        self.bad, self.failing = bad, True

    def __len__(self) -> int:
        return len(DATA[1])

    def __getitem__(self, index: int) -> Any:
        if self.failing and index == self.bad:
            raise OSError(f"image {index} can't be read")
        return DATA[0][index], DATA[1][index]


def test_an_error_in_the_users_data_loses_nothing_finished(model: nn.Module, path: Path) -> None:
    options = QUICK | {"features": False, "support": False}
    expected = fingerprint(modviz.analyze(model, DataLoader(Fragile(-1), 32), **options))
    data = Fragile(250)
    with pytest.raises(OSError, match="image 250 can't be read"):
        modviz.analyze(model, DataLoader(data, 32), **options, checkpoint=path)
    seen = peek(path)
    assert seen is not None
    folder = Folder(path, {})
    (name,) = [name for name in seen.pieces if name.startswith("counts-")]
    stored = folder.read(name)
    folder.close()
    assert stored is not None
    assert stored.arrays["images"].sum() == 7 * 32  # every batch before that image
    data.failing = False
    again = modviz.analyze(model, DataLoader(data, 32), **options, checkpoint=path)
    assert fingerprint(again) == expected


class Shuffled(Dataset[Any]):
    """Another order at every pass, by random numbers that nobody seeds."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng()

    def __len__(self) -> int:
        return len(DATA[1])

    def __getitem__(self, index: int) -> Any:
        if index == 0:
            self.order = self.rng.permutation(len(self))
        return DATA[0][self.order[index]], DATA[1][self.order[index]]


def test_images_in_another_order_are_counted_anew(model: nn.Module, path: Path) -> None:
    options = QUICK | {"features": False, "support": False, "top_images": False}
    expected = modviz.analyze(model, DATA, **options)
    data = DataLoader(Shuffled(), 32)
    with pytest.raises(Stopped):
        modviz.analyze(model, data, **options | {"progress": stop_at("lesions")}, checkpoint=path)
    again = modviz.analyze(model, data, **options, checkpoint=path)
    assert again.table().equals(expected.table())
    assert again.provenance["data"] == expected.provenance["data"]
