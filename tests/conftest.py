"""What several test folders need: data and a browser, or a clear reason why they are missing.

A machine without them skips those tests. Where everything must be there (continuous integration, or
MODVIZ_REQUIRE_ALL=1) the same tests fail instead, so that nothing is skipped unseen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.networks import fetch

# the same examples on every machine: a test that fails fails for everybody
settings.register_profile("modviz", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("modviz")

DATA = Path(__file__).parent / "data"


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true" or os.environ.get("MODVIZ_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (required here: CI=true or MODVIZ_REQUIRE_ALL=1)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:  # for the servers and kernels of a session, too
        patch.setenv("MODVIZ_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def checkpoints(_checkpoints: Path) -> Iterator[Path]:
    """Where explorers record their runs: not in the user's cache, and empty before each test."""
    yield _checkpoints
    for run in _checkpoints.iterdir():
        shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder tests/data."""
    return DATA


@pytest.fixture(scope="session")
def fashion_mnist_folder() -> Path:
    """The folder with the four Fashion-MNIST files, or a skip."""
    folder = Path(os.environ.get("MODVIZ_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    if not list(folder.glob("t10k-images-idx3-ubyte*")):
        _missing(
            f"no Fashion-MNIST in {folder}: apt install dataset-fashion-mnist, or name a folder "
            "in MODVIZ_FASHION_MNIST"
        )
    return folder


@pytest.fixture(scope="session")
def networks_folder() -> Path:
    """The folder with real weights and photos, or a skip."""
    if not fetch.complete():
        _missing(f"no weights and photos in {fetch.FOLDER}: make fetch")
    return fetch.FOLDER


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A Chromium to drive, or a skip."""
    named = os.environ.get("MODVIZ_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found or not Path(found).exists():
        _missing("no chromium: apt install chromium, or name one in MODVIZ_CHROMIUM")
    return Path(str(found))
