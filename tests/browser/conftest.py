"""A real Chromium that reaches nothing but this machine, and a JupyterLab of our own."""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

REPO = Path(__file__).resolve().parents[2]
SECONDS = 1000  # Playwright counts in milliseconds
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_OWN_HOSTS = {"127.0.0.1", "localhost", None, ""}


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """Chromium with a fresh profile."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(chromium), args=_ARGUMENTS)
        yield running
        running.close()


@dataclass
class Window:
    """A page of the browser, and what it tried to load from outside or complained about."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def open_window(browser: Browser) -> Iterator[Callable[..., Window]]:
    """Open windows of a given size; all requests that leave this machine are refused and noted."""
    contexts: list[BrowserContext] = []

    def open_one(width: int = 1680, height: int = 1250) -> Window:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        window = Window(context.new_page())

        def local_only(route: Route) -> None:
            url = urlsplit(route.request.url)
            if url.scheme in {"http", "https"} and url.hostname not in _OWN_HOSTS:
                window.refused.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        context.route("**/*", local_only)
        window.page.set_default_timeout(60 * SECONDS)
        window.page.on("pageerror", lambda error: window.errors.append(str(error)))
        return window

    yield open_one
    for context in contexts:
        context.close()


#: Functions of (Bokeh, argument); a panel is found by the names of layers that only it has.
_FIGURE = """
const document = Bokeh.documents[argument.document ?? 0]
const figures = [...document.all_models].filter((model) => model.type === "Figure")
const named = (figure) => figure.renderers.map((renderer) => renderer.name)
const [figure] = figures.filter((f) => argument.layers.every((name) => named(f).includes(name)))
const source = figure.renderers.find((renderer) => renderer.name === "hits").data_source
"""
_PLACE = (
    _FIGURE
    + """
const view = Bokeh.index.find_one(figure)
const canvas = view.canvas_view.el
const {left, right, top, bottom, name} = source.data
const k = argument.name == null ? argument.row : [...name].indexOf(argument.name)
const x = (left[k] + right[k]) / 2
const y = (top[k] + bottom[k]) / 2
const between = (a, b, v) => Math.min(a, b) <= v && v <= Math.max(a, b)
const covers = (i) => between(left[i], right[i], x) && between(top[i], bottom[i], y)
const names = [...name].filter((_, i) => covers(i))
canvas.scrollIntoView({block: "center", inline: "nearest"})
const box = canvas.getBoundingClientRect()
return {
  x: box.x + view.frame.x_scale.compute(x),
  y: box.y + view.frame.y_scale.compute(y),
  names: [...new Set(names)],
}
"""
)
_MARKED = """
const document = Bokeh.documents[argument.document ?? 0]
const sources = [...document.all_models].filter((model) => model.type === "ColumnDataSource")
const linked = sources.filter((source) => ["hits", "columns"].includes(source.name))
return linked.map((source) => {
  const names = source.selected.indices.map((index) => source.data.name[index])
  return [...new Set(names)].sort()
})
"""
_MARKS_JUST = """
const document = Bokeh.documents[argument.document ?? 0]
const sources = [...document.all_models].filter((model) => model.type === "ColumnDataSource")
const linked = sources.filter((source) => ["hits", "columns"].includes(source.name))
const found = new Set()
const right = linked.every((source) => {
  const shown = new Set(source.data.name)
  const marked = new Set(source.selected.indices.map((index) => source.data.name[index]))
  const wanted = argument.wanted.filter((name) => shown.has(name))
  for (const name of marked) found.add(name)
  return marked.size === wanted.length && wanted.every((name) => marked.has(name))
})
return linked.length > 5 && right && found.size === argument.wanted.length
"""
_SELECTED = """
const document = Bokeh.documents[argument.document ?? 0]
return [...document.get_model_by_name("modviz-selection").data.name]
"""


@dataclass(frozen=True)
class Place:
    """A point on the screen, and the subclusters a click there stands for."""

    x: float
    y: float
    names: list[str]


@dataclass(frozen=True)
class Panels:
    """The linked panels of one document on a page."""

    page: Page
    bokeh: str
    document: int = 0

    @classmethod
    def in_notebook(cls, page: Page, document: int = 0) -> Panels:
        """Of an explorer: its BokehJS stays out of the page's globals."""
        return cls(
            page, '[...globalThis[Symbol.for("modviz.bokeh.1")].libraries.values()][0]', document
        )

    @classmethod
    def in_report(cls, page: Page) -> Panels:
        """Of a static report."""
        return cls(page, "globalThis.Bokeh")

    def ask(self, body: str, **argument: Any) -> Any:
        """Run a function of Bokeh and an argument in the page."""
        code = f"async (argument) => {{ const Bokeh = await {self.bokeh}; {body} }}"
        return self.page.evaluate(code, {"document": self.document, **argument})

    def place(self, *layers: str, name: str | None = None, row: int = 0) -> Place:
        """The middle of a subcluster in the panel with these layers, once it has come to rest."""
        before, now = None, self.ask(_PLACE, layers=layers, name=name, row=row)
        while before != now:
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
            before, now = now, self.ask(_PLACE, layers=layers, name=name, row=row)
        return Place(**now)

    def click(self, place: Place) -> None:
        """Click there."""
        self.page.mouse.click(place.x, place.y)

    def names(self, *layers: str) -> list[str]:
        """All subclusters of the panel with these layers."""
        found = self.ask(_FIGURE + "return [...source.data.name]", layers=layers)
        return list(dict.fromkeys(found))

    def selected(self) -> list[str]:
        """The selection of the document."""
        return list(self.ask(_SELECTED))

    def marked(self) -> list[list[str]]:
        """What each linked panel marks; panels that do not show it mark nothing."""
        return list(self.ask(_MARKED))

    def wait_for_marks(self, names: list[str]) -> None:
        """Wait until every linked panel marks just these, as far as it shows them."""
        # a predicate must not be async: Playwright would take its promise for a yes
        self.page.evaluate(f"async () => {{ globalThis.modvizTestBokeh = await {self.bokeh} }}")
        self.page.wait_for_function(
            f"(argument) => {{ const Bokeh = globalThis.modvizTestBokeh; {_MARKS_JUST} }}",
            arg={"document": self.document, "wanted": names},
        )


@pytest.fixture
def panels() -> type[Panels]:
    """Reads and clicks the linked panels of a page."""
    return Panels


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server: where it is, and the folder it shows."""

    url: str
    token: str
    folder: Path

    def notebook(self, name: str) -> str:
        """Address of a notebook in `folder`."""
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port, with settings and run-time files of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    folder = home / "notebooks"
    folder.mkdir()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"checkForUpdates": False, "doNotDisturbMode": True, "fetchNews": "false"}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")])),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        "--expose-app-in-browser",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.extension_manager=readonly",
    ]
    log = home / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            running = Lab(f"http://127.0.0.1:{port}", token, folder)
            _wait_for(running, server, log)
            yield running
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(lab: Lab, server: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{lab.url}/api/status?token={lab.token}", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")
