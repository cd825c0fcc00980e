"""Stability and agreement in the card, its paragraph and the table; nothing where not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from modviz.core.support import Support
from modviz.view import evidence, tables
from modviz.view.facts import Facts
from tests.view.hand_made import Read, judged

NAN = float("nan")
BOTH = (
    "Clustered again with 9 other seeds, 92 % of the units in it or in its closest counterpart are "
    "in both (random groups: 31 %); with clusters of activations it is 40 % (random groups: 28 %)."
)


def supported(status: str = "complete", **changes: Any) -> Facts:
    """A1 and B1 of four units, and C1, which is too small to be tested; B1 has no agreement."""
    values: dict[str, Any] = {
        "names": ("A1", "B1", "C1"),
        "stability": np.array([0.92, 1.0, 0.5]),
        "stability_chance": np.array([0.31, 0.3, 0.2]),
        "agreement": np.array([0.4, NAN, 0.0]),
        "agreement_chance": np.array([0.28, NAN, 0.2]),
        "n_seeds": 9,
        "other_edges": "activations",
    }
    return judged([-0.3, 0.0], small=1, support=Support(**values | changes), status=status)


def test_the_paragraph_says_it_in_one_sentence() -> None:
    facts = supported()
    plain = Facts(replace(facts.analysis, support=None))
    assert evidence.paragraph(facts, 0) == f"{evidence.paragraph(plain, 0)} {BOTH}"
    assert evidence.paragraph(facts, 1).endswith("are in both (random groups: 30 %).")
    assert evidence.paragraph(facts, 2).endswith("it is 0 % (random groups: 20 %).")
    alone = supported(n_seeds=0)
    assert evidence.paragraph(alone, 0).endswith(
        "Of the units in it or in the closest of the clusters of activations, 40 % are in both "
        "(random groups: 28 %)."
    )


def lines_of(facts: Facts, i: int) -> dict[str, str]:
    """Value and note of each line of a card, as HTML."""
    rows = evidence.card(facts, i).split('<div class="line"><div class="key">')[1:]
    return dict(row.split('</div><div class="value">') for row in rows)


def test_the_card_has_two_lines_after_q() -> None:
    lines = lines_of(supported(), 0)
    keys = list(lines)
    assert keys[keys.index("q") :][:4] == ["q", "Stability", "Agreement", "Class most hit"]
    assert lines["Stability"].startswith("92 %")
    assert "of units the same with 9 other seeds; random groups: 31 %" in lines["Stability"]
    assert lines["Agreement"].startswith("40 %")
    assert "with clusters of activations; random groups: 28 %" in lines["Agreement"]
    undefined = lines_of(supported(), 1)["Agreement"]
    assert undefined.startswith("not defined")
    assert "none of its units is in any of the clusters of activations" in undefined
    untested = lines_of(supported(), 2)  # also what is too small to be lesioned has been found
    assert list(untested) == ["Stability", "Agreement"]


def test_what_is_not_measured_is_called_so_and_why() -> None:
    nothing = {"other_edges": None, "agreement": np.full(3, NAN)}
    lines = lines_of(supported(**nothing, missing="7 units < 8 & more"), 0)
    assert lines["Agreement"].startswith("not measured<")
    assert "7 units &lt; 8 &amp; more" in lines["Agreement"]
    assert "Agreement" not in evidence.paragraph(supported(**nothing), 0)
    running = supported("running", **nothing)
    assert lines_of(running, 0)["Agreement"].startswith("not measured yet<")
    assert lines_of(supported(n_seeds=0), 0)["Stability"].startswith("not measured<")


def test_the_table_has_two_columns_more_where_it_is_known() -> None:
    facts = supported()
    read = Read(tables.lesions(facts))
    assert read.heads[-4:] == ["q", "Stability", "Agreement", "Verdict"]
    found = {row[0]: row[-3:-1] for row in read.rows}
    assert found == {
        "A1": ["92 % (31 %)", "40 % (28 %)"],
        "B1": ["100 % (30 %)", "–[not defined]"],
        "C1": ["50 % (20 %)", "0 % (20 %)"],
    }
    assert set(read.spans) == {len(read.heads)}
    assert "in brackets, that of random groups of as many units" in read.caption


def test_older_analyses_show_nothing_of_it() -> None:
    plain = judged([-0.3, 0.0])
    read = Read(tables.lesions(plain))
    assert "Stability" not in read.heads
    assert read.heads[-2:] == ["q", "Verdict"]
    assert "Stability" not in read.caption
    assert "Stability" not in evidence.card(plain, 0)
    assert "other seed" not in evidence.paragraph(plain, 0)
