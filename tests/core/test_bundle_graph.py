"""The graph in a file: rounded for its picture, or to the last bit; and what is said about it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import modviz
from modviz.core import bundle_graph, bundle_restore
from modviz.core.analysis import Analysis, size_rule
from modviz.core.bundle_graph import graph_in, graph_out
from modviz.core.contents import Contents
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition, cut_of


def back(graph: NeuronGraph, *, exact: bool = False) -> NeuronGraph:
    header, arrays = graph_out(graph, exact=exact)
    return graph_in(header, Contents(arrays, {}))


def two_layers(block, **given) -> NeuronGraph:
    block = np.asarray(block, dtype=float)
    sizes = zip("ab", block.shape, strict=True)
    layers = [Layer(name, "linear", n, number=k) for k, (name, n) in enumerate(sizes, 1)]
    return NeuronGraph(layers, {(0, 1): block}, **given)


@pytest.fixture
def fine(monkeypatch):
    """fine(bits): codes of so many bits, whatever the size of the graph."""
    return lambda bits: monkeypatch.setattr(bundle_graph, "FINE", {16: 2**20, 8: 0}[bits])


@pytest.mark.parametrize(("bits", "error"), [(16, 0.0003), (8, 0.028)])
def test_rounded_weights_are_near_and_zero_is_zero(fine, bits, error):
    fine(bits)
    rng = np.random.default_rng(0)
    weights = 10 ** rng.uniform(-5.5, 0.5, (60, 50)) * (rng.random((60, 50)) < 0.7)
    weights[3] = 0
    found = back(two_layers(weights)).blocks[0, 1]
    assert np.array_equal(found == 0, weights == 0)
    there = weights > 0
    assert np.abs(found[there] / weights[there] - 1).max() < error
    assert found.max() == weights.max()
    assert found[there].min() == weights[there].min()


@pytest.mark.parametrize(("bits", "floor"), [(16, 1e-12), (8, 1e-6)])
def test_tiny_weights_count_as_the_floor(fine, bits, floor):
    fine(bits)
    found = back(two_layers([[1e-290, 2.0, 0.0], [1e-7 * floor, 1e-3, 2.0]])).blocks[0, 1]
    assert found[0, 0] == found[1, 0] == 2 * floor
    assert found[0, 2] == 0
    assert found[0, 1] == found[1, 2] == 2.0


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("weights", [np.zeros((3, 4)), np.full((3, 4), 0.3), np.eye(3, 4) * 5e-324])
def test_blocks_of_one_weight_or_none_are_exact(fine, bits, weights):
    fine(bits)
    np.testing.assert_array_equal(back(two_layers(weights)).blocks[0, 1], weights)


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("density", [1.0, 0.3, 0.01])
def test_rounding_what_was_rounded_changes_nothing(fine, bits, density):
    fine(bits)
    rng = np.random.default_rng(1)
    weights = rng.gamma(0.3, 1, (70, 40)) * (rng.random((70, 40)) < density)
    inside = np.triu(rng.gamma(0.3, 1, (70, 70)), 1)
    layers = [Layer("a", "linear", 70), Layer("b", "linear", 40)]
    graph = NeuronGraph(layers, {(0, 0): inside + inside.T, (0, 1): weights})
    once = graph_out(graph, exact=False)
    rounded = back(graph)
    twice = graph_out(rounded, exact=False)
    assert once[0] == twice[0]
    assert once[1].keys() == twice[1].keys()
    for name, array in once[1].items():
        assert array.tobytes() == twice[1][name].tobytes(), name
    assert np.array_equal(rounded.blocks[0, 0], rounded.blocks[0, 0].T)
    assert not rounded.exact


@pytest.mark.parametrize("density", [1.0, 0.3, 0.0])
def test_an_exact_graph_is_kept_to_the_last_bit(density):
    rng = np.random.default_rng(2)
    weights = rng.gamma(0.3, 1, (20, 30)) * (rng.random((20, 30)) < density)
    weights[0, :3] = -0.0, 5e-324, 1e200
    graph = two_layers(weights)
    found = back(graph, exact=True)
    assert found.exact
    assert found.blocks[0, 1].tobytes() == graph.blocks[0, 1].tobytes()


def test_a_sparse_graph_is_stored_sparse():
    rng = np.random.default_rng(3)
    sparse = two_layers(rng.random((100, 100)) * (rng.random((100, 100)) < 0.05))
    dense = two_layers(rng.random((100, 100)))
    for graph, exact in ((sparse, True), (sparse, False)):
        header, arrays = graph_out(graph, exact=exact)
        assert header["blocks"][0]["sparse"]
        size = np.count_nonzero(graph.blocks[0, 1])
        assert sum(array.nbytes for array in arrays.values()) == 1250 + size * (8 if exact else 2)
    assert not graph_out(dense, exact=False)[0]["blocks"][0]["sparse"]


def test_many_edges_have_fewer_bits():
    _, arrays = graph_out(two_layers(np.ones((1025, 1024))), exact=False)
    assert arrays["graph/0-1.codes"].dtype == np.uint8
    _, arrays = graph_out(two_layers(np.ones((1024, 1024))), exact=False)
    assert arrays["graph/0-1.codes"].dtype == np.uint16


def test_a_weight_beyond_all_bounds_is_not_saved():
    with pytest.raises(ValueError, match=r"weight of 1e\+201; files hold up to 1e\+200"):
        graph_out(two_layers([[1e201]]), exact=False)


@pytest.fixture
def rounded(planted_graph, tmp_path) -> tuple[Analysis, Analysis]:
    """An analysis of a graph with modules, and what its file gives."""
    graph, _ = planted_graph(0)
    partition = modviz.spectral_partition(graph, 4)
    made = Analysis(partition, size_rule(partition))
    made.save(tmp_path / "rounded.modviz")
    return made, modviz.load(tmp_path / "rounded.modviz")


def test_what_is_told_of_the_edges_is_exact_although_they_are_rounded(rounded):
    made, loaded = rounded
    assert made.partition.graph.exact
    assert not loaded.partition.graph.exact
    assert "rounded" in repr(loaded.partition.graph)
    assert "rounded" not in repr(made.partition.graph)
    before, after = made.partition.inside, loaded.partition.inside
    assert (before.ncut, before.kept, before.mixed) == (after.ncut, after.kept, after.mixed)
    assert before.shares.tobytes() == after.shares.tobytes()
    own = cut_of(loaded.partition.graph, loaded.partition.labels)
    assert own != before.ncut, "this test needs a graph that rounding changes"
    assert own == pytest.approx(before.ncut, rel=1e-3)


def test_what_is_computed_from_rounded_edges_says_so(rounded):
    made, loaded = rounded
    graph, labels = loaded.partition.graph, loaded.partition.labels
    for words, work in (
        ("normalised cut", lambda g: modviz.normalized_cut(g, labels)),
        ("normalised cut", lambda g: Partition(labels, 4, g).ncut),
        ("partition", lambda g: modviz.spectral_partition(g, 4)),
        ("clusterability", lambda g: modviz.clusterability_test(g, 4, n_shuffles=2, workers=1)),
        ("number of clusters", lambda g: modviz.choose_n_clusters(g, [2, 3], n_shuffles=2)),
        ("stability", lambda g: modviz.stability(g, 4, seeds=2)),
    ):
        with pytest.warns(UserWarning, match=f"{words} is computed from a graph") as caught:
            work(graph)
        assert [warning.filename for warning in caught] == [caught[0].filename], words
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            work(made.partition.graph)


def test_digits_that_are_gone_do_not_come_back(rounded, tmp_path):
    with pytest.raises(ValueError, match="rounded weights: it comes from a file"):
        rounded[1].save(tmp_path / "x.modviz", exact_graph=True)


def test_an_exact_graph_can_be_partitioned_anew(rounded, tmp_path):
    made, _ = rounded
    made.save(tmp_path / "exact.modviz", exact_graph=True)
    graph = modviz.load(tmp_path / "exact.modviz").partition.graph
    assert graph.exact
    found = modviz.spectral_partition(graph, 4)
    assert np.array_equal(found.labels, made.partition.labels)
    assert found.ncut == made.partition.ncut


def test_an_honest_file_that_is_small_for_what_it_holds_opens(rounded, tmp_path, monkeypatch):
    """A graph of next to nothing takes no room in a file, but in memory: the file is padded."""
    made, _ = rounded
    layers = [Layer(name, "linear", 3000, number=k) for k, name in enumerate("ab", 1)]
    block = np.zeros((3000, 3000))
    block[:3, :3] = 1
    labels = np.where(np.arange(6000) % 3000 < 3, 0, -1)
    partition = Partition(labels, 1, NeuronGraph(layers, {(0, 1): block}))
    empty = replace(made, partition=partition, tested=size_rule(partition))
    empty.save(tmp_path / "small.modviz")
    assert (tmp_path / "small.modviz").stat().st_size < 20_000
    monkeypatch.setattr(bundle_restore, "SPARE", 2**20)
    with pytest.raises(modviz.BundleError, match="72,000,000 bytes of memory; a file of"):
        modviz.load(tmp_path / "small.modviz")
    monkeypatch.setattr("modviz.core.bundle.SPARE", 2**20)
    empty.save(tmp_path / "padded.modviz")
    assert modviz.load(tmp_path / "padded.modviz").partition.graph.degrees.sum() == 18
