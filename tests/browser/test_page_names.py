"""A page whose names look like HTML: whatever is done with it, they stay text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from modviz.view.report import report
from tests.browser.drivers import Window
from tests.browser.linked import GALLERY, LESIONS, MATRIX, PANELS
from tests.browser.report_page import ReportPage, varied
from tests.view.extras import made

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
_FOREIGN = """() => {
  const found = []
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches("img, [onerror]")) found.push(element.outerHTML)
      if (element.shadowRoot != null) walk(element.shadowRoot)
    }
  }
  walk(document)
  return found
}"""


def test_hostile_names_stay_text_in_everything_that_is_shown(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    analysis = varied(HOSTILE + "{}")
    path = report(analysis, tmp_path / "h.html", interactions=made(name=HOSTILE + "{}"))
    window = open_window(1280, 1000)
    asked: list[str] = []
    window.page.on("dialog", lambda box: (asked.append(box.message), box.dismiss()))
    shown = ReportPage(window, path)
    for summary in shown.page.locator(".twin summary").all():
        summary.click()
    tip = shown.page.locator(".bk-tooltip-content")
    for layers in PANELS.values():
        place = shown.panels.place(*layers, name="B2")
        shown.page.mouse.move(place.x + 10, place.y)  # not between two cells
        expect(tip.first).to_contain_text("B2")
        if layers not in (LESIONS, MATRIX):
            continue
        shown.panels.click(place)
        shown.panels.wait_for_marks(["B2"])
    expect(tip.first).to_be_visible()
    assert shown.page.evaluate(_FOREIGN) == []
    shown.selector("layer").select_option(HOSTILE + "2")
    shown.wait_for_rows(["A2", "B2", "C2"])
    expect(shown.page.locator("#card")).to_contain_text(HOSTILE)
    shown.page.get_by_role("button", name="Enlarge pictures").click()
    expect(shown.page.locator("dialog h2")).to_have_text("What drives B2")
    shown.page.keyboard.press("Escape")
    shown.panels.click(shown.panels.place(*GALLERY, name="C2"))
    shown.panels.wait_for_marks(["C2"])
    assert shown.page.evaluate(_FOREIGN) == []
    assert asked == []
    assert (window.errors, window.refused) == ([], [])
