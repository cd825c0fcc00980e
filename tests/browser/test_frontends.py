"""The explorer in Notebook 7 and in Voila, as in JupyterLab: panels linked, Python told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modviz.core.analysis import Analysis
from tests.browser.drivers import Notebook, VoilaPage
from tests.browser.linked import PANELS
from tests.browser.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXPLORE = "import modviz\nexplorer = modviz.explore(modviz.load('full.modviz'))\nexplorer"
NAMES = ("A1", "B2", "C1", "B1", "A2")


def test_notebook_7(
    in_notebook7: Callable[..., Notebook], notebook7: Server, full_analysis: Analysis
) -> None:
    full_analysis.save(notebook7.folder / "full.modviz")
    notebook = in_notebook7(EXPLORE)
    notebook.run_all()
    notebook.drawn()
    linked = notebook.linked()
    for layers, name in zip(PANELS.values(), NAMES, strict=True):
        place = linked.place(*layers, name=name)
        linked.click(place)
        linked.wait_for_marks(place.names)
        notebook.says(f"modviz: complete · selected {', '.join(place.names)}")
    assert notebook.value("explorer.selected") == [["fc2", 0]]
    notebook.python("explorer.selected = ['B1', 'C2']")
    linked.wait_for_marks(["B1", "C2"])
    assert notebook.window.refused == []
    # an empty notebook has this one too: Notebook's settings look for a plugin it does not have
    own = [error for error in notebook.window.errors if "(reading 'schema')" not in error]
    assert own == []


def test_voila(in_voila: Callable[..., VoilaPage], voila: Server, full_analysis: Analysis) -> None:
    full_analysis.save(voila.folder / "full.modviz")
    shown = in_voila(EXPLORE)
    shown.drawn()
    linked = shown.linked()
    for layers, name in zip(PANELS.values(), NAMES, strict=True):
        place = linked.place(*layers, name=name)
        linked.click(place)
        linked.wait_for_marks(place.names)
        shown.says(f"modviz: complete · selected {', '.join(place.names)}")  # Python wrote it
    # Voila's own page asks for an icon font; nothing of modviz asks for anything
    assert [url for url in shown.window.refused if "fontawesome" not in url] == []
    assert shown.window.errors == []
