"""News from Python on a page that is sorted and filtered; and how often it is laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.drivers import Window
from tests.browser.linked import CLASSES, LESIONS
from tests.browser.report_page import ReportPage, order, varied, written

pytestmark = pytest.mark.browser

#: As Python sends it: only what rows are sorted and filtered by, all else is as it was.
_TELL = """
const known = Bokeh.documents[0].get_model_by_name("modviz-subclusters")
const data = {...known.data}
for (const [column, values] of Object.entries(argument.news)) {
  data[column] = data.name.map((name, k) => values[name] ?? data[column][k])
}
known.data = data
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("news"))


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def tell(shown: ReportPage, **news: dict[str, Any]) -> None:
    shown.panels.ask(_TELL, news=news)


def test_rows_follow_new_p_though_losses_stay(shown: ReportPage) -> None:
    names = order(varied(), "p")
    shown.selector("sort").select_option("p")
    shown.wait_for_rows(names)
    last = names[-1]
    tell(shown, p={last: 0.0})
    shown.wait_for_rows([last, *names[:-1]])
    assert shown.rows(CLASSES) == shown.rows(LESIONS) == [last, *names[:-1]]


def test_a_subcluster_that_is_decided_leaves_the_undecided(shown: ReportPage) -> None:
    tell(shown, verdict=dict.fromkeys(order(varied(), "effect"), "no") | {"A1": "open"})
    shown.selector("show").select_option("undecided")
    shown.wait_for_rows(["A1"])
    tell(shown, verdict={"A1": "yes", "B2": "open"})
    shown.wait_for_rows(["B2"])
    assert shown.rows(CLASSES) == ["B2"]


def test_a_filter_lays_the_page_out_once(shown: ReportPage) -> None:
    """At the size of VGG-16 every time takes a tenth of a second and more."""
    count = """
    const top = [...Bokeh.index].find(({model}) => model.name === "page")
    const after = top.compute_layout
    globalThis.layouts = 0
    top.compute_layout = (...given) => { globalThis.layouts += 1; return after.apply(top, given) }
    const view = Bokeh.documents[0].get_model_by_name("modviz-view")
    const state = {...JSON.parse(view.data.json[0]), show: "important"}
    view.data = {json: [JSON.stringify(state)]}
    return Promise.resolve().then(() => globalThis.layouts) // after what the change has queued
    """
    assert shown.panels.ask(count) == 1
    assert 0 < len(shown.rows()) < len(order(varied(), "effect"))
