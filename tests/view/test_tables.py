"""Tables: the right numbers in the right cells, headed, captioned, escaped and lean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modviz.core.analysis import Analysis, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.sequential import rule_for
from modviz.view import tables
from modviz.view.facts import Facts
from tests.view.hand_made import Read, judged, large, pictures, tops, two_layers

NAN = float("nan")
HOSTILE = '<script>alert("x")</script>&'


def test_the_partition_has_a_row_for_each_cluster_in_each_layer() -> None:
    read = Read(tables.partition(two_layers(dead=True)))
    assert read.heads == ["Subcluster", "Layer", "Units", "Share of layer"]
    assert read.rows == [
        ["A1", "fc1", "2", "50.0 %"],
        ["B1", "fc1", "2", "50.0 %"],
        ["A2", "<fc2>", "2", "50.0 %"],
        ["B2", "<fc2>", "1", "25.0 %"],
        ["dead", "<fc2>", "1", "25.0 %"],
    ]
    assert read.select == ["A1", "B1", "A2", "B2", None]
    assert read.of == read.select


def test_units_of_inputs_are_there_but_no_subclusters() -> None:
    layers = [Layer("pixels", "input", 2, role="input"), Layer("fc", "linear", 3, number=1)]
    graph = NeuronGraph(layers, {(0, 1): np.ones((2, 3))})
    partition = Partition(np.zeros(5, int), 1, graph)
    read = Read(tables.partition(Facts(Analysis(partition, size_rule(partition)))))
    assert read.rows == [["A, input", "pixels", "2", "100.0 %"], ["A1", "fc", "3", "100.0 %"]]
    assert read.select == [None, "A1"]


def test_weights_are_pooled_from_the_graph() -> None:
    read = Read(tables.weights(two_layers()))
    assert read.heads == ["Cluster", "Units", "Inside", "To A", "To B"]
    # a unit of A has edges 3 + 3 inside and 1 + 1 to B; of the 4 · 3 ordered pairs inside A 8 have
    # an edge of 3, of the 4 · 4 to B 8 have one of 1
    assert read.rows == [["A", "4", "75.0 %", "2", "0.5"], ["B", "4", "75.0 %", "0.5", "2"]]
    assert read.select == ["A1 A2", "B1 B2"]


def test_many_clusters_have_no_column_each() -> None:
    read = Read(tables.weights(judged([0.0] * 17)))
    assert read.heads == ["Cluster", "Units", "Inside"]
    assert len(read.rows) == 17
    assert "mean edge" not in read.caption


def test_clusters_of_one_unit_or_of_no_weight_have_no_mean() -> None:
    graph = NeuronGraph([Layer("fc", "linear", 3, number=1)], {(0, 0): np.zeros((3, 3))})
    partition = Partition(np.array([0, 0, 1]), 3, graph)
    read = Read(tables.weights(Facts(Analysis(partition, size_rule(partition)))))
    assert read.rows[0] == ["A", "2", "–[no edges]", "0", "0", "–[no pairs]"]
    assert read.rows[1] == ["B", "1", "–[no edges]", "0", "–[no pairs]", "–[no pairs]"]
    assert read.select == ["A1", "B1", None]


def test_a_local_partition_has_a_row_for_each_layer() -> None:
    facts = two_layers("local")
    read = Read(tables.weights(facts))
    assert read.heads == ["Layer", "Name", "Clusters", "Normalised cut"]
    assert read.rows == [["Layer 1", "fc1", "2", "0.50"], ["Layer 2", "<fc2>", "2", "–[not cut]"]]
    assert read.select == ["A1 B1", "A2 B2"]
    assert "Letters are per layer" in Read(tables.partition(facts)).caption


def test_lesions_with_their_controls_and_verdicts() -> None:
    read = Read(tables.lesions(judged([-0.005, [-0.3, -0.1], 0.02], n_controls=99)))
    assert read.heads == [
        *("Subcluster", "Units", "Change", "95 % interval", "Random groups", "Their mean"),
        *("Their range", "As bad or worse", "p", "q", "Verdict"),
    ]
    # 95 %: 1.96 standard errors of a point; q: .01 · 3
    assert read.rows == [
        [
            *("B1", "4", "−20.0", "−22.0 to −18.0", "99", "−1.0", "−1.0 to −1.0"),
            *("0 of 99", "0.01", "0.030", "Important"),
        ],
        [
            *("A1", "4", "−0.5", "−2.5 to +1.5", "99", "−1.0", "−1.0 to −1.0"),
            *("99 of 99", "1.00", "1.000", "No evidence"),
        ],
        [
            *("C1", "4", "+2.0", "0.0 to +4.0", "99", "−1.0", "−1.0 to −1.0"),
            *("99 of 99", "1.00", "1.000", "No evidence"),
        ],
    ]


def test_only_a_declared_q_is_bold() -> None:
    html = tables.lesions(judged([-0.3, 0.0], n_controls=99))
    assert html.count("<b>") == 1
    assert "<b>0.020</b>" in html


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("running", "– not measured yet"),
        ("cancelled", "– not measured: cancelled before"),
        ("complete", "– not measured"),
    ],
)
def test_what_is_not_measured_says_why(status: str, why: str) -> None:
    facts = judged([NAN, -0.3], small=1, status=status)
    assert Read(tables.lesions(facts)).rows[1:] == [
        ["A1", "4", why, "Not measured"],
        ["C1", "2", "– not tested (size rule)", "Not tested"],
    ]
    assert Read(tables.classes(facts)).rows[1] == ["A1", why]


def test_an_interval_that_is_not_known() -> None:
    facts = judged([-0.3, 0.0])
    lesions = facts.analysis.lesions
    assert lesions is not None
    older = replace(facts.analysis, lesions=replace(lesions, change_error=None))
    assert Read(tables.lesions(Facts(older))).rows[0][3] == "–[not known]"


def test_adaptive_controls_differ_from_row_to_row() -> None:
    facts = judged([-0.3, 0.0], n_controls=99)
    lesions = facts.analysis.lesions
    assert lesions is not None
    controls = lesions.controls.copy()
    controls[1, 39:] = np.nan
    adaptive = replace(lesions, controls=controls, rule=rule_for(99))
    read = Read(tables.lesions(Facts(replace(facts.analysis, lesions=adaptive))))
    assert [row[4] for row in read.rows] == ["99", "39"]
    # 20 as bad are enough, though 39 were drawn in its round
    assert [row[7] for row in read.rows] == ["0 of 99", "20 of 20"]
    assert "p rests on those groups" in read.caption


def test_class_changes_in_points() -> None:
    read = Read(tables.classes(judged([[0.0, 0.021], [-0.3, -0.1]])))
    assert read.heads == ["Subcluster", "cat", "dog"]
    assert read.rows == [["B1", "−30.0", "−10.0"], ["A1", "0.0", "+2.1"]]
    assert read.of == ["B1", "A1"]


def test_of_very_many_classes_those_that_change_most() -> None:
    names = tuple(f"c{i}" for i in range(1500))
    changes = np.zeros((3, 1500))
    changes[:, 700] = -0.2
    read = Read(tables.classes(judged(changes.tolist(), classes=names)))
    assert len(read.heads) == 33
    assert "c700" in read.heads
    assert "Only the 32 of 1,500 classes" in read.caption
    assert len(Read(tables.classes(judged([0.0], classes=names))).heads) == 1501


def test_features_with_p_q_and_the_commonest_class() -> None:
    facts = judged([0.0] * 3, features=pictures([9.0, 1.0, NAN], [0.2, NAN, NAN]))
    read = Read(tables.features(facts))
    assert read.heads == [
        *("Subcluster", "Score", "p of score", "q of score"),
        *("Entropy, nats", "p of entropy", "q of entropy"),
    ]
    assert read.rows == [
        ["A1", "9", "0.01", "0.020", "0.20", "0.01", "0.020"],
        ["B1", "1", "1.00", "1.000", "–[undefined]", "1.00", "1.000"],
        ["C1", "– not measured"],
    ]
    assert "against 99 random groups" in read.caption
    both = replace(facts.analysis, top_images=tops([(1, 1, 1, 1), (0, 0, 1, 1), ()]))
    read = Read(tables.features(Facts(both)))
    assert read.heads[7:] == [
        *("Commonest class of top images", "Entropy of top images, nats"),
        *("p of top images", "q of top images"),
    ]
    assert [row[7:] for row in read.rows[:2]] == [
        ["4 of 4: dog", "0.00", "0.01", "0.010"],
        ["2 each: cat, dog", "0.69", "0.01", "0.010"],
    ]
    assert read.rows[2] == ["C1", "– not measured", "– not measured"]


def test_columns_of_what_is_still_to_come() -> None:
    facts = judged(
        [0.0, 0.0],
        top_images=tops([(0, 0), (1, 1)]),
        status="running",
        settings={"features": True, "top_images": True},
    )
    read = Read(tables.features(facts))
    assert len(read.heads) == 11
    assert [row[1] for row in read.rows] == ["– not measured yet"] * 2
    alone = Read(tables.features(Facts(replace(facts.analysis, settings={}))))
    assert len(alone.heads) == 5


@pytest.mark.parametrize("name", ["lesions", "classes", "features"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("running", "{} not measured yet."),
        ("cancelled", "Cancelled before {} were measured."),
        ("complete", "{} were not measured in this analysis."),
    ],
)
def test_a_sentence_before_results(name: str, status: str, words: str) -> None:
    facts = judged([0.0], lesions=None, status=status)
    what = "feature images" if name == "features" else "lesions"
    said = words.format(what if words.startswith("Cancelled") else what.capitalize())
    assert getattr(tables, name)(facts) == f"<p>{said}</p>"


def test_user_given_names_are_escaped() -> None:
    facts = judged(
        [-0.3, 0.0],
        classes=(HOSTILE, "dog"),
        layer=HOSTILE,
        top_images=tops([(0, 0), (1, 1)]),
        features=pictures([1.0, 1.0], [1.0, 1.0]),
    )
    for name in tables.__all__:
        html = getattr(tables, name)(facts)
        assert "script" not in Read(html).tags
        assert ("&lt;script&gt;" in html) == (name in ("partition", "classes", "features"))


def test_every_table_is_headed_captioned_and_rectangular(analysis: Analysis) -> None:
    facts = Facts(analysis)
    for name in tables.__all__:
        html = getattr(tables, name)(facts)
        read = Read(html)
        assert read.caption.endswith(".")
        assert read.scopes == ["col"] * len(read.heads) + ["row"] * len(read.rows)
        assert set(read.spans) == {len(read.heads)}
        assert "style=" not in html
        if name != "weights":
            tested = [s for s, t in zip(facts.names, facts.tested, strict=True) if t]
            assert set(tested) <= set(read.of) - {None} <= set(facts.names)
            assert [s for s in read.select if s] == [s for s in read.of if s]


def test_tables_as_large_as_those_of_vgg16_stay_lean() -> None:
    facts = large()
    assert facts.tested.sum() == 208
    for name in tables.__all__:
        assert len(getattr(tables, name)(facts).encode()) < 120_000
