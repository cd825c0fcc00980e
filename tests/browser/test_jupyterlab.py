"""The explorer in JupyterLab, from Run to linked panels: real server, kernel, browser, network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modviz.core.analysis import Analysis
from tests.browser.drivers import Notebook, Window
from tests.browser.linked import GALLERY, LESIONS, MATRIX, PANELS, Panels
from tests.browser.servers import REPO, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXPLORE = "import modviz\nexplorer = modviz.explore(modviz.load('{}'))\nexplorer"
#: Names of the subclusters that are selected in the kernel.
SELECTED = "[{s.key: s.name for s in explorer.analysis.subclusters}[k] for k in explorer.selected]"
SIZES = "{s.name: len(s.units) for s in explorer.analysis.subclusters}"


def test_the_quickstart_from_run_to_linked_panels(
    open_window: Callable[..., Window], lab: Server, artifacts: Path
) -> None:
    shutil.copy(REPO / "notebooks" / "01_quickstart.ipynb", lab.folder / "quickstart.ipynb")
    notebook = Notebook(open_window(1680, 1300), lab)
    notebook.open("quickstart.ipynb")
    notebook.run_all()
    notebook.drawn()
    notebook.says(re.compile("complete · "))
    # all cells are through; now the same by hand
    notebook.python("explorer.selected = ()")
    notebook.says("modviz: complete · nothing selected")
    seed = notebook.page.get_by_role("spinbutton", name="Seed")
    seed.fill("1")  # nothing that is known already answers this
    seed.press("Enter")
    notebook.page.get_by_role("button", name="Run", exact=True).click()
    notebook.says(re.compile("modviz: running"))
    assert notebook.value("1 + 1") == 2  # the kernel is free meanwhile
    notebook.says("modviz: complete · nothing selected")
    notebook.settled()
    linked = notebook.linked()

    # a row of the lesion panel
    first = linked.names(*LESIONS)[0]
    linked.click(linked.place(*LESIONS, name=first))
    linked.wait_for_marks([first])  # all other panels, in the browser
    assert notebook.page.locator('[data-modviz-root="card"] .name').inner_text() == first
    notebook.says(f"modviz: complete · selected {first}")  # written by Python
    assert notebook.value(SELECTED) == [first]
    notebook.page.screenshot(path=artifacts / "jupyterlab-lesion.png")

    # the adjacency panel
    sizes = notebook.value(SIZES)  # the smallest are thinner than a pixel
    other = max((name for name in linked.names(*MATRIX) if name != first), key=sizes.get)
    place = linked.place(*MATRIX, name=other)
    linked.click(place)
    linked.wait_for_marks(place.names)
    notebook.says(f"modviz: complete · selected {', '.join(place.names)}")
    assert notebook.value(SELECTED) == place.names
    notebook.page.screenshot(path=artifacts / "jupyterlab-adjacency.png")

    # from Python, by pairs
    third = linked.names(*GALLERY)[-1]
    notebook.python(
        f"pair = next(s.key for s in explorer.analysis.subclusters if s.name == {third!r})\n"
        "explorer.selected = [pair]"
    )
    linked.wait_for_marks([third])
    assert notebook.value("explorer.selected == (pair,)") is True
    assert notebook.window.refused == []
    assert notebook.window.errors == []


def test_a_click_in_each_panel_reaches_all_others_and_python(
    in_lab: Callable[..., Notebook], lab: Server, full_analysis: Analysis
) -> None:
    full_analysis.save(lab.folder / "full.modviz")
    notebook = in_lab(EXPLORE.format("full.modviz"))
    notebook.run_all()
    notebook.drawn()
    linked = notebook.linked()
    wanted = ["A1", "B2", "C1", "B1", "A2", "C2"]
    for (panel, layers), name in zip(PANELS.items(), wanted, strict=False):
        place = linked.place(*layers, name=name)
        assert name in place.names, panel
        linked.click(place)
        linked.wait_for_marks(place.names)
        notebook.says(f"modviz: complete · selected {', '.join(place.names)}")
        assert notebook.value(SELECTED) == place.names, panel
    assert notebook.window.refused == []
    assert notebook.window.errors == []


def test_a_page_that_is_loaded_again_shows_what_is_current(
    in_lab: Callable[..., Notebook], lab: Server, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    notebook = in_lab(EXPLORE.format("small.modviz"))
    notebook.run_all()
    notebook.drawn()
    notebook.save()
    notebook.python("explorer.selected = ['B2', 'C3']")  # after the notebook was written
    notebook.says("modviz: complete · selected B2, C3")
    notebook.reload()
    notebook.drawn()
    linked = notebook.linked()
    linked.wait_for_marks(["B2", "C3"])
    notebook.says("modviz: complete · selected B2, C3")
    linked.click(linked.place(*LESIONS, name="A1"))
    linked.wait_for_marks(["A1"])
    notebook.says("modviz: complete · selected A1")
    assert notebook.value("explorer.selected") == [["fc1", 0]]
    assert notebook.window.errors == []


def test_two_views_of_one_explorer_keep_step_and_another_explorer_stays_apart(
    in_lab: Callable[..., Notebook], lab: Server, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    notebook = in_lab(
        "import modviz\none = modviz.explore(modviz.load('small.modviz'))\none",
        "one",
        "other = modviz.explore(modviz.load('small.modviz'))\nother",
    )
    notebook.run_all()
    notebook.drawn(panes=6)
    first, second, apart = (notebook.linked(document) for document in range(3))
    first.click(first.place(*LESIONS, name="B2"))
    first.wait_for_marks(["B2"])
    second.wait_for_marks(["B2"])
    assert notebook.value("one.selected") == [["fc2", 1]]
    assert notebook.value("other.selected") == []
    assert apart.selected() == []

    notebook.python("other.selected = ['C1']")
    apart.wait_for_marks(["C1"])
    second.click(second.place(*MATRIX, name="A3"))
    first.wait_for_marks(second.selected())
    assert apart.selected() == ["C1"]
    assert notebook.window.errors == []


def test_zooming_into_the_matrix_brings_detail_from_the_kernel(
    in_lab: Callable[..., Notebook], lab: Server, small_analysis: Analysis
) -> None:
    small_analysis.save(lab.folder / "small.modviz")
    notebook = in_lab(
        "import threading, modviz\n"
        "explorer = modviz.explore(modviz.load('small.modviz'))\n"
        "asked, heard, zoom = [], threading.Event(), explorer.page.zoom\n"
        "def listen(*told):\n    asked.append(told[:4])\n    zoom(*told)\n    heard.set()\n"
        "explorer._live._on_zoom = listen\nexplorer",
    )
    notebook.run_all()
    notebook.drawn()
    page, linked = notebook.page, notebook.linked()
    place = linked.place(*MATRIX, name="B2")
    page.mouse.move(place.x - 40, place.y - 30)
    page.mouse.down()
    page.mouse.move(place.x + 40, place.y + 30, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Show the whole matrix").wait_for()
    seen = _ranges(linked)
    notebook.python("assert heard.wait(30)")  # the front end waits for the gesture's end
    assert notebook.value("asked[-1]") == pytest.approx(seen)
    notebook.python("figure = explorer.page.document.select_one({'name': 'modviz-adjacency'})")
    edges = "[figure.{0}.start, figure.{0}.end]"
    kernel = notebook.value(f"{edges.format('x_range')} + {edges.format('y_range')}")
    assert kernel == pytest.approx(seen)
    assert seen[1] - seen[0] < 60  # of 90 units
    assert notebook.window.errors == []


def _ranges(linked: Panels) -> list[float]:
    found = linked.ask(
        'const figure = Bokeh.documents[0].get_model_by_name("modviz-adjacency")\n'
        "const {x_range: x, y_range: y} = figure\nreturn [x.start, x.end, y.start, y.end]"
    )
    return [float(edge) for edge in found]
