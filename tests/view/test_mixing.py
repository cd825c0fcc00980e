"""Weight inside clusters beside that of even mixing: graphs where both are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.view.mixing import kept


def partition(
    labels: list[int], blocks: dict[tuple[int, int], np.ndarray], *sizes: int
) -> Partition:
    layers = [Layer(f"fc{i}", "linear", n, number=i + 1) for i, n in enumerate(sizes)]
    return Partition(np.array(labels), max(labels) + 1, NeuronGraph(layers, blocks))


def test_three_of_four_inside_where_half_would_be() -> None:
    block = np.kron([[3.0, 1.0], [1.0, 3.0]], np.ones((2, 2)))
    found = kept(partition([0, 0, 1, 1] * 2, {(0, 1): block}, 4, 4))
    assert found.share == pytest.approx(0.75)
    assert found.mixed == pytest.approx(0.5)


def test_layers_far_apart_are_not_mixed() -> None:
    # A holds layers 1 and 2, B layers 3 and 4, with no edges from 2 to 3: nothing else was possible
    blocks = {(0, 1): np.ones((2, 2)), (2, 3): np.full((2, 2), 5.0)}
    found = kept(partition([0] * 4 + [1] * 4, blocks, 2, 2, 2, 2))
    assert found.share == found.mixed == 1.0


def test_no_unit_is_its_own_partner() -> None:
    # 8 equal units in one layer, each joined with 7 others, 3 of them of its cluster
    found = kept(partition([0] * 4 + [1] * 4, {(0, 0): np.ones((8, 8)) - np.eye(8)}, 8))
    assert found.share == pytest.approx(3 / 7)
    assert found.mixed == pytest.approx(3 / 7)


def test_edges_to_units_in_no_cluster_count_as_leaving() -> None:
    found = kept(partition([0, 0, 0, -1], {(0, 1): np.ones((2, 2))}, 2, 2))
    # ends of edges at the three: 2 + 2 + 2, of them 4 of the edges inside
    assert found.share == pytest.approx(4 / 6)
    assert found.mixed == pytest.approx(4 / 6)


def test_without_weight_there_is_no_share() -> None:
    found = kept(partition([0, 0, 0, 1], {(0, 1): np.zeros((2, 2))}, 2, 2))
    assert np.isnan(found.share)
    assert np.isnan(found.mixed)


@given(
    strengths=st.lists(st.floats(0.1, 10), min_size=9, max_size=9),
    labels=st.lists(st.integers(-1, 2), min_size=9, max_size=9).filter(lambda v: max(v) >= 0),
)
def test_units_that_take_no_notice_of_clusters_are_mixed(
    strengths: list[float], labels: list[int]
) -> None:
    # edges in proportion to the strengths of their units, whatever the clusters
    a, b, c = np.split(np.array(strengths), 3)
    blocks = {(0, 1): np.outer(a, b), (1, 2): np.outer(b, c), (0, 2): np.outer(a, c)}
    found = kept(partition(labels, blocks, 3, 3, 3))
    assert found.share == pytest.approx(found.mixed)
