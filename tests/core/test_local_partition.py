"""Each layer cut by itself, and graphs that fall apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import modviz
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import (
    LayerCut,
    Partition,
    normalized_cut,
)
from modviz.core.spectral import spectral_partition


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
