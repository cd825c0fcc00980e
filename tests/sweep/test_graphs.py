"""Graphs, partitions and cuts made of odd arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

import modviz
from modviz.core.graph import Layer, NeuronGraph
from tests.sweep import oddities
from tests.sweep.graphs import Plan, plain_cut, plans
from tests.sweep.judging import CLEAN, Odd, arguments, outcome, refusals, sweep

Arguments = dict[str, Any]
ARRAYS = oddities.numbers()
#: An entry of a block changed: the message names the two layers.
_EDGES = "the edges between 'fc0' and '|weights; expected all >= 0"


def _with(value: float) -> Any:
    def change(x: np.ndarray) -> np.ndarray:
        changed = np.array(x, dtype=float)
        changed.flat[-1] = value
        return changed

    return change


ENTRIES = [
    Odd("nan", _with(np.nan), _EDGES),
    Odd("inf", _with(np.inf), _EDGES),
    Odd("negative", _with(-0.5), _EDGES),
]
SHAPES = [
    Odd("a row more", lambda x: np.vstack([x, x[:1]]), "have shape|has shape"),
    Odd("flat", np.ravel, "have shape|has shape"),
    Odd("a number", lambda x: 1.0, "have shape|has shape"),
    Odd("nothing", lambda x: x[:0, :0], "have shape|has shape"),
]
#: What a label may not be; a label too many, or one that is no number.
LABELS = [
    Odd("halves", lambda x: x + 0.5, "labels holds"),
    Odd("nan labels", lambda x: x * np.nan, "labels holds"),
    Odd("inf labels", lambda x: x + np.inf, "labels holds"),
    Odd("one more", lambda x: np.append(x, 0), "labels"),
    Odd("two axes", lambda x: x[None], "labels"),
]
_NAMED = "(block|labels|adjacency).* expected real numbers"
GOOD_ARRAYS = [odd for odd in ARRAYS if odd.refused is None]
BAD_ARRAYS = [Odd(odd.name, odd.make, _NAMED) for odd in ARRAYS if odd.refused is not None]
#: A cut may be of a sparse matrix, but this one is of another size.
BAD_MATRICES = [
    Odd(odd.name, odd.make, "adjacency has shape" if odd.name == "sparse" else _NAMED)
    for odd in BAD_ARRAYS
]

LAYERS = [
    Odd("iterator", iter),
    Odd("None", lambda layers: None, "layers=None; expected"),
    Odd("names", lambda layers: ["fc0", "fc1"], "layers=.*expected"),
    Odd("twice", lambda layers: [layers[0]] * len(layers), "layers hold two with the name 'fc0'"),
    Odd("number", lambda layers: 3, "layers=3; expected"),
]
KEYS = [
    Odd("list", lambda blocks: list(blocks.values()), "blocks is list; expected"),
    Odd("None", lambda blocks: None, "blocks is NoneType; expected"),
    Odd("number", lambda blocks: {0: blocks[0, 1]}, "blocks has the key 0; expected"),
    Odd("names", lambda blocks: {("fc0", "fc1"): blocks[0, 1]}, "blocks has the key"),
    Odd("three", lambda blocks: {(0, 1, 2): blocks[0, 1]}, "blocks has the key"),
    Odd("backwards", lambda blocks: {(1, 0): blocks[0, 1].T}, "give keys .i, j. with i <= j"),
    Odd("beyond", lambda blocks: {(0, 99): blocks[0, 1]}, "give keys .i, j. with i <= j"),
    Odd("numpy keys", lambda blocks: {(np.int64(i), np.int8(j)): blocks[i, j] for i, j in blocks}),
]
KINDS = {
    "graph": {
        "layers": LAYERS,
        "blocks": KEYS,
        "first block": GOOD_ARRAYS + BAD_ARRAYS + ENTRIES + SHAPES,
        "edges": [Odd("number", lambda _: 3, "edges=3"), Odd("None", lambda _: None, "edges=None")],
    },
    "cut": {
        "matrix": [
            *GOOD_ARRAYS,
            *BAD_MATRICES,
            *ENTRIES,
            *SHAPES,
            *(Odd(form.__name__, form) for form in (sp.csr_array, sp.coo_array, sp.csc_matrix)),
            Odd("sparse nan", lambda x: sp.csr_array(_with(np.nan)(x)), _EDGES),
            Odd("sparse complex", lambda x: sp.csr_array(x + 1j), "adjacency holds"),
            Odd("a layer", lambda x: Layer("fc", "linear", 3), _NAMED),
        ],
        "labels": GOOD_ARRAYS + BAD_ARRAYS + LABELS,
    },
    "partition": {
        "labels": [
            *GOOD_ARRAYS,
            *BAD_ARRAYS,
            *LABELS,
            Odd("too large", lambda x: x + 3, "labels run from"),
            Odd("too small", lambda x: x - 3, "labels run from"),
        ],
        "n_clusters": [*oddities.whole(1), Odd("huge", lambda n: 10**12, "NAME=.*more than the")],
        "scope": oddities.choice(),
        "graph": [
            Odd("matrix", lambda graph: graph.adjacency, "graph is csr_array; expected"),
            Odd("None", lambda graph: None, "graph is NoneType; expected"),
        ],
    },
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Plan, dict[str, Odd]]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return kind, draw(plans()), draw(arguments(KINDS[kind], clean=30))


def plain(values: np.ndarray) -> np.ndarray:
    """Values that float16 can hold."""
    return np.round(values * 64).clip(0, 64) / 64


def of_graph(graph: NeuronGraph, drawn: dict[str, Odd]) -> NeuronGraph:
    blocks: Any = dict(graph.blocks)
    blocks[0, 1] = drawn["first block"].make(blocks[0, 1])
    return NeuronGraph(
        drawn["layers"].make(graph.layers),
        drawn["blocks"].make(blocks),
        edges=drawn["edges"].make(graph.edges),
    )


def labels_of(graph: NeuronGraph, seed: int) -> np.ndarray:
    """Labels -1, 0, 1 of all units, as floats so that every form of numbers fits."""
    return np.random.default_rng(seed).integers(-1, 2, graph.n_units).astype(float)


def judge_graph(graph: NeuronGraph, drawn: dict[str, Odd], _: int) -> None:
    graph = NeuronGraph(graph.layers, {key: plain(b) for key, b in graph.blocks.items()})
    if drawn["blocks"].refused:  # this block is not among them
        drawn = drawn | {"first block": CLEAN}
    found = outcome(lambda: of_graph(graph, drawn), refusals(drawn))
    if found is not None:
        assert found.n_units == graph.n_units
        np.testing.assert_array_equal(found.adjacency.toarray(), graph.adjacency.toarray())
        np.testing.assert_array_equal(found.live, graph.adjacency.sum(axis=1) > 0)


def judge_cut(graph: NeuronGraph, drawn: dict[str, Odd], seed: int) -> None:
    matrix = plain(graph.adjacency.toarray())
    labels = labels_of(graph, seed)
    given = drawn["matrix"].make(matrix), drawn["labels"].make(labels)
    found = outcome(lambda: modviz.normalized_cut(*given), refusals(drawn))
    if found is not None:
        np.testing.assert_allclose(found, plain_cut(matrix, labels), rtol=1e-9, atol=1e-12)


def judge_partition(graph: NeuronGraph, drawn: dict[str, Odd], seed: int) -> None:
    clean = {
        "labels": labels_of(graph, seed),
        "n_clusters": 2,
        "graph": graph,
        "scope": "global",
    }
    given: Any = {name: drawn[name].make(value) for name, value in clean.items()}
    found = outcome(lambda: modviz.Partition(**given), refusals(drawn))
    if found is not None:
        assert found.labels.tolist() == clean["labels"].tolist()
        units = [(s.layer, u) for s in found.subclusters for u in s.units.tolist()]
        assert len(set(units)) == len(units) == (found.labels >= 0).sum()
        if graph.edges == "weights":
            expected = plain_cut(graph.adjacency.toarray(), found.labels)
            np.testing.assert_allclose(found.ncut, expected, rtol=1e-9)


JUDGES = {"graph": judge_graph, "cut": judge_cut, "partition": judge_partition}


def judge(case: tuple[str, Plan, dict[str, Odd]]) -> None:
    kind, plan, drawn = case
    JUDGES[kind](plan.graph(), drawn, plan.seed)


def test_graphs():
    sweep("graphs", cases(), judge)
