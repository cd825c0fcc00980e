"""A page without a mouse: keys, selectors, buttons and tables select what a click would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.drivers import Window
from tests.browser.linked import GALLERY, LESIONS, MATRIX, PANELS
from tests.browser.report_page import ReportPage, order, varied, written

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("reading"))


@pytest.fixture
def shown(path: Path, open_window: Callable[..., Window]) -> Iterator[ReportPage]:
    """The page; afterwards nothing has failed."""
    window = open_window(1280, 1000)
    yield ReportPage(window, path)
    assert (window.errors, window.refused) == ([], [])


def opened(shown: ReportPage, caption: str) -> Locator:
    """The table whose caption begins so, unfolded."""
    twin = shown.page.locator(f'.twin:has(caption:text("{caption}"))')
    twin.locator("summary").click()
    return twin


def test_buttons_step_through_the_sorted_order_and_wrap(shown: ReportPage) -> None:
    shown.selector("sort").select_option("p")
    names = order(varied(), "p")
    shown.wait_for_rows(names)
    after, before = shown.act("next"), shown.act("previous")
    for name in [*names, names[0]]:  # from nothing to the first, and from the last to the first
        after.click()
        shown.panels.wait_for_marks([name])
    before.click()
    shown.panels.wait_for_marks([names[-1]])
    before.click()
    shown.panels.wait_for_marks([names[-2]])
    expect(shown.page.locator("#card .name")).to_have_text(names[-2])
    shown.act("clear").click()
    shown.panels.wait_for_marks([])
    before.click()  # from nothing to the last
    shown.panels.wait_for_marks([names[-1]])


def test_steps_stay_inside_a_filter(shown: ReportPage) -> None:
    shown.selector("show").select_option("undecided")
    shown.wait_for_rows(["A3", "B2"])
    for name in ("A3", "B2", "A3"):
        shown.act("next").click()
        shown.panels.wait_for_marks([name])


@pytest.mark.parametrize("panel", sorted(PANELS))
def test_after_a_click_in_any_panel_keys_step_and_escape_clears(
    shown: ReportPage, panel: str
) -> None:
    shown.panels.click(shown.panels.place(*PANELS[panel], name="A2"))
    shown.panels.wait_for_marks(["A2"])
    keyboard = shown.page.keyboard
    keyboard.press("ArrowRight")
    shown.panels.wait_for_marks(["A3"])  # by loss: B1, A2, A3, ...
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    shown.panels.wait_for_marks(["B1"])
    keyboard.press("ArrowDown")  # a plot has rows
    shown.panels.wait_for_marks(["A2"])
    keyboard.press("ArrowUp")
    shown.panels.wait_for_marks(["B1"])
    keyboard.press("Escape")
    shown.panels.wait_for_marks([])
    expect(shown.page.locator("#card")).to_contain_text("Whole partition")


def test_keys_step_while_the_focus_is_on_a_button_and_not_in_a_selector(shown: ReportPage) -> None:
    keyboard = shown.page.keyboard
    shown.act("next").focus()
    keyboard.press("ArrowRight")
    shown.panels.wait_for_marks(["B1"])
    keyboard.press("Enter")  # the button itself goes on working
    shown.panels.wait_for_marks(["A2"])
    shown.selector("sort").focus()
    keyboard.press("ArrowDown")  # the selector's own keys
    expect(shown.selector("sort")).to_have_value("p")
    assert shown.panels.selected() == ["A2"]
    keyboard.press("Escape")
    shown.panels.wait_for_marks([])


def test_the_selector_picks_and_says_what_is_picked(shown: ReportPage) -> None:
    pick, clear = shown.page.locator("select[data-pick]"), shown.act("clear")
    expect(clear).to_be_disabled()
    expect(pick).to_have_value("")
    pick.select_option("C2")
    shown.panels.wait_for_marks(["C2"])
    expect(shown.count).to_have_text("9 subclusters, C2 selected")
    expect(shown.page.locator("#card .name")).to_have_text("C2")
    expect(clear).to_be_enabled()
    shown.panels.click(shown.panels.place(*GALLERY, name="A3"))
    expect(pick).to_have_value("A3")
    shown.panels.click(shown.panels.place(*MATRIX, name="D1"))  # has no row, and is selected
    expect(pick).to_have_value("D1")
    pick.select_option("")
    shown.panels.wait_for_marks([])
    expect(clear).to_be_disabled()
    expect(shown.count).to_have_text("9 subclusters")


def test_buttons_of_a_table_select_and_shift_adds(shown: ReportPage) -> None:
    table = opened(shown, "Lesions: a row")
    table.get_by_role("button", name="C2", exact=True).click()
    shown.panels.wait_for_marks(["C2"])
    table.get_by_role("button", name="A1", exact=True).click(modifiers=["Shift"])
    shown.panels.wait_for_marks(["C2", "A1"])
    assert shown.panels.selected() == ["C2", "A1"]
    expect(shown.count).to_have_text("9 subclusters, 2 selected")
    expect(shown.page.locator("#card")).to_contain_text("2 selected: C2, A1")
    pressed = table.locator('button[aria-pressed="true"]')
    assert sorted(pressed.all_inner_texts()) == ["A1", "C2"]
    expect(table.locator("tr[data-marked]")).to_have_count(2)
    # every other table says the same, and the plots too
    gallery = opened(shown, "Feature images: a row")
    assert sorted(gallery.locator('button[aria-pressed="true"]').all_inner_texts()) == ["A1", "C2"]
    table.get_by_role("button", name="C2", exact=True).click(modifiers=["Shift"])
    shown.panels.wait_for_marks(["A1"])  # once more takes it away
    table.get_by_role("button", name="B3", exact=True).click()
    shown.panels.wait_for_marks(["B3"])


def test_a_second_shift_click_in_a_plot_takes_away(shown: ReportPage) -> None:
    shown.panels.click(shown.panels.place(*LESIONS, name="B1"))
    shown.page.keyboard.down("Shift")
    for panel, name, names in (
        (LESIONS, "C3", ["B1", "C3"]),
        (GALLERY, "B1", ["C3"]),
        (GALLERY, "A3", ["C3", "A3"]),
        (MATRIX, "C3", ["A3"]),
    ):
        shown.panels.click(shown.panels.place(*panel, name=name))
        shown.panels.wait_for_marks(names)
    shown.page.keyboard.up("Shift")
    expect(shown.page.locator("dialog")).to_be_hidden()


def test_a_button_that_has_done_its_work_keeps_the_focus(shown: ReportPage) -> None:
    shown.page.locator("select[data-pick]").select_option("C2")
    clear = shown.act("clear")
    expect(clear).not_to_have_attribute("aria-disabled", "true")  # a frame after the marks
    clear.focus()
    shown.page.keyboard.press("Enter")
    shown.panels.wait_for_marks([])
    expect(clear).to_be_focused()
    expect(clear).to_have_attribute("aria-disabled", "true")
    shown.page.keyboard.press("ArrowRight")  # so that keys go on from here
    shown.panels.wait_for_marks(["B1"])
    shown.selector("layer").select_option("fc2")
    expect(shown.act("all")).to_be_visible()
    shown.act("all").focus()
    shown.page.keyboard.press("Enter")
    expect(shown.act("all")).to_be_hidden()
    expect(shown.selector("show")).to_be_focused()


def test_a_whole_cluster_is_a_button_too(shown: ReportPage) -> None:
    table = opened(shown, "Clusters: a row")
    table.get_by_role("button", name="B", exact=True).click()
    shown.panels.wait_for_marks(["B1", "B2", "B3"])
    pressed = table.locator('button[aria-pressed="true"]')
    expect(pressed).to_have_text(["B"])


def test_the_keyboard_alone_reaches_and_reads_a_table(shown: ReportPage) -> None:
    twin = shown.page.locator('.twin:has(caption:text("Lesions: a row"))')
    twin.locator("summary").focus()
    keyboard = shown.page.keyboard
    keyboard.press("Enter")
    expect(twin.locator("table")).to_be_visible()
    keyboard.press("Tab")  # the scrolled part itself: arrow keys up and down move it
    keyboard.press("Tab")
    focused = "() => { let e = document.activeElement; while (e.shadowRoot?.activeElement) "
    focused += "e = e.shadowRoot.activeElement; return e.innerText }"
    assert shown.page.evaluate(focused) == "B1"
    keyboard.press("Enter")
    shown.panels.wait_for_marks(["B1"])
    keyboard.press("Tab")
    keyboard.press("Shift+Enter")
    assert shown.page.evaluate(focused) == "A2"  # where it was: nothing was drawn anew


def test_a_fold_of_the_card_stays_open_from_card_to_card(shown: ReportPage) -> None:
    shown.page.locator("select[data-pick]").select_option("B1")
    warning = shown.page.locator("#card details")
    warning.locator("summary").click()
    expect(warning).to_have_attribute("open", "")
    shown.act("next").click()
    expect(shown.page.locator("#card .name")).to_have_text("A2")
    expect(warning).to_have_attribute("open", "")


def test_html_that_python_writes_anew_says_what_is_selected_and_shown(shown: ReportPage) -> None:
    """As in a notebook, when the next results of a running analysis come."""
    shown.selector("sort").select_option("layer")
    shown.selector("show").select_option("any")
    names = ["B1", "C1", "A2", "C3"]
    shown.wait_for_rows(names)
    table = opened(shown, "Lesions: a row")
    shown.page.locator("select[data-pick]").select_option("A2")
    shown.panels.wait_for_marks(["A2"])
    table.get_by_role("button", name="C3", exact=True).focus()
    shown.panels.ask(
        """for (const div of [...Bokeh.documents[0].all_models].filter((m) => m.type === "Div"))
             if (/class="(twin|bar)"/.test(div.text)) div.text += " "; """
    )
    assert [name for name in shown.table("Lesions: a row") if not name.startswith("D")] == names
    assert shown.selector("sort").input_value() == "layer"
    assert shown.selector("show").input_value() == "any"
    expect(shown.page.locator("select[data-pick]")).to_have_value("A2")
    expect(shown.count).to_have_text("4 of 9 subclusters, A2 selected")
    expect(table.locator("tr[data-marked]")).to_have_count(1)
    expect(table.locator("details")).to_have_attribute("open", "")
    expect(table.get_by_role("button", name="C3", exact=True)).to_be_focused()


def test_rows_that_are_sorted_stay_where_the_lesion_panel_has_them(shown: ReportPage) -> None:
    opened(shown, "Lesions: a row")
    shown.selector("sort").select_option("layer")
    shown.wait_for_rows(order(varied(), "layer"))
    shown.page.locator('.twin:has(caption:text("Lesions: a row"))').get_by_role(
        "button", name="B2", exact=True
    ).click()
    shown.panels.wait_for_marks(["B2"])
    assert shown.rows(LESIONS) == order(varied(), "layer")
