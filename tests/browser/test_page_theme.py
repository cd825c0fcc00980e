"""Light and dark: what means a cluster stays, all else turns over, and all text can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from modviz.view import style
from modviz.view.report import report
from modviz.view.theme import DARK
from tests.browser.drivers import Window
from tests.browser.linked import BARS, CLASSES, GALLERY, LESIONS, MATRIX
from tests.browser.report_page import ReportPage, varied
from tests.view.extras import choice_of, made

pytestmark = pytest.mark.browser

Theme = Literal["light", "dark"]
CLUSTERS = {style.cluster_color(c) for c in range(4)} | {style.edge_color(c) for c in range(4)}
#: Text that can be seen, its colour, and what it stands on, through shadow trees and their hosts.
_TEXTS = """(scope) => {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number)
    return {r, g, b, a}
  }
  const above = (element) => element.parentElement ?? element.getRootNode().host ?? null
  const ground = (element) => {
    for (let at = element; at != null; at = above(at)) {
      const color = parse(getComputedStyle(at).backgroundColor)
      if (color.a > 0) return color
    }
    return parse("rgb(255, 255, 255)")
  }
  const share = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
  const light = ({r, g, b}) => 0.2126 * share(r) + 0.7152 * share(g) + 0.0722 * share(b)
  const found = []
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE && node.data.trim() !== "") {
      const element = node.parentElement ?? node.getRootNode().host
      if (!element.checkVisibility() || element.matches("style, script, option")) return
      const [ink, paper] = [parse(getComputedStyle(element).color), ground(element)]
      const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b)
      found.push([node.data.trim().slice(0, 60), (high + 0.05) / (low + 0.05), ink.a, paper.a])
    }
    for (const child of node.childNodes) walk(child)
    if (node.shadowRoot != null) walk(node.shadowRoot)
  }
  for (const root of document.querySelectorAll(scope)) walk(root)
  return found
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything that can stand in one."""
    folder = tmp_path_factory.mktemp("theme")
    return report(varied(), folder / "r.html", choice=choice_of(), interactions=made())


@pytest.fixture
def open_in(
    path: Path, open_window: Callable[..., Window]
) -> Iterator[Callable[[Theme], ReportPage]]:
    """Open the page on a system that is light or dark; afterwards nothing has failed."""
    windows: list[Window] = []

    def open_one(theme: Theme) -> ReportPage:
        window = open_window(1280, 1000)
        windows.append(window)
        window.page.emulate_media(color_scheme=theme)
        shown = ReportPage(window, path)
        wait_for(shown, theme)
        return shown

    yield open_one
    for window in windows:
        assert (window.errors, window.refused) == ([], [])


def wait_for(shown: ReportPage, theme: Theme) -> None:
    shown.page.wait_for_function(
        "(theme) => (document.documentElement.dataset.modvizTheme ?? 'light') === theme", arg=theme
    )


def inks(shown: ReportPage) -> dict[tuple[str, str, str], list[str]]:
    """All colours of marks, by the first layer of their figure, their layer and their column."""
    found = {}
    for layers in (LESIONS, CLASSES, GALLERY, BARS):
        names = shown.ask(layers, "return figure.renderers.map((r) => r.name)")
        for name in names:
            for column, values in shown.columns(layers, name).items():
                if column in ("fill", "line", "ink"):
                    found[layers[0], name, column] = [str(v).lower() for v in values]
    return found


def constants(shown: ReportPage) -> list[str]:
    """Colours of glyphs themselves, selected or not."""
    body = """return figure.renderers.flatMap((r) =>
      [r.glyph, r.selection_glyph, r.nonselection_glyph].filter((g) => g?.properties != null)
        .flatMap((g) => ["fill_color", "line_color", "text_color"].map((k) => g[k]?.value ?? null)))
        .filter((color) => typeof color === "string")"""
    return [color for layers in (LESIONS, MATRIX) for color in shown.ask(layers, body)]


def distance(one: str, other: str) -> int:
    return max(abs(a - b) for a, b in zip(style._rgb(one), style._rgb(other), strict=True))


def test_in_the_dark_marks_turn_and_clusters_stay(open_in: Callable[[Theme], ReportPage]) -> None:
    light, dark = inks(open_in("light")), inks(open_in("dark"))
    assert light.keys() == dark.keys()
    tokens = {style.INK: "ink", style.TEXT: "text", style.MUTED: "muted", style.LINE: "line"}
    tokens |= {style.WHITE: "surface"}
    seen = set()
    for key, before in light.items():
        after = dark[key]
        for old, new in zip(before, after, strict=True):
            if key == ("bars", "words", "ink"):  # they stand on colours of clusters
                assert new == old
            elif old in CLUSTERS:
                # the darkest are a little lighter, and nearest to what they were all the same
                assert distance(old, new) <= 24, (key, old, new)
                assert min(CLUSTERS, key=lambda color: distance(color, new)) == old
                assert style.luminance(new) >= style.luminance(old) - 1e-3
            elif old in tokens:
                assert new == DARK[f"--mv-{tokens[old]}"]
                seen.add(tokens[old])
            else:  # over or under the middle, it changes sides
                assert (style.luminance(old) - 0.2) * (style.luminance(new) - 0.2) < 0.02
    assert seen == set(tokens.values())
    assert {color for key in light for color in light[key]} & CLUSTERS


def test_glyphs_and_the_ramp_of_the_matrix_turn(open_in: Callable[[Theme], ReportPage]) -> None:
    light, dark = open_in("light"), open_in("dark")
    assert {style.SELECTED, style.MUTED} <= set(constants(light))
    after = constants(dark)
    assert {DARK["--mv-selected"], DARK["--mv-muted"]} <= set(after)
    assert not {style.SELECTED, style.MUTED, style.WHITE} & set(after)
    ramp = """const [image] = figure.renderers.filter((r) => r.name === "image")
        return [...image.glyph.color_mapper.palette].map((c) =>
          typeof c === "string" ? c : "#" + (c >>> 8).toString(16).padStart(6, "0"))"""
    steps = [style.luminance(color) for color in dark.ask(MATRIX, ramp)]
    assert len(steps) == 256
    assert steps[0] == pytest.approx(style.luminance(DARK["--mv-surface"]))
    # the larger the brighter, as it was the darker
    assert all(after >= before - 1e-3 for before, after in pairwise(steps))
    assert steps[-1] > 0.7
    was = [style.luminance(color) for color in light.ask(MATRIX, ramp)]
    assert was == sorted(was, reverse=True)


def test_figures_on_coloured_cells_can_be_read(open_in: Callable[[Theme], ReportPage]) -> None:
    for theme in ("light", "dark"):
        shown = open_in(theme)
        cells, figures = shown.columns(CLASSES, "cells"), shown.columns(CLASSES, "figures")
        assert len(figures["x"]) > 8
        for x, y, ink in zip(figures["x"], figures["y"], figures["ink"], strict=True):
            (fill,) = [
                fill
                for left, low, right, high, fill in zip(
                    *(cells[key] for key in ("left", "bottom", "right", "top", "fill")), strict=True
                )
                if left < x < right and low < y < high
            ]
            high, low = sorted((style.luminance(ink), style.luminance(fill)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3.8, (theme, ink, fill)


def test_the_button_goes_there_and_back(open_in: Callable[[Theme], ReportPage]) -> None:
    shown = open_in("light")
    before, drawn = inks(shown), constants(shown)
    shown.act("theme").click()
    wait_for(shown, "dark")
    assert inks(shown) != before
    shown.act("theme").click()
    wait_for(shown, "light")
    assert inks(shown) == before
    assert constants(shown) == drawn
    shown.page.emulate_media(color_scheme="dark")  # the system itself can change its mind
    wait_for(shown, "dark")


def test_what_is_sorted_in_the_dark_stays_dark(open_in: Callable[[Theme], ReportPage]) -> None:
    shown = open_in("dark")
    shown.selector("show").select_option("important")
    shown.wait_for_rows(["B1", "A2", "C3"])
    assert set(shown.columns(LESIONS, "names")["ink"]) == {DARK["--mv-text"]}
    shown.act("all").click()
    shown.act("theme").click()
    wait_for(shown, "light")
    assert set(shown.columns(LESIONS, "names")["ink"]) == {style.TEXT}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_contrast(
    open_in: Callable[[Theme], ReportPage], theme: Theme, artifacts: Path
) -> None:
    shown = open_in(theme)
    for summary in shown.page.locator(".twin summary").all():
        summary.click()
    worst = {}
    for name, badge in (("", ""), ("B1", "Important"), ("A3", "Undecided"), ("C1", "No evidence")):
        shown.page.locator("select[data-pick]").select_option(name)
        if badge:
            expect(shown.page.locator("#card .badge")).to_have_text(badge)
            shown.page.locator("#card summary").first.click()
        for scope in ("#card", "#page", "aside"):
            texts = shown.page.evaluate(_TEXTS, scope)
            assert len(texts) > 15
            for words, contrast, ink, paper in texts:
                assert (ink, paper) == (1, 1), words
                worst[words] = min(contrast, worst.get(words, 21))
    assert {words: round(c, 2) for words, c in worst.items() if c < 4.5} == {}
    assert len(worst) > 200
    shown.page.screenshot(path=artifacts / f"page-{theme}.png", full_page=True)
