"""Eigenvalues known beforehand, copies of an eigenvalue, and k-means on points seen by eye."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence
from threadpoolctl import threadpool_info

from modviz.core import eigen
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.kmeans import kmeans
from modviz.core.spectrum import components, restricted, spectrum
from modviz.core.threads import in_turn, one_blas_thread


def normalised(graph: NeuronGraph) -> np.ndarray:
    live = graph.live
    root = np.sqrt(graph.degrees[live])
    return graph.adjacency.toarray()[np.ix_(live, live)] / np.outer(root, root)


@pytest.fixture
def precisions(monkeypatch) -> list[str]:
    """In which precisions the solver looked for several eigenvectors."""
    used: list[str] = []
    solve = eigen._solve

    def watched(product, n, k, precision, rng, tolerance=None):
        if k > 1:
            used.append(precision)
        return solve(product, n, k, precision, rng, tolerance)

    monkeypatch.setattr(eigen, "_solve", watched)
    return used


def path(n: int) -> NeuronGraph:
    """0 - 1 - 2 - ... with the even units in one layer and the odd ones in the other."""
    block = np.eye(n // 2) + np.eye(n // 2, k=-1)
    layers = [Layer(name, "linear", n // 2) for name in "ab"]
    return NeuronGraph(layers, {(0, 1): block})


@pytest.mark.parametrize("kind", ["uniform", "heavy tails", "pruned", "inside a layer"])
def test_eigenvalues_are_those_of_a_dense_solver(chain, kind, precisions):
    rng = np.random.default_rng(1)
    draw = {
        "uniform": lambda m, n: rng.random((m, n)),
        "heavy tails": lambda m, n: rng.pareto(1.5, (m, n)),
        "pruned": lambda m, n: rng.random((m, n)) * (rng.random((m, n)) < 0.1),
        "inside a layer": lambda m, n: rng.random((m, n)),
    }[kind]
    graph = chain([300, 200, 150], draw)
    if kind == "inside a layer":
        inside = np.triu(rng.random((300, 300)), 1)
        blocks = {**graph.blocks, (0, 0): inside + inside.T}
        graph = NeuronGraph(graph.layers, blocks, edges="activations")
    found = spectrum(graph, 12)
    values, _ = np.linalg.eigh(normalised(graph))
    assert found.values == pytest.approx(values[::-1][:12], abs=1e-8)
    # vectors of the random walk: D^-1 A v = lambda v
    walked = graph.multiply(found.vectors) / graph.degrees[:, None]
    scale = np.abs(found.vectors).max(axis=0)
    assert np.abs(walked - found.vectors * found.values).max() < 1e-5 * scale.max()
    assert precisions == ["f"]


def test_equal_weights_have_one_eigenvalue_that_counts(chain):
    """All weights 1 between m and n units: eigenvalues 1, -1 and 0."""
    graph = chain([300, 200], lambda m, n: np.ones((m, n)))
    assert spectrum(graph, 4).values == pytest.approx([1, 0, 0, 0], abs=1e-8)


def test_where_single_precision_is_too_coarse_double_is_taken(precisions):
    """A path of n units has eigenvalues cos(pi j / (n - 1)): near 1 they are 1e-5 apart."""
    n = 1000
    found = spectrum(path(n), 3)
    assert precisions[0] == "f"
    assert precisions[-1] == "d"
    exact = np.cos(np.pi * np.arange(3) / (n - 1))
    assert found.values == pytest.approx(exact, abs=1e-11)
    # the second vector falls from one end to the other: a cosine
    along = np.empty(n)
    along[::2], along[1::2] = np.split(found.vectors[:, 1], 2)
    wave = np.cos(np.pi * np.arange(n) / (n - 1))
    assert abs(np.corrcoef(along, wave)[0, 1]) == pytest.approx(1, abs=1e-6)


def test_a_bad_residual_and_no_convergence_lead_to_double_too(chain, precisions, monkeypatch):
    rng = np.random.default_rng(0)
    graph = chain([300, 300], lambda m, n: rng.random((m, n)))
    expected = spectrum(graph, 4).values
    monkeypatch.setattr(eigen, "_RESIDUAL", 1e-12)
    assert spectrum(graph, 4).values == pytest.approx(expected, abs=1e-10)
    assert precisions == ["f", "f", "d"]
    monkeypatch.undo()
    monkeypatch.setitem(eigen._RESTARTS, "f", 1)
    assert spectrum(graph, 4).values == pytest.approx(expected, abs=1e-10)
    monkeypatch.setitem(eigen._RESTARTS, "d", 1)
    with pytest.raises(ArpackNoConvergence):
        spectrum(graph, 4)


@pytest.mark.parametrize("copies", [2, 4, 6])
@pytest.mark.parametrize("link", [1e-12, 1e-7, 1e-4])
@pytest.mark.parametrize("k", [4, 8, 12])
def test_copies_of_an_eigenvalue_are_all_found(chain, copies, link, k):
    """Equal modules that hardly touch: a solver that starts from one vector overlooks some."""
    rng = np.random.default_rng(copies)
    size = 240 // copies
    graph = chain(
        [240, 240], lambda m, n: np.kron(np.eye(copies), rng.pareto(2.5, (size, size))) + link
    )
    expected = np.linalg.eigvalsh(normalised(graph))[::-1][:k]
    assert spectrum(graph, k).values == pytest.approx(expected, abs=1e-6)


def test_components_by_hand_and_parts_of_a_graph():
    # a0 - b0 - c0 and a1 - b1 in two parts, b2 alone, c1 dead; a2 hangs at b0 too
    layers = [Layer(name, "linear", n) for name, n in (("a", 3), ("b", 3), ("c", 2))]
    first = np.array([[2, 0, 0], [0, 1, 0], [3, 0, 0]])
    second = np.array([[1, 0], [0, 0], [0, 0]])
    graph = NeuronGraph(layers, {(0, 1): first, (1, 2): second})
    found = components(graph)
    assert found.tolist() == [0, 1, 0, 0, 1, -1, 0, -1]
    part = restricted(graph, np.flatnonzero(found == 0))
    assert [layer.n_units for layer in part.layers] == [2, 1, 1]
    dense = graph.adjacency.toarray()
    assert (part.adjacency.toarray() == dense[np.ix_(found == 0, found == 0)]).all()
    values = spectrum(graph, 3).values
    assert values == pytest.approx([1, 1, 0], abs=1e-9)


def test_large_and_small_components_beside_each_other(chain):
    rng = np.random.default_rng(0)
    block = np.zeros((320, 320))
    block[:300, :300] = rng.random((300, 300))
    block[300:310, 300:310] = 1
    block[310, 310] = 5  # a pair; nine units on each side are dead
    graph = chain([320, 320], lambda m, n: block)
    expected = np.linalg.eigvalsh(normalised(graph))[::-1][:6]
    found = spectrum(graph, 6)
    assert found.values == pytest.approx(expected, abs=1e-6)
    assert found.vectors.shape == (graph.live.sum(), 6)
    pair = np.flatnonzero(graph.live)
    assert np.flatnonzero(found.vectors[:, 2]).tolist() == [
        int(np.flatnonzero(pair == 310)[0]),
        int(np.flatnonzero(pair == 630)[0]),
    ]


# --- k-means


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("n_starts", [1, None])
def test_far_groups_of_points_are_found_at_any_scale(scale, n_starts):
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.arange(5), 40))
    centres = 10 * np.eye(5)[:, :4] + 3
    points = scale * (centres[truth] + 0.1 * rng.normal(size=(200, 4)))
    labels = kmeans(points, 5, 0, n_starts)
    assert {tuple(np.unique(truth[labels == c])) for c in range(5)} == {(i,) for i in range(5)}


def test_points_that_are_equal_get_one_cluster_each():
    points = np.repeat(np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0]]), 4, axis=0)
    assert np.unique(kmeans(points, 5, 0)).size == 3
    assert np.unique(kmeans(points, 2, 0)).size == 2
    # more different points than clusters, but only just: no cluster stays empty
    assert np.unique(kmeans(np.vstack([points, [[9.0, 9.0]]]), 4, 0)).tolist() == [0, 1, 2, 3]


def test_an_empty_cluster_takes_the_farthest_point():
    from modviz.core.kmeans import _Search

    points = np.array([[0, 0], [0, 1], [5, 0], [0, 9]], dtype=np.float32)
    search = _Search(points, 3)
    # the third centre is nearest to none; the last point is farthest from its own, (0, 1)
    centres = np.array([[[0, 1], [5, 0], [-50, -50]]], dtype=np.float32)
    new, labels, inertia, _ = search._step(centres)
    assert labels.tolist() == [[0, 0, 1, 0]]
    assert inertia[0] == pytest.approx(1 + 0 + 0 + 64)
    assert new[0, 2].tolist() == [0, 9]


# --- threads


def blas_threads() -> list[int]:
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_one_thread_until_the_last_user_has_gone():
    before = blas_threads()
    inside = threading.Event()
    leave = threading.Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert inside.wait(10)
    assert set(blas_threads()) == {1}  # the first has gone, the second is at work
    leave.set()
    thread.join()
    assert blas_threads() == before


@pytest.mark.parametrize("workers", [1, 3, None])
def test_results_come_in_order_and_a_closed_pool_begins_nothing_more(workers):
    assert list(in_turn(lambda x: x * x, range(20), workers)) == [x * x for x in range(20)]
    begun = []
    gate = threading.Event()

    def work(x):
        begun.append(x)
        if x:
            gate.wait(10)
        return x

    results = in_turn(work, range(1000), workers)
    assert next(results) == 0
    gate.set()
    results.close()
    count = len(begun)
    assert count < 1000
    with pytest.raises(ZeroDivisionError):
        list(in_turn(lambda x: 1 // x, [1, 0, 2], workers))
    assert len(begun) == count
