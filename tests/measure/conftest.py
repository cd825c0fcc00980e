"""Fixtures that the tests of measure/ share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.measure.small import Data, four_by_four, tiny_cnn, tiny_mlp, trained


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks here are small: threads cost more than they bring, above all on a busy machine.

    Tests with workers of their own still get them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def official(data_folder: Path) -> dict[str, Any]:
    """Inputs and outputs of the authors' functions; see tests/data/README.md."""
    return json.loads((data_folder / "official.json").read_text())


@pytest.fixture(scope="session")
def data() -> Data:
    return four_by_four()


@pytest.fixture(params=[tiny_mlp, tiny_cnn], ids=["mlp", "cnn"])
def model(request: pytest.FixtureRequest, data: Data) -> nn.Module:
    made: Callable[[], nn.Module] = request.param
    return trained(made(), data, steps=60)
