"""`modviz.doctor`: all checks, told what is really here."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

from modviz.checks import frontend, machine, packages, places
from modviz.checks.findings import Checkup, Finding
from modviz.core.machine import free_bytes, processors

DISTRIBUTION: Final = "modviz-nn"
#: Where Jupyter looks beside environments: data below share/jupyter, configuration below etc.
_SYSTEM_DATA = ("/usr/local/share/jupyter", "/usr/share/jupyter")
_SYSTEM_CONFIG = ("/usr/local/etc/jupyter", "/etc/jupyter")


def doctor() -> Checkup:
    """Say what front end, memory and packages are here, and what will not work.

    In a notebook it also looks at the environment of the server that shows the notebook, which is
    where the front ends of widgets come from. Nothing is changed.

    Returns
    -------
    Checkup
        Its text, and its output in a notebook, are the findings in words; ``status`` is 1 if
        something will not work, otherwise 0; ``findings`` holds them one by one.

    Examples
    --------
    >>> import modviz
    >>> [finding.subject for finding in modviz.doctor().findings][:2]
    ['Python', 'Packages']
    """
    found, torch = _packages()
    found += [
        machine.accelerators(torch),
        machine.cores(processors()),
        machine.memory(free_bytes()),
        machine.folder(Path.cwd()),
        _bokehjs(),
    ]
    here = surroundings()
    at = places.place(here)
    found += [places.where(at), frontend.applications(version), packages.voila(version)]
    found += _front_end(here, at)
    return Checkup(tuple(found))


def _packages() -> tuple[list[Finding], Any]:
    """What stands in the package metadata against what is there; gives torch as well."""
    if version("packaging") is None:
        words = "packaging is missing, with which versions are compared"
        return [Finding("Packages", "will not work", words, "pip install --upgrade bokeh")], None
    lines, requires = _own_metadata()
    found = [packages.python(sys.version_info[:3], requires)]
    found += packages.requirements(lines, version)
    found += packages.imports(import_module)
    about_torch, torch = packages.torch(lines, version, import_module)
    return [*found, about_torch], torch


def version(distribution: str) -> str | None:
    """The installed version of a distribution; None if it is not there."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _own_metadata() -> tuple[list[str], str | None]:
    try:
        about = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return [], None
    return metadata.requires(DISTRIBUTION) or [], about["Requires-Python"]


def _bokehjs() -> Finding:
    # without an import: a Bokeh that cannot be loaded is another finding
    try:
        files = metadata.distribution("bokeh")
    except metadata.PackageNotFoundError:
        return packages.bokehjs(Path("bokeh"))
    return packages.bokehjs(Path(str(files.locate_file("bokeh"))) / "server" / "static" / "js")


def surroundings() -> places.Surroundings:
    """What tells where this process runs."""
    shell: Any = None
    if "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
    return places.Surroundings(
        os.environ,
        sys.modules,
        None if shell is None else type(shell).__name__,
        () if shell is None else shell.user_ns,
    )


def _front_end(here: places.Surroundings, at: places.Place) -> list[Finding]:
    if at not in ("Jupyter server", "Voila", "kernel", "Python", "IPython"):
        return []  # there front ends of widgets come from a network
    running = "JPY_PARENT_PID" in here.environ and here.kernel
    if not running and version("jupyterlab") is None and version("notebook") is None:
        return []  # `applications` has said what that means
    prefix = frontend.prefix_of(frontend.command_of(os.getppid())) if running else Path(sys.prefix)
    server = frontend.Server(prefix, *_jupyter_folders(prefix), running)
    same = frontend.same_environment(server, Path(sys.prefix))
    return [*([] if same is None else [same]), *frontend.extensions(server, version)]


def _jupyter_folders(prefix: Path | None) -> tuple[list[Path], list[Path]]:
    """Data and configuration of Jupyter in an environment; a kernel has its server's variables."""
    home, env = Path.home(), os.environ
    user_config = Path(env.get("JUPYTER_CONFIG_DIR", home / ".jupyter"))
    named = env.get("JUPYTER_DATA_DIR")
    user_data = Path(named) if named else _user_data(home)
    extra = [Path(path) for path in env.get("JUPYTER_PATH", "").split(os.pathsep) if path]
    extra_config = env.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    inside = [prefix] if prefix is not None else []
    data = [*extra, user_data, *(path / "share" / "jupyter" for path in inside)]
    config = [*(Path(path) for path in extra_config if path), user_config]
    config += [path / "etc" / "jupyter" for path in inside]
    return [*data, *map(Path, _SYSTEM_DATA)], [*config, *map(Path, _SYSTEM_CONFIG)]


def _user_data(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Jupyter"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home)) / "jupyter"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else home / ".local" / "share") / "jupyter"
