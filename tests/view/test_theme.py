"""Light and dark: the browser is told every colour that has to turn, and both can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bokeh.models import CustomJS, Plot
from bokeh.models.renderers import GlyphRenderer

import modviz.view
import modviz.widgets
from modviz.core.analysis import Analysis
from modviz.view import style, theme
from modviz.view.page import Page

VIEW, WIDGETS = (Path(module.__file__).parent for module in (modviz.view, modviz.widgets))
#: Columns of sources that hold colours; js/staging.js turns those.
COLUMNS = {"fill", "line", "ink"}


@pytest.fixture(scope="module")
def page(analysis: Analysis) -> Page:
    return Page(analysis)


def given(page: Page) -> dict[str, Any]:
    (conductor,) = page.document.roots[1].tags
    assert isinstance(conductor, CustomJS)
    return dict(conductor.args)


def renderers(page: Page) -> list[GlyphRenderer[Any]]:
    return [r for plot in page.document.select({"type": Plot}) for r in plot.renderers]


def lasting(page: Page) -> str:
    """The words on the bars of the partition: they stand on colours that stay."""
    (bars,) = [
        plot
        for plot in page.document.select({"type": Plot})
        if {"bars", "sides"} <= {r.name for r in plot.renderers}
    ]
    (words,) = [r for r in bars.renderers if r.name == "words"]
    return str(words.id)


def looks(renderer: GlyphRenderer[Any]) -> list[Any]:
    glyphs = (renderer.glyph, renderer.selection_glyph, renderer.nonselection_glyph)
    return [glyph for glyph in glyphs if glyph is not None]


def colours(glyph: Any) -> dict[str, str]:
    """The colours that somebody gave it: constants, or names of columns."""
    set_ = glyph.properties_with_values(include_defaults=False)
    plain = {name: getattr(glyph, name) for name in set_ if name.endswith("color")}
    values = {name: getattr(value, "value", value) for name, value in plain.items()}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def painted(page: Page) -> dict[str, set[str]]:
    paints = given(page)["paints"]
    listed = {model.id: set(names) for model, names in paints}
    assert len(listed) == len(paints)
    return listed


def test_every_constant_colour_that_is_drawn_is_listed(page: Page) -> None:
    listed = painted(page)
    constant = 0
    for renderer in renderers(page):
        for glyph in looks(renderer):
            for name, value in colours(glyph).items():
                if value not in COLUMNS:
                    constant += 1
                    assert value.startswith("#")
                    assert name in listed[glyph.id], f"{renderer.name}: {name} = {value}"
    assert constant > 30


def test_every_colour_of_a_mark_stands_in_a_column_that_turns(page: Page) -> None:
    staged = {source.id: fixed for source, _, fixed in given(page)["staged"]}
    fixed = lasting(page)
    assert not {glyph.id for r in renderers(page) if r.id == fixed for glyph in looks(r)} & set(
        painted(page)
    )
    found = set()
    for renderer in renderers(page):
        for glyph in looks(renderer):
            columns = {value for value in colours(glyph).values() if not value.startswith("#")}
            assert columns <= COLUMNS
            found |= columns
            if columns:
                assert staged[renderer.data_source.id] is (renderer.id == fixed)
    assert found == COLUMNS


def test_no_glyph_has_a_colour_of_a_kind_that_the_script_does_not_know(page: Page) -> None:
    """Backgrounds, outlines and the like of words."""
    for renderer in renderers(page):
        for glyph in looks(renderer):
            assert set(colours(glyph)) <= set(theme._GLYPH_COLORS)


def test_the_ramp_of_each_matrix_turns(page: Page) -> None:
    mappers = {r.glyph.color_mapper.id for r in renderers(page) if r.name == "image"}
    assert {mapper.id for mapper in given(page)["mappers"]} == mappers
    assert len(mappers) == 2


def test_clusters_keep_their_colours(page: Page) -> None:
    kept = set(given(page)["kept"])
    every = {f(c).lower() for c in range(40) for f in (style.cluster_color, style.edge_color)}
    assert kept == every
    assert not kept & set(given(page)["tokens"]["canvas"])  # else a cluster could be ink


def tokens(css: str, selector: str) -> dict[str, str]:
    """Custom properties of the first block that begins with a selector."""
    block = css.split(selector, 1)[1].split("}", 1)[0]
    return dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{3,6})", block))


def light() -> dict[str, str]:
    """What the page's sheet falls back to."""
    return dict(re.findall(r"var\((--mv-[\w-]+), (#[0-9a-f]{6})\)", style.CSS))


def test_all_sheets_and_figures_agree_on_the_colours() -> None:
    assert set(light()) == set(theme.DARK)  # none is forgotten in the dark
    own = {"ink": style.INK, "text": style.TEXT, "muted": style.MUTED, "line": style.LINE}
    own |= {"band": style.BAND, "surface": style.WHITE, "selected": style.SELECTED}
    assert {name: light()[f"--mv-{name}"] for name in own} == own
    explorer = (WIDGETS / "explorer.css").read_text(encoding="utf-8")
    for selector, values in (
        (".modviz-explorer {", light()),
        ('.modviz-explorer[data-modviz-theme="dark"]', theme.DARK),
    ):
        there = tokens(explorer, selector)
        shared = set(there) & set(values)
        assert len(shared) >= 8
        assert {k: there[k] for k in shared} == {k: values[k] for k in shared}
    report = (VIEW / "report.css").read_text(encoding="utf-8")
    for selector, values in ((":root {", light()), (':root[data-modviz-theme="dark"]', theme.DARK)):
        there = tokens(report, selector)
        assert {name.removeprefix("--") for name in there} >= {"ink", "text", "muted", "surface"}
        for name, value in there.items():
            full = "#ffffff" if value == "#fff" else value
            assert values[name.replace("--", "--mv-")] == full


def contrast(a: str, b: str) -> float:
    high, low = sorted((style.luminance(a), style.luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("values", [light(), theme.DARK], ids=["light", "dark"])
def test_text_can_be_read_on_everything_it_stands_on(values: dict[str, str]) -> None:
    for text in ("ink", "text", "muted"):
        for ground in ("surface", "band"):
            assert contrast(values[f"--mv-{text}"], values[f"--mv-{ground}"]) >= 4.5
    for badge in ("yes", "open"):
        assert contrast(values[f"--mv-{badge}"], values[f"--mv-{badge}-back"]) >= 4.5
    for mark in ("selected", "focus"):  # lines that say something
        assert contrast(values[f"--mv-{mark}"], values["--mv-surface"]) >= 3
