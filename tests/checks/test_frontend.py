"""What a server must have to show widgets, told where it looks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from modviz.checks import frontend
from modviz.checks.frontend import MANAGER, Server

VERSIONS = {"ipywidgets": "8.1.9", "anywidget": "0.11.0", "jupyterlab": "4.6.6"}


def make(
    prefix: Path,
    *,
    manager: str | None = "5.0.16",
    anywidget: str | None = "0.11.0",
    off: object = None,
    running: bool = True,
) -> Server:
    """An environment with these extensions, as pip lays them out."""
    data, config = prefix / "share" / "jupyter", prefix / "etc" / "jupyter"
    for name, number in ((MANAGER, manager), ("anywidget", anywidget)):
        if number is not None:
            folder = data / "labextensions" / name
            folder.mkdir(parents=True)
            (folder / "package.json").write_text(json.dumps({"name": name, "version": number}))
    if off is not None:
        (config / "labconfig").mkdir(parents=True)
        (config / "labconfig" / "page_config.json").write_text(
            json.dumps({"disabledExtensions": off})
        )
    return Server(prefix, [prefix / "nowhere", data], [config], running)


def test_a_server_that_has_all_is_fine(tmp_path):
    (found,) = frontend.extensions(make(tmp_path), VERSIONS.get)
    assert found.verdict == "fine"
    assert found.words == f"{MANAGER} 5.0.16, anywidget 0.11.0 in the server's environment"


@pytest.mark.parametrize(
    ("missing", "package"),
    [({"manager": None}, "jupyterlab_widgets"), ({"anywidget": None}, "anywidget")],
)
def test_a_missing_extension_is_named_with_the_environment_to_put_it_in(tmp_path, missing, package):
    found = frontend.extensions(make(tmp_path, **missing), VERSIONS.get)
    assert [finding.verdict for finding in found] == ["will not work", "fine"]
    assert str(tmp_path) in found[0].words
    assert found[0].advice.startswith(str(tmp_path))
    assert f"-m pip install --upgrade {package}; then reload" in found[0].advice


@pytest.mark.parametrize(
    "off", [{MANAGER: True}, [MANAGER], {f"{MANAGER}:plugin": True}, {MANAGER: True, "x": False}]
)
def test_an_extension_that_is_switched_off_is_found(tmp_path, off):
    found = frontend.extensions(make(tmp_path, off=off), VERSIONS.get)
    assert found[0].verdict == "will not work"
    assert "switched off" in found[0].words
    assert f"labextension enable {MANAGER}" in found[0].advice


def test_the_users_configuration_has_the_last_word(tmp_path):
    server = make(tmp_path / "env", off={MANAGER: True})
    user = tmp_path / "user" / "labconfig"
    user.mkdir(parents=True)
    (user / "page_config.json").write_text(json.dumps({"disabledExtensions": {MANAGER: False}}))
    both = Server(server.prefix, server.data, [user.parent, *server.config], running=True)
    assert frontend.extensions(both, VERSIONS.get)[0].verdict == "fine"
    (user / "page_config.json").write_text("not json")
    assert frontend.extensions(both, VERSIONS.get)[0].verdict == "will not work"


@pytest.mark.parametrize("old", [{"manager": "3.1.1"}, {"anywidget": "0.9.13"}])
def test_extensions_of_another_version_than_the_kernel_needs_are_found(tmp_path, old):
    found = frontend.extensions(make(tmp_path, **old), VERSIONS.get)
    assert found[0].verdict == "will not work"
    assert "does not fit the kernel's" in found[0].words


def test_server_and_kernel_may_live_in_different_environments(tmp_path):
    here = tmp_path / "kernel"
    for prefix, said in ((here, "share one"), (tmp_path / "lab", "the server runs in")):
        found = frontend.same_environment(Server(prefix, [], [], running=True), here)
        assert found is not None
        assert found.verdict == "fine"
        assert said in found.words
    assert frontend.same_environment(Server(here, [], [], running=False), here) is None
    unknown = frontend.same_environment(Server(None, [], [], running=True), here)
    assert unknown is not None
    assert unknown.verdict == "warning"
    assert frontend.extensions(Server(None, [], [], running=True), VERSIONS.get) == []


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        (["/opt/lab/bin/python", "/opt/lab/bin/jupyter-lab", "--no-browser"], "/opt/lab"),
        (["/usr/Python.app/MacOS/Python", "/opt/lab/bin/jupyter-lab"], "/opt/lab"),
        (["/opt/lab/bin/python3", "-m", "jupyterlab"], "/opt/lab"),
        (["python", "-m", "jupyterlab"], None),
        ([], None),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths of other systems")
def test_the_environment_of_a_command_line(command, prefix):
    assert frontend.prefix_of(command) == (None if prefix is None else Path(prefix))


def test_the_command_line_of_a_process_that_is_there():
    command = frontend.command_of(os.getpid())
    assert Path(command[0]).name.startswith("python")
    assert list(command[1:]) == sys.orig_argv[1:]
    # the interpreter that runs the tests may have been called without its path
    assert frontend.prefix_of([sys.executable]) == Path(sys.executable).parent.parent


def test_old_notebooks_are_a_warning():
    assert frontend.applications(VERSIONS.get).words == "jupyterlab 4.6.6"
    old = frontend.applications({"notebook": "6.5.7"}.get)
    assert old.verdict == "warning"
    none = frontend.applications({}.get)
    assert none.verdict == "fine"
    assert "modviz.doctor() in its notebook" in none.words
