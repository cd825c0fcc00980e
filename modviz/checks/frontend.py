"""Checks of what JupyterLab and Notebook 7 need to show widgets.

A widget has two halves. The one in Python comes with the kernel's environment; the other is an
extension of the *server's* environment, which may be another one. An extension that is missing
there, switched off, or of another version is the usual reason why nothing is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modviz.checks.findings import Finding
from modviz.checks.packages import Version

MANAGER: Final = "@jupyter-widgets/jupyterlab-manager"
#: An extension's folder, and the package that brings it.
EXTENSIONS: Final[Mapping[str, str]] = {MANAGER: "jupyterlab_widgets", "anywidget": "anywidget"}
#: The manager that understands widgets of ipywidgets 8.
_MANAGER_FROM: Final = 5
_APPLICATIONS: Final = ("jupyterlab", "notebook", "voila")


@dataclass(frozen=True)
class Server:
    """The environment whose extensions a front end loads.

    Attributes
    ----------
    prefix : Path or None
        Its folder; None = not known.
    data, config : sequence of Path
        Where Jupyter looks for data and for configuration, the most important first.
    running : bool
        Whether it is the server that started this kernel, rather than the one that would start
        from this environment.
    """

    prefix: Path | None
    data: Sequence[Path]
    config: Sequence[Path]
    running: bool


def prefix_of(command: Sequence[str]) -> Path | None:
    """The environment that a command line belongs to; None if it does not say."""
    for word in (*command[1:2], *command[:1]):
        path = Path(word)
        if path.is_absolute() and path.parent.name in ("bin", "Scripts"):
            return path.parent.parent
    return None


def command_of(process: int) -> list[str]:
    """The command line of a process; empty where the system does not tell."""
    try:
        text = Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
        return text.rstrip("\0").split("\0")
    except OSError:
        pass
    try:
        asked = ["ps", "-o", "args=", "-p", str(process)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def same_environment(server: Server, prefix: Path) -> Finding | None:
    """Whether server and kernel share an environment; None if there is no server to speak of."""
    if not server.running:
        return None
    if server.prefix is None:
        return Finding(
            "Environments",
            "warning",
            "the environment of the server that started this kernel is not known; its extensions "
            "could not be checked",
            "if nothing is shown: install jupyterlab_widgets and anywidget where the server runs",
        )
    if server.prefix.resolve() == prefix.resolve():
        return Finding("Environments", "fine", "server and kernel share one")
    return Finding(
        "Environments",
        "fine",
        f"the server runs in {server.prefix}, this kernel in {prefix}; front ends come from the "
        "server's",
    )


def applications(version: Version) -> Finding:
    """JupyterLab, Notebook and Voila of this environment."""
    found = {name: version(name) for name in _APPLICATIONS}
    there = [f"{name} {number}" for name, number in found.items() if number is not None]
    if not there:
        return Finding(
            "Jupyter",
            "fine",
            "neither JupyterLab nor Notebook in this environment; if one of another is used, "
            "modviz.doctor() in its notebook checks what it needs",
        )
    notebook = found["notebook"]
    if notebook is not None and _first_number(notebook) < 7:
        return Finding(
            "Jupyter",
            "warning",
            f"{', '.join(there)}; modviz is not tested in Notebook before 7",
            "pip install --upgrade notebook, or use JupyterLab",
        )
    return Finding("Jupyter", "fine", ", ".join(there))


def extensions(server: Server, version: Version) -> list[Finding]:
    """Whether the other half of the widgets is there, switched on, and of a version that fits.

    Parameters
    ----------
    server : Server
    version : callable
        Versions in the kernel's environment.
    """
    if server.prefix is None:
        return []
    where = "the server's environment" if server.running else "this environment"
    programs = "Scripts" if os.name == "nt" else "bin"
    install = f"{server.prefix / programs / 'python'} -m pip install --upgrade"
    switched_off = disabled(server.config)
    findings, there = [], []
    for extension, package in EXTENSIONS.items():
        subject = "Widgets" if package == "jupyterlab_widgets" else "anywidget"
        number = _version_of(extension, server.data)
        if number is None:
            findings.append(
                Finding(
                    subject,
                    "will not work",
                    f"{where} ({server.prefix}) has no front-end extension {extension}: a notebook "
                    "shows text in place of the explorer, or an error that a model was not found",
                    f"{install} {package}; then reload the page",
                )
            )
        elif any(name.partition(":")[0] == extension for name in switched_off):
            findings.append(
                Finding(
                    subject,
                    "will not work",
                    f"the front-end extension {extension} is switched off",
                    f"jupyter labextension enable {extension}; then reload the page",
                )
            )
        elif not _fits(extension, number, version):
            here = version("ipywidgets" if extension == MANAGER else package)
            findings.append(
                Finding(
                    subject,
                    "will not work",
                    f"the front-end extension {extension} of {where} is {number}, which does not "
                    f"fit the kernel's {'ipywidgets' if extension == MANAGER else package} {here}",
                    f"{install} {package}, and the same in the kernel's; then reload the page",
                )
            )
        else:
            there.append(f"{extension} {number}")
    if there:
        findings.append(Finding("Extensions", "fine", f"{', '.join(there)} in {where}"))
    return findings


def disabled(config: Sequence[Path]) -> set[str]:
    """Extensions and plugins that JupyterLab's configuration switches off."""
    off: dict[str, bool] = {}
    for folder in reversed(config):  # the most important one has the last word
        try:
            page = json.loads((folder / "labconfig" / "page_config.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        listed: Any = page.get("disabledExtensions", {}) if isinstance(page, dict) else {}
        off.update(listed if isinstance(listed, dict) else dict.fromkeys(listed, True))
    return {name for name, is_off in off.items() if is_off}


def _version_of(extension: str, data: Sequence[Path]) -> str | None:
    for folder in data:
        try:
            text = (folder / "labextensions" / extension / "package.json").read_text("utf-8")
            return str(json.loads(text)["version"])
        except (OSError, ValueError, KeyError):
            continue
    return None


def _fits(extension: str, number: str, version: Version) -> bool:
    if extension == MANAGER:
        return _first_number(number) >= _MANAGER_FROM
    here = version("anywidget")
    # its widgets ask for the same minor version, "~0.11.*"
    return here is None or number.split(".")[:2] == here.split(".")[:2]


def _first_number(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 0
