"""Summaries: the sentences of analyses whose answers are known, and no word beyond the evidence."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

from modviz.core.analysis import Analysis, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.sequential import rule_for
from modviz.view import summaries
from modviz.view.facts import Facts
from tests.view.hand_made import judged, pictures, tops, two_layers

NAN = float("nan")


def partitioned(labels: list[int], *sizes: int, **more: Any) -> Facts:
    """A partition of layers in a row, all edges 1."""
    layers = [Layer(f"fc{i}", "linear", n, number=i + 1) for i, n in enumerate(sizes)]
    blocks = {(i, i + 1): np.ones((sizes[i], sizes[i + 1])) for i in range(len(sizes) - 1)}
    partition = Partition(np.array(labels), max(max(labels) + 1, 1), NeuronGraph(layers, blocks))
    return Facts(Analysis(partition, size_rule(partition), **more))


def test_partition_says_what_spans_layers_and_what_is_largest() -> None:
    facts = partitioned([0, 0, 0, 1, 0, 0, 2, -1], 4, 4)
    assert summaries.partition(facts) == (
        "3 clusters of 8 hidden units in 2 layers; 1 spans several layers. The largest is A with "
        "5 units, 71 % of all in clusters. 1 unit is dead and in no cluster."
    )


def test_partition_of_equal_clusters_and_of_one_layer() -> None:
    assert summaries.partition(two_layers()) == (
        "2 clusters of 8 hidden units in 2 layers; all span several layers. The largest are A, B "
        "with 4 units each."
    )
    assert summaries.partition(judged([0.0] * 3)) == (
        "3 clusters of 12 hidden units in 1 layer. The largest are A, B, C with 4 units each."
    )


def test_partition_without_a_live_unit() -> None:
    assert summaries.partition(partitioned([-1, -1], 1, 1)) == (
        "None of 2 hidden units in 2 layers is in a cluster: all are dead."
    )


def test_a_local_partition_compares_nothing_across_layers() -> None:
    facts = two_layers("local", dead=True)
    assert summaries.partition(facts) == (
        "8 hidden units in 2 layers, each layer clustered by itself into 2 clusters; the same "
        "letter in two layers means nothing. The largest are A1, B1, A2 with 2 units each. "
        "1 unit is dead and in no cluster."
    )
    assert summaries.weights(two_layers("local")) == (
        "Each layer is clustered by itself, with a normalised cut of 0.50 in the mean of 1 layer "
        "that was cut: 0 would be separate networks, and about 1 is what random partitions give."
    )
    unknown = replace(facts.analysis.partition, cuts=())
    assert summaries.weights(Facts(replace(facts.analysis, partition=unknown))) == (
        "Each layer is clustered by itself; how well each was cut is not known."
    )


def test_weights_against_mixing_without_regard_to_clusters() -> None:
    assert summaries.weights(two_layers()) == (
        "75 % of the edge weight stays inside clusters; 50 % would if units were joined without "
        "regard to clusters. The partition was chosen to keep much inside, so that alone is no "
        "evidence of modules."
    )
    # of the 16 edges A has the 9 between its own three and three units, of 12 + 12 ends; B 1
    uneven = summaries.weights(partitioned([0, 0, 0, 1, 0, 0, 0, 1], 4, 4))
    assert "Cluster A keeps most of its own, 75 %, B least, 25 %." in uneven
    assert summaries.weights(partitioned([0, -1], 1, 1)).startswith("0 % of the edge weight")
    assert summaries.weights(partitioned([0, 0], 2)) == "No edge weight at any unit of a cluster."


def test_lesions_name_the_largest_loss_and_who_is_declared() -> None:
    facts = judged([-0.005, -0.035, -0.3, -0.2], n_controls=99, small=1)
    assert summaries.lesions(facts) == (
        "4 subclusters, each against 99 random groups of equal size; the largest loss is C1, −30.0 "
        "points; 3 are declared important at q ≤ 0.05: C1, D1, B1; 1 more outside the size rule "
        "and not tested."
    )


def test_too_few_controls_leave_it_undecided() -> None:
    assert summaries.lesions(judged([-0.3] + [0.0] * 3)) == (
        "4 subclusters, each against 19 random groups of equal size; the largest loss is A1, −30.0 "
        "points (undecided); none is declared important at q ≤ 0.05; 1 undecided, random groups "
        "too few to tell: A1."
    )


def test_a_loss_like_that_of_random_groups_is_no_evidence() -> None:
    said = summaries.lesions(judged([-0.01, 0.0], n_controls=99))
    assert "the largest loss is A1, −1.0 points (no evidence); none is declared" in said
    assert "undecided" not in said


def test_one_random_group_as_bad_is_enough_for_no_evidence() -> None:
    facts = judged([-0.3] + [0.0] * 3)
    lesions = facts.analysis.lesions
    assert lesions is not None
    controls = lesions.controls.copy()
    controls[0, 7] = lesions.lesioned[0]
    changed = replace(facts.analysis, lesions=replace(lesions, controls=controls))
    said = summaries.lesions(Facts(changed))
    assert "−30.0 points (no evidence); none is declared important at q ≤ 0.05." in said


def test_losses_that_are_none_or_nearly() -> None:
    assert "; no lesion lowers accuracy; " in summaries.lesions(judged([0.0, 0.01]))
    assert "; no class loses accuracy. " in summaries.classes(judged([0.0, 0.01]))
    small = judged([-0.0002, 0.0])
    assert "is A1, less than 0.1 points" in summaries.lesions(small)
    assert "cat without A1, dog without A1, less than 0.1 points" in summaries.classes(small)
    assert "is A1, C1, −2.0 points; " in summaries.lesions(judged([-0.02, 0.0, -0.02]))


def test_one_is_declared_and_long_lists_end_in_a_count() -> None:
    assert "1 is declared important at q ≤ 0.05: A1." in summaries.lesions(
        judged([-0.3, 0.0], n_controls=99)
    )
    many = summaries.lesions(judged([-0.3 + 0.01 * i for i in range(15)], n_controls=99))
    assert "A1, B1, C1, D1, E1, F1, G1, H1, I1, J1, K1 and 4 more" in many


@pytest.mark.parametrize(
    ("status", "start", "waits"),
    [
        ("running", "So far 2 of 3 subclusters", True),
        ("cancelled", "Cancelled after 2 of 3 subclusters", False),
        ("complete", "2 of 3 subclusters measured", False),
    ],
)
def test_part_of_the_results(status: str, start: str, waits: bool) -> None:
    facts = judged([-0.3, 0.0, NAN], status=status)
    for said in (summaries.lesions(facts), summaries.classes(facts)):
        assert said.startswith(start)
        assert said.endswith("While more are measured, q can still change.") == waits


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("running", "{} not measured yet."),
        ("cancelled", "Cancelled before {} were measured."),
        ("complete", "{} were not measured in this analysis."),
    ],
)
def test_nothing_measured(status: str, words: str) -> None:
    facts = judged([NAN, NAN], status=status)
    for name, what in (
        ("lesions", "lesions"),
        ("classes", "lesions"),
        ("features", "feature images"),
    ):
        said = words.format(what)
        assert getattr(summaries, name)(facts) == said[:1].upper() + said[1:]


def test_adaptive_controls_are_told_as_a_span() -> None:
    facts = judged([-0.3, -0.01], n_controls=99, status="running")
    lesions = facts.analysis.lesions
    assert lesions is not None
    controls = lesions.controls.copy()
    controls[1, 39:] = NAN
    adaptive = replace(lesions, controls=controls, rule=rule_for(99))
    said = summaries.lesions(Facts(replace(facts.analysis, lesions=adaptive)))
    assert "each against 39 to 99 random groups" in said
    assert "1 is declared important at q ≤ 0.05: A1." in said


def test_classes_name_who_costs_which_class_most() -> None:
    facts = judged([[-0.3, -0.1], [0.02, -0.06]], n_controls=99)
    assert summaries.classes(facts) == (
        "2 subclusters and 2 classes; the largest loss of a class is cat without A1, −30.0 points; "
        "2 of 4 changes are losses of 10 points or more. 2 single out classes more than random "
        "groups do (q ≤ 0.05): A1, B1."
    )


def test_unevenness_that_is_undefined_or_undecided() -> None:
    # no change at all has no range; random groups hit all classes alike, so that theirs is 0
    facts = judged([[0.0, 0.0], [0.0, -0.02], [-0.01, -0.01]])
    assert summaries.classes(facts).endswith(
        "None singles out classes more than random groups do (q ≤ 0.05), 1 undecided (B1), "
        "undefined for A1."
    )


def test_one_class_is_nothing_to_single_out() -> None:
    assert summaries.classes(judged([-0.3, 0.0], classes=("cat",), n_controls=99)) == (
        "2 subclusters and 1 class; the largest loss of a class is cat without A1, −30.0 points; "
        "1 of 2 changes is a loss of 10 points or more."
    )


def test_features_say_whose_score_and_entropy_stand_out() -> None:
    facts = judged(
        [0.0] * 4,
        features=pictures([9.0, 8.0, 0.5, 0.5], [1.0, 0.2, NAN, 2.0]),
        top_images=tops([(0, 0, 0), (0, 1, 1), (0, 0, 0), (0, 0, 0)]),
    )
    assert summaries.features(facts) == (
        "Feature images: 4 subclusters, each against 99 random groups; by score 2 stand out at q ≤ "
        "0.05 (A1, B1); by entropy 1 stands out at q ≤ 0.05 (B1), undefined for C1. Top images: 4 "
        "subclusters, each against 99 random groups; by the entropy of their classes 4 stand out "
        "at q ≤ 0.05 (A1, B1, C1, D1)."
    )


def test_few_image_controls_leave_it_undecided() -> None:
    facts = judged([0.0] * 2, features=pictures([9.0, 0.5], [1.0, 1.0], n_controls=9))
    assert summaries.features(facts) == (
        "Feature images: 2 subclusters, each against 9 random groups; by score none stands out at "
        "q ≤ 0.05, 1 undecided (A1); by entropy none stands out at q ≤ 0.05."
    )


def test_features_while_they_come() -> None:
    settings = {"features": True, "top_images": True}
    facts = judged([0.0] * 2, top_images=tops([(0, 0), ()]), status="running", settings=settings)
    said = summaries.features(facts)
    assert said.startswith("Feature images not measured yet. Top images: so far 1 of 2 subclusters")
    assert said.endswith("(A1). While more are measured, q can still change.")
    alone = summaries.features(Facts(replace(facts.analysis, settings={})))
    assert alone.startswith("Top images: so far")
    other = replace(facts.analysis, top_images=None, features=pictures([9.0, NAN], [1.0, NAN]))
    assert "Feature images: so far 1 of 2" in summaries.features(Facts(other))
    assert " Top images not measured yet." in summaries.features(Facts(other))


def test_user_given_names_are_escaped() -> None:
    facts = judged([[-0.3, 0.0], [0.0, 0.0]], classes=('<b id="x">&', "dog"))
    said = summaries.classes(facts)
    assert "&lt;b id=&quot;x&quot;&gt;&amp; without A1" in said
    assert '<b id="x">& without A1' in unescape(said)
