"""What outlives what: cells that run again, and a kernel that has no time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from modviz.core.analysis import Analysis
from tests.browser.drivers import PATIENCE, Notebook, wait_until
from tests.browser.linked import CLASSES, LESIONS
from tests.browser.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_cell_that_runs_again_leaves_nothing_of_its_old_view(
    in_lab: Callable[..., Notebook], lab: Server, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    notebook = in_lab(
        "import modviz\nanalysis = modviz.load('small.modviz')",
        "explorer = modviz.explore(analysis)",
        "explorer",
    )
    notebook.run_all()
    notebook.drawn()
    notebook.python("explorer.selected = ['B2']")
    notebook.linked().wait_for_marks(["B2"])
    once = notebook.held()
    assert (once["documents"], once["wings"], once["panes"]) == (1, 1, 2)
    for _ in range(3):
        before = notebook.mark_panes()
        notebook.run_cell(2)
        notebook.gone(before)
        notebook.drawn()
        notebook.linked().wait_for_marks(["B2"])  # the explorer is the same, and so is its state
    assert notebook.held() == once
    assert notebook.value("len(explorer._live._clients)") == 1
    linked = notebook.linked()
    linked.click(linked.place(*LESIONS, name="A3"))
    notebook.says("modviz: complete · selected A3")

    # another explorer in place of the first
    before = notebook.mark_panes()
    notebook.run_cell(1)
    notebook.run_cell(2)
    notebook.gone(before)
    notebook.drawn()
    notebook.says("modviz: complete · nothing selected")
    assert notebook.held() == once
    assert notebook.window.errors == []


#: Freezes the whole kernel, its other threads too: these calls keep the interpreter's lock, and
#: opening a pipe waits until somebody opens its other end.
FREEZE = """
import ctypes, os, sys
os.mkfifo("gate")
sys.setswitchinterval(600)
c = ctypes.PyDLL(None)
c.creat(b"frozen", 0o600)
c.open(b"gate", os.O_RDONLY)
sys.setswitchinterval(0.005)
"""


def test_highlights_work_while_the_kernel_is_busy(
    in_lab: Callable[..., Notebook], lab: Server, full_analysis: Analysis
) -> None:
    full_analysis.save(lab.folder / "full.modviz")
    notebook = in_lab(
        "import modviz\nexplorer = modviz.explore(modviz.load('full.modviz'))\nexplorer", FREEZE
    )
    notebook.run_cell(0)
    notebook.drawn()
    linked = notebook.linked()
    notebook.run_cell(1)
    wait_until((lab.folder / "frozen").exists, "the kernel did not come to its long work")
    try:
        for layers, name in ((LESIONS, "B2"), (CLASSES, "A1")):
            linked.click(linked.place(*layers, name=name))
            linked.wait_for_marks([name])
            card = notebook.page.locator('[data-modviz-root="card"] .name')
            assert card.inner_text() == name
        assert notebook.state.inner_text() == "modviz: complete · nothing selected"
    finally:
        os.close(os.open(lab.folder / "gate", os.O_WRONLY))
    notebook.says("modviz: complete · selected A1")  # Python comes after
    assert notebook.value("explorer.selected") == [["fc1", 0]]
    linked.wait_for_marks(["A1"])
    assert notebook.window.errors == []


def test_the_picture_for_readers_without_a_kernel_is_there_only_if_the_panels_are_not(
    in_lab: Callable[..., Notebook], lab: Server, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    notebook = in_lab("import modviz\nmodviz.explore(modviz.load('small.modviz'))")
    picture = notebook.page.locator(".modviz-still img")

    # a browser that cannot unpack BokehJS draws nothing
    notebook.page.evaluate(
        "() => { window.kept = DecompressionStream; window.DecompressionStream = undefined }"
    )
    notebook.run_all()
    failed = notebook.page.locator('.modviz-pane[data-modviz-state="failed"]')
    expect(failed).to_have_count(2, timeout=PATIENCE)
    expect(failed.first).to_have_attribute("data-modviz-error", re.compile("could not be drawn"))
    expect(picture).to_be_visible()

    notebook.page.evaluate("() => { window.DecompressionStream = window.kept }")
    notebook.run_all()
    notebook.drawn()
    expect(picture).to_have_count(1)
    expect(picture).to_be_hidden()
