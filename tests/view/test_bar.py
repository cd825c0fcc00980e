"""The bar: its selectors, what they allow, and what the page sorts and filters by."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

from modviz.view import bar
from tests.view.hand_made import judged, pictures, two_layers

HOSTILE = "<img src=x onerror=alert(1)>"


def options(html: str, key: str) -> list[tuple[str, str]]:
    """Values and words of a selector, as a browser reads them."""
    (found,) = re.findall(rf'<select data-view="{key}">(.*?)</select>', html)
    pairs = re.findall(r'<option value="(.*?)">(.*?)</option>', found)
    return [(unescape(value), unescape(words)) for value, words in pairs]


def test_every_value_of_a_selector_is_allowed_and_no_other() -> None:
    layers = ["fc1", "fc2"]
    html = bar.html(layers)
    for key in ("sort", "layer", "show"):
        for value, _ in options(html, key):
            assert bar.checked({**bar.VIEW, key: value}, layers)[key] == value
        assert bar.checked({**bar.VIEW, key: "else"}, layers)[key] == bar.VIEW[key]
        assert options(html, key)[0][0] == bar.VIEW[key]  # what a new page shows
    assert [value for value, _ in options(html, "layer")] == ["", "fc1", "fc2"]
    for key, value in (("order", "layer"), ("gallery", "rows")):  # of the panels themselves
        assert bar.checked({**bar.VIEW, key: value}, layers)[key] == value


@pytest.mark.parametrize(
    "given", [{}, {"sort": 3, "layer": None, "show": ["all"], "order": {}}, {"more": "x"}]
)
def test_whatever_is_not_possible_falls_back_to_the_beginning(given: dict[str, object]) -> None:
    assert bar.checked(given, ["fc1"]) == dict(bar.VIEW)


def test_a_layer_that_is_gone_is_no_longer_asked_for() -> None:
    view = {"sort": "p", "layer": "fc9", "show": "any", "order": "layer", "gallery": "rows"}
    assert bar.checked(view, ["fc1"]) == {**view, "layer": ""}
    assert bar.checked(view, ["fc9"]) == view


def test_names_of_layers_are_escaped() -> None:
    html = bar.html([HOSTILE, 'a"b'])
    assert "<img" not in html
    assert [value for value, _ in options(html, "layer")] == ["", HOSTILE, 'a"b']


def test_buttons_have_names_and_are_no_submit_buttons() -> None:
    html = bar.html([])
    buttons = re.findall(r"<button(.*?)>(.*?)</button>", html)
    assert {re.search(r'data-act="(\w+)"', given)[1] for given, _ in buttons} == {  # type: ignore[index]
        *("previous", "next", "clear", "all", "theme"),
    }
    for given, words in buttons:
        assert 'type="button"' in given
        assert "aria-label=" in given or re.search(r"[A-Za-z]", words)


def test_a_value_per_subcluster_by_hand() -> None:
    # random groups change nothing: A is worse than all 99 (q = 3 / 100), B is like them, C is
    # absent; D has two units, too few to be tested
    facts = judged([-0.3, 0.0, np.nan], control=0.0, n_controls=99, small=1)
    found = bar.subclusters(facts)
    assert found["name"] == ["A1", "B1", "C1", "D1"]
    assert found["layer"] == [1] * 4
    assert found["layer_name"] == ["fc1"] * 4
    assert found["cluster"] == [0, 1, 2, 3]
    assert found["tested"] == [True, True, True, False]
    assert found["change"] == pytest.approx([-30, 0, np.nan, np.nan], nan_ok=True)
    assert found["p"] == pytest.approx([0.01, 1.0, np.nan, np.nan], nan_ok=True)
    assert found["verdict"] == ["yes", "no", "no", "no"]
    assert found["any"] == [True, False, False, False]


def test_an_open_verdict_is_open() -> None:
    facts = judged([-0.3] + [0.0] * 18, control=0.0)  # 19 controls can't declare one of 19
    assert bar.subclusters(facts)["verdict"] == ["open"] + ["no"] * 18
    assert not any(bar.subclusters(facts)["any"])


def test_any_statistic_counts_for_any() -> None:
    # nobody loses anything; the second subcluster's picture alone drives it more than 99 others
    facts = judged([0.0, 0.0], control=0.0, features=pictures([1.0, 2.0], [1.0, 1.0]))
    found = bar.subclusters(facts)
    assert facts.q("score", 1) == pytest.approx(0.02)
    assert found["verdict"] == ["no", "no"]
    assert found["any"] == [False, True]


def test_layers_are_told_by_number_and_name() -> None:
    found = bar.subclusters(two_layers())
    table = set(zip(found["name"], found["layer"], found["layer_name"], strict=True))
    assert table == {("A1", 1, "fc1"), ("B1", 1, "fc1"), ("A2", 2, "<fc2>"), ("B2", 2, "<fc2>")}
