"""Environments that do not know the repository, and processes in them under a hard limit.

A limit is the kernel's (RLIMIT_DATA: the private memory that a process may ask for, which is more
than it uses). What was used is read from the process at its end: the peak of its resident memory.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 900  # until an install or a notebook counts as hanging


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes
    ----------
    folder : Path
    behind : tuple of Path
        Where commands are looked for that it does not have itself.
    """

    folder: Path
    behind: tuple[Path, ...] = ()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """What its processes see: no path into the repository, no setting of the test run."""
        dropped = re.compile(r"PYTHON|PYTEST|MODVIZ|VIRTUAL_ENV|JUPYTER|PYENV_VERSION")
        kept = {name: value for name, value in os.environ.items() if not dropped.match(name)}
        places = [self.folder / "bin", *self.behind, kept["PATH"]]
        return kept | {"PATH": os.pathsep.join(map(str, places))}

    def run(
        self, *command: str | Path, cwd: Path, limit: int | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it.

        Parameters
        ----------
        *command : str or Path
        cwd : Path
        limit : int, optional
            Megabytes of private memory that each of its processes may ask for.
        check : bool
            Fail if the command does.
        """
        done = subprocess.run(
            [*limited(limit), *map(str, command)],
            cwd=cwd,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


def limited(megabytes: int | None) -> list[str]:
    """What stands before a command so that it gets no more private memory than this."""
    if megabytes is None:
        return []
    return ["bash", "-c", f'ulimit -d {megabytes * 1024} && exec "$@"', "limited"]


def clean(folder: Path, python: Path = Path(sys.executable)) -> Environment:
    """A new environment with nothing but pip in it."""
    made = Environment(folder)
    made.run(python, "-m", "venv", folder, cwd=folder.parent)
    return made


def borrowed(folder: Path) -> Environment:
    """A new environment that finds the packages of this one behind its own; without the repository.

    Path files in a borrowed folder are not read, so what is installed here as editable is not seen.
    """
    own = Path(sysconfig.get_path("purelib"))
    made = Environment(folder, (Path(sys.executable).parent,))
    made.run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (inner,) = folder.glob("lib/python*/site-packages")
    (inner / "borrowed.pth").write_text(f"{own}\n")
    for place in ("share/jupyter", "etc/jupyter"):  # the browser's half of the widgets
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).symlink_to(Path(sys.prefix) / place)
    return made


def interpreter(version: str) -> Path | None:
    """A Python of this version (``"3.12"``): of MODVIZ_PYTHONS, of the path, of pyenv; or None."""
    named = [Path(path) for path in os.environ.get("MODVIZ_PYTHONS", "").split(os.pathsep) if path]
    on_path = shutil.which(f"python{version}")
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*named, *([Path(on_path)] if on_path else [])]
    candidates += sorted(managed.glob(f"{version}.*/bin/python"))
    question = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    for python in candidates:
        # a shim of pyenv is there for every version, and runs only those that are switched on
        done = subprocess.run(
            [python, "-c", question], capture_output=True, text=True, check=False, timeout=60
        )
        if done.stdout.strip() == version:
            return python
    return None


#: Ends code whose peak is wanted.
SAY_PEAK = """
with open("/proc/self/status") as status:
    print("peak", next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def peak(said: str) -> float:
    """Megabytes that `SAY_PEAK` said."""
    return int(said.rpartition("peak ")[2].split(maxsplit=1)[0]) / 1024


def peak_of(pid: int) -> float:
    """Most resident memory that a running process has had, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
        / 1024
    )
