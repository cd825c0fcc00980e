"""Runs that do not end well: cancelled by the button, failed in the user's model."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.drivers import Notebook
from tests.browser.linked import LESIONS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MEASURED = "int(explorer.analysis.measured('accuracy').sum())"
TESTED = "int(explorer.analysis.tested.sum())"


def test_a_run_that_is_cancelled_keeps_what_it_has(in_lab: Callable[..., Notebook]) -> None:
    notebook = in_lab(
        "import modviz\nfrom modviz import examples\n"
        "train, test = examples.digits()\n"
        "model = examples.mlp((1, 8, 8), width=128)\n"
        "explorer = modviz.explore(model, test, n_clusters=8, n_controls=9999, features=False)",
        "explorer",
    )
    notebook.run_all()
    notebook.drawn()
    notebook.says("modviz: empty · nothing selected")
    run = notebook.page.get_by_role("button", name="Run", exact=True)
    cancel = notebook.page.get_by_role("button", name="Cancel", exact=True)
    expect(run).to_be_enabled()
    expect(cancel).to_be_disabled()
    run.click()
    notebook.says(re.compile("modviz: running"))
    linked = notebook.linked()
    linked.wait_for_panel(*LESIONS)  # the partition is shown while lesions are measured
    expect(run).to_be_disabled()
    cancel.click()
    notebook.says("modviz: cancelled · nothing selected")
    expect(run).to_be_enabled()
    expect(cancel).to_be_disabled()
    expect(notebook.page.locator(".modviz-run")).to_contain_text("kept")
    assert notebook.value("[explorer.status, explorer.analysis.status]") == ["cancelled"] * 2
    assert notebook.value(MEASURED) < notebook.value(TESTED)
    assert notebook.value("explorer.error") is None

    # what is kept can be explored
    notebook.settled()
    name = linked.names(*LESIONS)[0]
    linked.click(linked.place(*LESIONS, name=name))
    linked.wait_for_marks([name])
    notebook.says(f"modviz: cancelled · selected {name}")
    assert notebook.window.errors == []


def test_a_run_that_fails_says_so_and_leaves_the_analysis_before_it(
    in_lab: Callable[..., Notebook],
) -> None:
    notebook = in_lab(
        "import modviz\nfrom modviz import examples\n"
        "train, test = examples.digits()\n"
        "class Lamp:\n    out = False\n"
        "    def __call__(self, *_):\n"
        "        if self.out:\n            raise RuntimeError('the lamp went out')\n"
        "lamp, model = Lamp(), examples.mlp((1, 8, 8), width=48)\n"
        "for layer in model.modules():\n    layer.register_forward_pre_hook(lamp)\n"
        "explorer = modviz.explore(model, test, n_clusters=4, n_controls=9, features=False)",
        "explorer",
    )
    notebook.run_all()
    notebook.drawn()
    run = notebook.page.get_by_role("button", name="Run", exact=True)
    run.click()
    notebook.says("modviz: complete · nothing selected")
    notebook.settled()
    linked = notebook.linked()
    shown = linked.names(*LESIONS)
    notebook.python(f"first, lamp.out, explorer.selected = explorer.analysis, True, [{shown[0]!r}]")
    linked.wait_for_marks(shown[:1])
    controls = notebook.page.get_by_role("spinbutton", name="Controls per subcluster")
    controls.fill("15")  # another question than before, so that the model is asked again
    controls.press("Enter")
    run.click()
    notebook.says(f"modviz: failed · selected {shown[0]}")
    problem = notebook.page.get_by_role("alert").filter(has_text="The run failed")
    expect(problem).to_contain_text("the lamp went out")
    trace = problem.locator("details pre")
    expect(trace).to_be_hidden()
    problem.locator("summary").click()
    expect(trace).to_be_visible()
    expect(trace).to_contain_text("RuntimeError: the lamp went out")
    assert notebook.value("explorer.analysis is first") is True
    notebook.settled()
    assert linked.names(*LESIONS) == shown
    linked.wait_for_marks(shown[:1])

    # mended, it runs again
    notebook.python("lamp.out = False")
    run.click()
    notebook.says(f"modviz: complete · selected {shown[0]}")
    expect(problem).to_be_hidden()
    assert notebook.value("explorer.analysis.settings['n_controls']") == 15
    assert notebook.window.errors == []
