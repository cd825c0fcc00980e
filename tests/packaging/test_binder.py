"""What Binder reads: files that parse, scripts that stop at errors, one list of versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VARIANTS = pytest.mark.parametrize("folder", ["binder", "binder/light"])


def environment(folder: str) -> dict[str, Any]:
    """The conda environment of a variant."""
    return yaml.safe_load((ROOT / folder / "environment.yml").read_text(encoding="utf-8"))


@VARIANTS
def test_the_environment_is_one_that_conda_and_repo2docker_understand(folder):
    wanted = environment(folder)
    assert wanted["channels"] == ["conda-forge", "nodefaults"]
    dependencies = wanted["dependencies"]
    assert all(isinstance(line, str) for line in dependencies)  # pip's are in postBuild
    (python,) = [line for line in dependencies if line.startswith("python")]
    version = re.fullmatch(r"python=(3\.\d+)", python)  # repo2docker reads no other form
    assert version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    assert tuple(map(int, version[1].split("."))) >= tuple(map(int, lowest.split(".")))
    assert any(line.startswith("pip") for line in dependencies)


def test_only_the_full_variant_has_torch_and_that_for_the_processor():
    full = environment("binder")["dependencies"]
    assert [line for line in full if "torch" in line] == ["pytorch-cpu>=2.5", "torchvision"]
    assert not [line for line in environment("binder/light")["dependencies"] if "torch" in line]
    # the bound is that of the extra
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "torch>=2.5" in project["optional-dependencies"]["torch"]


@VARIANTS
def test_the_script_stops_at_the_first_error(folder):
    script = ROOT / folder / "postBuild"
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/bin/bash"
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"


@pytest.mark.parametrize("script", ["postBuild", "light/postBuild", "light/branch"])
def test_scripts_are_bash(script):
    subprocess.run(["bash", "-n", ROOT / "binder" / script], check=True)


@VARIANTS
def test_a_failing_install_fails_the_build(folder, tmp_path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase "$*" in *"pip install"*) exit 3;; *) cat >/dev/null;; esac\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        [ROOT / folder / "postBuild"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 3


def git(*args: str, cwd: Path) -> str:
    """What git says, in a repository with an author of its own."""
    who = {
        f"GIT_{role}_{what}": "x@y"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    keep = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *args], cwd=cwd, env=keep | who, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits that holds the folder binder."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "x")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "x@y")
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # of a hook that runs the tests
        monkeypatch.delenv(name, raising=False)
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "README.md").write_text("first\n")
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    git("add", ".", cwd=tmp_path)
    git("commit", "-q", "-m", "first", cwd=tmp_path)
    return tmp_path


def test_the_branch_of_the_light_variant_has_it_where_binder_looks(repository):
    (repository / "README.md").write_text("not committed\n")
    subprocess.run([repository / "binder/light/branch"], check=True, capture_output=True)
    listed = git("ls-tree", "-r", "--name-only", "binder-light", cwd=repository).split()
    assert listed == ["README.md", "binder/branch", "binder/environment.yml", "binder/postBuild"]
    for name in ("environment.yml", "postBuild"):
        shown = git("show", f"binder-light:binder/{name}", cwd=repository)
        assert shown == (ROOT / "binder/light" / name).read_text(encoding="utf-8")
    assert git("ls-tree", "binder-light:binder", "postBuild", cwd=repository).startswith("100755")
    assert git("show", "binder-light:README.md", cwd=repository) == "first\n"
    assert git("status", "--short", cwd=repository) == " M README.md\n"  # nothing else moved


def test_the_branch_is_renewed_without_losing_what_it_was(repository):
    light = repository / "binder/light"
    subprocess.run([light / "branch"], check=True, capture_output=True)
    before = git("rev-parse", "binder-light", cwd=repository).strip()
    (light / "environment.yml").write_text("changed: true\n")
    git("commit", "-q", "-am", "second", cwd=repository)
    subprocess.run([light / "branch"], check=True, capture_output=True)
    assert git("show", "binder-light:binder/environment.yml", cwd=repository) == "changed: true\n"
    git("merge-base", "--is-ancestor", before, "binder-light", cwd=repository)
    git("merge-base", "--is-ancestor", "HEAD", "binder-light", cwd=repository)


def test_the_pages_that_the_guide_names_are_there():
    guide = (ROOT / "docs/binder.md").read_text(encoding="utf-8")
    pages = re.findall(r"`(?:lab/tree|voila/render)/(notebooks/[\w.]+?\.ipynb)", guide)
    assert len(pages) == 4
    for page in pages:
        assert (ROOT / page).is_file(), page
