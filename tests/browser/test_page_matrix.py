"""The matrix: what dragging and the wheel do as buttons, and its other order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from modviz.view import matrix
from tests.browser.drivers import Window
from tests.browser.report_page import ReportPage, varied, written

pytestmark = pytest.mark.browser

WHOLE = {"x": [0, 72], "y": [72, 0]}
BY_CLUSTER, BY_LAYER = "modviz-adjacency", "modviz-adjacency-by-layer"
_PLACE = """
const figure = Bokeh.documents[0].get_model_by_name(argument.name)
const view = Bokeh.index.find_one(figure)
const canvas = view.canvas_view.el
canvas.scrollIntoView({block: "center"})
const box = canvas.getBoundingClientRect()
const {x_scale, y_scale} = view.frame
return [box.x + x_scale.compute(argument.x), box.y + y_scale.compute(argument.y)]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("matrix"))


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    """The page; afterwards nothing has failed."""
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def able(shown: ReportPage) -> dict[str, bool]:
    """Which buttons of the matrix can do something."""
    return {
        act: shown.act(act).is_enabled()
        for act in ("zoom-in", "zoom-out", "zoom-selection", "whole")
    }


def wait_for(
    shown: ReportPage, rows: list[float], order: str = "cluster", *, across: bool = False
) -> None:
    """Wait until a matrix shows these rows, and the same columns or all that lie across."""
    name = BY_LAYER if order == "layer" else BY_CLUSTER
    columns = [0, 72] if across else rows
    shown.page.wait_for_function(
        """([name, left, right, from, to]) => {
          const {x_range: x, y_range: y} = Bokeh.documents[0].get_model_by_name(name)
          const near = (a, b) => Math.abs(a - b) < 1e-6
          return near(x.start, left) && near(x.end, right) && near(y.start, to) && near(y.end, from)
        }""",
        arg=[name, *columns, *rows],
    )


def test_buttons_zoom_and_say_when_they_can(shown: ReportPage) -> None:
    assert shown.matrix() == WHOLE
    closed = {"zoom-in": True, "zoom-out": False, "zoom-selection": False, "whole": False}
    assert able(shown) == closed
    shown.act("zoom-in").click()
    wait_for(shown, [18, 54])
    assert able(shown) == closed | {"zoom-out": True, "whole": True}
    shown.act("zoom-in").click()
    wait_for(shown, [27, 45])
    shown.act("zoom-out").click()
    wait_for(shown, [18, 54])
    shown.act("zoom-out").click()
    wait_for(shown, [0, 72])
    assert able(shown) == closed
    for _ in range(8):  # never closer than four units
        shown.act("zoom-in").click()
    wait_for(shown, [34, 38])
    shown.act("whole").click()
    wait_for(shown, [0, 72])
    assert shown.matrix() == WHOLE
    assert able(shown) == closed


def test_zooming_out_at_an_edge_stays_inside(shown: ReportPage) -> None:
    shown.page.locator("select[data-pick]").select_option("A1")  # units 0 .. 9
    shown.act("zoom-selection").click()
    wait_for(shown, [0, 14], across=True)  # two units of room at both sides, moved inside
    shown.act("zoom-out").click()
    wait_for(shown, [0, 28], across=True)


def test_the_selection_can_be_zoomed_to(shown: ReportPage) -> None:
    shown.page.locator("select[data-pick]").select_option("B2")
    assert able(shown)["zoom-selection"] is True
    shown.act("zoom-selection").click()
    wait_for(
        shown, [35, 46], across=True
    )  # B2 is 37 .. 43: after the 30 units of A and the 7 of B1
    shown.act("clear").click()
    expect(shown.act("zoom-selection")).to_be_disabled()
    wait_for(shown, [35, 46], across=True)
    twin = shown.page.locator('.twin:has(caption:text("Clusters: a row"))')
    twin.locator("summary").click()
    twin.get_by_role("button", name="B", exact=True).click()
    shown.act("zoom-selection").click()
    wait_for(shown, [30 - 2.1, 51 + 2.1], across=True)  # all of B, with a tenth of it around


def test_the_other_order_is_another_matrix(shown: ReportPage, artifacts: Path) -> None:
    other = shown.selector("order")
    expect(other).to_have_value("cluster")
    shown.act("zoom-in").click()
    wait_for(shown, [18, 54])
    other.select_option("layer")
    visible = """() => ["modviz-adjacency", "modviz-adjacency-by-layer"].map((name) => {
      const figure = Bokeh.documents[0].get_model_by_name(name)
      return Bokeh.index.find_one(figure)?.el.checkVisibility() ?? false
    })"""
    shown.page.wait_for_function(f"() => `${{({visible})()}}` === 'false,true'")
    assert shown.matrix("layer") == WHOLE  # each keeps its own zoom
    assert able(shown)["whole"] is False
    shown.page.locator("select[data-pick]").select_option("B2")
    shown.act("zoom-selection").click()
    wait_for(
        shown, [32, 43], "layer", across=True
    )  # 24 units of the first layer, then 10 of A2, then 7
    wait_for(shown, [18, 54])
    shown.page.screenshot(path=artifacts / "page-by-layer.png")
    # what is drawn can be clicked
    x, y = shown.panels.ask(_PLACE, name=BY_LAYER, x=38, y=42)
    shown.page.mouse.click(x, y)
    shown.panels.wait_for_marks(["C2"])
    other.select_option("cluster")
    shown.page.wait_for_function(f"() => `${{({visible})()}}` === 'true,false'")
    assert able(shown)["whole"] is True


@pytest.mark.parametrize("order", ["cluster", "layer"])
def test_the_pointer_reads_units_and_weights(shown: ReportPage, order: matrix.Order) -> None:
    shown.selector("order").select_option(order)
    partition = varied().partition
    units = matrix.sorted_units(partition, order)
    dense: Any = partition.graph.adjacency.toarray()[np.ix_(units, units)]
    name = BY_LAYER if order == "layer" else BY_CLUSTER
    shown.page.wait_for_function(
        """(name) => Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(name))
          ?.el.checkVisibility()""",
        arg=name,
    )
    by_number = {}
    for s in varied().subclusters:
        start = partition.graph.layer_slice(s.layer_number - 1).start
        by_number |= {start + unit: (s.name, s.layer, unit) for unit in s.units}
    there, gap = np.argwhere(dense > 0)[100], np.argwhere(dense == 0)[100]
    for row, column in (there, gap):
        x, y = shown.panels.ask(_PLACE, name=name, x=float(column) + 0.5, y=float(row) + 0.5)
        shown.page.mouse.move(x, y)
        tip = shown.page.locator(".bk-tooltip-content")
        lines = []
        for head, place in (("row", row), ("column", column)):
            who, layer, unit = by_number[int(units[place])]
            lines.append(f"{head} {who} ({layer}), unit {unit}")
            expect(tip).to_contain_text(lines[-1])
        weight = float(dense[row, column])
        said = tip.inner_text().split("this edge: ")[1].split("\n")[0].strip()
        if weight == 0:
            assert said == "none"
        else:
            assert float(said) == pytest.approx(weight, rel=6e-3)  # three digits of it
