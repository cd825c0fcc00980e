"""What comes to a page later, how it is sorted and filtered, and names that look like HTML."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, Div, Plot

from modviz.core.analysis import Analysis
from modviz.view import bar, evidence, summaries, tables
from modviz.view.facts import Facts
from modviz.view.page import Page
from tests.view.extras import choice_of, made
from tests.view.models import note, source, text
from tests.view.pictured import with_tops

Make = Callable[..., Analysis]
HOSTILE = "<img src=x onerror=alert(1)>"


def write_view(page: Page, **parts: str) -> None:
    """What a browser does when somebody uses a selector of the bar."""
    held = page.document.get_model_by_name("modviz-view")
    held.data = {"json": [json.dumps({**page.view, **parts})]}


def figures(page: Page) -> int:
    return len(list(page.document.select({"type": Plot})))


def test_a_new_page_is_sorted_by_loss_and_shows_all(analysis: Analysis) -> None:
    assert Page().view == Page(analysis).view == dict(bar.VIEW)
    first = {"sort": "effect", "layer": "", "show": "all", "order": "cluster"}
    assert {**first, "gallery": "layer"} == bar.VIEW


def test_the_view_stays_over_an_update_as_far_as_it_can(make_analysis: Make) -> None:
    page = Page(make_analysis(n_layers=3, units=24))
    view = {"sort": "p", "layer": "fc3", "show": "any", "order": "layer", "gallery": "rows"}
    write_view(page, **view)
    page.update(make_analysis(n_layers=3, units=24, seed=1))
    assert page.view == view
    page.update(make_analysis(n_layers=2, units=24))  # there is no third layer now
    assert page.view == {**view, "layer": ""}


def test_the_bar_offers_the_layers_that_there_are(make_analysis: Make) -> None:
    page = Page(make_analysis(n_layers=3, units=24))
    layers = r'<option value="(fc\d)">'
    assert re.findall(layers, text(page)) == ["fc1", "fc2", "fc3"]
    page.update(make_analysis(n_layers=2, units=24))
    assert re.findall(layers, text(page)) == ["fc1", "fc2"]
    assert page.document.get_model_by_name("modviz-subclusters").data["layer"][-1] == 2


def test_numbers_of_clusters_appear_and_disappear(analysis: Analysis) -> None:
    page = Page(analysis)
    before = figures(page)
    assert "stand out" not in text(page)
    page.show_choice(choice_of())
    assert "4 suggested" in text(page)
    assert figures(page) == before + 1
    page.show_choice(choice_of(eigengap=np.full(10, 0.01)))  # a second one takes its place
    assert "none suggested" in text(page)
    assert "4 suggested" not in text(page)
    assert figures(page) == before + 1
    page.show_choice(None)
    assert "suggested" not in text(page)
    assert figures(page) == before


def test_double_lesions_appear_and_disappear_beside_them(analysis: Analysis) -> None:
    page = Page(analysis)
    before = figures(page)
    page.show_interactions(made())
    page.show_choice(choice_of())
    assert "Double lesions" in text(page)
    assert "4 suggested" in text(page)
    assert figures(page) == before + 2
    page.show_interactions(made(3, 3))
    assert figures(page) == before + 2
    cells = source(page, "cells", "frames")["cells"].data["tip"]
    assert sum("+" in tip for tip in cells) == 9 * 8  # those of the second
    page.show_interactions(None)
    assert "Double lesions" not in text(page)
    assert "4 suggested" in text(page)
    page.show_choice(None)
    extras = page.document.roots[1].children[3]
    assert extras.visible is False
    page.show_choice(choice_of())
    assert extras.visible is True


def test_double_lesions_are_linked_whenever_they_come(analysis: Analysis) -> None:
    page = Page(analysis)
    page.select(["B2"])
    page.show_interactions(made())
    hits = source(page, "cells", "frames")["hits"]
    marked = [hits.data["name"][k] for k in hits.selected.indices]
    assert marked == ["B2", "B2"]  # its row and its column


def test_what_came_later_stays_over_an_update(make_analysis: Make) -> None:
    page = Page(make_analysis(n_layers=2, units=24))
    page.show_choice(choice_of())
    page.update(make_analysis(n_layers=2, units=24, seed=1))
    assert "4 suggested" in text(page)


def test_no_formula_is_read_into_names(analysis: Analysis) -> None:
    page = Page(analysis)
    page.show_choice(choice_of())
    page.show_interactions(made())
    divs = list(page.document.select({"type": Div}))
    assert len(divs) > 15
    assert [div.text for div in divs if not div.disable_math] == []


def test_bokeh_finds_nothing_to_complain_about(
    analysis: Analysis, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for page in (Page(), Page(analysis)):
            page.document.validate()
        page.show_choice(choice_of())
        page.show_choice(None)
        page.document.validate()
    assert caplog.messages == []


@pytest.fixture(scope="module")
def hostile(make_analysis: Make) -> Analysis:
    """An analysis whose every name looks like HTML."""
    return with_tops(
        make_analysis(
            n_layers=2,
            units=24,
            layer_name=HOSTILE + "{}",
            class_names=tuple(f"{HOSTILE}{c}" for c in range(5)),
            model_name=HOSTILE,
        )
    )


def test_hostile_names_stay_text_wherever_html_is_made(hostile: Analysis) -> None:
    page = Page(hostile)
    page.show_interactions(made(name=HOSTILE + "{}"))
    html = [div.text for div in page.document.select({"type": Div})]
    html += page.document.get_model_by_name("modviz-cards").data["html"]
    assert not [piece for piece in html if "<img" in piece]
    there = "".join(html)
    for part in ("bar", "twin", "card"):  # the names are there, and all of them escaped
        assert any("&lt;img src=x" in piece for piece in html if f'class="{part}' in piece), part
    assert there.count("&lt;img src=x") > 50


def test_hostile_names_stay_text_in_tables_and_summaries(hostile: Analysis) -> None:
    facts = Facts(hostile)
    for make in (tables.partition, tables.classes, tables.features):
        assert "<img" not in make(facts)
        assert "&lt;img src=x onerror=alert(1)&gt;" in make(facts)
    for make in (tables.weights, tables.lesions, summaries.partition, summaries.classes):
        assert "<img" not in make(facts)
    assert "<img" not in evidence.card(facts, 0)
    assert "&lt;img src=x" in evidence.card(facts, 0)


def test_hostile_names_stay_text_under_the_pointer(hostile: Analysis) -> None:
    page = Page(hostile)
    page.show_interactions(made(name=HOSTILE + "{}"))
    tips = [
        str(tip)
        for held in page.document.select({"type": ColumnDataSource})
        for tip in held.data.get("tip", [])
    ]
    assert not [tip for tip in tips if "<img" in tip]
    assert sum("&lt;img" in tip for tip in tips) > 20


def test_notes_of_a_page_are_what_its_panels_say(analysis: Analysis) -> None:
    page = Page(analysis)
    assert note(page, "modviz-rows")["names"] == source(page, "dots")["names"].data["text"]
    assert note(page, "modviz-theme") == "light"
    assert note(page, "modviz-command") == {}
