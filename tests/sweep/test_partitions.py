"""Odd graphs cut into odd numbers of clusters, with odd seeds, workers and callbacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import modviz
from modviz.core.graph import NeuronGraph
from tests.sweep import oddities
from tests.sweep.graphs import Plan, plain_cut, plans
from tests.sweep.judging import Odd, arguments, outcome, refusals, sweep

GRAPH = [
    Odd("matrix", lambda graph: graph.adjacency, "graph is csr_array; expected"),
    Odd("array", lambda graph: graph.adjacency.toarray(), "graph is ndarray; expected"),
    Odd("None", lambda graph: None, "graph is NoneType; expected"),
    Odd("class", lambda graph: NeuronGraph, "graph is type; expected"),
    Odd("partition", lambda graph: modviz.Partition([0] * graph.n_units, 1, graph), "graph is Par"),
]
K = [
    *oddities.whole(2),
    Odd("huge", lambda k: 10**30, "NAME=.* more than the|no unit of the graph has an edge"),
    Odd("beyond int64", lambda k: 2**63, "NAME=.* more than the|no unit of the graph has an edge"),
]
#: Any number from 0 on is a seed; the result is then another one.
SEED = [*oddities.whole(0), Odd("huge", lambda seed: 2**70), Odd("large", lambda seed: 2**32)]
SEEDS = [
    Odd("list", lambda n: list(range(n))),
    Odd("range", range),
    Odd("array", np.arange),
    Odd("iterator", lambda n: iter(range(n))),
    Odd("set", lambda n: set(range(n))),
    Odd("numpy int", np.int16),
    Odd("text", lambda n: "12", "a seed='1'; expected a whole number"),
    Odd("float", float, "seeds=.*expected a whole number"),
    Odd("one", lambda n: 1, "seeds=1; expected at least 2"),
    Odd("one in a list", lambda n: [1], r"seeds=\[1\]; expected at least 2"),
    Odd("twice", lambda n: [1, 1], r"seeds=\[1, 1\]; expected at least 2 different"),
    Odd("negative", lambda n: [0, -1], "a seed=-1; expected at least 0"),
    Odd("halves", lambda n: [0.5, 1], "a seed=0.5; expected a whole number"),
    Odd("array of no dimension", np.array, "seeds=.*expected a whole number"),
    Odd("None", lambda n: None, "seeds=None; expected"),
    Odd("bool", lambda n: True, "seeds=True; expected"),
]
CANDIDATES = [
    Odd("array", np.array),
    Odd("iterator", iter),
    Odd("again", lambda k: [*k, *k]),
    Odd("numpy ints", lambda k: [np.int8(value) for value in k]),
    Odd("number", lambda k: 3, "candidates=3; expected numbers"),
    Odd("array of no dimension", lambda k: np.array(3), "candidates=.*expected numbers"),
    Odd("text", lambda k: "23", "a candidate='2'; expected"),
    Odd("floats", lambda k: [2.0], "a candidate=2.0; expected"),
    Odd("one", lambda k: [1, 2], "a candidate=1; expected at least 2"),
    Odd("empty", lambda k: [], "candidates is empty"),
    Odd("huge", lambda k: [2, 10**9], "n_clusters=1000000000 is more than|no unit of the graph"),
]
SHUFFLES = [odd for odd in oddities.whole(2) if odd.name != "hugely negative"]
WORKERS = [*oddities.whole(1, optional=True), Odd("many", lambda n: 10**6)]
COMMON = {"graph": GRAPH, "seed": SEED, "scope": oddities.choice()}
TABLES: dict[str, dict[str, list[Odd]]] = {
    "spectral_partition": {**COMMON, "n_clusters": K},
    "stability": {
        "graph": GRAPH,
        "n_clusters": K,
        "seeds": SEEDS,
        "scope": oddities.choice(),
    },
    "clusterability_test": {
        **COMMON,
        "n_clusters": K,
        "n_shuffles": SHUFFLES,
        "workers": WORKERS,
        "progress": oddities.function(),
    },
    "choose_n_clusters": {
        "graph": GRAPH,
        "candidates": CANDIDATES,
        "seeds": SEEDS,
        "seed": SEED,
        "n_shuffles": SHUFFLES,
        "workers": WORKERS,
        "progress": oddities.function(),
    },
}
CLEAN: dict[str, Any] = {
    "n_clusters": 2,
    "seed": 5,
    "seeds": 2,
    "n_shuffles": 2,
    "workers": 1,
    "progress": None,
    "candidates": [2],
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Plan, int, str, dict[str, Odd]]:
    name = draw(st.sampled_from([*sorted(TABLES), "spectral_partition", "spectral_partition"]))
    k, scope = draw(st.integers(2, 6)), draw(st.sampled_from(["global", "local"]))
    return name, draw(plans()), k, scope, draw(arguments(TABLES[name], clean=60))


def too_many(graph: NeuronGraph, k: int) -> list[str]:
    """What is to be said of a number of clusters that the graph can't have."""
    live = int((graph.adjacency.sum(axis=1) > 0).sum())
    if live == 0:
        return ["no unit of the graph has an edge"]
    return [f"n_clusters={k} is more than the {live} live"] if k > live else []


def require_right(name: str, graph: NeuronGraph, k: int, scope: str, found: Any) -> None:
    if name == "spectral_partition":
        require_partition(graph, k, scope, found)
    elif name == "stability":
        assert all(-1 <= value <= 1 + 1e-12 for value in found.adjusted_rand.ravel())
        for partition in found.partitions:
            require_partition(graph, k, scope, partition)
    elif name == "clusterability_test":
        assert found.null.shape == (2,)
        assert found.p in (1 / 3, 2 / 3, 1)
        assert all(0 <= cut <= k for cut in (found.ncut, *found.null))
    else:
        assert found.candidates.tolist() == [k]
        assert found.null_ncut.shape == (2, 1)


def require_partition(graph: NeuronGraph, k: int, scope: str, partition: modviz.Partition) -> None:
    """Every unit with edges in a cluster, and the cut as its definition has it."""
    matrix = graph.adjacency.toarray()
    live = matrix.sum(axis=1) > 0
    if scope == "global":
        assert ((partition.labels >= 0) == live).all()
        assert math.isclose(partition.ncut, plain_cut(matrix, partition.labels), abs_tol=1e-9)
    else:  # a unit without edges in its neighbourhood is in no cluster
        assert not (partition.labels[~live] >= 0).any()
    assert partition.labels.max() < k


def judge(case: tuple[str, Plan, int, str, dict[str, Odd]]) -> None:
    name, plan, k, scope, drawn = case
    graph = plan.graph()
    values = CLEAN | {"graph": graph, "scope": scope, "n_clusters": k, "candidates": [k]}
    clean = {key: values[key] for key in drawn}
    given = {key: odd.make(clean[key]) for key, odd in drawn.items()}
    function, perhaps = getattr(modviz, name), []
    if name == "clusterability_test" and scope == "local":
        perhaps.append("leaves every layer in one cluster")
    found = outcome(lambda: function(**given), refusals(drawn) + too_many(graph, k), perhaps)
    if found is not None:
        require_right(name, graph, k, scope, found)


def test_partitions():
    sweep("partitions", cases(), judge)
