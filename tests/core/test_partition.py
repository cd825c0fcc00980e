"""Partitions of graphs whose modules are known, and the normalised cut by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

import modviz
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import (
    Partition,
    cluster_name,
    normalized_cut,
)
from modviz.core.spectral import spectral_partition

# 0 -3- 1 -1- 2 -3- 3
PATH = np.array([[0, 3, 0, 0], [3, 0, 1, 0], [0, 1, 0, 3], [0, 0, 3, 0]])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 1, 1], 2 / 7),  # either half: 1 leaves, volume 7
        ([0, 1, 1, 0], 6 / 6 + 6 / 8),  # the ends share no edge
        ([0, 0, 0, 0], 0.0),
        ([0, 1, 2, 3], 4.0),  # single units keep nothing inside
        ([0, 0, 1, -1], 1 / 7 + 4 / 4),  # edges to a unit in no cluster leave
        ([5, 5, 9, 9], 2 / 7),  # names of clusters do not matter
    ],
)
def test_normalized_cut_by_hand(labels, expected):
    assert normalized_cut(PATH, labels) == pytest.approx(expected)
    assert normalized_cut(sp.csr_array(PATH), labels) == pytest.approx(expected)


def test_normalized_cut_of_a_cluster_without_weight_adds_nothing():
    lonely = np.pad(PATH, (0, 1))
    assert normalized_cut(lonely, [0, 0, 1, 1, 2]) == pytest.approx(2 / 7)


def test_normalized_cut_is_the_authors(official):
    for case in official["ncut"]:
        # their volumes carry 1e-8 more, which moves the sum by less than 1e-9
        ours = normalized_cut(case["adjacency"], case["labels"])
        assert ours == pytest.approx(case["ncut_eps_1e_8"], rel=0, abs=1e-9)


def test_normalized_cut_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"shape \(4, 4\) and labels \(3,\)"):
        normalized_cut(PATH, [0, 0, 1])
    with pytest.raises(ValueError, match="expected a square"):
        normalized_cut(PATH[:3], [0, 0, 1])


@pytest.mark.parametrize("seed", range(10))
def test_planted_modules_are_found(planted_graph, seed):
    graph, labels = planted_graph(seed)
    partition = spectral_partition(graph, 4, seed=seed)
    assert adjusted_rand_score(labels, partition.labels) == 1.0


@pytest.mark.parametrize("seed", range(10))
def test_modules_planted_in_a_network_are_found(seed):
    planted = modviz.examples.planted_mlp(seed=seed)
    graph = modviz.weight_graph(planted.model, planted.data.images[:1])
    partition = modviz.spectral_partition(graph, 4, seed=seed)
    assert adjusted_rand_score(planted.labels, partition.labels) == 1.0


def test_n_cut_of_disjoint_modules_is_zero(planted_graph):
    graph, labels = planted_graph(0, noise=0.0)
    partition = spectral_partition(graph, 4)
    assert adjusted_rand_score(labels, partition.labels) == 1.0
    assert partition.ncut == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("sizes", "k"), [([60, 60, 60], 4), ([180, 160, 140], 8)])
def test_n_cut_is_as_low_as_scikit_learns(chain, sizes, k):
    rng = np.random.default_rng(k)
    graph = chain(sizes, lambda m, n: rng.pareto(2.5, (m, n)))
    theirs = SpectralClustering(
        k, affinity="precomputed", assign_labels="kmeans", n_init=25, random_state=0
    ).fit_predict(graph.adjacency.toarray())
    ours = spectral_partition(graph, k).ncut
    assert ours <= 1.01 * normalized_cut(graph, theirs)


def of_scikit_learn(graph: NeuronGraph, k: int, seed: int) -> float:
    labels = SpectralClustering(
        k,
        affinity="precomputed",
        eigen_solver="arpack",
        assign_labels="kmeans",
        n_init=25,
        random_state=seed,
    ).fit_predict(graph.adjacency)
    return normalized_cut(graph, labels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["planted", "random"])
def test_the_mean_n_cut_is_that_of_scikit_learn_with_the_authors_starts(chain, planted_graph, kind):
    rng = np.random.default_rng(5)
    if kind == "planted":
        graph, k = planted_graph(5, width=40, noise=0.7)[0], 6
    else:
        graph, k = chain([200, 200, 200], lambda m, n: rng.pareto(2.5, (m, n))), 12
    theirs = np.mean([of_scikit_learn(graph, k, seed) for seed in range(10)])
    ours = np.mean([spectral_partition(graph, k, seed=seed).ncut for seed in range(10)])
    assert ours <= 1.002 * theirs


def test_same_seed_same_partition(chain):
    rng = np.random.default_rng(0)
    graph = chain([200, 200, 200], lambda m, n: rng.random((m, n)))
    first, second = (spectral_partition(graph, 5, seed=3) for _ in range(2))
    assert (first.labels == second.labels).all()


def test_scale_of_the_weights_does_not_matter(planted_graph):
    graph, _ = planted_graph(1)
    scaled = NeuronGraph(graph.layers, {key: 1000 * b for key, b in graph.blocks.items()})
    labels = [spectral_partition(g, 4).labels for g in (graph, scaled)]
    assert adjusted_rand_score(*labels) == 1.0


def test_dead_units_are_in_no_cluster(planted_graph):
    graph, labels = planted_graph(2)
    blocks = {key: block.copy() for key, block in graph.blocks.items()}
    blocks[0, 1][:, 5] = 0
    blocks[1, 2][5, :] = 0
    dead = 128 + 5
    partition = spectral_partition(NeuronGraph(graph.layers, blocks), 4)
    assert np.flatnonzero(partition.labels == -1).tolist() == [dead]
    alive = np.arange(len(labels)) != dead
    assert adjusted_rand_score(labels[alive], partition.labels[alive]) == 1.0
    assert 5 not in partition.live_units("fc2")
    assert len(partition.live_units("fc2")) == 127
    assert all(5 not in s.units for s in partition.subclusters if s.layer == "fc2")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_clusters": 1}, ValueError, "n_clusters=1; a partition needs at least 2"),
        ({"n_clusters": 7}, ValueError, "n_clusters=7 is more than the 6 live units.*fewer"),
        ({"n_clusters": 2.5}, TypeError, "n_clusters=2.5; expected a whole number"),
        ({"n_clusters": True}, TypeError, "n_clusters=True"),
        ({"n_clusters": 2, "scope": "everywhere"}, ValueError, "scope='everywhere'"),
    ],
)
def test_what_cannot_be_partitioned_is_said(chain, options, error, message):
    graph = chain([3, 4], np.eye)  # the fourth unit of fc2 is dead
    with pytest.raises(error, match=message):
        spectral_partition(graph, **options)


def test_as_many_clusters_as_units(chain):
    graph = chain([3, 3], lambda m, n: np.arange(1.0, 10).reshape(3, 3) ** 3)
    assert sorted(spectral_partition(graph, 6).labels) == [0, 1, 2, 3, 4, 5]


def test_clusters_are_numbered_by_size(chain):
    sizes = [5, 20, 10]
    block = np.full((35, 35), 0.01)
    start = 0
    for size in sizes:
        block[start : start + size, start : start + size] = 1
        start += size
    partition = spectral_partition(chain([35, 35], lambda m, n: block), 3)
    assert np.bincount(partition.labels).tolist() == [40, 20, 10]


def test_inputs_do_not_count_for_the_order_and_are_no_subclusters():
    # module 0 has 10 inputs and 3 hidden units, module 1 has 3 inputs and 5 hidden units
    block = np.full((13, 8), 0.01)
    block[:10, :3], block[10:, 3:] = 1, 1
    layers = [Layer("input", "input", 13, role="input"), Layer("a", "linear", 8, number=1)]
    partition = spectral_partition(NeuronGraph(layers, {(0, 1): block}), 2)
    assert partition.labels.tolist() == [1] * 10 + [0] * 3 + [1] * 3 + [0] * 5
    assert [s.name for s in partition.subclusters] == ["A1", "B1"]


def test_names():
    assert [cluster_name(i) for i in (0, 1, 25, 26, 27, 51, 52, 701, 702)] == [
        "A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip


def test_subclusters_by_hand(chain):
    graph = chain([3, 3], lambda m, n: np.ones((m, n)))
    partition = Partition(np.array([1, 0, 1, 0, -1, 0]), 2, graph)
    found = [(s.name, s.key, s.units.tolist()) for s in partition.subclusters]
    assert found == [
        ("A1", ("fc1", 0), [1]),
        ("B1", ("fc1", 1), [0, 2]),
        ("A2", ("fc2", 0), [0, 2]),
    ]
    assert repr(partition).startswith("Partition(2 clusters of 6 units, normalised cut 1.")


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1], r"shape \(2,\); expected \(6,\)"), ([0, 1, 2, 0, 0, 0], "run from 0 to 2; expected")],
)
def test_labels_that_do_not_fit_are_refused(chain, labels, message):
    with pytest.raises(ValueError, match=message):
        Partition(np.array(labels), 2, chain([3, 3], lambda m, n: np.ones((m, n))))


# --- is the graph clusterable at all?


# --- each layer by itself
