"""The static report opened from disk: it links without a kernel and asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from modviz.core.analysis import Analysis
from modviz.view.report import report
from tests.browser.drivers import Window
from tests.browser.linked import BARS, CLASSES, GALLERY, LESIONS, MATRIX, TABLE, Panels

pytestmark = pytest.mark.browser

#: Where on the sheet each element's tile is; the sheet's address; how many pixels it has.
_TILES = "(all) => [...new Set(all.map((e) => getComputedStyle(e).backgroundPosition))]"
_SHEET = "(element) => getComputedStyle(element).backgroundImage.slice(5, -2)"
_PIXELS = """async (url) => {
  const image = new Image()
  image.src = url
  await image.decode()
  return image.naturalWidth * image.naturalHeight
}"""


def wait_for_marks(opened: Panels, *names: str) -> None:
    """Wait until all linked panels mark these, and nothing else."""
    opened.wait_for_marks(list(names))
    assert sorted(opened.selected()) == sorted(names)


@pytest.fixture
def opened(
    full_analysis: Analysis, tmp_path: Path, open_window: Callable[..., Window]
) -> Iterator[Panels]:
    """The panels of the report in a browser; afterwards nothing was asked for, nothing failed."""
    path = report(full_analysis, tmp_path / "report.html")
    window = open_window(1280, 1000)
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    window.page.goto(path.as_uri())
    window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle === true")
    yield Panels.in_report(window.page)
    window.page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert window.refused == []
    assert window.errors == []


def test_a_click_in_any_panel_marks_all_and_changes_the_card(opened: Panels) -> None:
    card = opened.page.locator("#card")
    expect(card).to_contain_text("Whole partition")
    for layers, name in (
        (LESIONS, "B2"),
        (MATRIX, "A1"),
        (GALLERY, "C1"),
        (CLASSES, "B1"),
        (BARS, "A2"),
    ):
        place = opened.place(*layers, name=name)
        assert name in place.names
        opened.click(place)
        wait_for_marks(opened, name)
        expect(card.locator(".name")).to_have_text(name)


def test_a_quick_second_click_counts_too(opened: Panels) -> None:
    first = opened.place(*LESIONS, name="B2")
    second = opened.place(*LESIONS, name="A1")
    opened.click(first)
    opened.click(second)  # within 300 ms: BokehJS calls it a double tap
    wait_for_marks(opened, "A1")


def test_shift_adds_and_an_empty_place_clears(opened: Panels) -> None:
    card = opened.page.locator("#card")
    opened.click(opened.place(*LESIONS, name="B2"))
    wait_for_marks(opened, "B2")
    opened.page.keyboard.down("Shift")
    opened.click(opened.place(*GALLERY, name="C2"))
    opened.page.keyboard.up("Shift")
    wait_for_marks(opened, "B2", "C2")
    expect(card).to_contain_text("2 selected: B2, C2")
    empty = opened.place(*GALLERY, name="A1")
    opened.page.mouse.click(empty.x + 68, empty.y)  # between two pictures
    wait_for_marks(opened)
    expect(card).to_contain_text("Whole partition")


def test_the_card_shows_ten_real_images_in_two_lines(opened: Panels) -> None:
    opened.click(opened.place(*GALLERY, name="B1"))
    wait_for_marks(opened, "B1")
    images = opened.page.locator("#card .sheet .pic")
    expect(images).to_have_count(10)
    boxes = [image.bounding_box() for image in images.all()]
    assert len({round(box["y"]) for box in boxes}) == 2
    assert len({round(box["x"]) for box in boxes}) == 5
    assert len({(round(box["width"]), round(box["height"])) for box in boxes}) == 1
    # ten tiles of one picture that the report's content policy lets in: 60 tiles of 20 x 20 pixels
    assert len(images.evaluate_all(_TILES)) == 10
    assert opened.page.evaluate(_PIXELS, images.first.evaluate(_SHEET)) >= 60 * 20 * 20
    owl, fox = "<b>owl</b>", "fox"  # B1 has the images 10 .. 19, image n is of class n % 4
    names = [owl, fox, "cat", "dog", owl, fox, "cat", "dog", owl, fox]
    expect(opened.page.locator("#card .sheet > div")).to_have_text(names)


def test_a_row_of_the_table_takes_the_whole_cluster(opened: Panels) -> None:
    opened.click(opened.place(*TABLE, name="B1"))
    wait_for_marks(opened, "B1", "B2")


def test_writing_the_selection_moves_the_marks(opened: Panels) -> None:
    opened.ask(
        """const [document] = Bokeh.documents
        document.get_model_by_name("modviz-selection").data = {name: ["C1"]}"""
    )
    wait_for_marks(opened, "C1")


def test_dragging_zooms_the_matrix_and_a_button_shows_it_whole(opened: Panels) -> None:
    opened.page.locator("canvas").first.wait_for()
    ends = """const figure = Bokeh.documents[0].get_model_by_name("modviz-adjacency")
        const {x_range: x, y_range: y} = figure
        return [x.start, x.end, y.start, y.end]"""
    whole = opened.ask(ends)
    assert whole == [0, 48, 48, 0]
    place = opened.place(*MATRIX, name="A1")
    mouse = opened.page.mouse
    mouse.move(place.x, place.y)
    mouse.down()
    mouse.move(place.x + 60, place.y + 60, steps=4)
    mouse.up()
    button = opened.page.get_by_role("button", name="Show the whole matrix")
    expect(button).to_be_enabled()
    assert json.dumps(opened.ask(ends)) != json.dumps(whole)
    button.click()
    expect(button).to_be_disabled()
    assert opened.ask(ends) == whole
