"""A notebook that is open in a front end: run it, ask its kernel, wait for its explorers."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.browser.linked import LIBRARY, Panels
from tests.browser.servers import Server

#: Arguments of Chromium: alone, without a screen, silent.
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 1000  # Playwright counts in milliseconds
MINUTE = 60 * SECONDS
PATIENCE = 3 * MINUTE  # the machine may have much else to do

_EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
  const future = kernel.requestExecute({code, store_history: false})
  let text = ""
  future.onIOPub = ({header, content}) => {
    if (header.msg_type === "stream") text += content.text
    if (header.msg_type === "error") text += content.traceback.join("\\n")
  }
  await future.done
  return text
}"""
#: Not false once all panes are drawn, or something failed.
_DRAWN = """(panes) => {
  const all = [...document.querySelectorAll(".modviz-pane")]
  const broken = all.find((pane) => pane.dataset.modvizState === "failed")
  const outputs = [...document.querySelectorAll('[data-mime-type^="application/vnd.jupyter."]')]
  const error = outputs.find((output) => output.innerText.includes("Traceback (most recent"))
  const failed = broken?.dataset.modvizError ?? error?.innerText
  if (failed) return {failed}
  const drawn = all.filter((pane) => pane.dataset.modvizState === "drawn")
  return drawn.length === panes && all.length === panes && {failed: null}
}"""
#: What is left of panels in the page: copies of documents, their views, elements out of sight.
_HELD = f"""async () => {{
  const Bokeh = await {LIBRARY}
  return {{
    documents: Bokeh.documents.length,
    views: [...Bokeh.index].length,
    wings: document.querySelectorAll("body > div[aria-hidden][inert]").length,
    panes: document.querySelectorAll(".modviz-pane").length,
  }}
}}"""


@dataclass
class Window:
    """A page of the browser, and what it tried to load from outside or complained about."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class View:
    """A page with explorers on it, in whatever front end."""

    def __init__(self, window: Window, server: Server) -> None:
        self.window, self.server, self.page = window, server, window.page

    def open(self, name: str) -> None:
        """Go to a notebook of the server's folder."""
        self.page.goto(self.server.notebook(name))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook's kernel can be asked."""
        raise NotImplementedError

    def run_all(self) -> None:
        """Run all cells."""
        raise NotImplementedError

    def drawn(self, panes: int = 2) -> None:
        """Wait until that many panes show their part of a document, and no other pane is there.

        A cell or a pane that failed fails the test at once, in its own words.
        """
        try:
            found = self.page.wait_for_function(_DRAWN, arg=panes, timeout=PATIENCE).json_value()
        except PlaywrightTimeoutError:
            pytest.fail(f"of {panes} panes there are {self.panes()}")
        if found["failed"]:
            pytest.fail(found["failed"])

    def panes(self) -> list[str]:
        """The states of all panes."""
        found = self.page.locator(".modviz-pane").evaluate_all(
            "(all) => all.map((pane) => pane.dataset.modvizState)"
        )
        return [str(state) for state in found]

    def linked(self, document: int = 0) -> Panels:
        """The panels of an explorer, in the order in which they were opened."""
        return Panels.in_notebook(self.page, document)

    @property
    def state(self) -> Locator:
        """What screen readers are told; written by Python."""
        return self.page.locator(".modviz-announce:not(:empty)")

    def says(self, words: Any) -> None:
        """Wait for these words (a text or a pattern) of the one explorer on the page."""
        expect(self.state).to_have_text(words, timeout=PATIENCE)

    def mark_panes(self) -> str:
        """Put a mark on the panes that are there; `gone` waits until none bears it."""
        mark = secrets.token_hex(4)
        self.page.locator(".modviz-pane").evaluate_all(
            "(all, mark) => all.forEach((pane) => { pane.dataset.testMark = mark })", mark
        )
        return mark

    def gone(self, mark: str) -> None:
        """Wait until the panes with this mark have left the page."""
        expect(self.page.locator(f'.modviz-pane[data-test-mark="{mark}"]')).to_have_count(0)

    def held(self) -> dict[str, int]:
        """How many documents, views and elements the page holds; a leak would let them grow."""
        return dict(self.page.evaluate(_HELD))


class Notebook(View):
    """A notebook in JupyterLab or Notebook 7."""

    def ready(self) -> None:
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady",
            timeout=2 * MINUTE,
        )

    def command(self, name: str) -> None:
        """Do what a menu entry does."""
        self.page.evaluate("(name) => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Run one cell; does not wait for its end."""
        self.page.evaluate(
            """(index) => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = index
              window.jupyterapp.commands.execute("notebook:run-cell")
            }""",
            index,
        )

    def python(self, code: str) -> Any:
        """Run code in the kernel; the JSON that it prints, None if nothing."""
        printed = self.page.evaluate(_EXECUTE, code)
        try:
            return json.loads(printed) if printed else None
        except json.JSONDecodeError:
            pytest.fail(f"{code}\nprinted\n{printed}")

    def value(self, expression: str) -> Any:
        """What an expression of things that JSON knows is in the kernel."""
        return self.python(f"import json\nprint(json.dumps({expression}))")

    def settled(self, explorer: str = "explorer") -> None:
        """Wait until the page has all that an explorer sent: words come before panels."""
        self.python(f"with {explorer}._live.lock: pass")

    def save(self) -> None:
        """Save the notebook, and wait until it is."""
        self.command("docmanager:save")
        self.page.wait_for_function(
            "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
        )

    def theme(self, name: str) -> None:
        """Change to a theme of JupyterLab, and wait until it is there."""
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        self.page.locator(f'body[data-jp-theme-name="{name}"]').wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def reload(self) -> None:
        """Load the page anew; the kernel stays."""
        self.page.reload()
        self.ready()


class VoilaPage(View):
    """A notebook as a page of Voila, which runs it when it is asked for."""

    def ready(self) -> None:
        expect(self.page.locator("body")).to_be_visible()

    def run_all(self) -> None:
        """Voila has done so."""


def write_notebook(folder: Path, *cells: str) -> str:
    """A notebook of code cells, under a name of its own, which is what comes back."""
    code = [
        {"cell_type": "code", "id": f"cell{i}", "source": source, "metadata": {}, "outputs": []}
        | {"execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    name = f"cells-{secrets.token_hex(4)}.ipynb"
    (folder / name).write_text(
        json.dumps({"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )
    return name


def wait_until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something outside the browser."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.02)
