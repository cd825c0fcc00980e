"""A kernel that dies in the middle of a run: the next explorer offers to go on with it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import check
from tests.browser.drivers import MINUTE, PATIENCE, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MODEL = (
    "import modviz\nfrom modviz import examples\n"
    "train, test = examples.digits()\n"
    "model = examples.mlp((1, 8, 8), width=48, seed=0)\n"
    "settings = dict(n_clusters=4, n_controls=29, features=False)"
)
EXPLORER = "explorer = modviz.explore(model, test{})\nexplorer"
#: The run comes to the first record of its lesions, and no further.
HALT = """
import threading
from modviz.core import checkpoint
write, recorded = checkpoint.Folder.write, threading.Event()
def halting(self, name, *content):
    write(self, name, *content)
    if name.startswith("counts-"):
        recorded.set()
        threading.Event().wait()
checkpoint.EVERY, checkpoint.Folder.write = 0, halting
"""
_WATCH = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session
  kernel.statusChanged.connect((_, status) => {
    if (status.endsWith("restarting")) window.testKernelDied = true
  })
}"""
_BORN_AGAIN = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session
  return window.testKernelDied && kernel.status === "idle"
}"""
PART = re.compile(
    r"^An earlier run with 4 clusters, edges of weights, 29 controls, no feature images, seed 0 "
    r"stopped at \d+ % of the lesions, \d+ \w+ \d\d:\d\d\.$"
)


def offer(page: Page) -> Locator:
    return page.locator(".modviz-offer").get_by_role("status")


def test_a_run_whose_kernel_was_killed_goes_on_in_the_next_one(
    in_lab: Callable[..., Notebook],
) -> None:
    notebook = in_lab(MODEL, EXPLORER.format(", **settings"), EXPLORER.format(""))
    page = notebook.page
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.drawn()
    notebook.says("modviz: empty · nothing selected")
    expect(offer(page)).to_have_text("")
    notebook.python(HALT)
    page.get_by_role("button", name="Run", exact=True).click()
    notebook.says(re.compile("modviz: running"))
    notebook.python("assert recorded.wait(120)")
    page.evaluate(_WATCH)
    os.kill(notebook.value("__import__('os').getpid()"), signal.SIGKILL)
    page.wait_for_function(_BORN_AGAIN, timeout=PATIENCE)
    notebook.reload()  # what the page says about the kernel's death goes

    before = notebook.mark_panes()
    notebook.run_cell(0)
    notebook.run_cell(2)  # other settings
    notebook.gone(before)
    notebook.drawn()
    expect(offer(page)).to_have_text(PART, timeout=PATIENCE)
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        check(page, ".modviz-explorer")
    resume = page.get_by_role("button", name="Resume")
    resume.focus()
    page.keyboard.press("Enter")
    expect(resume).to_be_hidden()
    notebook.says("modviz: complete · nothing selected")
    expect(offer(page)).to_have_text("")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    expect(page.get_by_role("slider", name="Clusters")).to_have_attribute("aria-valuetext", "4")
    unbroken = "modviz.analyze(model, test, **settings, progress=False).table()"
    assert notebook.value(f"bool(explorer.analysis.table().equals({unbroken}))") is True
    assert notebook.window.errors == []


def test_what_was_finished_is_opened_from_two_that_are_offered(
    in_lab: Callable[..., Notebook],
) -> None:
    quick = "dict(n_controls=5, features=False, top_images=False, support=False)"
    notebook = in_lab(
        MODEL.replace("settings = ", f"quick = {quick}\nsettings = "),
        "for k in (3, 4):\n"
        "    explorer = modviz.explore(model, test, n_clusters=k, **quick)\n"
        "    explorer.run()\n"
        "    assert explorer.wait(120)",
        "explorer = modviz.explore(model, test)\nexplorer",
    )
    page = notebook.page
    notebook.run_all()
    notebook.drawn()
    expect(offer(page)).to_have_text(re.compile("finished, but was not saved: 4 clusters"))
    expect(offer(page)).to_have_text(re.compile("There is 1 other.$"))
    which = page.get_by_role("combobox", name="Earlier runs")
    which.select_option(index=1)
    expect(offer(page)).to_have_text(re.compile("finished, but was not saved: 3 clusters"))
    discard = page.locator(".modviz-offer").get_by_role("button", name=re.compile("Discard"))
    discard.focus()
    page.keyboard.press("Enter")
    expect(discard).to_have_text("Discard for good")
    page.keyboard.press("Enter")
    expect(which).to_be_hidden()
    expect(offer(page)).to_have_text(re.compile("not saved: 4 clusters.*seed 0.$"))
    expect(discard).to_be_focused()
    page.get_by_role("button", name="Open", exact=True).click(timeout=MINUTE)
    notebook.says("modviz: complete · nothing selected")
    assert notebook.value("explorer.analysis.partition.n_clusters") == 4
    assert notebook.window.errors == []
