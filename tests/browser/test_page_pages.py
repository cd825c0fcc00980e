"""More rows and pictures than a canvas should hold stand on pages, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from modviz.view import lesions
from tests.browser.accessibility import check
from tests.browser.drivers import Window
from tests.browser.linked import BARS, CLASSES, GALLERY, LESIONS, MATRIX
from tests.browser.material import many_analysis
from tests.browser.report_page import ReportPage, order, written

pytestmark = pytest.mark.browser

BY_LAYER = order(many_analysis(), "layer")
BY_LOSS = order(many_analysis(), "effect")
#: Two pages of 40 rows; the gallery keeps layers of 16 together, and 36 cells fit on a page.
ROWS = [BY_LOSS[:40], BY_LOSS[40:]]
CELLS = [BY_LAYER[:32], BY_LAYER[32:64], BY_LAYER[64:]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("pages"), many_analysis())


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def span(shown: ReportPage, group: str, place: int = 0) -> Locator:
    """What stands between the buttons: "1–40 of 80"."""
    turns = shown.page.locator(f'[data-turns]:has([data-act="{group}-on"])')
    return turns.nth(place).locator("[data-span]")


def on(shown: ReportPage, group: str) -> Locator:
    return shown.act(f"{group}-on")


def back(shown: ReportPage, group: str) -> Locator:
    return shown.act(f"{group}-back")


def wait_for_cells(shown: ReportPage, names: list[str]) -> None:
    """Wait until the gallery shows just these, each with its pictures."""
    body = """const {name} = source("hits").data
        const {of, image} = source("pictures").data
        return [...name].sort().join(" ") === argument.wanted
          && image.length === name.length && of.every((one) => name.includes(one))"""
    shown.wait(GALLERY, body, wanted=" ".join(sorted(names)))


def test_rows_of_both_panels_turn_together_and_tables_keep_all(shown: ReportPage) -> None:
    assert shown.rows(LESIONS) == shown.rows(CLASSES) == ROWS[0]
    for place in (0, 1):
        expect(span(shown, "rows", place)).to_have_text("1–40 of 80")
    expect(back(shown, "rows")).to_be_disabled()
    heights = shown.heights()
    assert heights[:2] == [lesions.height(40, lesions.BOTTOM)] * 2
    shown.page.locator('[data-act="rows-on"]').last.click()  # above the class map
    shown.wait_for_rows(ROWS[1])
    assert shown.rows(CLASSES) == ROWS[1]
    assert shown.heights() == heights
    expect(span(shown, "rows")).to_have_text("41–80 of 80")
    expect(back(shown, "rows")).to_be_enabled()
    for caption in ("Lesions: a row", "Accuracy change by class"):
        assert shown.table(caption) == BY_LOSS
    assert shown.rows(GALLERY) == CELLS[0]  # has pages of its own
    back(shown, "rows").click()
    shown.wait_for_rows(ROWS[0])


def test_pictures_are_those_of_the_page_and_no_others(shown: ReportPage) -> None:
    body = """const {image, of} = source("pictures").data
        return image.map((one, k) => [of[k], [...new Set(one)].filter((v) => v >>> 24 > 0)
          .map((v) => v & 255).sort((a, b) => b - a)])"""
    greys = set()
    for page, names in enumerate(CELLS):
        wait_for_cells(shown, names)
        first = 32 * page + 1
        expect(span(shown, "cells")).to_have_text(f"{first}–{first + len(names) - 1} of 80")
        for i, (of, values) in enumerate(shown.ask(GALLERY, body), start=32 * page):
            expected = [244 - 2.3 * i, 244 - 2.3 * (i + 1)]  # optimised pictures, and real ones
            assert (of, values) == (BY_LAYER[i], pytest.approx(expected, abs=0.7))
            greys.update(values)
        words = shown.columns(GALLERY, "words")["text"]
        titles = [f"Layer {k} · fc{k}" for k in (2 * page + 1, 2 * page + 2)][: len(names) // 16]
        assert [w for w in words if w is not None and w.startswith("Layer")] == titles
        if page < 2:
            on(shown, "cells").click()
    assert len(greys) > 60
    expect(on(shown, "cells")).to_have_attribute("aria-disabled", "true")
    assert shown.table("Feature images: a row") == BY_LAYER


def test_by_keyboard_and_the_focus_stays_on_the_button(shown: ReportPage) -> None:
    button = on(shown, "cells")
    button.focus()
    for names in CELLS[1:]:
        shown.page.keyboard.press("Enter")
        wait_for_cells(shown, names)
        expect(button).to_be_focused()
    shown.page.keyboard.press("Enter")  # there is no other
    expect(button).to_be_focused()
    wait_for_cells(shown, CELLS[2])
    shown.page.keyboard.press("ArrowRight")  # steps through subclusters, as everywhere
    shown.panels.wait_for_marks([BY_LOSS[0]])


@pytest.mark.parametrize("layers", [BARS, MATRIX])
def test_a_selection_made_elsewhere_leads_to_its_pages_once(
    shown: ReportPage, layers: tuple[str, ...]
) -> None:
    name = next(one for one in ROWS[1] if one in CELLS[1])
    shown.panels.click(shown.panels.place(*layers, name=name))
    shown.wait_for_rows(ROWS[1])
    wait_for_cells(shown, CELLS[1])
    for drawn in (LESIONS, CLASSES, GALLERY):
        body = 'return source("hits").selected.indices.map((k) => source("hits").data.name[k])'
        assert shown.ask(drawn, body) == [name]
    back(shown, "rows").click()  # who turns back stays there
    shown.wait_for_rows(ROWS[0])
    shown.panels.wait_for_marks([name])
    shown.page.keyboard.press("Escape")
    shown.panels.wait_for_marks([])
    expect(shown.count).to_have_text("80 subclusters")  # written after any page was turned
    assert shown.rows(LESIONS) == ROWS[0]
    wait_for_cells(shown, CELLS[1])


def test_a_click_on_what_is_drawn_turns_only_the_others(shown: ReportPage) -> None:
    name = next(one for one in CELLS[0] if one in ROWS[1])
    shown.panels.click(shown.panels.place(*GALLERY, name=name))
    shown.wait_for_rows(ROWS[1])
    wait_for_cells(shown, CELLS[0])


def test_keys_step_from_page_to_page(shown: ReportPage) -> None:
    shown.page.locator("select[data-pick]").select_option(ROWS[0][-1])
    shown.panels.wait_for_marks([ROWS[0][-1]])
    shown.act("next").click()
    shown.wait_for_rows(ROWS[1])
    shown.panels.wait_for_marks([ROWS[1][0]])
    shown.act("previous").click()
    shown.wait_for_rows(ROWS[0])


def test_sorting_shows_the_page_of_the_selected_or_the_first(shown: ReportPage) -> None:
    on(shown, "rows").click()
    shown.wait_for_rows(ROWS[1])
    by_cluster = order(many_analysis(), "cluster")
    shown.selector("sort").select_option("cluster")
    shown.wait_for_rows(by_cluster[:40])
    name = by_cluster[50]
    shown.page.locator("select[data-pick]").select_option(name)
    shown.wait_for_rows(by_cluster[40:])
    shown.selector("sort").select_option("effect")
    shown.wait_for_rows(next(page for page in ROWS if name in page))


def test_the_gallery_can_go_in_the_order_of_the_rows(shown: ReportPage) -> None:
    shown.selector("gallery").select_option("rows")
    wait_for_cells(shown, BY_LOSS[:27])  # three pages alike: there are no layers to keep together
    hits = shown.columns(GALLERY, "hits")
    placed = sorted(zip(hits["bottom"], hits["left"], hits["name"], strict=True))
    assert [name for *_, name in placed] == BY_LOSS[:27]
    assert min(hits["bottom"]) >= 0
    by_p = order(many_analysis(), "p")
    shown.selector("sort").select_option("p")
    wait_for_cells(shown, by_p[:27])
    shown.selector("gallery").select_option("layer")
    wait_for_cells(shown, CELLS[0])


def test_few_enough_need_no_pages_and_none_says_so(shown: ReportPage) -> None:
    nobody = shown.page.get_by_text("No subcluster passes the filters.")
    shown.selector("layer").select_option("fc4")
    expect(shown.page.locator("[data-turns]:visible")).to_have_count(0)
    assert sorted(shown.rows(LESIONS)) == sorted(shown.rows(GALLERY)) == sorted(CELLS[1][16:])
    expect(nobody.first).to_be_hidden()
    shown.selector("show").select_option("important")
    expect(nobody).to_have_count(3)
    for words in nobody.all():
        expect(words).to_be_visible()
    for layers in (LESIONS, CLASSES, GALLERY):
        assert shown.ask(layers, "return Bokeh.index.find_one(figure).is_displayed") is False
    shown.page.locator(".nobody [data-act='all']").last.click()
    shown.wait_for_rows(ROWS[0])
    expect(nobody.first).to_be_hidden()
    expect(span(shown, "cells")).to_have_text("1–32 of 80")
    shown.panels.click(shown.panels.place(*LESIONS, name=ROWS[0][3]))  # drawn, and clicks find it
    shown.panels.wait_for_marks([ROWS[0][3]])


def test_news_from_python_turns_no_page(shown: ReportPage) -> None:
    on(shown, "rows").click()
    on(shown, "cells").click()
    shown.wait_for_rows(ROWS[1])
    first, last = ROWS[0][0], ROWS[1][-1]
    shown.panels.ask(
        """const known = Bokeh.documents[0].get_model_by_name("modviz-subclusters")
        const change = known.data.name.map((name, k) =>
          name === argument.first ? 1 : known.data.change[k])
        known.data = {...known.data, change}""",
        first=first,
    )
    shown.wait_for_rows([*ROWS[1][1:], first])
    assert last in shown.rows(CLASSES)
    wait_for_cells(shown, CELLS[1])


def test_what_is_drawn_is_told_to_those_who_cannot_see_it(shown: ReportPage) -> None:
    label = 'return Bokeh.index.find_one(figure).el.getAttribute("aria-label")'
    assert " Drawn are 1–40 of 80; the table has all." in shown.ask(LESIONS, label)
    on(shown, "cells").click()
    wait_for_cells(shown, CELLS[1])
    assert " Drawn are 33–64 of 80; the table has all." in shown.ask(GALLERY, label)
    assert "Drawn are" not in shown.ask(BARS, label)
    check(shown.page, "body")
