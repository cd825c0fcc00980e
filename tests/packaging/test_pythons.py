"""Other versions of Python: the wheel in a clean environment, and the tests that need no torch."""

from __future__ import annotations

import sys
import tarfile
import tomllib

import pytest

from tests.packaging.environments import ROOT, clean, interpreter

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

#: All that modviz is for, but the one that runs these tests.
VERSIONS = [v for v in ("3.11", "3.12", "3.13") if v != f"3.{sys.version_info.minor}"]

#: Tests of what a saved analysis needs.
FOLDERS = ("tests/core", "tests/view", "tests/checks")
#: Tests in these folders that need more: torch for a planted network, JupyterLab for the doctor.
NOT = (
    "tests/core/test_partition.py::test_modules_planted_in_a_network_are_found",
    "tests/checks/test_doctor.py::test_the_doctor_looks_at_everything_and_finds_nothing_wrong_here",
)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_needs_no_torch_works_with(version, distributions, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here; MODVIZ_PYTHONS may name one")
    made = clean(tmp_path / "env", python)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = ("pytest==", "hypothesis==", "jsonschema==")
    pinned = [line for line in tools["dependency-groups"]["dev"] if line.startswith(wanted)]
    made.run(
        *(made.python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"),
        *(distributions.wheel, *pinned),
        cwd=tmp_path,
    )
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    (source / "modviz").rename(tmp_path / "not-this-one")  # the tests see the wheel
    left_out = [f"--deselect={test}" for test in NOT]
    command = (made.python, "-m", "pytest", "-q", *FOLDERS, *left_out)
    done = made.run(*command, cwd=source, check=False)
    print(f"Python {version}: {done.stdout.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-5000:]
