"""Where things stand in a notebook, by its width: controls beside the panels, or above them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from modviz.core.analysis import Analysis
from tests.browser.drivers import Notebook
from tests.browser.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Pixels that something is wrong by; empty once the panels take all the room there is.
_WRONG = """(beside) => {
  const box = (selector) => document.querySelector(selector).getBoundingClientRect()
  const explorer = document.querySelector(".modviz-explorer")
  const [heading, files, card, panels] = [
    ".modviz-heading", ".modviz-files", '.modviz-left > .modviz-pane', '[data-modviz-root="page"]',
  ].map(box)
  const room = explorer.getBoundingClientRect()
  const below = Math.max(files.bottom, card.bottom)
  return Object.entries({
    scrolled: explorer.scrollWidth - explorer.clientWidth,
    unused: room.right - panels.right - 8,
    cut: panels.right - room.right,
    squeezed: 279.5 - Math.min(heading.width, files.width, card.width),
    over: beside ? heading.right - panels.left : below - panels.top,
    apart: beside ? Math.max(heading.x, files.x, card.x) - Math.min(heading.x, files.x, card.x) : 0,
  }).filter(([, pixels]) => pixels > 0.5).map(([what, pixels]) => `${what} by ${pixels}`)
}"""


def test_the_controls_are_never_squeezed_and_nothing_scrolls_sideways(
    in_lab: Callable[..., Notebook], lab: Server, full_analysis: Analysis, artifacts: Path
) -> None:
    full_analysis.save(lab.folder / "full.modviz")
    notebook = in_lab(
        "import modviz\nexplorer = modviz.explore(modviz.load('full.modviz'))\nexplorer",
        height=1100,
    )
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    notebook.drawn()
    page = notebook.page
    for width, beside in ((1680, True), (2560, True), (1280, False), (800, False)):
        page.set_viewport_size({"width": width, "height": 1100})
        try:
            page.wait_for_function(f"(beside) => ({_WRONG})(beside).length === 0", arg=beside)
        except PlaywrightTimeoutError:
            pytest.fail(f"{width} px: {', '.join(page.evaluate(_WRONG, beside))}")
        page.screenshot(path=artifacts / f"jupyterlab-{width}.png")
    assert notebook.window.errors == []
