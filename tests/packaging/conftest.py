"""Wheel and source archive, environments to install them into, and bundles to open there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packaging.environments import ROOT, Environment, borrowed, clean, interpreter
from tests.packaging.large import largest_bundle


class Distributions(NamedTuple):
    """What is uploaded to a package index."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Wheel and source archive of this tree, built by its build backend."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with all packages of this one but modviz."""
    return borrowed(tmp_path_factory.mktemp("beside") / "env")


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What Binder's light variant installs, in a clean environment, by its own script.

    Of the Python that Binder takes, or else of the one that runs the tests.
    """
    wanted = (ROOT / "binder/light/environment.yml").read_text(encoding="utf-8")
    version = re.findall(r"python=(3\.\d+)", wanted)[0]
    python = interpreter(version) or Path(sys.executable)
    made = clean(tmp_path_factory.mktemp("light") / "env", python)
    done = made.run(ROOT / "binder/light/postBuild", cwd=ROOT)
    assert "without torch" in done.stdout
    return made


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What Binder's full variant installs, by its own script; PyTorch was there before."""
    made = borrowed(tmp_path_factory.mktemp("full") / "env")
    done = made.run(ROOT / "binder/postBuild", cwd=ROOT)
    assert "layers read" in done.stdout
    return made


@pytest.fixture(scope="session")
def vgg16_bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle as large as that of VGG-16, written by another process: its memory is not ours."""
    path = tmp_path_factory.mktemp("bundles") / "vgg16.modviz"
    code = "import sys\nfrom tests.packaging.large import vgg16\nvgg16().save(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, check=True)
    yield path
    path.unlink()


@pytest.fixture(scope="session", params=["repository", "vgg16"])
def any_bundle(request: pytest.FixtureRequest) -> Path:
    """The largest bundle of the repository, and one as large as that of VGG-16."""
    if request.param == "repository":
        return largest_bundle()
    return Path(request.getfixturevalue("vgg16_bundle"))
