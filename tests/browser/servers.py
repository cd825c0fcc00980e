"""Front ends that run on this machine alone: JupyterLab, Notebook 7 and Voila, each with a folder.

Every server gets a free port, a token, and settings and run-time files of its own, so that nothing
of the user's is read or written, and several can run at the same time.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
START = 120  # seconds until a server must answer, on a machine that has much else to do


@dataclass(frozen=True)
class Kind:
    """One front end.

    Attributes
    ----------
    module : str
        What ``python -m`` starts.
    options : tuple of str
        Of its command line; ``{port}``, ``{folder}`` and ``{token}`` are filled in.
    page : str
        Path of a notebook's page; ``{name}`` is filled in.
    alive : str
        A path that answers when the server is ready.
    """

    module: str
    options: tuple[str, ...]
    page: str
    alive: str = "api/status"


_JUPYTER = (
    *("--no-browser", "--allow-root", "--expose-app-in-browser"),
    "--ServerApp.root_dir={folder}",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
    "--LabApp.extension_manager=readonly",
)
LAB = Kind("jupyterlab", _JUPYTER, "lab/tree/{name}?reset&token={token}")
NOTEBOOK7 = Kind("notebook", _JUPYTER, "notebooks/{name}?token={token}")
VOILA = Kind(
    "voila",
    (
        *("--no-browser", "--token={token}", "--port={port}", "--Voila.port_retries=0"),
        "--show_tracebacks=True",
        "{folder}",
    ),
    "voila/render/{name}?token={token}",
    "voila/static/voila.js",
)


@dataclass(frozen=True)
class Server:
    """A server that runs: where it is, and the folder it shows."""

    url: str
    token: str
    folder: Path
    kind: Kind = LAB

    def notebook(self, name: str) -> str:
        """Address of a notebook in `folder`."""
        return f"{self.url}/{self.kind.page.format(name=name, token=self.token)}"

    def ask(self, path: str, method: str = "GET") -> bytes:
        """The answer of the server's REST interface."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def end_kernels(self) -> None:
        """Stop all kernels: each holds some hundred megabytes, and a test needs only its own."""
        if self.kind is VOILA:
            return  # it ends a kernel when the page that asked for it is left
        for session in json.loads(self.ask("api/sessions")):
            self.ask(f"api/sessions/{session['id']}", "DELETE")


@contextmanager
def serve(kind: Kind, home: Path) -> Iterator[Server]:
    """Start a server with all its files below `home`; it ends with the block.

    Fails the test that asked for it, with the end of its log, if it does not start.
    """
    folder = home / "notebooks"
    folder.mkdir()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"checkForUpdates": False, "doNotDisturbMode": True, "fetchNews": "false"}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    token, port = secrets.token_hex(16), free_port()
    filled = [option.format(port=port, folder=folder, token=token) for option in kind.options]
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", kind.module, *filled],
            env=_environment(home),
            stdout=output,
            stderr=output,
        )
        try:
            server = Server(f"http://127.0.0.1:{port}", token, folder, kind)
            _wait_for(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _environment(home: Path) -> Mapping[str, str]:
    return os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")])),
    }


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            server.ask(server.kind.alive)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # nothing tells when a port opens
        else:
            return
    text = log.read_text(errors="replace")[-4000:]
    pytest.fail(f"python -m {server.kind.module} did not start:\n{text}")
