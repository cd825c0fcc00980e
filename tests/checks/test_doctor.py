"""The doctor as a whole, here and where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import modviz
from modviz.checks import doctor as doctor_module
from modviz.checks.findings import Checkup


def subjects(found: Checkup) -> set[str]:
    return {finding.subject for finding in found.findings}


def test_the_doctor_looks_at_everything_and_finds_nothing_wrong_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = modviz.doctor()
    assert found.status == 0, str(found)
    assert {
        *("Python", "Packages", "Import", "torch", "Accelerator", "Processor", "Memory"),
        *("Folder", "BokehJS", "Front end", "Jupyter", "Voila", "Extensions"),
    } == subjects(found)
    said = str(found)
    for package in ("bokeh", "numpy", "torch", "jupyterlab"):
        assert f"{package} {metadata.version(package)}" in said
    assert str(tmp_path) in said
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_gone_gives_a_bad_status(monkeypatch):
    real = doctor_module.version
    monkeypatch.setattr(
        doctor_module, "version", lambda name: None if name == "anywidget" else real(name)
    )
    found = modviz.doctor()
    assert found.status == 1
    (bad,) = [finding for finding in found.findings if finding.verdict == "will not work"]
    assert bad.words.startswith("anywidget is missing")


def test_the_doctor_works_where_nothing_else_does():
    # as in an environment into which only the files of modviz were copied
    gone = "numpy scipy pandas sklearn PIL bokeh holoviews ipywidgets anywidget torch packaging"
    code = (
        "import sys\n"
        f"for name in {gone!r}.split(): sys.modules[name] = None\n"
        "from modviz.checks import doctor\n"
        "real = doctor.version\n"
        f"doctor.version = lambda name: None if name in {gone!r}.split() else real(name)\n"
        "found = doctor.doctor()\n"
        "print(found); sys.exit(found.status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "packaging is missing" in done.stdout


def test_a_kernel_sees_the_environment_of_its_server(tmp_path):
    """A kernel of this environment, started by a server of another one without extensions."""
    other = tmp_path / "other" / "bin"
    other.mkdir(parents=True)
    code = (
        "from types import SimpleNamespace\n"
        "from modviz.checks import doctor, places\n"
        "import json, os\n"
        "doctor._SYSTEM_DATA = doctor._SYSTEM_CONFIG = ()\n"  # whatever the machine has there
        "here = places.Surroundings(os.environ, (), 'ZMQInteractiveShell')\n"
        "found = doctor._front_end(here, places.place(here))\n"
        "print(json.dumps([[f.subject, f.verdict, f.words] for f in found]))\n"
    )
    # the server: a program that lies in the other environment and starts the kernel
    server = other / "jupyter-lab"
    environment = {"JPY_PARENT_PID": "1", "JPY_SESSION_NAME": "x", "JUPYTER_DATA_DIR": "/none"}
    server.write_text(
        "import os, subprocess, sys\n"
        f"os.environ.update({environment!r})\n"
        f"done = subprocess.run([sys.executable, '-c', {code!r}])\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, str(server)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(modviz.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [subject for subject, *_ in found] == ["Environments", "Widgets", "anywidget"]
    assert f"the server runs in {tmp_path / 'other'}" in found[0][2]
    assert [verdict for _, verdict, _ in found[1:]] == ["will not work"] * 2
