"""Wheel and source archive: what is in them, and that what is in them works without the rest."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import modviz
from tests.packaging.environments import ROOT, Environment
from tests.packaging.large import largest_bundle

#: Opens a bundle, reports it, and says which modviz did.
OPEN = """
import sys
import modviz
analysis = modviz.load(sys.argv[1])
modviz.report(analysis, "report.html")
print(modviz.__file__, modviz.__version__, len(analysis.table()))
"""


def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sdist_files(sdist: Path) -> set[str]:
    """Names in a source archive below its one folder."""
    with tarfile.open(sdist) as archive:
        names = [PurePosixPath(name) for name in archive.getnames()]
    assert len({name.parts[0] for name in names}) == 1
    return {str(PurePosixPath(*name.parts[1:])) for name in names}


def package_files() -> set[str]:
    """Files of the package that git knows or would take: caches and lint settings are none."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "modviz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return {name for name in found if not name.endswith("ruff.toml")}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="asks git which files there are")
def test_the_wheel_holds_the_package_and_nothing_else(distributions):
    files = wheel_files(distributions.wheel)
    package = {name for name in files if ".dist-info/" not in name}
    assert package == package_files()
    assert "modviz/py.typed" in package
    assert {PurePosixPath(name).suffix for name in package} >= {".py", ".js", ".css"}


def test_the_wheel_says_what_it_is(distributions):
    assert distributions.wheel.name == f"modviz_nn-{modviz.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(distributions.wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        about = archive.read(name).decode()
        (scripts,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "modviz = modviz.__main__:main" in archive.read(scripts).decode()
    assert f"\nVersion: {modviz.__version__}\n" in about
    assert "\nName: modviz-nn\n" in about
    # what a saved analysis needs is light: torch comes with an extra only
    needed = re.findall(r"^Requires-Dist: (\S+?)[<>=;\[].*", about, re.MULTILINE)
    always = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", about, re.MULTILINE)
    assert {"torch", "torch-lucent", "voila", "distributed"} <= {n.rstrip(";") for n in needed}
    assert "numpy" in always
    assert not [name for name in always if "torch" in name or name in {"voila", "distributed"}]


def test_the_source_archive_holds_what_the_tests_need(distributions):
    files = sdist_files(distributions.sdist)
    assert wheel_files(distributions.wheel) - files <= {
        name for name in wheel_files(distributions.wheel) if ".dist-info/" in name
    }
    top = {"pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE"}
    assert top | {"CHANGELOG.md", "CITATION.cff", "docs/explorer.png", "binder/postBuild"} <= files
    for folder, suffix in (("tests", ".py"), ("notebooks", ".ipynb"), ("benchmarks", ".py")):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*{suffix}")}
        assert {name for name in here if "checkpoints" not in name} <= files
    bundles = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/data").rglob("*.*")}
    assert bundles <= files  # samples of old formats too, though git ignores other bundles
    size = sum(1 for name in files if name.startswith("docs/pictures"))
    assert size == 0


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="asks git what it ignores")
def test_bundles_that_belong_to_the_repository_are_not_ignored():
    for folder in ("tests/data/bundles", "notebooks/bundles"):
        done = subprocess.run(
            ["git", "check-ignore", "-q", f"{folder}/x.modviz"], cwd=ROOT, check=False
        )
        assert done.returncode == 1, f"{folder}/*.modviz would not be committed: see .gitignore"


def test_a_wheel_from_the_source_archive_is_the_same(distributions, tmp_path):
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (again,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(distributions.wheel) as other:
        assert one.namelist() == other.namelist()
        for name in one.namelist():
            assert one.read(name) == other.read(name), name


def installed_works(environment: Environment, what: Path, cwd: Path) -> None:
    """Install a distribution; look at the doctor, open a bundle and report it."""
    python = environment.python
    environment.run(
        *(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", what),
        cwd=cwd,
    )
    said = environment.run("modviz", "doctor", cwd=cwd).stdout
    assert "will not work" not in said
    done = environment.run(python, "-c", OPEN, largest_bundle(), cwd=cwd)
    file, version, rows = done.stdout.split()
    assert Path(file).is_relative_to(environment.folder)  # and not the repository
    assert version == modviz.__version__
    assert int(rows) == len(modviz.load(largest_bundle()).table())
    assert (cwd / "report.html").stat().st_size > 1_000_000


def test_the_wheel_works_beside_the_packages_of_this_environment(distributions, beside, tmp_path):
    installed_works(beside, distributions.wheel, tmp_path)


@pytest.mark.packaging
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_distributions_work_in_a_clean_environment(distributions, light, tmp_path, kind):
    installed_works(light, getattr(distributions, kind), tmp_path)
