"""Is a graph clusterable at all: against graphs of the same weights in another order."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import modviz
from modviz.core.clusterability import shuffle_blocks
from modviz.core.graph import Layer, NeuronGraph


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
