"""``modviz demo --serve``: the live explorer as a page on this machine, drawn by Voila.

Everything that the server needs lies in a temporary folder that only this user may read: the
trained network, a notebook of one cell, a kernel that is this very interpreter, and a template.
The page runs code of its reader's choice on this machine, so the server listens on loopback only
and asks every visitor for a random token.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from modviz.commands.demo import NETWORK, SHAPE, Choices, trained

HOST: Final = "127.0.0.1"
_KERNEL = _TEMPLATE = "modviz"
_NEEDS: Final = ("voila", "ipykernel", "torch", "lucent")

_CODE: Final = """\
import os
import sys

os.chdir({here!r})  # what the page saves is to stay
sys.path.append({package!r})  # a checkout that is not installed

import modviz
import torch

model = modviz.examples.mlp({shape!r}, **{network!r}, seed={seed!r})
model.load_state_dict(torch.load({weights!r}, weights_only=True))
modviz.explore(
    model,
    modviz.examples.digits()[1],
    n_clusters={clusters!r},
    n_controls={controls!r},
    seed={seed!r},
)
"""

#: Voila's own page without the icon fonts that it asks a content network for.
_PAGE: Final = """\
{%- extends 'voila/templates/lab/index.html.j2' -%}
{% import "spinner.macro.html.j2" as spinner %}
{%- block notebook_css -%}
{{ resources.include_js("static/voila-style.js") }}
{{ spinner.css() }}
<style>.jp-mod-noOutputs.jp-mod-noInput { display: none; }</style>
{{ super.super() }}
{%- endblock notebook_css -%}
"""


def missing() -> list[str]:
    """Packages that the page needs and that are not installed."""
    return [name for name in _NEEDS if find_spec(name) is None]


def serve(choices: Choices, *, port: int = 0, browser: bool = True) -> int:
    """Train the demo's network and serve its explorer until Ctrl+C.

    Parameters
    ----------
    choices : Choices
    port : int
        Where to listen on 127.0.0.1; 0 = any that is free.
    browser : bool
        Open the page in a browser as well.

    Returns
    -------
    int
        Exit status: 0 after Ctrl+C, 1 if the page cannot be served.
    """
    lacking = missing()
    if lacking:
        print(
            f"modviz demo --serve needs {', '.join(lacking)}, which is not installed: "
            'pip install "modviz-nn[serve,torch]", or in a clone pip install -e ".[serve,torch]". '
            "Without it, modviz demo writes a report.",
            file=sys.stderr,
        )
        return 1
    try:
        port = _free_port(port)
    except OSError as error:
        print(
            f"modviz demo --serve cannot listen on port {port} of {HOST}: {error.strerror}; "
            "choose another with --port, or leave it out",
            file=sys.stderr,
        )
        return 1
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="modviz-", ignore_cleanup_errors=True) as folder:
        notebook = write(Path(folder), choices)
        address = f"http://{HOST}:{port}/?token={token}"

        def ready() -> None:
            print(f"The explorer: {address}\nCtrl+C ends it.", flush=True)
            if browser:
                _open(Path(folder), address)

        with _jupyter_path(folder):
            _run(notebook, port, token, ready)
    print("Ended.")
    return 0


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        if os.name != "nt":  # there it would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])


def write(folder: Path, choices: Choices) -> Path:
    """Train the network and put all that the server needs into a folder; gives the notebook."""
    import torch

    model, _ = trained(choices)
    weights = folder / "weights.pt"
    torch.save(model.state_dict(), weights)

    kernel = folder / "kernels" / _KERNEL
    kernel.mkdir(parents=True)
    # the user's "python3" may be another environment's
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    about = {"argv": [*launch, "--log-level=40"], "display_name": "modviz", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(about), encoding="utf-8")

    template = folder / "voila" / "templates" / _TEMPLATE
    template.mkdir(parents=True)
    (template / "conf.json").write_text(json.dumps({"base_template": "lab"}), encoding="utf-8")
    (template / "index.html.j2").write_text(_PAGE, encoding="utf-8")

    code = _CODE.format(
        here=os.getcwd(),
        package=str(Path(__file__).parents[2]),
        shape=SHAPE,
        network=NETWORK,
        seed=choices.seed,
        weights=str(weights),
        clusters=choices.clusters,
        controls=choices.controls,
    )
    path = folder / "modviz.ipynb"
    path.write_text(json.dumps(_notebook(code)), encoding="utf-8")
    return path


def _notebook(code: str) -> dict[str, Any]:
    """A notebook of one cell, in the format of version 4.5."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "explorer",
        "source": code,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": _KERNEL, "display_name": "modviz", "language": "python"}
    about = {"kernelspec": kernel}
    return {"cells": [cell], "metadata": about, "nbformat": 4, "nbformat_minor": 5}


@contextmanager
def _jupyter_path(folder: str) -> Iterator[None]:
    """Let Jupyter look for kernels and templates in a folder first."""
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = before


def _run(notebook: Path, port: int, token: str, ready: Callable[[], None]) -> None:
    """Serve a notebook until Ctrl+C; kernels end with the server."""
    from tornado.ioloop import IOLoop
    from voila.app import Voila

    class Server(Voila):  # type: ignore[misc]
        """Voila that says when it listens. The token stays out of its command line and its log."""

        def launch_browser(self) -> None:
            if self.identity_provider.token != token:
                raise RuntimeError("Voila took no token: its page would be open to everybody here")
            # from inside the loop: only there Voila takes Ctrl+C for a wish to end
            IOLoop.current().add_callback(ready)

    server = Server(log_level="ERROR", config_file_paths=[])  # a user's voila.json is for others
    options = [f"--template={_TEMPLATE}", "--show_tracebacks=True", "--Voila.open_browser=True"]
    server.initialize([str(notebook), *options])
    server.ip, server.port, server.port_retries, server.token = HOST, port, 0, token
    server.connection_dir_root = str(notebook.parent)
    # as long as the interval between pings, or each connection is met with a warning
    server.tornado_settings = {"ws_ping_timeout": 30_000}
    server.start()


def _open(folder: Path, address: str) -> threading.Thread:
    """Open a browser on a file that leads on: other users see command lines, not this file."""
    page = folder / "open.html"
    page.write_text(
        f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address, quote=True)}">',
        encoding="utf-8",
    )
    # some browsers hold whoever opens them until they are closed
    thread = threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True)
    thread.start()
    return thread
