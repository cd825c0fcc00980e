"""Controls are the same partition with its labels shuffled within layers."""

from __future__ import annotations

import numpy as np
import pytest

from modviz.core.controls import draw_controls, layer_groups, masks
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition


@pytest.fixture
def partition() -> Partition:
    """Inputs, then layers of 12 (two dead units) and 6 units."""
    layers = [
        Layer("input", "input", 2, role="input"),
        Layer("a", "linear", 12, number=1),
        Layer("b", "linear", 6, number=2),
    ]
    labels = np.array([0, 1, *[0] * 6, *[1] * 4, -1, -1, 0, 0, 0, 1, 1, 1])
    graph = NeuronGraph(layers, {(0, 1): np.ones((2, 12)), (1, 2): np.ones((12, 6))})
    return Partition(labels, 2, graph)


def test_each_draw_is_a_whole_partition(partition):
    drawn = draw_controls(partition, 50, seed=0)
    assert set(drawn) == {"a", "b"}  # inputs are never lesioned
    for index, name in ((1, "a"), (2, "b")):
        labels = partition.labels[partition.graph.layer_slice(index)]
        assert drawn[name].shape == (50, len(labels))
        for row in drawn[name]:
            assert np.sort(row).tolist() == np.sort(labels).tolist()
            assert (row[labels == -1] == -1).all()


def test_live_units_are_drawn_alike(partition):
    drawn = draw_controls(partition, 4000, seed=1)["a"]
    share = (drawn[:, :10] == 1).mean(axis=0)
    assert share == pytest.approx(np.full(10, 0.4), abs=0.04)


def test_more_draws_begin_with_the_same(partition):
    few, many = (draw_controls(partition, n, seed=3) for n in (5, 20))
    other = draw_controls(partition, 20, seed=4)
    for name in few:
        assert np.array_equal(few[name], many[name][:5])
        assert not np.array_equal(many[name], other[name])


def test_masks_hold_the_subcluster_and_as_many_random_units(partition):
    drawn = draw_controls(partition, 30, seed=0)
    for number, subcluster in enumerate(partition.subclusters):
        mask = masks(partition, number, drawn)
        assert np.flatnonzero(mask[0]).tolist() == subcluster.units.tolist()
        assert (mask.sum(axis=1) == len(subcluster.units)).all()
    # of one draw no unit serves two subclusters: that keeps draws exchangeable with the partition
    first, second = masks(partition, 0, drawn), masks(partition, 1, drawn)
    assert not (first & second).any()


def test_groups_in_rounds_are_all_groups(partition):
    drawn = draw_controls(partition, 6, seed=0)
    tested = np.array([True, True, True, False])
    whole = list(layer_groups(partition, tested, drawn))
    assert [g.layer for g in whole] == ["a", "b"]
    assert whole[0].rows.tolist() == [[k, r] for k in (0, 1) for r in range(7)]
    first = list(layer_groups(partition, tested, drawn, {0: range(2), 1: range(2), 2: range(2)}))
    then = list(layer_groups(partition, tested, drawn, {1: range(2, 6), 3: range(2, 6)}))
    assert [g.layer for g in then] == ["a"]  # what is not tested is never silenced
    assert then[0].rows.tolist() == [[1, r] for r in range(3, 7)]
    assert np.array_equal(then[0].masks, whole[0].masks[10:14])
    assert first[0].rows.tolist() == [[k, r] for k in (0, 1) for r in range(3)]
    assert np.array_equal(first[0].masks, whole[0].masks[[0, 1, 2, 7, 8, 9]])
    assert np.array_equal(first[1].masks, whole[1].masks[:3])
    assert list(layer_groups(partition, tested, drawn, {})) == []
