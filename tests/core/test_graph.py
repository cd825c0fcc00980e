"""The neuron graph: matrices checked by eye, and what it says about bad blocks."""

from __future__ import annotations

import numpy as np
import pytest

from modviz.core.graph import Layer, NeuronGraph

LAYERS = [
    Layer("input", "input", 1, role="input"),
    Layer("a", "linear", 2),
    Layer("b", "linear", 2),
]


@pytest.fixture
def graph() -> NeuronGraph:
    # the input reaches a, a reaches b; b[1] has no edge
    return NeuronGraph(LAYERS, {(0, 1): np.array([[1, 2]]), (1, 2): np.array([[3, 0], [4, 0]])})


def test_adjacency_by_eye(graph):
    expected = [
        [0, 1, 2, 0, 0],
        [1, 0, 0, 3, 0],
        [2, 0, 0, 4, 0],
        [0, 3, 4, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert graph.adjacency.toarray().tolist() == expected
    assert graph.adjacency.format == "csr"
    assert graph.adjacency.nnz == 8
    assert graph.degrees.tolist() == [3, 4, 6, 7, 0]
    assert graph.live.tolist() == [True, True, True, True, False]


def test_units_layers_and_slices(graph):
    assert graph.units.to_dict("list") == {
        "layer": ["input", "a", "a", "b", "b"],
        "unit": [0, 0, 1, 0, 1],
    }
    assert graph.n_units == 5
    assert graph.layer_slice(1) == slice(1, 3)
    assert [layer.name for layer in graph.layers] == ["input", "a", "b"]
    assert repr(graph) == "NeuronGraph(3 layers, 5 units, edges='weights')"


def test_edges_inside_a_layer_and_past_a_layer():
    inside = np.array([[0, 5], [5, 0]])
    graph = NeuronGraph(LAYERS, {(1, 1): inside, (0, 2): np.array([[1, 0]])}, edges="activations")
    assert graph.adjacency.toarray().tolist() == [
        [0, 0, 0, 1, 0],
        [0, 0, 5, 0, 0],
        [0, 5, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert graph.degrees.tolist() == graph.adjacency.sum(axis=0).tolist()


def test_multiply_is_the_adjacency_times_vectors():
    rng = np.random.default_rng(0)
    inside = np.array([[0, 5], [5, 0]])
    graph = NeuronGraph(
        LAYERS, {(0, 1): rng.random((1, 2)), (1, 1): inside, (1, 2): rng.random((2, 2))}
    )
    for vectors in (rng.random(5), rng.random((5, 3))):
        assert graph.multiply(vectors) == pytest.approx(graph.adjacency @ vectors)


def test_adjacency_of_signed_weights_is_the_authors(official, chain):
    for case in official["ncut"]:
        weights = [np.abs(w) for w in case["weights"]]
        blocks = iter(weights)
        graph = chain(
            [*(len(w) for w in weights), weights[-1].shape[1]], lambda m, n, b=blocks: next(b)
        )
        assert graph.adjacency.toarray() == pytest.approx(np.array(case["adjacency"]), abs=1e-12)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({(1, 2): np.ones((2, 3))}, r"'a' and 'b' have shape \(2, 3\); expected \(2, 2\)"),
        (
            {(1, 2): np.array([[1, np.nan], [1, 1]])},
            "'a' and 'b' hold NaN.*load a sound checkpoint",
        ),
        ({(1, 2): np.array([[1, np.inf], [1, 1]])}, "NaN or infinite"),
        ({(1, 2): np.array([[1, -1], [1, 1]])}, "hold negative weights"),
        ({(2, 1): np.ones((2, 2))}, r"give keys \(i, j\) with i <= j"),
        ({(1, 3): np.ones((2, 2))}, "the graph has 3 layers"),
        ({(1, 1): np.ones((2, 2))}, "symmetric with a zero diagonal"),
        ({(1, 1): np.array([[0, 1], [2, 0]])}, "symmetric with a zero diagonal"),
    ],
)
def test_bad_blocks_are_named(blocks, message):
    with pytest.raises(ValueError, match=message):
        NeuronGraph(LAYERS, blocks)
