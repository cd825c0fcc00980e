"""Stability by hand and on planted graphs; which number of clusters is suggested, and when none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import modviz
from modviz.core.choice import ClusterChoice
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.stability import Stability


def of_labels(chain, *labels: list[int], scope: str = "global") -> Stability:
    half = len(labels[0]) // 2
    graph = chain([half, len(labels[0]) - half], lambda m, n: np.ones((m, n)))
    parts = tuple(Partition(np.array(x), 3, graph, scope=scope) for x in labels)
    return Stability(tuple(range(len(labels))), parts)


def test_agreement_by_hand(chain):
    found = of_labels(chain, [0, 0, 0, 1, 1, -1], [0, 0, 1, 1, 1, -1])
    # companions: unit 0 {1, 2} and {1}; unit 2 {0, 1} and {3, 4}; unit 3 {4} and {2, 4}
    assert found.unit_agreement[:5] == pytest.approx([1 / 2, 1 / 2, 0, 1 / 2, 1 / 2])
    assert np.isnan(found.unit_agreement[5])
    expected = adjusted_rand_score([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    assert found.adjusted_rand == pytest.approx(np.array([[1, expected], [expected, 1]]))
    assert found.mean == pytest.approx(expected)


def test_agreement_does_not_ask_for_names_and_knows_lonely_units(chain):
    found = of_labels(chain, [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1], [1, 1, 2, 2, 0, 0])
    assert found.mean == 1
    assert (found.unit_agreement == 1).all()
    lonely = of_labels(chain, [0, 1, 1, 1], [1, 0, 0, 0])
    assert lonely.unit_agreement.tolist() == [1, 1, 1, 1]


def test_local_agreement_is_that_of_each_layer(chain):
    # the first layer stays, the second changes; across layers letters mean nothing
    found = of_labels(chain, [0, 0, 1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 0, 1, 0, 1], scope="local")
    second = adjusted_rand_score([0, 0, 1, 1], [0, 1, 0, 1])
    assert found.mean == pytest.approx((1 + second) / 2)
    assert found.unit_agreement.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    whole = of_labels(chain, [0, 0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 1, 1], scope="local")
    assert whole.mean == 1  # a layer in one cluster says nothing and counts as nothing


@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("sizes", [[30, 20, 30], [200, 150, 120]], ids=["dense", "iterative"])
def test_the_partitions_are_those_of_spectral_partition(chain, sizes, scope):
    rng = np.random.default_rng(1)
    graph = chain(sizes, lambda m, n: rng.random((m, n)))
    found = modviz.stability(graph, 4, seeds=[3, 0, 8], scope=scope)
    for seed, partition in zip((3, 0, 8), found.partitions, strict=True):
        alone = modviz.spectral_partition(graph, 4, scope=scope, seed=seed)
        assert np.array_equal(partition.labels, alone.labels)
        assert partition.ncut == alone.ncut


def test_planted_modules_are_stable_and_noise_is_not(planted_graph, chain):
    found = modviz.stability(planted_graph(0)[0], 4, seeds=4)
    assert found.mean == 1
    assert np.ptp(found.ncut) == 0
    rng = np.random.default_rng(0)
    noise = modviz.stability(chain([60, 60, 60], lambda m, n: rng.random((m, n))), 8, seeds=4)
    assert noise.mean < 0.6
    table = noise.table()
    assert list(table.index) == [0, 1, 2, 3]
    others = noise.adjusted_rand[0, 1:].mean()
    assert table.loc[0].to_dict() == pytest.approx({"ncut": noise.ncut[0], "adjusted_rand": others})
    units = noise.unit_table()
    assert units.columns.tolist() == ["layer", "unit", "agreement"]
    assert units["agreement"].between(0, 1).all()
    assert "4 seeds: mean adjusted Rand index" in repr(noise)


@pytest.mark.parametrize("seeds", [1, [5], [2, 2]])
def test_one_seed_is_nothing_to_compare(planted_graph, seeds):
    with pytest.raises(ValueError, match="seeds=.*at least 2"):
        modviz.stability(planted_graph(0)[0], 4, seeds=seeds)


# --- how many clusters?


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_four_planted_modules_are_suggested(planted_graph, seed, noise):
    graph, _ = planted_graph(seed, width=16, noise=noise)
    choice = modviz.choose_n_clusters(graph, range(2, 8), n_shuffles=19, seeds=3, seed=seed)
    assert choice.suggested == 4, choice.reason
    row = choice.table().loc[4]
    assert row["eigengap"] == choice.table()["eigengap"].max()
    assert row["z"] < -10
    assert row["p"] == pytest.approx(0.05)
    assert row["stability"] == 1
    assert row["ncut"] == pytest.approx(modviz.spectral_partition(graph, 4).ncut)
    assert "4 clusters stand out" in choice.reason


def test_random_graphs_get_no_suggestion(chain):
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        graph = chain([25, 25, 25], lambda m, n, r=rng: r.random((m, n)))
        found.append(
            modviz.choose_n_clusters(graph, range(2, 7), n_shuffles=19, seeds=2, seed=seed)
        )
    assert [choice.suggested for choice in found] == [None] * 8
    assert all("stand" in choice.reason for choice in found)
    # calibrated: p of the largest gap is uniform on twentieths, mean .525 with error .10
    assert np.mean([choice.gap_p for choice in found]) == pytest.approx(0.525, abs=0.3)


def test_the_columns_are_what_a_single_test_gives(planted_graph):
    graph, _ = planted_graph(0, width=8, noise=0.6)
    choice = modviz.choose_n_clusters(graph, [5, 3, 3], n_shuffles=6, seeds=2)
    table = choice.table()
    assert table.index.tolist() == [3, 5]
    dense = graph.adjacency.toarray()
    root = np.sqrt(dense.sum(axis=0))
    values = np.linalg.eigvalsh(dense / np.outer(root, root))[::-1]
    assert table["eigengap"].tolist() == pytest.approx(
        [values[2] - values[3], values[4] - values[5]]
    )
    # the same null, drawn in the same way
    test = modviz.clusterability_test(graph, 3, n_shuffles=6)
    assert choice.null_ncut[:, 0] == pytest.approx(test.null, abs=0.05)
    assert table.loc[3, "z"] == pytest.approx(
        (choice.ncut[0] - choice.null_ncut[:, 0].mean()) / choice.null_ncut[:, 0].std(ddof=1)
    )


def choice_of(**changes) -> ClusterChoice:
    """Three numbers of clusters, 4 stands out in everything, 19 shuffles."""
    values = {
        "candidates": np.array([3, 4, 5]),
        "eigengap": np.array([0.01, 0.5, 0.01]),
        "ncut": np.array([1.0, 1.0, 2.0]),
        "stability": np.array([1.0, 0.9, 0.5]),
        "null_eigengap": np.full((19, 3), 0.02),
        "null_ncut": np.linspace(2, 3, 57).reshape(19, 3),
    }
    return ClusterChoice(**values | changes)


@pytest.mark.parametrize(
    ("changes", "suggested", "words"),
    [
        ({}, 4, r"4 clusters stand out: the eigengap after 4 .*\(z -"),
        ({"eigengap": np.array([0.4, 0.5, 0.01])}, None, "after 3 and 4 clusters are of similar"),
        ({"null_eigengap": np.full((19, 3), 0.6)}, None, r"no larger than those .*\(p 1\)"),
        ({"ncut": np.array([1.0, 2.9, 2.0])}, None, "cut is not below that of shuffled weights"),
        ({"stability": np.array([1.0, 0.7, 1.0])}, None, "change with the seed .* 0.70, below 0.8"),
        ({"null_ncut": np.ones((5, 3))}, None, "5 shuffled graphs can't give a p of 0.05.* 19"),
        ({"eigengap": np.full(3, np.nan)}, None, "No number stands out"),
    ],
)
def test_each_condition_of_the_rule_can_fail(changes, suggested, words):
    choice = choice_of(**changes)
    assert choice.suggested == suggested
    assert re.search(words, choice.reason)
    assert repr(choice).startswith(f"ClusterChoice(3 to 5 clusters, suggested {suggested}): ")


def test_progress_and_an_interrupt_that_keeps_what_is_done(planted_graph):
    graph, _ = planted_graph(0, width=4)
    told = []
    modviz.choose_n_clusters(
        graph, [2, 3], n_shuffles=3, seeds=2, progress=lambda *done: told.append(done)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="the null rests on 2 shuffled graphs"):
        choice = modviz.choose_n_clusters(graph, [2, 3], n_shuffles=9, seeds=2, progress=stop)
    assert choice.null_ncut.shape == (2, 2)


def test_workers_do_not_change_the_choice(planted_graph):
    graph, _ = planted_graph(0, width=8)
    one, three = (
        modviz.choose_n_clusters(graph, [2, 4, 5], n_shuffles=7, seeds=2, workers=workers)
        for workers in (1, 3)
    )
    assert np.array_equal(one.null_ncut, three.null_ncut)
    assert np.array_equal(one.null_eigengap, three.null_eigengap)
    with pytest.raises(ValueError, match="workers=0; expected at least 1"):
        modviz.choose_n_clusters(graph, [2], workers=0)


def test_candidates_stop_where_units_do(chain):
    graph = chain([3, 3], lambda m, n: np.arange(1.0, 10).reshape(3, 3))
    choice = modviz.choose_n_clusters(graph, n_shuffles=2, seeds=2)
    assert choice.candidates.tolist() == [2, 3, 4, 5, 6]
    assert np.isnan(choice.eigengap[-1])  # there is no seventh eigenvalue
    with pytest.raises(ValueError, match="n_clusters=7 is more than the 6 live units"):
        modviz.choose_n_clusters(graph, [2, 7])
    with pytest.raises(ValueError, match="candidates is empty"):
        modviz.choose_n_clusters(graph, [])
    with pytest.raises(ValueError, match="a candidate=1; expected at least 2"):
        modviz.choose_n_clusters(graph, [1])
    with pytest.raises(ValueError, match="n_shuffles=1"):
        modviz.choose_n_clusters(graph, n_shuffles=1)


def test_a_pruned_network_with_dead_units_is_no_obstacle():
    rng = np.random.default_rng(0)
    layers = [Layer("a", "linear", 30, number=1), Layer("b", "linear", 30, number=2)]
    block = np.where(rng.random((30, 30)) < 0.05, rng.random((30, 30)), 0)
    graph = NeuronGraph(layers, {(0, 1): block})
    assert not graph.live.all()
    choice = modviz.choose_n_clusters(graph, range(2, 5), n_shuffles=3, seeds=2)
    assert choice.table().notna()[["ncut", "stability", "p"]].all(axis=None)
