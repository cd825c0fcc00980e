"""Partitions of graphs whose modules are known, and the normalised cut by hand."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

import modviz
from modviz.core.clusterability import shuffle_blocks
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import (
    LayerCut,
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


def test_planted_modules_stand_out_from_shuffled_weights(planted_graph):
    graph, _ = planted_graph(0)
    seen = []
    test = modviz.clusterability_test(
        graph, 4, n_shuffles=9, progress=lambda done, total: seen.append((done, total))
    )
    assert test.z < -20
    assert test.p == pytest.approx(0.1)
    assert test.null.shape == (9,)
    assert seen == [(i, 9) for i in range(1, 10)]


@pytest.mark.parametrize("scope", ["global", "local"])
def test_workers_do_not_change_the_null(chain, scope):
    rng = np.random.default_rng(0)
    graph = chain([150, 180, 150], lambda m, n: rng.random((m, n)))
    nulls = [
        modviz.clusterability_test(graph, 4, scope=scope, n_shuffles=7, workers=workers).null
        for workers in (1, 2, 5, None)
    ]
    assert all(np.array_equal(nulls[0], null) for null in nulls[1:])
    with pytest.raises(ValueError, match="workers=0; expected at least 1"):
        modviz.clusterability_test(graph, 4, workers=0)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupt_ends_the_test_and_its_threads(chain, workers):
    graph = chain([20, 20], lambda m, n: np.arange(400.0).reshape(m, n))

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        modviz.clusterability_test(graph, 3, n_shuffles=2000, workers=workers, progress=stop)
    assert not [t for t in threading.enumerate() if t.name.startswith("modviz")]


def test_random_weights_do_not(chain):
    z, p = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        graph = chain([20, 20, 20], lambda m, n, r=rng: r.random((m, n)))
        test = modviz.clusterability_test(graph, 4, n_shuffles=9, seed=seed)
        z.append(test.z)
        p.append(test.p)
    # uniform on ten values: mean .55 with standard error .045; that of z is about .18
    assert np.mean(p) == pytest.approx(0.55, abs=0.13)
    assert np.mean(z) == pytest.approx(0, abs=0.55)
    assert np.abs(z).max() < 6


def test_a_null_of_one_is_refused(planted_graph):
    with pytest.raises(ValueError, match="n_shuffles=1; the null needs at least 2"):
        modviz.clusterability_test(planted_graph(0)[0], 4, n_shuffles=1)


def test_every_order_is_as_likely(chain):
    graph = chain([2, 2], lambda m, n: np.array([[1.0, 2.0], [3.0, 4.0]]))
    rng = np.random.default_rng(0)
    orders = [tuple(shuffle_blocks(graph, rng).blocks[0, 1].ravel()) for _ in range(4800)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert counts.size == 24
    # 200 each: chi-square with 23 degrees of freedom is below 50 but once in a thousand
    assert ((counts - 200) ** 2 / 200).sum() < 50


def test_shuffling_keeps_the_weights_of_each_block():
    rng = np.random.default_rng(0)
    inside = rng.random((4, 4))
    inside = np.triu(inside, 1) + np.triu(inside, 1).T
    layers = [Layer("a", "linear", 4), Layer("b", "linear", 5)]
    graph = NeuronGraph(layers, {(0, 0): inside, (0, 1): rng.random((4, 5))})
    shuffled = shuffle_blocks(graph, rng)
    for key, block in graph.blocks.items():
        assert np.sort(shuffled.blocks[key].ravel()) == pytest.approx(np.sort(block.ravel()))
        assert not np.array_equal(shuffled.blocks[key], block)


# --- each layer by itself


@pytest.fixture
def correlated():
    """correlated(labels by layer, noise, seed): a graph of activations with planted modules."""

    def make(by_layer, noise=0.2, seed=0):
        rng = np.random.default_rng(seed)
        layers = [Layer(f"fc{i}", "linear", len(x), number=i) for i, x in enumerate(by_layer, 1)]
        blocks = {}
        for j, later in enumerate(by_layer):
            for i, earlier in enumerate(by_layer[: j + 1]):
                same = np.asarray(earlier)[:, None] == np.asarray(later)
                block = np.where(same, 1.0, noise) * rng.uniform(0.5, 1, same.shape)
                if i == j:
                    block = np.triu(block, 1) + np.triu(block, 1).T
                blocks[i, j] = block
        return NeuronGraph(layers, blocks, edges="activations")

    return make


def by_layer(partition: Partition) -> list[np.ndarray]:
    graph = partition.graph
    return [partition.labels[graph.layer_slice(i)] for i in range(len(graph.layers))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scope", ["global", "local"])
def test_planted_modules_of_correlations_are_found(correlated, scope, seed):
    rng = np.random.default_rng(seed)
    truth = [rng.permutation(np.repeat(np.arange(4), 12)) for _ in range(3)]
    graph = correlated(truth, seed=seed)
    partition = spectral_partition(graph, 4, scope=scope, seed=seed)
    for labels, true in zip(by_layer(partition), truth, strict=True):
        assert adjusted_rand_score(true, labels) == 1
    if scope == "global":
        assert adjusted_rand_score(np.concatenate(truth), partition.labels) == 1
    test = modviz.clusterability_test(graph, 4, scope=scope, n_shuffles=5, seed=seed)
    assert test.z < -10


@pytest.mark.parametrize("seed", range(3))
def test_planted_modules_of_weights_are_found_layer_by_layer(planted_graph, seed):
    graph, truth = planted_graph(seed, width=16)
    partition = spectral_partition(graph, 4, scope="local", seed=seed)
    for i, labels in enumerate(by_layer(partition)):
        assert adjusted_rand_score(truth[graph.layer_slice(i)], labels) == 1
    assert [cut.n_clusters for cut in partition.cuts] == [4, 4, 4]
    # each neighbourhood cut by hand: the outer layers see one block, the middle one both
    for i, part in enumerate([slice(0, 128), slice(0, 192), slice(64, 192)]):
        dense = graph.adjacency.toarray()[part, part]
        assert partition.cuts[i].ncut == pytest.approx(normalized_cut(dense, truth[part]))
    assert partition.ncut == pytest.approx(np.mean([cut.ncut for cut in partition.cuts]))
    assert repr(partition).startswith("Partition(up to 4 clusters in each of 3 layers, 192 units")


def test_a_layer_gets_as_many_clusters_as_the_global_partition_has_there(chain):
    """A third module has units in the first two layers only, so that the last gets two clusters."""
    first, second, third = (
        ([0] * 10 + [1] * 9 + [2] * 8),
        ([0] * 10 + [1] * 9 + [2] * 8),
        [0, 1] * 8,
    )
    labels = iter([(first, second), (second, third)])

    def weights(m, n):
        before, after = next(labels)
        return np.where(np.array(before)[:, None] == np.array(after), 1.0, 0.01)

    graph = chain([27, 27, 16], weights)
    partition = spectral_partition(graph, 3, scope="local")
    assert [np.unique(x).size for x in by_layer(partition)] == [3, 3, 2]
    # numbered inside each layer, the largest first, the first unit decides ties
    assert by_layer(partition)[0].tolist() == first
    assert by_layer(partition)[2].tolist() == third
    assert [s.name for s in partition.subclusters] == "A1 B1 C1 A2 B2 C2 A3 B3".split()


def test_the_null_of_a_local_test_has_the_same_numbers_of_clusters(chain):
    rng = np.random.default_rng(0)
    graph = chain([30, 30, 30], lambda m, n: rng.random((m, n)))
    test = modviz.clusterability_test(graph, 3, scope="local", n_shuffles=9)
    assert abs(test.z) < 6
    assert test.null == pytest.approx(test.ncut, rel=0.05)


def test_layers_without_neighbours_of_one_unit_or_dead_are_one_cluster_or_none(chain):
    block = np.kron(np.eye(2), np.ones((5, 5))) + 0.01
    layers = [
        Layer(name, "linear", n, number=i)
        for i, (name, n) in enumerate([("a", 10), ("b", 10), ("one", 1), ("dead", 4), ("lone", 3)])
    ]
    blocks = {(0, 1): block, (1, 2): np.ones((10, 1)), (2, 3): np.zeros((1, 4))}
    for scope in ("global", "local"):
        partition = spectral_partition(NeuronGraph(layers, blocks), 2, scope=scope)
        a, b, one, dead, lone = by_layer(partition)
        assert adjusted_rand_score(np.repeat([0, 1], 5), a) == 1
        assert adjusted_rand_score(np.repeat([0, 1], 5), b) == 1
        assert (one >= 0).all()
        assert (dead == -1).all()
        assert (lone == -1).all()
    assert one.tolist() == [0]
    assert [np.isnan(cut.ncut) for cut in partition.cuts] == [False, False, True, True, True]
    assert np.isfinite(partition.ncut)


def test_a_local_partition_of_correlations_looks_inside_the_layer_only(correlated):
    """Inside its own layer the single unit correlates with nothing, but it is not dead."""
    graph = correlated([[0, 1] * 6, [0], [0, 1] * 6])
    partition = spectral_partition(graph, 2, scope="local")
    assert by_layer(partition)[1].tolist() == [0]
    assert np.isnan(partition.cuts[1].ncut)
    # more clusters than a neighbourhood has live units
    few = correlated([[0, 1, 2, 3] * 4, [0, 1, 2]])
    assert by_layer(spectral_partition(few, 4, scope="local"))[1].max() <= 2


def test_a_local_test_with_nothing_to_cut_says_so(chain):
    graph = chain([1, 1], lambda m, n: np.ones((m, n)))
    assert np.isnan(spectral_partition(graph, 2, scope="local").ncut)
    with pytest.raises(ValueError, match="every layer in one cluster.*scope='global'"):
        modviz.clusterability_test(graph, 2, scope="local")


@pytest.mark.parametrize("width", [30, 180], ids=["dense", "iterative"])
@pytest.mark.parametrize("n_parts", [3, 6])
def test_the_components_of_a_graph_are_never_cut(chain, width, n_parts):
    """As many equal eigenvalues as components: a solver that overlooks one would cut another."""
    rng = np.random.default_rng(0)
    part = np.sort(rng.integers(0, n_parts, width))
    part[:n_parts] = np.arange(n_parts)
    part = rng.permutation(part)
    graph = chain([width] * 3, lambda m, n: rng.random((m, n)) * (part[:, None] == part) + 0.0)
    found = spectral_partition(graph, n_parts)
    assert adjusted_rand_score(np.tile(part, 3), found.labels) == 1
    assert found.ncut == pytest.approx(0, abs=1e-9)
    assert spectral_partition(graph, 2).ncut == pytest.approx(0, abs=1e-9)
    more = spectral_partition(graph, n_parts + 1)
    assert 0 < more.ncut < n_parts + 1


def test_a_pruned_network_is_partitioned(planted_graph):
    """90 % of the weights are 0, the smallest ones, as magnitude pruning leaves them."""
    graph, truth = planted_graph(0)
    blocks = {k: np.where(b > np.quantile(b, 0.9), b, 0) for k, b in graph.blocks.items()}
    pruned = NeuronGraph(graph.layers, blocks)
    partition = spectral_partition(pruned, 4)
    alive = partition.labels >= 0
    assert alive.mean() > 0.9
    assert adjusted_rand_score(truth[alive], partition.labels[alive]) > 0.95


@pytest.mark.parametrize("scope", ["global", "local"])
def test_units_that_cannot_be_told_apart(chain, scope):
    """Equal weights give equal points: fewer clusters than asked for, and no warning."""
    graph = chain([20, 20, 20], lambda m, n: np.ones((m, n)))
    partition = spectral_partition(graph, 5, scope=scope)
    assert partition.labels.max() < 5
    assert np.isfinite(partition.ncut) or scope == "local"


def test_a_partition_of_ones_own_can_be_local(chain):
    graph = chain([3, 3], lambda m, n: np.ones((m, n)))
    mine = Partition(np.array([0, 0, 1, 1, 1, 0]), 2, graph, scope="local")
    assert np.isnan(mine.ncut)
    with pytest.raises(ValueError, match="scope='sideways'"):
        Partition(np.zeros(6), 2, graph, scope="sideways")
    with pytest.raises(ValueError, match="cuts has 1 entries; expected 2"):
        Partition(np.zeros(6), 2, graph, scope="local", cuts=(LayerCut(2, 1.0),))
