"""axe-core finds nothing serious in the report and in the explorer, in all their states."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from modviz.core.analysis import Analysis
from modviz.view.report import report
from tests.browser.accessibility import check, grave
from tests.browser.drivers import Notebook, Window
from tests.browser.linked import LESIONS, Panels
from tests.browser.servers import Server

pytestmark = pytest.mark.browser

_SHADOW = """() => {
  const host = document.createElement("div")
  host.attachShadow({mode: "open"}).innerHTML =
    '<button></button><p style="color: #ccc; background: #fff">too pale</p>'
  document.body.replaceChildren(host)
}"""


def test_the_check_sees_into_shadow_roots(open_window: Callable[..., Window]) -> None:
    page = open_window().page
    page.goto("about:blank")
    page.evaluate(_SHADOW)
    found = grave(page, "body")
    assert len(found) == 2
    assert found[0].startswith("button-name (critical)")
    assert found[1].startswith("color-contrast (serious)")


def test_the_report(
    open_window: Callable[..., Window], full_analysis: Analysis, tmp_path: Path
) -> None:
    page = open_window(1280, 1000).page
    page.goto(report(full_analysis, tmp_path / "report.html").as_uri())
    page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle === true")
    check(page, "body")
    linked = Panels.in_report(page)
    linked.click(linked.place(*LESIONS, name="B2"))
    linked.wait_for_marks(["B2"])
    check(page, "body")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_saved_analysis(
    in_lab: Callable[..., Notebook], lab: Server, full_analysis: Analysis, theme: str
) -> None:
    full_analysis.save(lab.folder / "full.modviz")
    notebook = in_lab(
        "import modviz\nexplorer = modviz.explore(modviz.load('full.modviz'))\nexplorer"
    )
    notebook.theme(theme)
    try:
        notebook.run_all()
        notebook.drawn()
        check(notebook.page, ".modviz-explorer")
        notebook.python("explorer.selected = ['B2', 'C1']")
        notebook.linked().wait_for_marks(["B2", "C1"])
        check(notebook.page, ".modviz-explorer")
    finally:
        notebook.theme("JupyterLab Light")  # the server keeps it for the tests that follow


@pytest.mark.slow
def test_an_explorer_that_runs(in_lab: Callable[..., Notebook]) -> None:
    notebook = in_lab(
        "import modviz\nfrom modviz import examples\n"
        "train, test = examples.digits()\n"
        "model = examples.mlp((1, 8, 8), width=128)\n"
        "explorer = modviz.explore(model, test, n_clusters=8, n_controls=9999)",
        "explorer",
    )
    notebook.run_all()
    notebook.drawn()
    explorer, page = ".modviz-explorer", notebook.page
    notebook.says(re.compile("modviz: empty"))
    check(page, explorer)
    page.get_by_role("button", name="Run", exact=True).click()
    notebook.says(re.compile("modviz: running"))
    notebook.linked().wait_for_panel(*LESIONS)
    check(page, explorer)
    page.get_by_role("button", name="Cancel", exact=True).click()
    notebook.says(re.compile("modviz: cancelled"))
    check(page, explorer)
    notebook.python("explorer._problem.show('That did not work.', ValueError('3 is not 4'))")
    page.get_by_role("alert").filter(has_text="3 is not 4").wait_for()
    check(page, explorer)
