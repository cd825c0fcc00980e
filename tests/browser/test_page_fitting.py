"""A page takes the width there is; at standard width it stands as Python has placed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bokeh.models import Plot

from modviz.view import style
from modviz.view.page import Page
from tests.browser.drivers import Window
from tests.browser.linked import CLASSES, GALLERY, LESIONS
from tests.browser.report_page import BESIDE, ReportPage, sideways, varied, written

pytestmark = pytest.mark.browser

FIGURES = {"lesions": LESIONS, "classes": CLASSES, "gallery": GALLERY}
#: Left upper corners of the five panels, and right lower corners of everything drawn in them.
_BOXES = """() => {
  const found = []
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(".head, canvas")) found.push(element)
      if (element.shadowRoot != null) walk(element.shadowRoot)
    }
  }
  walk(document)
  const box = (element) => {
    const {left, top, right, bottom} = element.getBoundingClientRect()
    return [left, top, right, bottom].map((v, k) => Math.round(v + (k % 2 ? scrollY : scrollX)))
  }
  const visible = found.filter((element) => element.checkVisibility())
  return {
    heads: visible.filter((element) => element.matches(".head")).map(box),
    drawn: visible.map(box),
    page: box(document.querySelector("#page")),
  }
}"""
#: How far below the window's upper edge the row of a subcluster stands in a panel.
_ROW = """
const view = Bokeh.index.find_one(figure)
const {bottom, name} = source("hits").data
const y = bottom[[...name].indexOf(argument.name)]
return view.canvas_view.el.getBoundingClientRect().y + view.frame.y_scale.compute(y)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("fitting"))


@pytest.fixture
def open_at(
    path: Path, open_window: Callable[..., Window]
) -> Iterator[Callable[[int], ReportPage]]:
    """Open the page in a window of some width; afterwards nothing has failed."""
    windows: list[Window] = []

    def open_one(width: int) -> ReportPage:
        windows.append(open_window(width, 1100))
        return ReportPage(windows[-1], path)

    yield open_one
    for window in windows:
        assert (window.errors, window.refused) == ([], [])


def wait_for_width(shown: ReportPage, width: int) -> None:
    """Wait until the gallery is as wide as the page is then."""
    shown.wait(GALLERY, "return figure.width === argument.width", width=width)


def test_at_standard_width_nothing_moves(open_at: Callable[[int], ReportPage]) -> None:
    shown = open_at(style.PAGE + BESIDE)
    page = Page(varied())
    compared = 0
    for name, layers in FIGURES.items():
        (plot,) = [
            plot
            for plot in page.document.select({"type": Plot})
            if set(layers) <= {r.name for r in plot.renderers}
        ]
        assert shown.size(layers) == (plot.width, plot.height), name
        for renderer in plot.renderers:
            placed = renderer.data_source.data
            if renderer.name == "pictures":  # come to their source in the browser, cell by cell
                (tiles,) = page.document.select({"name": "tiles"})
                placed = around(tiles.data)
            drawn = shown.columns(layers, renderer.name)
            for column, values in placed.items():
                expected = values.tolist() if hasattr(values, "tolist") else list(values)
                if all(isinstance(value, int | float) for value in expected):
                    expected = pytest.approx(expected, abs=1e-9)
                assert drawn[column] == expected, (name, renderer.name, column)
                compared += len(values)
    assert compared > 5000


def around(tiles: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The smallest rectangle around the tiles of each cell."""
    names = list(dict.fromkeys(tiles["of"]))
    own = [[k for k, of in enumerate(tiles["of"]) if of == name] for name in names]
    found: dict[str, list[Any]] = {"of": names}
    for start, size in (("x", "dw"), ("y", "dh")):
        found[start] = [min(tiles[start][k] for k in ks) for ks in own]
        ends = [max(tiles[start][k] + tiles[size][k] for k in ks) for ks in own]
        found[size] = [end - low for end, low in zip(ends, found[start], strict=True)]
    return found


def columns_of(boxes: dict[str, list[list[int]]]) -> int:
    """How many of the first four panels stand beside each other at the top."""
    four = boxes["heads"][:4]
    assert len(boxes["heads"]) == 5
    return sum(top == four[0][1] for _, top, _, _ in four)


@pytest.mark.parametrize(
    ("window", "columns"), [(700, 1), (1024, 2), (1280, 2), (1920, 2), (2560, 4), (3840, 4)]
)
def test_columns_by_width_and_never_sideways(
    open_at: Callable[[int], ReportPage], artifacts: Path, window: int, columns: int
) -> None:
    shown = open_at(window)
    assert sideways(shown.page) <= 0
    boxes = shown.page.evaluate(_BOXES)
    assert columns_of(boxes) == columns
    left, _, right, _ = boxes["page"]
    assert all(left <= box[0] and box[2] <= right for box in boxes["drawn"])
    # panels in a line have the same upper edge, and do not cover each other
    heads = boxes["heads"]
    lines = {top for _, top, _, _ in heads}
    assert len(lines) == 1 + -(-4 // columns)
    for line in lines:
        edges = sorted((box[0], box[2]) for box in heads if box[1] == line)
        assert all(a[1] + 20 <= b[0] for a, b in pairwise(edges))
    if columns > 1:  # rows of lesions and classes read across
        rows = [shown.ask(layers, _ROW, name="A3") for layers in (LESIONS, CLASSES)]
        assert rows[0] == pytest.approx(rows[1], abs=1)
    shown.page.screenshot(path=artifacts / f"page-{window}.png", full_page=True)


def test_a_window_that_changes_its_width_is_followed(
    open_at: Callable[[int], ReportPage],
) -> None:
    shown = open_at(1280)
    shown.panels.click(shown.panels.place(*LESIONS, name="A2"))
    shown.panels.wait_for_marks(["A2"])
    standard = {layers: shown.columns(layers, "hits") for layers in (LESIONS, GALLERY)}
    for window, width, columns in ((3840, 2540, 4), (1920, 1576, 2), (700, 660, 1)):
        shown.page.set_viewport_size({"width": window, "height": 1100})
        wait_for_width(shown, width)
        assert columns_of(shown.page.evaluate(_BOXES)) == columns
        assert sideways(shown.page) <= 0
        shown.panels.wait_for_marks(["A2"])
        hits = shown.columns(GALLERY, "hits")
        assert max(hits["right"]) <= width
        assert max(hits["top"]) <= shown.size(GALLERY)[1]
    shown.page.set_viewport_size({"width": 1280, "height": 1100})
    wait_for_width(shown, style.PAGE)
    for layers, expected in standard.items():
        assert shown.columns(layers, "hits") == expected
    # clicks still find what is drawn
    shown.panels.click(shown.panels.place(*GALLERY, name="C3"))
    shown.panels.wait_for_marks(["C3"])


def test_no_heading_is_cut_off_at_standard_width(open_at: Callable[[int], ReportPage]) -> None:
    shown = open_at(1280)
    heads = shown.page.locator(".head .say, .head .aside, .head .title")
    assert heads.count() == 15
    cut = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText)"
    assert heads.evaluate_all(cut) == []


@pytest.mark.parametrize("window", [700, 1920, 3840])
def test_clicks_find_their_marks_at_every_width(
    open_at: Callable[[int], ReportPage], window: int
) -> None:
    shown = open_at(window)
    for layers, name in ((LESIONS, "C2"), (CLASSES, "B1"), (GALLERY, "A3")):
        shown.panels.click(shown.panels.place(*layers, name=name))
        shown.panels.wait_for_marks([name])


def test_cells_wrap_without_covering_each_other(open_at: Callable[[int], ReportPage]) -> None:
    shown = open_at(700)
    for key, value in (("layer", ""), ("show", "any"), ("layer", "fc1")):
        shown.selector(key).select_option(value)
        hits = shown.columns(GALLERY, "hits")
        cells = [
            box
            for box in zip(hits["left"], hits["bottom"], hits["right"], hits["top"], strict=True)
            if box[0] == box[0]
        ]
        assert cells
        for k, (left, low, right, high) in enumerate(cells):
            assert left >= 0
            assert right <= shown.size(GALLERY)[0]
            for other in cells[k + 1 :]:
                beside = right <= other[0] or other[2] <= left
                assert beside or high <= other[1] or other[3] <= low
