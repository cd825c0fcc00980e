"""Pictures in a page: each stands where it belongs, has its words, and can be seen large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, expect

from modviz.core.analysis import TopImages
from modviz.view.page import Page
from modviz.view.pictures import pixels
from tests.browser.drivers import Window
from tests.browser.linked import GALLERY, LESIONS
from tests.browser.report_page import ReportPage, varied, written

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    """The page; afterwards nothing has failed."""
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def tops() -> TopImages:
    found = varied().top_images
    assert found is not None
    return found


def grey(image: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """A picture in grey and in so many pixels a side, centred on 0."""
    small = Image.fromarray(image).convert("L").resize((side, side), Image.Resampling.BOX)
    values = np.asarray(small, dtype=float)
    return (values - values.mean()).ravel()


def nearest(drawn: NDArray[np.uint8], pictures: list[NDArray[np.float32]]) -> int:
    """Which picture is drawn; its likeness has to be beyond doubt, also against it turned."""
    side = len(pictures[0])
    mine = grey(drawn, side)
    turned = [p[::-1] for p in pictures] + [p[:, ::-1] for p in pictures]
    every = np.array([grey(pixels(picture), side) for picture in [*pictures, *turned]])
    like = every @ mine / np.linalg.norm(every, axis=1) / np.linalg.norm(mine)
    best, second = np.argsort(-like)[:2]
    assert like[best] > 0.8
    assert like[best] > like[second] + 0.4
    return int(best)


def gallery(shown: ReportPage) -> dict[str, list[NDArray[np.uint8]]]:
    """Of each cell the pictures that the gallery draws, each cut out where its tile has to be."""
    body = """const {image, of} = source("pictures").data
        return image.map((one, k) => [of[k], one.shape, [...one]])"""
    (tiles,) = Page(varied()).document.select({"name": "tiles"})
    boxes = list(zip(*(tiles.data[key] for key in ("of", "x", "y", "dw", "dh")), strict=True))
    found = {}
    for of, shape, packed in shown.ask(GALLERY, body):
        rgba = np.array(packed, dtype=np.uint32).view(np.uint8).reshape(*shape, 4)
        own = [box[1:] for box in boxes if box[0] == of]
        left, top = (min(box[axis] for box in own) for axis in (0, 1))
        found[of] = []
        for x, y, w, h in own:
            part = rgba[round(y - top) : round(y - top + h), round(x - left) : round(x - left + w)]
            found[of].append(part[..., :3].copy())
            assert (part[..., 3] == 255).all()
            part[..., 3] = 0
        assert (rgba[..., 3] == 0).all()  # between them there is nothing
    return found


def on_screen(element: Locator) -> NDArray[np.uint8]:
    """What can be seen of an element inside its border."""
    element.scroll_into_view_if_needed()
    image = Image.open(BytesIO(element.screenshot())).convert("RGB")
    return np.asarray(image)[1:-1, 1:-1]


def dialog(shown: ReportPage) -> Locator:
    return shown.page.locator("dialog")


def test_every_cell_has_its_pictures(shown: ReportPage) -> None:
    analysis = varied()
    results = analysis.features
    assert results is not None
    drawn = gallery(shown)
    assert len(drawn) == 9
    for i, s in enumerate(analysis.subclusters):
        if not analysis.tested[i]:
            continue
        own = drawn[s.name]
        assert len(own) == 6  # two optimised ones and four real ones
        tested = np.flatnonzero(analysis.tested)
        every = [*results.images[tested], *results.control_images[tested]]
        place = int(np.flatnonzero(tested == i)[0])
        assert [nearest(image, every) for image in own[:2]] == [place, 9 + place]
        real = list(tops().images[i])  # type: ignore[index]
        assert [nearest(image, real) for image in own[2:]] == [0, 1, 2, 3]
        assert {image.shape for image in own} == {(60, 60, 3), (30, 30, 3)}  # as they are shown


def test_pictures_move_with_their_cells(shown: ReportPage) -> None:
    shown.selector("show").select_option("important")
    shown.wait_for_rows(["B1", "A2", "C3"])
    columns = shown.columns(GALLERY, "pictures")
    there = {of for of, x in zip(columns["of"], columns["x"], strict=True) if not np.isnan(x)}
    assert there == {"B1", "A2", "C3"}
    hits = shown.columns(GALLERY, "hits")
    left = dict(zip(hits["name"], hits["left"], strict=True))
    right = dict(zip(hits["name"], hits["right"], strict=True))
    for of, x, dw in zip(columns["of"], columns["x"], columns["dw"], strict=True):
        assert np.isnan(x) or left[of] < x < x + dw < right[of]


def test_the_card_shows_the_right_tiles_and_says_what_they_are(shown: ReportPage) -> None:
    analysis = varied()
    results = analysis.features
    assert results is not None
    index = [s.name for s in analysis.subclusters].index("C2")
    shown.page.locator("select[data-pick]").select_option("C2")
    expect(shown.page.locator("#card .name")).to_have_text("C2")
    optimised, real = (shown.page.locator(f"#card .pic.{kind}") for kind in ("features", "tops"))
    expect(optimised).to_have_count(2)
    expect(real).to_have_count(10)
    tested = np.flatnonzero(analysis.tested)
    every = [*results.images[tested], *results.control_images[tested]]
    place = int(np.flatnonzero(tested == index)[0])
    assert [nearest(on_screen(one), every) for one in optimised.all()] == [place, 9 + place]
    pictures = list(tops().images[index])  # type: ignore[index]
    assert [nearest(on_screen(one), pictures) for one in real.all()] == list(range(10))
    labels = [one.get_attribute("aria-label") for one in [*optimised.all(), *real.all()]]
    names = [analysis.class_names[label] for label in tops().labels[index]]
    assert labels == ["feature image", "feature image of a random group", *names]
    for one in [*optimised.all(), *real.all()]:
        expect(one).to_have_role("img")
        box = one.bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(box["height"], abs=0.6)


def test_the_button_of_the_card_shows_them_large_and_takes_the_focus_back(
    shown: ReportPage, artifacts: Path
) -> None:
    shown.page.locator("select[data-pick]").select_option("A2")
    button = shown.page.get_by_role("button", name="Enlarge pictures")
    button.focus()
    shown.page.keyboard.press("Enter")
    large = dialog(shown)
    expect(large).to_be_visible()
    assert large.get_attribute("aria-labelledby") == large.locator("h2").get_attribute("id")
    expect(large.locator("h2")).to_have_text("What drives A2")
    expect(large.locator(".pic")).to_have_count(12)
    expect(large.get_by_role("button", name="Close")).to_be_focused()
    captions = large.locator("figcaption").all_inner_texts()
    assert captions[:2] == ["optimised for these units", "the same for a random group"]
    assert all("image " in words and "drive 1" in words for words in captions[2:])
    widths = [box["width"] for one in large.locator(".pic").all() if (box := one.bounding_box())]
    assert widths == pytest.approx([240] * 2 + [132] * 10)
    lines = {round(box["y"]) for one in large.locator(".pic").all() if (box := one.bounding_box())}
    assert len(lines) == 3  # the optimised ones, then twice five real ones, in columns
    left = {round(box["x"]) for one in large.locator(".tops").all() if (box := one.bounding_box())}
    assert len(left) == 5
    index = [s.name for s in varied().subclusters].index("A2")
    pictures = list(tops().images[index])  # type: ignore[index]
    assert nearest(on_screen(large.locator(".pic").nth(5)), pictures) == 3
    shown.page.screenshot(path=artifacts / "page-large.png")
    shown.page.keyboard.press("ArrowRight")  # the page behind hears nothing
    assert shown.panels.selected() == ["A2"]
    shown.page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(button).to_be_focused()
    assert shown.panels.selected() == ["A2"]  # Escape closed the pictures, no more


def test_a_second_click_on_a_cell_shows_its_pictures(shown: ReportPage) -> None:
    place = shown.panels.place(*GALLERY, name="B3")
    shown.panels.click(place)
    shown.panels.wait_for_marks(["B3"])
    large = dialog(shown)
    shown.panels.click(shown.panels.place(*GALLERY, name="C1"))
    shown.panels.wait_for_marks(["C1"])
    expect(large).to_be_hidden()  # each was the first click on its cell
    shown.panels.click(shown.panels.place(*GALLERY, name="C1"))
    expect(large).to_be_visible()
    expect(large.locator("h2")).to_have_text("What drives C1")
    large.get_by_role("button", name="Close").click()
    expect(large).to_be_hidden()
    assert shown.panels.selected() == ["C1"]
    # and again, to be closed by a click beside it
    shown.panels.click(shown.panels.place(*GALLERY, name="C1"))
    expect(large).to_be_visible()
    shown.page.mouse.click(5, 5)
    expect(large).to_be_hidden()
    assert shown.panels.selected() == ["C1"]


def test_quick_clicks_on_two_cells_are_one_each(shown: ReportPage) -> None:
    """BokehJS calls the second a double tap."""
    places = [shown.panels.place(*GALLERY, name=name) for name in ("B1", "C1")]
    for place in places:
        shown.panels.click(place)
    shown.panels.wait_for_marks(["C1"])
    expect(dialog(shown)).to_be_hidden()


def test_a_double_click_selects_and_shows_large(shown: ReportPage) -> None:
    place = shown.panels.place(*GALLERY, name="C2")
    shown.page.mouse.dblclick(place.x, place.y)
    shown.panels.wait_for_marks(["C2"])
    expect(dialog(shown).locator("h2")).to_have_text("What drives C2")
    expect(dialog(shown)).to_be_visible()


def test_a_second_click_elsewhere_shows_nothing(shown: ReportPage) -> None:
    for _ in range(2):
        shown.panels.click(shown.panels.place(*LESIONS, name="B3"))
        shown.panels.wait_for_marks(["B3"])
    expect(dialog(shown)).to_be_hidden()
