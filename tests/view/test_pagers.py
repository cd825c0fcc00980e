"""Long panels in pages: buttons that the scripts know, figures that start no higher than one."""

from __future__ import annotations

import re
from typing import Any

from bokeh.models import Plot
from bokeh.models.widgets import Div

from modviz.view import bar, gallery, lesions, pagers, scripts
from modviz.view.facts import Facts
from modviz.view.page import Page
from tests.browser.material import full_analysis, many_analysis

FIGURES = {"lesions": "dots", "classes": "cells", "gallery": "pictures"}


def heights(page: Page) -> dict[str, int]:
    found: dict[str, int] = {}
    for plot in page.document.select({"type": Plot}):
        names = {renderer.name for renderer in plot.renderers}
        found |= {key: plot.height for key, layer in FIGURES.items() if layer in names}
    return found


def needed(page: Page) -> dict[str, int]:
    """What the scripts are told: pixels of all rows."""
    (note,) = page.document.select({"name": "modviz-sizes"})
    known: dict[str, Any] = scripts.read(note)["heights"]
    return {key: known[key] for key in ("lesions", "classes")}


def test_no_figure_starts_higher_than_a_page() -> None:
    analysis = many_analysis()
    page = Page(analysis)
    whole = lesions.height(80, lesions.BOTTOM)
    assert whole > pagers.TALLEST
    assert needed(page) == {"lesions": whole, "classes": whole}
    assert gallery.arrange(Facts(analysis)).height > pagers.TALLEST
    assert heights(page) == dict.fromkeys(FIGURES, pagers.TALLEST)
    (plot,) = [p for p in page.document.select({"type": Plot}) if p.select({"name": "dots"})]
    assert (plot.y_range.start, plot.y_range.end) == (pagers.TALLEST, 0)  # not squeezed


def test_few_rows_have_the_height_that_they_need() -> None:
    analysis = full_analysis()
    page = Page(analysis)
    rows = lesions.height(6, lesions.BOTTOM)
    places = gallery.arrange(Facts(analysis))
    assert heights(page) == {"lesions": rows, "classes": rows, "gallery": places.height}


def test_buttons_turn_pages_and_are_announced_once() -> None:
    page = Page()
    texts = [div.text for div in page.document.select({"type": Div})]
    turns = [text for text in texts if "data-turns" in text]
    assert len(turns) == 3  # lesions, classes, gallery
    acts = [re.findall(r'data-act="([a-z-]+)"', text) for text in turns]
    known = {"rows-back", "rows-on", "cells-back", "cells-on", "all"}
    assert {act for found in acts for act in found} == known
    assert all(set(found) < known for found in acts)
    assert sum('role="status"' in text for text in turns) == 2  # rows stand twice
    for text in turns:
        for given in re.findall(r"<button (.*?)>", text):
            assert 'type="button"' in given
            assert "aria-label=" in given or 'data-act="all"' in given
    (orders,) = [re.findall(r'<option value="(\w+)"', t) for t in turns if "<select" in t]
    for order in orders:
        assert bar.checked({**bar.VIEW, "gallery": order}, [])["gallery"] == order
    assert orders[0] == bar.VIEW["gallery"]
