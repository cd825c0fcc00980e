"""The static report opened from disk: it links without a kernel and asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.view.report import report

pytestmark = pytest.mark.browser

LESIONS, MATRIX, GALLERY, CLASSES = (
    ("dots", "controls"),
    ("image", "borders"),
    ("pictures", "blanks"),
    ("cells", "notes"),
)
TABLE, BARS = ("swatches",), ("bars", "sides")
#: Whether every linked panel marks exactly these names; not async, Playwright would not await it.
_ALL_MARK = """(wanted) => {
  const models = [...globalThis.Bokeh.documents[0].all_models]
  const linked = models.filter((model) => ["hits", "columns"].includes(model.name)
    && model.type === "ColumnDataSource")
  return linked.length === 9 && linked.every((source) => {
    const names = source.selected.indices.map((index) => source.data.name[index])
    return [...new Set(names)].sort().join(" ") === wanted
  })
}"""


def wait_for_marks(opened: Any, *names: str) -> None:
    """Wait until all nine linked layers mark these, and nothing else."""
    opened.page.wait_for_function(_ALL_MARK, arg=" ".join(sorted(names)))
    assert sorted(opened.selected()) == sorted(names)


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """Two layers of 24 units in three planted clusters, with results drawn at random."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [12, 8, 4])
    block = rng.random((24, 24)) * np.where(labels[:, None] == labels, 3.0, 1.0)
    layers = [Layer(f"fc{k}", "linear", 24, number=k) for k in (1, 2)]
    partition = Partition(np.tile(labels, 2), 3, NeuronGraph(layers, {(0, 1): block}))
    intact = np.full(4, 0.9)
    lesions = LesionResults(
        intact, intact - rng.random((6, 4)) / 2, intact - rng.random((6, 19, 4)) / 4, 400
    )
    noise = rng.random((2, 6, 8, 8, 1)).astype(np.float32)
    features = FeatureResults(
        rng.random(6), rng.random(6), rng.random((6, 19)), rng.random((6, 19)), *noise
    )
    names = ("cat", "dog", "<b>owl</b>", "fox")
    tops = TopImages(
        np.linspace(0, 1, 6),
        rng.random((6, 19)),
        np.ones((6, 10)),
        np.arange(60).reshape(6, 10),
        np.arange(60).reshape(6, 10) % 4,
        rng.random((6, 10, 20, 20, 3)).astype(np.float32),
        n_images=400,
    )
    return Analysis(
        partition,
        size_rule(partition),
        names,
        lesions=lesions,
        features=features,
        top_images=tops,
    )


@pytest.fixture
def opened(
    analysis: Analysis, tmp_path: Path, open_window: Callable[..., Any], panels: Any
) -> Iterator[Any]:
    """The panels of the report in a browser; afterwards nothing was asked for, nothing failed."""
    path = report(analysis, tmp_path / "report.html")
    window = open_window(1280, 1000)
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    window.page.goto(path.as_uri())
    window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle === true")
    yield panels(window.page, "globalThis.Bokeh")
    window.page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert window.refused == []
    assert window.errors == []


def test_a_click_in_any_panel_marks_all_and_changes_the_card(opened: Any) -> None:
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


def test_a_quick_second_click_counts_too(opened: Any) -> None:
    first = opened.place(*LESIONS, name="B2")
    second = opened.place(*LESIONS, name="A1")
    opened.click(first)
    opened.click(second)  # within 300 ms: BokehJS calls it a double tap
    wait_for_marks(opened, "A1")


def test_shift_adds_and_an_empty_place_clears(opened: Any) -> None:
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


def test_the_card_shows_ten_real_images_in_two_lines(opened: Any) -> None:
    opened.click(opened.place(*GALLERY, name="B1"))
    wait_for_marks(opened, "B1")
    images = opened.page.locator("#card .tops img")
    expect(images).to_have_count(10)
    boxes = [image.bounding_box() for image in images.all()]
    assert len({round(box["y"]) for box in boxes}) == 2
    assert len({round(box["x"]) for box in boxes}) == 5
    assert len({(round(box["width"]), round(box["height"])) for box in boxes}) == 1
    # decoded, so the report's content policy lets them in
    widths = images.evaluate_all("(all) => all.map((image) => image.naturalWidth)")
    assert widths == [20] * 10
    owl, fox = "<b>owl</b>", "fox"  # B1 has the images 10 .. 19, image n is of class n % 4
    names = [owl, fox, "cat", "dog", owl, fox, "cat", "dog", owl, fox]
    expect(opened.page.locator("#card .tops > div")).to_have_text(names)


def test_a_row_of_the_table_takes_the_whole_cluster(opened: Any) -> None:
    opened.click(opened.place(*TABLE, name="B1"))
    wait_for_marks(opened, "B1", "B2")


def test_writing_the_selection_moves_the_marks(opened: Any) -> None:
    opened.ask(
        """const [document] = Bokeh.documents
        document.get_model_by_name("modviz-selection").data = {name: ["C1"]}"""
    )
    wait_for_marks(opened, "C1")


def test_dragging_zooms_the_matrix_and_a_button_shows_it_whole(opened: Any) -> None:
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
    button.wait_for()
    assert json.dumps(opened.ask(ends)) != json.dumps(whole)
    button.click()
    button.wait_for(state="hidden")
    assert opened.ask(ends) == whole
