"""What stands on the page, for everybody: names, order, contrast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

import modviz.widgets
from modviz.view.style import luminance
from modviz.widgets import explore
from tests.widgets.conftest import HIDDEN
from tests.widgets.gates import DATA, Make

FOLDER = Path(modviz.widgets.__file__).parent
THEMES = ("light", "dark")


def within(widget: Any) -> Iterator[Any]:
    """A widget and all that stand in it, in order."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from within(child)


@pytest.fixture
def widgets(runs: Any, model: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All widgets of an explorer of a convolution network, which has the most controls."""
    layers = tuple(replace(layer, kind="conv2d") for layer in HIDDEN)
    monkeypatch.setattr(runs.module, "hidden_layers", lambda *_, **__: layers)
    return list(within(explore(model, DATA)))


def test_every_control_has_a_name_and_a_tooltip(widgets: list[Any]) -> None:
    controls = [widget for widget in widgets if hasattr(widget, "disabled")]
    assert len(controls) == 23
    for control in controls:
        assert control.description, control
        helped = control.tooltips if isinstance(control, w.ToggleButtons) else control.tooltip
        assert helped, control.description


def test_the_keyboard_comes_by_in_the_order_of_work(widgets: list[Any]) -> None:
    order = [
        getattr(widget, "description", "") or getattr(widget, "root", "") for widget in widgets
    ]
    places = [
        order.index(name)
        for name in ("Layers", "Clusters", "Controls per subcluster", "Run", "card", "Save", "page")
    ]
    assert places == sorted(places)


def test_the_banner_is_a_status_above_the_panels(runs: Any, explorer: Any) -> None:
    right = explorer.children[-1].children[-1]
    assert "modviz-right" in right._dom_classes
    banner, panels = right.children
    assert "modviz-banner" in banner._dom_classes
    assert panels.root == "page"
    explorer._controls.seed.value = 9
    assert banner.value.startswith('<div role="status">Settings changed: seed 9 instead of 5.')


def test_the_offer_of_earlier_runs_comes_first(runs: Any, explorer: Any) -> None:
    *_, offer, body = explorer.children
    assert "modviz-offer" in offer._dom_classes
    assert "modviz-body" in body._dom_classes


def test_a_choice_is_escaped(explorer: Any, make_analysis: Make) -> None:
    analysis = replace(make_analysis(), model_name="<b>Net</b>")
    explorer.analysis = analysis
    assert "<b>Net" not in "".join(
        str(widget.value) for widget in within(explorer) if isinstance(widget, w.HTML)
    )


# ------------------------------------------------------------------ the style sheets


def rules() -> str:
    """Both style sheets, without comments."""
    text = "".join((FOLDER / name).read_text() for name in ("explorer.css", "controls.css"))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def colours(theme: str) -> dict[str, str]:
    """The --mv properties of a theme."""
    blocks = re.findall(r"([^{}]+)\{([^{}]*)\}", rules())
    found: dict[str, str] = {}
    for selector, body in blocks:
        dark = 'data-modviz-theme="dark"' in selector
        if selector.strip() == ".modviz-explorer" or (dark and theme == "dark"):
            found |= dict(re.findall(r"(--mv-[a-z-]+):\s*(#[0-9a-f]{6})", body))
    return found


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_it_should_be() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("ink", "papers"),
    [
        ("ink", ("surface", "band", "line")),
        ("text", ("surface", "band")),
        ("muted", ("surface", "band")),
        ("surface", ("ink", "muted", "text")),  # on Run
        ("alert", ("alert-paper",)),
        ("note", ("note-paper",)),
    ],
)
def test_words_can_be_read(theme: str, ink: str, papers: tuple[str, ...]) -> None:
    known = colours(theme)
    for paper in papers:
        assert contrast(known[f"--mv-{ink}"], known[f"--mv-{paper}"]) >= 4.5, paper


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("mark", ["focus", "edge", "track", "warning", "danger"])
def test_marks_can_be_seen(theme: str, mark: str) -> None:
    known = colours(theme)
    assert contrast(known["--mv-due"], known["--mv-ink"]) >= 3
    assert contrast(known[f"--mv-{mark}"], known["--mv-surface"]) >= 3


def test_both_themes_have_the_same_colours() -> None:
    light, dark = (colours(theme) for theme in THEMES)
    assert light.keys() == dark.keys()
    assert all(light[name] != dark[name] for name in light)


def test_colours_are_named_and_no_text_is_smaller_than_11_pixels() -> None:
    body = re.sub(r"--mv-[a-z-]+:[^;]*;", "", rules())
    body = re.sub(r"url\([^)]*\)", "", body)
    assert re.findall(r"#[0-9a-f]{3,8}\b", body) == []
    sizes = [int(size) for size in re.findall(r"font(?:-size)?:[^;]*?(\d+)px", body)]
    assert sizes
    assert min(sizes) >= 11


def test_every_rule_stays_inside_the_explorer() -> None:
    for selector, _ in re.findall(r"([^{}]+)\{([^{}]*)\}", rules()):
        for one in re.sub(r"\([^)]*\)", "", selector).split(","):
            assert ".modviz-explorer" in one, selector
