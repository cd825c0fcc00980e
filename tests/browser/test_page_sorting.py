"""Sorting and filtering a page: rows, cells and tables move together, in the browser alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from modviz.view import style
from tests.browser.drivers import Window
from tests.browser.linked import CLASSES, GALLERY, LESIONS
from tests.browser.report_page import ReportPage, order, varied, written

pytestmark = pytest.mark.browser

LOSSES, BY_CLASS, PICTURES = "Lesions: a row", "Accuracy change by class", "Feature images: a row"
SMALL = ["D1", "D2", "D3"]  # outside the size rule: in tables, last, and in no figure


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sorting"))


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    """The page 936 pixels wide, as Python has placed it; afterwards nothing has failed."""
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def in_rows(shown: ReportPage, names: list[str]) -> None:
    """Both panels have these rows, from top to bottom, and all that belongs to them lies there."""
    for layers in (LESIONS, CLASSES):
        assert shown.rows(layers) == names
        hits = shown.columns(layers, "hits")
        tops = dict(zip(hits["name"], hits["bottom"], strict=True))
        pitch = sorted(tops[name] for name in names)
        assert np.diff(pitch).tolist() == [style.ROW] * (len(names) - 1)
        for layer, key in (("names", "y"), ("dots", "y"), ("controls", "y0"), ("cells", "bottom")):
            if layer not in layers:
                continue
            marks = shown.columns(layers, layer)
            for of, y in zip(marks["of"], marks[key], strict=True):
                inside = of in names and tops[of] <= y <= tops[of] + style.ROW
                assert inside or (of not in names and np.isnan(y)), (layer, of, y)


def test_the_orders_that_are_tested_differ() -> None:
    orders = {tuple(order(varied(), sort)) for sort in ("effect", "p", "layer", "cluster")}
    assert len(orders) == 4
    assert {len(names) for names in orders} == {9}


@pytest.mark.parametrize("sort", ["p", "layer", "cluster", "effect"])
def test_every_key_moves_rows_and_tables_alike(shown: ReportPage, sort: str) -> None:
    names = order(varied(), sort)
    first = order(varied(), "effect")
    in_rows(shown, first)
    assert shown.selector("sort").input_value() == "effect"
    heights = shown.heights()
    if sort == "effect":  # and back again
        shown.selector("sort").select_option("cluster")
        shown.wait_for_rows(order(varied(), "cluster"))
    shown.selector("sort").select_option(sort)
    shown.wait_for_rows(names)
    in_rows(shown, names)
    assert shown.heights() == heights
    for caption in (LOSSES, BY_CLASS):
        assert [name for name in shown.table(caption) if name not in SMALL] == names
    assert shown.table(LOSSES)[-3:] == SMALL
    # the gallery goes by layer in every order, and so does its table
    assert shown.rows(GALLERY)[0] == "A1"
    assert shown.table(PICTURES) == order(varied(), "layer")
    options = shown.page.locator("select[data-pick] option")
    assert options.evaluate_all("(all) => all.map((option) => option.value)") == ["", *names]


FILTERS = [
    ("layer", "fc2", ["A2", "B2", "C2"]),
    ("show", "important", ["B1", "A2", "C3"]),
    ("show", "any", ["B1", "A2", "C3", "C1"]),
    ("show", "undecided", ["A3", "B2"]),
]


@pytest.mark.parametrize(("key", "value", "names"), FILTERS)
def test_filters_leave_out_rows_and_cells_and_show_all_brings_them_back(
    shown: ReportPage, key: str, value: str, names: list[str]
) -> None:
    whole = order(varied(), "effect")
    heights = shown.heights()
    everything = shown.act("all")
    expect(everything).to_be_hidden()
    expect(shown.count).to_have_text("9 subclusters")
    shown.selector(key).select_option(value)
    shown.wait_for_rows(names)
    in_rows(shown, names)
    expect(shown.count).to_have_text(f"{len(names)} of 9 subclusters")
    assert set(shown.rows(GALLERY)) == set(names)
    for caption in (LOSSES, BY_CLASS, PICTURES):
        left = [name for name in shown.table(caption) if name not in SMALL]
        assert set(left) == set(names)
        assert {*shown.table(caption, shown=False)} >= set(whole)
    less = style.ROW * (9 - len(names))
    lesions, classes, gallery = heights
    assert shown.heights()[:2] == [lesions - less, classes - less]
    assert shown.heights()[2] < gallery  # one line of cells in place of two
    everything.click()
    shown.wait_for_rows(whole)
    in_rows(shown, whole)
    assert shown.heights() == heights
    assert set(shown.rows(GALLERY)) == set(whole)
    assert shown.selector(key).input_value() == ("" if key == "layer" else "all")
    expect(everything).to_be_hidden()
    expect(shown.count).to_have_text("9 subclusters")


def test_filters_work_together_and_with_the_order(shown: ReportPage) -> None:
    shown.selector("sort").select_option("cluster")
    shown.selector("show").select_option("any")
    shown.wait_for_rows(["A2", "B1", "C1", "C3"])
    shown.selector("layer").select_option("fc1")
    shown.wait_for_rows(["B1", "C1"])
    in_rows(shown, ["B1", "C1"])
    shown.act("all").click()
    shown.wait_for_rows(order(varied(), "cluster"))  # the order stays


def test_nothing_left_is_a_state_like_any_other(shown: ReportPage) -> None:
    shown.selector("layer").select_option("fc1")
    shown.selector("show").select_option("undecided")
    shown.wait_for_rows([])
    expect(shown.count).to_have_text("none of 9 subclusters")
    assert shown.rows(CLASSES) == shown.rows(GALLERY) == []
    for y in shown.columns(CLASSES, "cells")["bottom"]:
        assert np.isnan(y)
    assert min(shown.heights()) > 0
    shown.act("next").click()  # there is nobody to step to
    assert shown.panels.selected() == []
    shown.act("all").click()
    shown.wait_for_rows(order(varied(), "effect"))


def test_marks_below_the_rows_follow_their_end(shown: ReportPage) -> None:
    before = {layers: shown.columns(layers, "axis") for layers in (LESIONS,)}[LESIONS]["y"]
    grid = shown.columns(LESIONS, "grid")
    shown.selector("layer").select_option("fc3")
    shown.wait_for_rows(["A3", "C3", "B3"])
    less = style.ROW * 6
    assert shown.columns(LESIONS, "axis")["y"] == [y - less for y in before]
    after = shown.columns(LESIONS, "grid")
    assert after["y0"] == grid["y0"]
    assert after["y1"] == [y - less for y in grid["y1"]]


def test_a_selection_outlives_a_filter_that_hides_it(shown: ReportPage) -> None:
    shown.panels.click(shown.panels.place(*LESIONS, name="B1"))
    shown.panels.wait_for_marks(["B1"])
    shown.selector("layer").select_option("fc2")
    shown.wait_for_rows(["A2", "B2", "C2"])
    assert shown.panels.selected() == ["B1"]
    expect(shown.count).to_have_text("3 of 9 subclusters, B1 selected")
    assert shown.page.locator("select[data-pick]").input_value() == "B1"
    expect(shown.page.locator("#card .name")).to_have_text("B1")
    shown.act("next").click()  # from what is not shown to the first that is
    shown.panels.wait_for_marks(["A2"])
