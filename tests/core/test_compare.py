"""Two analyses side by side: matching, what moved, and what chance gives."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

import modviz
from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition


def analysis_of(*labels, k=None, scope="global", names=None, **kwargs) -> Analysis:
    """An analysis with these labels, a list per layer; its graph has no edges that matter."""
    layers = [
        Layer(name, "linear", len(own), number=i)
        for i, (name, own) in enumerate(
            zip(names or [f"fc{i + 1}" for i in range(len(labels))], labels, strict=True), 1
        )
    ]
    flat = np.concatenate([np.asarray(own) for own in labels])
    graph = NeuronGraph(layers, {})
    partition = Partition(flat, k or int(flat.max()) + 1, graph, scope)
    return Analysis(partition, size_rule(partition), **kwargs)


def lesioned(analysis, *points, n_controls=99, n_images=200) -> Analysis:
    """The same with accuracy changes in points; controls lose 0 to 5 points. None: not measured."""
    n, intact = len(analysis.subclusters), np.array([0.9, 0.8])
    change = np.array([np.nan if x is None else x / 100 for x in points])
    controls = intact - np.linspace(0, 0.05, n_controls)[None, :, None] * np.ones((n, 1, 2))
    controls[np.isnan(change)] = np.nan
    results = LesionResults(intact, intact + change[:, None], controls, n_images)
    return replace(analysis, lesions=results, class_names=("x", "y"))


#: Two layers of six units: A is the first half of each, B the second.
HALVES = ([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1])


def letters(found) -> list[list[str | None]]:
    """The pairs of the table; None = no match."""
    rows = found.table()[["cluster_a", "cluster_b"]].to_numpy().tolist()
    return [[letter if isinstance(letter, str) else None for letter in row] for row in rows]


def test_an_analysis_agrees_with_itself():
    one = analysis_of(*HALVES)
    found = modviz.compare(one, one)
    assert isinstance(found, modviz.Comparison)
    assert found.ari == found.ami == found.stayed == 1
    assert found.moved().empty
    assert found.overlap.tolist() == [[6, 0], [0, 6]]
    assert [pair.name for pair in found.pairs] == ["A–A", "B–B"]
    # 20 ways to halve six units, of which 2 are these halves; so for both layers alike (AA, BB)
    assert found.p == pytest.approx(2 / 400, abs=0.006)
    assert found.chance < 0.2
    assert "12 (100.0 %) are in matched clusters and 0 moved" in found.summary()
    assert "they agree more than chance" in found.summary()
    with pytest.raises(FrozenInstanceError):
        found.names = ("x", "y")


def test_other_names_of_the_same_clusters_are_matched_back():
    rng = np.random.default_rng(0)
    labels, names = rng.integers(0, 5, (3, 40)), rng.permutation(5)
    found = modviz.compare(analysis_of(*labels), analysis_of(*names[labels]))
    assert [(pair.a, pair.b) for pair in found.pairs] == list(enumerate(names))
    assert found.ari == pytest.approx(1)
    assert found.moved().empty
    assert (found.table()["jaccard"] == 1).all()
    assert found.p == 0.001


def test_one_unit_moved_checked_by_eye():
    # in b the clusters have changed names, and unit 2 of fc1 has gone over to what was B
    a = analysis_of(*HALVES)
    b = analysis_of([1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0])
    found = modviz.compare(a, b)
    assert found.overlap.tolist() == [[1, 5], [6, 0]]
    assert found.moved().to_dict("records") == [
        {"layer": "fc1", "unit": 2, "from": "A", "to": "A", "to_match": "B"}
    ]
    table = found.table()
    assert letters(found) == [["A", "B"], ["B", "A"]]
    assert table[["units_a", "units_b", "shared"]].to_numpy().tolist() == [[6, 5, 5], [6, 7, 6]]
    assert table["jaccard"].tolist() == pytest.approx([5 / 6, 6 / 7])
    layers = found.layers()
    assert layers["units"].tolist() == [6, 6]
    assert layers["stayed"].tolist() == pytest.approx([5 / 6, 1])
    assert layers["ari"].tolist() == pytest.approx(
        [adjusted_rand_score([0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 0]), 1]
    )
    assert found.stayed == pytest.approx(11 / 12)
    assert "11 (91.7 %) are in matched clusters and 1 moved" in found.summary()
    assert repr(found).startswith("Comparison of a and b: 12 units in 2 layers, 2 matched clusters")


def test_with_another_k_a_cluster_is_left_without_a_match():
    a = analysis_of(*HALVES)
    b = analysis_of([0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 2], settings={"n_clusters": 3})
    found = modviz.compare(replace(a, settings={"n_clusters": 2}), b, names=("two", "three"))
    assert letters(found) == [["A", "A"], ["B", "B"], [None, "C"]]
    assert found.table()["shared"].tolist() == [6, 4, 0]
    moved = found.moved()
    assert moved[["layer", "unit"]].to_numpy().tolist() == [["fc1", 5], ["fc2", 5]]
    assert moved["to"].tolist() == ["C", "C"]
    assert moved["to_match"].isna().all()
    assert found.differing_settings == {"n_clusters": (2, 3)}
    words = found.summary()
    assert "2 clusters matched, without a match: C of three." in words
    assert "Their settings differ in n_clusters (2 against 3)." in words


def test_dead_units_enter_no_agreement_and_are_counted():
    a = analysis_of([0, 0, 0, 1, 1, 1, -1, -1])
    b = analysis_of([0, 0, 0, 1, 1, -1, 0, -1])
    found = modviz.compare(a, b)
    assert found.n_units == 5
    assert found.ari == found.stayed == 1
    assert found.units()["status"].tolist() == [
        *["stayed"] * 5,
        "became dead",
        "came alive",
        "dead",
    ]
    assert found.units()["in_b"].isna().tolist() == [False] * 5 + [True, False, True]
    assert found.layers().loc["fc1", ["became_dead", "came_alive"]].tolist() == [1, 1]
    assert "Units alive in a and dead in b: 1; dead in a and alive in b: 1." in found.summary()
    assert "1 unit dead in both." in found.summary()


def test_nothing_alive_in_both_is_said_and_not_counted_as_agreement():
    found = modviz.compare(analysis_of([0, 0, -1], k=2), analysis_of([-1, -1, 0], k=2))
    assert found.n_units == 0
    assert np.isnan(found.stayed)
    assert found.p == 1
    assert "there is nothing to compare" in found.summary()
    assert letters(found) == [["A", None], [None, "A"]]
    assert found.subclusters().empty
    assert np.isnan(found.layers()["ari"]).all()


def test_local_clusters_are_matched_within_their_layer():
    # the second layer's clusters change names, the first layer's do not
    a = analysis_of(*HALVES, scope="local")
    b = analysis_of([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 1], scope="local")
    found = modviz.compare(a, b)
    assert [pair.name for pair in found.pairs] == ["fc1: A–A", "fc1: B–B", "fc2: A–B", "fc2: B–A"]
    assert found.overlap.shape == (2, 2, 2)
    by_layer = [1, adjusted_rand_score([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 1])]
    assert found.layers()["ari"].tolist() == pytest.approx(by_layer)
    assert found.ari == pytest.approx(np.mean(by_layer))
    assert found.ami == pytest.approx(
        (1 + adjusted_mutual_info_score([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 1])) / 2
    )
    assert found.moved().to_dict("records") == [
        {"layer": "fc2", "unit": 5, "from": "B", "to": "B", "to_match": "A"}
    ]
    assert found.table()["layer"].tolist() == ["fc1", "fc1", "fc2", "fc2"]
    # the same labels as clusters of the whole network: B runs through both layers
    mixed = modviz.compare(analysis_of(*HALVES), b)
    assert mixed.scope == "local"
    assert "matched within layers" in mixed.summary()


def test_a_layer_of_one_cluster_says_nothing_about_local_agreement():
    a = analysis_of([0] * 6, HALVES[1], k=2, scope="local")
    b = analysis_of([0] * 6, [0, 1, 0, 1, 0, 1], k=2, scope="local")
    found = modviz.compare(a, b)
    assert found.ari == pytest.approx(adjusted_rand_score(HALVES[1], [0, 1] * 3))
    alone = modviz.compare(*[analysis_of([0] * 6, k=2, scope="local")] * 2)
    assert alone.ari == alone.ami == alone.p == 1


def test_layers_that_only_one_has_are_left_out_and_named():
    a = analysis_of(*HALVES, [0, 1], names=["fc1", "fc2", "extra"])
    b = analysis_of(*HALVES, names=["fc2", "other"])
    found = modviz.compare(a, b)
    assert [layer.name for layer in found.layers_in_both] == ["fc2"]
    assert (found.only_a, found.only_b) == (("fc1", "extra"), ("other",))
    assert "only a has them: fc1, extra." in found.summary()
    assert found.n_units == 6


def test_what_cannot_be_compared_is_refused():
    a = analysis_of(*HALVES)
    with pytest.raises(ValueError, match=r"share no layer: a has \['fc1', 'fc2'\], b has \['x'\]"):
        modviz.compare(a, analysis_of([0, 1], names=["x"]))
    with pytest.raises(ValueError, match=r"'fc2' \(6 in a, 2 in b\)"):
        modviz.compare(a, analysis_of(HALVES[0], [0, 1]))
    with pytest.raises(TypeError, match="b is a Partition; expected an Analysis"):
        modviz.compare(a, a.partition)
    with pytest.raises(TypeError, match="a is a str"):
        modviz.compare("a.modviz", a)
    for names in ("ab", ("x", "x"), ("x",)):
        with pytest.raises(ValueError, match="expected two different names"):
            modviz.compare(a, a, names=names)
    with pytest.raises(ValueError, match="n_shuffles=0; expected at least 1"):
        modviz.compare(a, a, n_shuffles=0)


def test_whether_the_same_modules_are_important_in_both():
    a = lesioned(analysis_of(*HALVES), -20, -2, -20, -2)
    # A and B have changed names, and the second layer has lost its A
    b = analysis_of([1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0])
    b = lesioned(b, -3, -30, None)
    found = modviz.compare(a, b, names=("early", "late"))
    table = found.subclusters()
    assert table["pair"].tolist() == ["A–B", "B–A", "A–B", "B–A"]
    assert table["layer"].tolist() == ["fc1", "fc1", "fc2", "fc2"]
    assert table["name_a"].tolist() == ["A1", "B1", "A2", "B2"]
    assert table["name_b"].tolist()[:2] + table["name_b"].tolist()[3:] == ["B1", "A1", "A2"]
    assert table["name_b"].isna().tolist() == [False, False, True, False]
    assert table["verdict_a"].tolist() == ["important", "no evidence"] * 2
    # A2 of b is the whole layer, which the size rule leaves out
    assert table["verdict_b"].tolist() == ["important", "no evidence", "no units", "not tested"]
    assert table["accuracy_change_a"].tolist() == pytest.approx([-0.2, -0.02, -0.2, -0.02])
    assert table["accuracy_change_b"].tolist() == pytest.approx(
        [-0.3, -0.03, np.nan, np.nan], nan_ok=True
    )
    assert table["p_a"].tolist() == a.table()["accuracy_p"].tolist()
    assert table["q_b"].tolist()[:2] == b.table()["accuracy_q"].tolist()[1::-1]
    assert table[["units_a", "units_b", "shared"]].to_numpy().tolist() == [
        [3, 3, 3],
        [3, 3, 3],
        [3, 0, 0],
        [3, 6, 3],
    ]
    assert (
        "Matched subclusters tested by lesions in both: 2. Important (q at most 0.05) in both: 1, "
        "in early alone: 0, in late alone: 0, in neither: 1."
    ) in found.summary()


def test_lesions_that_were_measured_otherwise_are_named():
    a = lesioned(analysis_of(*HALVES), -20, -2, -20, -2)
    b = lesioned(analysis_of(*HALVES), -20, -2, -20, -2, n_controls=9, n_images=50)
    words = modviz.compare(a, replace(b, status="cancelled")).summary()
    assert "on 200 images with 99 controls in a and on 50 images with 9 controls in b" in words
    assert "The analysis b is cancelled" in words
    # worse than all nine controls, but nine cannot tell
    assert "in a alone: 2, in b alone: 0, in neither: 2, with 2 undecided" in words
    alike = modviz.compare(a, a).summary()
    assert "Lesions were measured" not in alike
    nothing = modviz.compare(a, analysis_of(*HALVES))
    assert "No matched subcluster was tested by lesions in both." in nothing.summary()
    assert (nothing.subclusters()["verdict_b"] == "not measured").all()


@pytest.mark.parametrize("scope", ["global", "local"])
def test_p_is_uniform_where_partitions_have_nothing_to_do_with_each_other(scope):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        # both keep to layers, as real partitions do: that alone must not count as agreement
        ends = [(0, 3), (3, 5)]
        a, b = ([rng.integers(low, high, 60) for low, high in ends] for _ in range(2))
        both = [analysis_of(*labels, k=5, scope=scope) for labels in (a, b)]
        result = modviz.compare(*both, n_shuffles=99)
        found.append((result.p, result.ari, result.chance))
    p, ari, chance = np.array(found).T
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.01 <= (p <= 0.05).mean() <= 0.09
    assert chance.mean() == pytest.approx(ari.mean(), abs=0.01)
    if scope == "global":
        assert chance.mean() > 0.2  # what an index of 0 as "chance" would hide


def test_shuffles_depend_on_the_seed_alone():
    rng = np.random.default_rng(0)
    a, b = (analysis_of(*rng.integers(0, 3, (2, 30)), k=3) for _ in range(2))
    first, again, other = (modviz.compare(a, b, seed=seed).null_ari for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
