"""The panel of two analyses: marks stand where the numbers say, in the colours of the matches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bokeh.embed import file_html
from bokeh.resources import INLINE

import modviz
from modviz.core.verdicts import verdicts
from modviz.view import (
    compare,
    compare_bars,
    compare_changes,
    compare_overlap,
    compare_words,
    evidence,
    style,
)
from modviz.view.compare_facts import UNMATCHED, CompareFacts, verdict
from modviz.view.facts import Facts
from tests.core.test_compare import HALVES, analysis_of, lesioned


def facts_of(a, b, **names) -> CompareFacts:
    return CompareFacts(modviz.compare(a, b, n_shuffles=19, **names))


def swapped(**names) -> CompareFacts:
    """In b, A and B have changed names and unit 2 of fc1 has gone over; C is new."""
    a = lesioned(analysis_of(*HALVES), -20, -2, -20, -2)
    b = lesioned(analysis_of([1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 2]), -3, None, None, -30, None)
    return facts_of(a, b, **names)


def rows_of(layer, *names) -> list[tuple]:
    columns = layer.columns
    return list(zip(*(columns[name] for name in names), strict=True))


def test_clusters_of_b_wear_the_colours_of_their_matches():
    drawing = compare_bars.draw(swapped())
    bars = rows_of(drawing.layers["bars"], "left", "right", "bottom", "fill")
    a, b, other = style.cluster_color(0), style.cluster_color(1), UNMATCHED
    assert [fill for *_, fill in bars] == [a, b, a, b, a, b, a, b, other]
    # 12 units in a row of 852 pixels: a of fc1 3 and 3 units, b of fc1 2 and 4
    widths = [right - left for left, right, *_ in bars]
    assert np.round(np.array(widths) / (widths[0] + 1) * 3).tolist() == [3, 3, 2, 4, 3, 3, 3, 2, 1]
    assert len(drawing.layers["hatched"].columns["left"]) == 1
    words = drawing.layers["words"].columns["text"]
    assert words[2:4] == ["A–B · 2", "B–A · 4"]
    assert words[-1] == "C"
    keys = drawing.layers["hits"].columns["name"]
    assert keys == ["row-0", "row-1"] * 4 + ["row-2"]
    assert drawing.layers["heads"].columns["text"] == ["a", "b"]
    assert max(right for _, right, *_ in bars) <= drawing.width == style.PAGE


def test_dead_units_have_a_bar_of_their_own():
    a, b = analysis_of([0, 0, 0, 1, 1, 1, -1]), analysis_of([0, 0, 0, 1, 1, -1, 0])
    facts = facts_of(a, b)
    assert "dead · 1" in compare_bars.draw(facts).layers["words"].columns["text"]
    overlap = compare_overlap.draw(facts)
    assert overlap.layers["columns"].columns["text"] == ["A", "B", "dead"]
    assert overlap.layers["names"].columns["text"] == ["A", "B", "dead"]
    tips = " ".join(overlap.layers["cells"].columns["tip"])
    assert "B of a → dead: 1 unit<br>33 % of the row" in tips
    assert "dead in a → A of b: 1 unit" in tips


def test_the_map_stands_in_the_order_of_the_matches():
    facts = swapped()
    drawing = compare_overlap.draw(facts)
    assert facts.found.overlap.tolist() == [[1, 5, 0], [5, 0, 1]]
    assert drawing.layers["columns"].columns["text"] == ["B", "A", "C"]
    cells = rows_of(drawing.layers["cells"], "left", "bottom", "fill", "tip")
    assert len(cells) == 6
    # A-B, A-A, A-C, B-B, ...: what stayed is on the diagonal and framed
    assert drawing.layers["figures"].columns["text"] == ["5", "1", "5", "1"]
    frames = rows_of(drawing.layers["frames"], "left", "bottom", "line")
    assert [(x, y) for x, y, _ in frames] == [
        (cells[k][0] + 0.5, cells[k][1] + 0.5) for k in (0, 4)
    ]
    assert [line for *_, line in frames] == [style.edge_color(0), style.edge_color(1)]
    assert cells[0][2] == style.mix(style.WHITE, compare_overlap.DEEP, 5 / 6)
    assert cells[2][2] == style.WHITE
    assert "A of a → B of b: 5 units<br>83 % of the row" in cells[0][3]


def test_a_map_for_each_layer_where_clusters_are_local():
    a, b = (analysis_of(*HALVES, HALVES[0], scope="local") for _ in range(2))
    drawing = compare_overlap.draw(facts_of(a, b))
    titles = rows_of(drawing.layers["titles"], "x", "y", "text")
    assert [text for *_, text in titles] == ["fc1", "fc2", "fc3"]
    assert titles[0][1] == titles[1][1] < titles[2][1]
    assert titles[0][0] == titles[2][0] < titles[1][0]
    assert drawing.layers["hits"].columns["name"][:4] == ["row-0", "row-1", "row-0", "row-1"]
    bottoms = drawing.layers["cells"].columns["top"]
    assert bottoms.max() <= drawing.height


def test_changes_of_matched_subclusters_stand_on_one_scale():
    facts = swapped(names=("early", "late"))
    layers = compare_changes.draw(facts).layers
    assert layers["names"].columns["text"] == ["A1–B1", "B1–A1", "A2–B2", "B2–A2"]
    first = rows_of(layers["first"], "x", "fill")
    second = rows_of(layers["second"], "x", "fill")
    points = {-20: first[0][0], -2: first[1][0]}
    per_point = (points[-2] - points[-20]) / 18
    assert per_point > 0
    # b measured the second pair alone in fc1 and the first alone in fc2
    table = facts.subclusters
    measured = 100 * table["accuracy_change_b"].dropna()
    assert [x for x, _ in second] == pytest.approx(
        [points[-20] + per_point * (change + 20) for change in measured]
    )
    # filled where q is at most 0.05, else hollow
    assert [fill for _, fill in first] == [
        style.cluster_color(0),
        style.WHITE,
        style.cluster_color(0),
        style.WHITE,
    ]
    assert len(layers["bridges"].columns["x0"]) == len(measured)
    said = layers["words"].columns["text"]
    expected = [
        verdict(*pair, ("early", "late"))
        for pair in zip(table["verdict_a"], table["verdict_b"], strict=True)
    ]
    assert said == [*expected, "important in"]
    assert "early" in said


def test_without_lesions_the_chart_says_so():
    a = analysis_of(*HALVES)
    layers = compare_changes.draw(facts_of(a, a)).layers
    assert layers["words"].columns["text"] == ["lesions were not measured"]
    assert not len(layers["first"].columns["x"])


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        ("important", "important", "both"),
        ("important", "no units", "x"),
        ("no evidence", "important", "y"),
        ("no evidence", "undecided", "undecided"),
        ("no evidence", "no evidence", "neither"),
        ("no evidence", "not tested", "not tested"),
    ],
)
def test_where_a_module_is_important(a, b, word):
    assert verdict(a, b, ("x", "y")) == word


def test_verdicts_are_those_of_the_evidence_card(make_analysis):
    seen = set()
    for analysis in (
        make_analysis(stage="partition"),
        make_analysis(stage="lesions", n_controls=99),
        make_analysis(n_clusters=12, n_controls=9),
        lesioned(analysis_of(*HALVES), -20, -2, -20, -2),
    ):
        facts = Facts(analysis)
        badges = [evidence.verdict(facts, i).badge.lower() for i in range(len(facts.names))]
        assert verdicts(analysis) == badges
        seen |= set(badges)
    assert seen == {"important", "no evidence", "undecided", "not measured", "not tested"}


def test_a_card_says_where_units_went():
    facts = swapped()
    assert [entry.words for entry in facts.entries] == ["A–B", "B–A", "C of b, no match"]
    stayed = compare_words.card(facts, 0)
    assert "5 of 6 units in a stay, 0 of 5 in b are new; Jaccard index 0.83." in stayed
    assert "Units of it went to A (1) of b." in stayed
    assert "1 unit alive in both." in compare_words.card(facts, 2)


def test_names_of_users_are_escaped():
    a = analysis_of(*HALVES, names=["<fc>", "b&c"], scope="local")
    found = modviz.compare(a, a, names=("<x>", "y&z"), n_shuffles=9)
    panel = compare.panel(found)
    texts = [model.text for model in panel.references() if hasattr(model, "text")]
    tips = [
        tip
        for model in panel.references()
        if hasattr(model, "data")
        for name in ("tip", "html")
        for tip in model.data.get(name, [])
    ]
    for text in [*map(str, texts), *tips]:
        assert "<fc>" not in text
        assert "<x>" not in text


def test_every_row_of_the_tables_is_in_the_twin():
    facts = swapped()
    html = compare_words.tables(facts)
    assert html.count("<details>") == html.count("<caption>") == 3
    rows = len(facts.entries) + 2 + len(facts.subclusters)
    assert html.count('<th scope="row">') == rows
    assert "−20.0" in html


def test_modviz_plot_takes_it_and_names_what_it_takes():
    found = swapped().found
    plot = modviz.plot(found)
    assert plot.title == "Comparison"
    assert plot.layout.width == style.PAGE
    file_html(compare.panel(found), INLINE)
    with pytest.raises(TypeError, match="expected Interactions, ClusterChoice or Comparison"):
        modviz.plot(found.a)
    with pytest.raises(TypeError, match="expected what modviz.compare returns"):
        compare.panel(found.a)


def test_nothing_alive_in_both_can_be_shown():
    found = modviz.compare(analysis_of([0, 0, -1], k=2), analysis_of([-1, -1, 0], k=2))
    facts = CompareFacts(found)
    texts = compare_bars.draw(facts).layers["words"].columns["text"]
    assert texts == ["A (no match) · 2", "dead · 1", "A (no match) · 1", "dead · 2"]
    assert "there is nothing to compare" in compare_words.head(facts)
    assert compare.panel(found).name == "comparison"


def test_a_large_comparison_stays_in_its_width(make_analysis):
    a = make_analysis(n_layers=14, n_clusters=32, units=256, stage="lesions")
    b = replace(make_analysis(n_layers=14, n_clusters=20, units=256, seed=1), status="complete")
    facts = facts_of(a, b)
    for part, width in (
        (compare_bars, style.PAGE),
        (compare_overlap, style.LEFT),
        (compare_changes, style.RIGHT),
    ):
        drawing = part.draw(facts)
        assert drawing.width == width
        for layer in drawing.layers.values():
            for edge in ("right", "x", "x1"):
                assert np.all(np.asarray(layer.columns.get(edge, [0]), dtype=float) <= width)
