"""The explorer in JupyterLab: real server, real kernel, real browser, nothing from outside."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.spectral import spectral_partition

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REPO = Path(__file__).resolve().parents[2]
LESIONS, MATRIX, GALLERY = ("dots", "controls"), ("image", "borders"), ("pictures", "blanks")
MINUTE = 60_000


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page: Page, lab: Any, name: str) -> None:
        self.page = page
        page.goto(lab.notebook(name))
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady"
        )

    def command(self, name: str) -> None:
        self.page.evaluate("(name) => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def python(self, code: str) -> Any:
        """Run code in the kernel; the JSON that it prints."""
        printed = self.page.evaluate(
            """async (code) => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
              const future = kernel.requestExecute({code, store_history: false})
              let text = ""
              future.onIOPub = ({header, content}) => {
                if (header.msg_type === "stream") text += content.text
                if (header.msg_type === "error") text += content.traceback.join("\\n")
              }
              await future.done
              return text
            }""",
            code,
        )
        try:
            return json.loads(printed)
        except json.JSONDecodeError:
            pytest.fail(f"{code}\nprinted\n{printed}")

    def drawn(self, panes: int = 2) -> None:
        """Wait until that many panes show their part of a document."""
        self.page.wait_for_function(
            """(panes) => {
              const drawn = document.querySelectorAll('.modviz-pane[data-modviz-state="drawn"]')
              return drawn.length === panes
            }""",
            arg=panes,
            timeout=3 * MINUTE,
        )

    def states(self) -> list[str]:
        """What screen readers are told, by every explorer on the page."""
        return [text for text in self.page.locator(".modviz-announce").all_inner_texts() if text]


@pytest.fixture
def artifacts() -> Path:
    """A folder for pictures to look at."""
    folder = REPO / "test-artifacts"
    folder.mkdir(exist_ok=True)
    return folder


def test_the_quickstart_from_run_to_linked_panels(
    open_window: Callable[..., Any], lab: Any, panels: Any, artifacts: Path
) -> None:
    shutil.copy(REPO / "notebooks" / "01_quickstart.ipynb", lab.folder / "quickstart.ipynb")
    window = open_window(1680, 1300)
    page = window.page
    notebook = Notebook(page, lab, "quickstart.ipynb")
    notebook.run_all()
    notebook.drawn()
    state = page.locator(".modviz-announce:not(:empty)")
    expect(state).to_have_text(re.compile("complete · "), timeout=3 * MINUTE)
    # all cells are through; now the same by hand
    notebook.python("explorer.selected = (); print(1)")
    expect(state).to_have_text("modviz: complete · nothing selected")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(state).to_have_text(re.compile("modviz: running"))
    assert notebook.python("print(1 + 1)") == 2  # the kernel is free meanwhile
    expect(state).to_have_text("modviz: complete · nothing selected", timeout=3 * MINUTE)
    linked = panels.in_notebook(page)

    # a row of the lesion panel
    first = linked.names(*LESIONS)[0]
    linked.click(linked.place(*LESIONS, name=first))
    linked.wait_for_marks([first])  # all other panels, in the browser
    expect(page.locator('[data-modviz-root="card"] .name')).to_have_text(first)
    expect(state).to_have_text(f"modviz: complete · selected {first}")  # written by Python
    assert notebook.python(_NAMES) == [first]
    page.screenshot(path=artifacts / "jupyterlab-lesion.png")

    # the adjacency panel
    sizes = notebook.python(_SIZES)  # the smallest are thinner than a pixel
    other = max((name for name in linked.names(*MATRIX) if name != first), key=sizes.get)
    place = linked.place(*MATRIX, name=other)
    linked.click(place)
    linked.wait_for_marks(place.names)
    expect(state).to_have_text(f"modviz: complete · selected {', '.join(place.names)}")
    assert notebook.python(_NAMES) == place.names
    page.screenshot(path=artifacts / "jupyterlab-adjacency.png")

    # from Python, by pairs
    third = linked.names(*GALLERY)[-1]
    pair = notebook.python(
        "import json\n"
        f"key = next(s.key for s in explorer.analysis.subclusters if s.name == {third!r})\n"
        "explorer.selected = [key]\nprint(json.dumps(explorer.selected))"
    )
    linked.wait_for_marks([third])
    assert pair == notebook.python("print(json.dumps(explorer.selected))")

    # a page that is loaded again shows what is current
    notebook.command("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    notebook.ready()
    notebook.drawn()
    linked.wait_for_marks([third])
    expect(state).to_have_text(f"modviz: complete · selected {third}")
    linked.click(linked.place(*LESIONS, name=first))
    expect(state).to_have_text(f"modviz: complete · selected {first}")
    assert window.refused == []
    assert window.errors == []


_NAMES = (
    "import json\n"
    "found = {s.key: s.name for s in explorer.analysis.subclusters}\n"
    "print(json.dumps([found[key] for key in explorer.selected]))"
)
_SIZES = (
    "import json\nprint(json.dumps({s.name: len(s.units) for s in explorer.analysis.subclusters}))"
)


@pytest.fixture
def small_analysis() -> Analysis:
    rng = np.random.default_rng(0)
    layers = [Layer(f"fc{i}", "linear", 30, number=i) for i in (1, 2, 3)]
    blocks = {(i, i + 1): np.kron(np.eye(3), np.ones((10, 10))) for i in (0, 1)}
    graph = NeuronGraph(layers, {k: b + 0.1 * rng.random(b.shape) for k, b in blocks.items()})
    partition = spectral_partition(graph, 3)
    n = len(partition.subclusters)
    lesions = LesionResults(
        np.full(4, 0.9), rng.uniform(0.2, 0.9, (n, 4)), rng.uniform(0.5, 0.9, (n, 19, 4)), 100
    )
    names = ("ant", "bee", "cat", "dog")
    return Analysis(partition, size_rule(partition), names, lesions, model_name="Small")


def write_notebook(path: Path, *cells: str) -> None:
    code = [
        {"cell_type": "code", "id": f"cell{i}", "source": source, "metadata": {}, "outputs": []}
        | {"execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(
        json.dumps({"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )


def test_two_views_of_one_explorer_keep_step_and_another_explorer_stays_apart(
    open_window: Callable[..., Any], lab: Any, panels: Any, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    write_notebook(
        lab.folder / "views.ipynb",
        "import modviz\none = modviz.explore(modviz.load('small.modviz'))\none",
        "one",
        "other = modviz.explore(modviz.load('small.modviz'))\nother",
    )
    window = open_window(1680, 1300)
    notebook = Notebook(window.page, lab, "views.ipynb")
    notebook.run_all()
    notebook.drawn(panes=6)
    first, second, apart = (panels.in_notebook(window.page, document) for document in range(3))
    first.click(first.place(*LESIONS, name="B2"))
    first.wait_for_marks(["B2"])
    second.wait_for_marks(["B2"])
    assert notebook.python("import json; print(json.dumps(one.selected))") == [["fc2", 1]]
    assert notebook.python("print(json.dumps(other.selected))") == []
    assert apart.selected() == []

    notebook.python("other.selected = ['C1']; print(1)")
    apart.wait_for_marks(["C1"])
    second.click(second.place(*MATRIX, name="A3"))
    first.wait_for_marks(second.selected())
    assert apart.selected() == ["C1"]
    assert window.errors == []


def test_zooming_into_the_matrix_brings_detail_from_the_kernel(
    open_window: Callable[..., Any], lab: Any, panels: Any, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    write_notebook(
        lab.folder / "zoom.ipynb",
        "import json, threading, modviz\n"
        "explorer = modviz.explore(modviz.load('small.modviz'))\n"
        "asked, heard, zoom = [], threading.Event(), explorer.page.zoom\n"
        "def listen(*edges):\n    asked.append(edges)\n    zoom(*edges)\n    heard.set()\n"
        "explorer._live._on_zoom = listen\nexplorer",
    )
    window = open_window(1680, 1300)
    page = window.page
    notebook = Notebook(page, lab, "zoom.ipynb")
    notebook.run_all()
    notebook.drawn()
    linked = panels.in_notebook(page)
    place = linked.place(*MATRIX, name="B2")
    page.mouse.move(place.x - 40, place.y - 30)
    page.mouse.down()
    page.mouse.move(place.x + 40, place.y + 30, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name="Show the whole matrix")).to_be_visible()
    seen = _ranges(linked)
    notebook.python("assert heard.wait(30)\nprint(1)")  # the front end waits for the gesture's end
    assert notebook.python("print(json.dumps(asked[-1]))") == pytest.approx(seen)
    kernel = notebook.python(
        "figure = explorer.page.document.select_one({'name': 'modviz-adjacency'})\n"
        "print(json.dumps([figure.x_range.start, figure.x_range.end,"
        " figure.y_range.start, figure.y_range.end]))"
    )
    assert kernel == pytest.approx(seen)
    assert seen[1] - seen[0] < 60  # of 90 units
    assert window.errors == []


def _ranges(linked: Any) -> list[float]:
    found = linked.ask(
        'const figure = Bokeh.documents[0].get_model_by_name("modviz-adjacency")\n'
        "const {x_range: x, y_range: y} = figure\nreturn [x.start, x.end, y.start, y.end]"
    )
    return [float(edge) for edge in found]


def test_the_controls_are_never_squeezed(
    open_window: Callable[..., Any], lab: Any, small_analysis: Analysis, artifacts: Path
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    write_notebook(
        lab.folder / "narrow.ipynb",
        "import modviz\nexplorer = modviz.explore(modviz.load('small.modviz'))\nexplorer",
    )
    page = open_window(1680, 1100).page
    notebook = Notebook(page, lab, "narrow.ipynb")
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    notebook.drawn()
    controls = ".modviz-heading"
    for width, beside in ((1680, True), (1280, False), (760, False)):
        page.set_viewport_size({"width": width, "height": 1100})
        page.wait_for_function(
            """([controls, beside]) => {
              const left = document.querySelector(controls).getBoundingClientRect()
              const panels = document.querySelector('[data-modviz-root="page"]')
              const right = panels.getBoundingClientRect()
              return beside ? left.right <= right.left : left.bottom <= right.top
            }""",
            arg=[controls, beside],
        )
        page.screenshot(path=artifacts / f"jupyterlab-{width}.png")
        heading, files = _box(page, controls), _box(page, ".modviz-files")
        card, panels = (_box(page, f'[data-modviz-root="{root}"]') for root in ("card", "page"))
        assert (round(card["width"]), round(panels["width"])) == (280, 936)
        assert round(heading["width"]) == round(files["width"]) == 280
        below = max(files["y"] + files["height"], card["y"] + card["height"])
        assert (below <= panels["y"]) is not beside
        if beside:
            assert heading["x"] == files["x"] == card["x"]


def _box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    assert found is not None
    return dict(found)
