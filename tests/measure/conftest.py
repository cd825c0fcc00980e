"""Fixtures that the tests of measure/ share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tests.measure.small import Data, four_by_four, tiny_cnn, tiny_mlp, trained


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
