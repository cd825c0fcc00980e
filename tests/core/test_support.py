"""Overlaps counted by eye and by brute force; planted modules come back, noise does not."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import modviz
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.spectral import Partitioner
from modviz.core.support import Support, best_overlap, other_seeds, overlaps
from tests.core.samples import FOLDER


def partition_of(labels, sizes=(4, 4), names=("fc1", "fc2"), n_clusters=2) -> Partition:
    layers = [
        Layer(name, "linear", size, number=i)
        for i, (name, size) in enumerate(zip(names, sizes, strict=True), start=1)
    ]
    block = np.ones((sizes[0], sizes[1]))
    return Partition(np.array(labels), n_clusters, NeuronGraph(layers, {(0, 1): block}))


OWN = partition_of([0, 0, 1, 1, 0, 0, 1, -1])
#: A1 has two of three units, B1 one of two; A2 is B2 there, B2 is one of two, as a dead unit is in.
OTHER = partition_of([0, 0, 0, 1, 1, 1, 0, 0])


def test_overlaps_can_be_counted_by_eye():
    found = overlaps(OWN, [OTHER])
    assert found.best.tolist() == pytest.approx([2 / 3, 1 / 2, 1, 1 / 2])
    assert found.adjusted_rand == pytest.approx(
        adjusted_rand_score(OWN.labels[:7], OTHER.labels[:7])
    )
    same = overlaps(OWN, [OWN])
    assert same.best.tolist() == [1, 1, 1, 1]
    assert same.adjusted_rand == 1
    both = overlaps(OWN, [OTHER, OWN])
    assert both.best.tolist() == pytest.approx([5 / 6, 3 / 4, 1, 3 / 4])


def test_names_of_clusters_and_their_number_do_not_matter():
    swapped = Partition(np.where(OTHER.labels == 0, 4, 2), 5, OTHER.graph)
    one, two = overlaps(OWN, [OTHER]), overlaps(OWN, [swapped])
    assert two.best.tolist() == one.best.tolist()
    assert two.adjusted_rand == one.adjusted_rand


def test_chance_is_what_all_shuffles_give_on_average():
    """Labels of the other, in every order among the units that are alive in both."""
    expected = []
    for place, alive in ((slice(0, 4), 4), (slice(4, 8), 3)):
        own, theirs = OWN.labels[place], OTHER.labels[place]
        rows = np.bincount(own[own >= 0], minlength=2)
        columns = np.bincount(theirs, minlength=2)
        tables = [
            [[sum((own[:alive] == a) & (np.array(p) == b)) for b in (0, 1)] for a in (0, 1)]
            for p in permutations(theirs[:alive].tolist())
        ]
        expected += best_overlap(np.array(tables), rows, columns).mean(axis=0).tolist()
    assert expected[0] == pytest.approx(7 / 12)  # half of the time 2 of 3, else 1 of 2
    found = overlaps(OWN, [OTHER])
    assert found.chance.tolist() == pytest.approx(expected, abs=0.06)
    many = [overlaps(OWN, [OTHER], seed).chance for seed in range(30)]
    assert np.mean(many, axis=0).tolist() == pytest.approx(expected, abs=0.015)
    assert not np.array_equal(many[0], many[1])


def test_what_the_other_lacks_is_undefined():
    dead = partition_of([0, 0, 1, 1, -1, -1, 0, 0])
    found = overlaps(OWN, [dead])
    assert np.isnan(found.best).tolist() == [False, False, True, False]
    assert np.isnan(found.chance).tolist() == [False, False, True, False]
    # a mean is of those partitions that have something there
    assert overlaps(OWN, [dead, OWN]).best.tolist() == [1, 1, 1, pytest.approx((1 / 2 + 1) / 2)]
    elsewhere = partition_of([0, 1] * 4, names=("fc2", "fc9"))
    assert np.isnan(overlaps(OWN, [elsewhere]).best).tolist() == [True, True, False, False]
    nowhere = overlaps(OWN, [partition_of([0, 1] * 4, names=("a", "b"))])
    assert np.isnan(nowhere.best).all()
    assert np.isnan(nowhere.adjusted_rand)
    with pytest.raises(ValueError, match="there is no other partition"):
        overlaps(OWN, [])


def test_inputs_count_for_the_whole_and_are_no_subclusters():
    layers = [Layer("in", "input", 4, role="input"), Layer("fc", "linear", 4, number=1)]
    graph = NeuronGraph(layers, {(0, 1): np.ones((4, 4))})
    one = Partition(np.array([0, 0, 1, 1] * 2), 2, graph)
    two = Partition(np.array([0, 1, 0, 1, 0, 0, 1, 1]), 2, graph)
    found = overlaps(one, [two])
    assert found.best.tolist() == [1, 1]
    assert found.adjusted_rand == pytest.approx(adjusted_rand_score(one.labels, two.labels))


@pytest.mark.parametrize("scope", ["global", "local"])
def test_planted_modules_come_back_with_every_seed(planted_graph, scope):
    graph, _ = planted_graph(0)
    cut = Partitioner(graph)
    own = cut.partition(4, scope=scope, seed=7)
    found = overlaps(own, [cut.partition(4, scope=scope, seed=s) for s in other_seeds(7)])
    assert (found.best == 1).all()
    assert found.adjusted_rand == 1
    # of four equal groups a random one has a quarter in each: a little more than 8 of 56
    assert np.all((found.chance > 1 / 7) & (found.chance < 0.3))


def test_unrelated_groups_are_near_chance():
    rng = np.random.default_rng(0)
    sizes = (120, 120)
    own, *others = (partition_of(rng.integers(6, size=240), sizes, n_clusters=6) for _ in range(10))
    found = overlaps(own, others)
    assert found.best == pytest.approx(found.chance, abs=0.05)
    assert found.best.mean() == pytest.approx(found.chance.mean(), abs=0.012)
    assert abs(found.adjusted_rand) < 0.02


def test_noise_has_less_stability_than_modules(chain, planted_graph):
    rng = np.random.default_rng(0)
    noise = Partitioner(chain([60, 60, 60], lambda m, n: rng.random((m, n))))
    own, *others = (noise.partition(8, seed=s) for s in range(6))
    assert overlaps(own, others).best.mean() < 0.6


def test_other_seeds_follow_and_are_valid():
    assert other_seeds(0) == tuple(range(1, 10))
    assert other_seeds(5, 2) == (6, 7)
    last = other_seeds(2**32 - 1)
    assert last == tuple(range(9))
    assert len({*last, 2**32 - 1}) == 10


# --- results and their file


def support_of(**changes) -> Support:
    """Of A1, B1, A2, B2."""
    values = {
        "names": ("A1", "B1", "A2", "B2"),
        "stability": np.array([1.0, 0.92, 0.5, 0.25]),
        "stability_chance": np.array([0.31, 0.3, 0.2, 0.1]),
        "agreement": np.array([0.4, np.nan, 0.0, 1.0]),
        "agreement_chance": np.array([0.28, np.nan, 0.2, 0.1]),
        "n_seeds": 9,
        "other_edges": "activations",
        "adjusted_rand": 0.75,
        "other_adjusted_rand": 0.125,
    }
    return Support(**values | changes)


def test_a_table_and_words_for_all():
    table = support_of().table()
    assert table.index.tolist() == ["A1", "B1", "A2", "B2"]
    assert table.index.name == "subcluster"
    assert table.loc["A1"].tolist() == [1.0, 0.31, 0.4, 0.28]
    assert repr(support_of()) == (
        "Support(4 subclusters; 9 other seeds: adjusted Rand index 0.750; edges of activations: "
        "adjusted Rand index 0.125)"
    )
    assert "edges of" not in repr(support_of(other_edges=None))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "other_edges": None,
            "agreement": np.full(4, np.nan),
            "agreement_chance": np.full(4, np.nan),
            "other_adjusted_rand": float("nan"),
            "missing": "7,000 units, “too many”",
        },
    ],
    ids=["all", "no agreement"],
)
def test_it_comes_back_from_a_file(small_analysis, tmp_path, changes):
    support = support_of(**changes)
    replace(small_analysis, support=support).save(tmp_path / "s.modviz")
    loaded = modviz.load(tmp_path / "s.modviz").support
    for f in fields(support):
        value, expected = getattr(loaded, f.name), getattr(support, f.name)
        if isinstance(expected, (np.ndarray, float)):
            assert np.array_equal(value, expected, equal_nan=True), f.name
            assert np.asarray(value).dtype == np.float64
        else:
            assert value == expected, f.name
    pd.testing.assert_frame_equal(loaded.table(), support.table(), check_exact=True)


def test_files_without_it_open():
    assert modviz.load(FOLDER / "1.0-continued.modviz").support is None
    assert modviz.load(FOLDER / "2.0-continued.modviz").support is None
    assert modviz.load(FOLDER / "1.0-whole.modviz").support.n_seeds == 9


def test_the_table_of_the_analysis_keeps_its_columns(small_analysis):
    more = replace(small_analysis, support=support_of())
    pd.testing.assert_frame_equal(more.table(), small_analysis.table(), check_exact=True)
