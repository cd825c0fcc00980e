"""The panel of two analyses in a real browser: a click marks the same clusters in all parts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

import modviz
from modviz.core.comparison import Comparison
from tests.core.test_compare import analysis_of, lesioned

pytestmark = pytest.mark.browser

_PARTS = ("modviz-comparison-bars", "modviz-comparison-overlap", "modviz-comparison-changes")

#: Functions of the name of a figure and the key of a row.
_PLACE = """([part, key]) => {
  const figure = Bokeh.documents[0].get_model_by_name(part)
  const view = Bokeh.index.find_one(figure)
  const {data_source} = figure.renderers.find((renderer) => renderer.name === "hits")
  const {left, right, top, bottom, name} = data_source.data
  const k = key === "" ? -1 : [...name].indexOf(key)
  const box = view.canvas_view.el.getBoundingClientRect()
  const [x, y] = k < 0 ? [4, 4] : [(left[k] + right[k]) / 2, (top[k] + bottom[k]) / 2]
  return {x: box.x + view.frame.x_scale.compute(x), y: box.y + view.frame.y_scale.compute(y)}
}"""
_MARKED = """([parts, wanted]) => {
  const named = (name) => Bokeh.documents[0].get_model_by_name(name)
  const chosen = [...named("modviz-selection").data.name]
  const marks = parts.map((part) => {
    const {data, selected} = named(part).renderers.find((r) => r.name === "hits").data_source
    const keys = new Set(selected.indices.map((k) => data.name[k]))
    const rows = [...data.name].filter((name) => keys.has(name)).length
    return rows === selected.indices.length ? [...keys].sort().join() : "a part of them"
  })
  return [chosen.sort().join(), ...marks].every((keys) => keys === wanted)
}"""


def compared() -> Comparison:
    """A of early is B of late, B is A, C is D; C of late is new; only A is important in both."""
    early = lesioned(
        analysis_of([0] * 8 + [1] * 6 + [2] * 5, [0] * 6 + [1] * 7 + [2] * 6),
        -20,
        -2,
        -4,
        -22,
        0,
        1,
    )
    late = lesioned(
        analysis_of([1] * 7 + [0] * 6 + [2] * 3 + [3] * 3, [1] * 6 + [0] * 6 + [2] * 3 + [3] * 4),
        *(-3, -30, -1, -2, -3, -25, 1, -1),
    )
    return modviz.compare(early, late, names=("early", "late"))


def place(page: Page, part: str, key: str) -> dict[str, float]:
    return page.evaluate(_PLACE, [part, key])


def click(page: Page, part: str, key: str) -> None:
    at = place(page, part, key)
    page.mouse.click(at["x"], at["y"])


def wait_for_marks(page: Page, *keys: str) -> None:
    page.wait_for_function(_MARKED, arg=[_PARTS, ",".join(sorted(keys))])


@pytest.fixture
def opened(open_window, tmp_path):
    """The panel, opened from disk."""
    window = open_window(width=1000, height=1000)
    window.page.goto(modviz.plot(compared()).save(tmp_path / "x.html").as_uri())
    window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle")
    return window


def test_a_click_in_each_part_marks_the_same_clusters_in_all(opened):
    page = opened.page
    for part in _PARTS:
        for key, words in (
            ("row-0", "A–B: 13 of 14 units in early stay, 0 of 13 in late are new"),
            ("row-1", "B–A: 11 of 13 units in early stay, 1 of 12 in late are new"),
        ):
            click(page, part, key)
            wait_for_marks(page, key)
            page.get_by_text(words).wait_for()
    click(page, _PARTS[0], "row-3")  # C of late, which no other part but the map shows
    page.get_by_text("C of late, no match: 6 units alive in both.").wait_for()
    assert opened.errors == opened.refused == []


def test_shift_adds_and_a_click_beside_clears(opened):
    page = opened.page
    click(page, _PARTS[0], "row-0")
    wait_for_marks(page, "row-0")
    page.keyboard.down("Shift")
    click(page, _PARTS[0], "row-1")
    page.keyboard.up("Shift")
    wait_for_marks(page, "row-0", "row-1")
    assert page.get_by_text("units in early stay").count() == 2
    click(page, _PARTS[0], "")
    wait_for_marks(page)
    page.get_by_text("Click a bar, a row or a dot").wait_for()
    assert opened.errors == []


def test_the_keyboard_alone_selects_and_reads_the_tables(opened, artifacts):
    page = opened.page
    chooser = page.get_by_label("Cluster")
    chooser.focus()
    page.keyboard.press("ArrowDown")
    wait_for_marks(page, "row-0")
    page.screenshot(path=artifacts / "comparison.png", full_page=True)
    summary = page.get_by_text("Matched subclusters as a table")
    summary.focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("table", name="Matched subclusters")
    table.wait_for()
    row = table.get_by_role("row", name="A1–B1")
    assert row.get_by_role("cell").all_inner_texts() == [
        *("fc1", "7", "−20.0", "0.010", "0.030", "important"),
        *("−30.0", "0.010", "0.040", "important"),
    ]
    assert opened.errors == opened.refused == []


def test_a_dot_and_a_cell_explain_themselves(opened):
    page = opened.page
    at = place(page, _PARTS[2], "row-0")
    page.mouse.move(at["x"], at["y"])
    tip = page.get_by_text("early: −20.0 points")
    tip.first.wait_for()
    at = place(page, _PARTS[1], "row-1")  # the head of its column: the first cell is below
    page.mouse.move(at["x"], at["y"] + 26)
    page.get_by_text("A of early → A of late: 1 unit").first.wait_for()
    assert opened.errors == []
