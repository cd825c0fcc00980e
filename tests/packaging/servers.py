"""Jupyter's server as Binder starts it, in an environment of its own, with a page per kernel."""

from __future__ import annotations

import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.browser.servers import START, free_port
from tests.packaging.environments import SECONDS, Environment, limited, peak_of


@dataclass(frozen=True)
class Session:
    """A server that runs, and its kernels.

    Attributes
    ----------
    url : str
    token : str
    process : subprocess.Popen
    """

    url: str
    token: str
    process: subprocess.Popen[bytes]

    def address(self, page: str) -> str:
        """Where a browser finds a page."""
        return f"{self.url}/{page}{'&' if '?' in page else '?'}token={self.token}"

    def get(self, page: str) -> str:
        """A page as the server sends it; a notebook under voila/render/ is run for that."""
        with urllib.request.urlopen(self.address(page), timeout=SECONDS) as answer:
            return str(answer.read().decode())

    def peaks(self) -> tuple[float, list[float]]:
        """Most resident memory that the server and each kernel have had, in megabytes."""
        kernels = psutil.Process(self.process.pid).children(recursive=True)
        return peak_of(self.process.pid), [peak_of(kernel.pid) for kernel in kernels]


@contextmanager
def session(
    environment: Environment, folder: Path, home: Path, *, limit: int, program: str = "server"
) -> Iterator[Session]:
    """Start a server that shows `folder`; it ends with the block.

    Parameters
    ----------
    environment : Environment
    folder : Path
    home : Path
        For its settings and its log.
    limit : int
        Megabytes of private memory for the server and for each kernel.
    program : str
        What ``jupyter`` runs: ``"server"``, or ``"lab"``.
    """
    port, token = free_port(), secrets.token_hex(16)
    options = (
        *("--no-browser", "--allow-root", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"),
        f"--IdentityProvider.token={token}",
    )
    module = {"server": "jupyter_server", "lab": "jupyterlab"}[program]
    command = [*limited(limit), str(environment.python), "-m", module, *options]
    own = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment.variables() | own | {"IPYTHONDIR": str(home / "ipython")},
            stdout=output,
            stderr=output,
        )
        try:
            started = Session(f"http://127.0.0.1:{port}", token, process)
            _wait_for(started, log)
            yield started
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(started: Session, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and started.process.poll() is None:
        try:
            started.get("api/status")
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # nothing tells when a port opens
        else:
            return
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")
