"""Pooling the matrix: against dense arithmetic, and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.view import matrix


def partition_of(labels: list[int], blocks: dict, sizes: list[int], k: int) -> Partition:
    layers = [Layer(f"fc{i + 1}", "linear", n, number=i + 1) for i, n in enumerate(sizes)]
    return Partition(np.array(labels), k, NeuronGraph(layers, blocks))


def test_shares_inside_by_hand() -> None:
    # clusters A = {u0, v0}, B = {u1, v1}; edges u0-v0 3, u0-v1 1, u1-v1 2, u1-v0 0
    block = np.array([[3.0, 1.0], [0.0, 2.0]])
    partition = partition_of([0, 1, 0, 1], {(0, 1): block}, [2, 2], 2)
    # A: inside 3 counted from both ends = 6 of volume 4 + 3; B: 4 of volume 2 + 3
    np.testing.assert_allclose(matrix.shares_inside(partition), [6 / 7, 4 / 5])
    assert partition.ncut == pytest.approx((1 - matrix.shares_inside(partition)).sum())


def test_shares_inside_of_an_empty_cluster_are_undefined() -> None:
    partition = partition_of([0, 0, 0, -1], {(0, 1): np.ones((2, 2))}, [2, 2], 2)
    shares = matrix.shares_inside(partition)
    assert shares[0] == pytest.approx(4 / 6)  # the edges to the unit in no cluster count as leaving
    assert np.isnan(shares[1])


def test_sorted_units_by_cluster_then_layer_and_dead_last() -> None:
    partition = partition_of([1, -1, 0, 0, 1, 0], {(0, 1): np.ones((3, 3))}, [3, 3], 2)
    assert matrix.sorted_units(partition).tolist() == [2, 3, 5, 0, 4, 1]


def test_a_tile_of_a_large_graph_holds_block_means() -> None:
    rng = np.random.default_rng(0)
    sizes = [700, 600]
    labels = rng.integers(0, 3, sum(sizes)).tolist()
    partition = partition_of(labels, {(0, 1): rng.random((700, 600))}, sizes, 3)
    order = matrix.sorted_units(partition)
    dense = partition.graph.adjacency.toarray()[np.ix_(order, order)]
    tile = matrix.tile(partition)
    assert tile.image.shape == (512, 512)
    edges = [-(-k * 1300 // 512) for k in range(513)]
    for r, c in [(0, 0), (3, 500), (511, 17), (256, 256)]:
        expected = dense[edges[r] : edges[r + 1], edges[c] : edges[c + 1]].mean()
        assert tile.image[r, c] == pytest.approx(expected, rel=1e-6)
    detail = matrix.tile(partition, 100, 612, 1000, 1300)
    np.testing.assert_array_equal(detail.image, dense[1000:1300, 100:612].astype(np.float32))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((-5, 3, 0, 9), (0, 3, 0, 4)),  # beyond the matrix
        ((3, 1, 2.2, 2.4), (1, 3, 2, 3)),  # turned round, and inside one unit
        ((4, 9, 0, 1), (3, 4, 0, 1)),  # wholly outside: the last unit
    ],
)
def test_a_tile_is_grown_to_whole_units(given: tuple, expected: tuple) -> None:
    partition = partition_of([0, 1, 0, 1], {(0, 1): np.ones((2, 2))}, [2, 2], 2)
    tile = matrix.tile(partition, *given)
    assert (tile.x0, tile.x1, tile.y0, tile.y1) == expected


def test_edges_inside_a_layer_are_counted_once_from_each_end() -> None:
    inner = np.array([[0.0, 2.0], [2.0, 0.0]])
    partition = partition_of([0, 1], {(0, 0): inner}, [2], 2)
    np.testing.assert_array_equal(matrix.tile(partition).image, inner)


def test_color_limits_are_round_and_hold_most_values() -> None:
    image = np.concatenate([np.zeros(50), np.geomspace(0.0123, 0.18, 200)]).astype(np.float32)
    assert matrix.color_limits(image) == (0.01, 0.2)
    assert matrix.color_limits(np.zeros((2, 2), np.float32)) == (0.01, 1.0)
    low, high = matrix.color_limits(np.full(9, 0.5, np.float32))
    assert low < high


def test_a_local_partition_is_sorted_by_layer_first() -> None:
    partition = partition_of([1, -1, 0, 0, 1, 0], {(0, 1): np.ones((3, 3))}, [3, 3], 2)
    local = Partition(partition.labels, 2, partition.graph, scope="local")
    assert matrix.sorted_units(local).tolist() == [2, 0, 1, 3, 5, 4]


def test_sorted_units_by_layer_then_cluster_and_dead_last_in_their_layer() -> None:
    partition = partition_of([1, -1, 0, 0, 1, 0], {(0, 1): np.ones((3, 3))}, [3, 3], 2)
    assert matrix.sorted_units(partition, "layer").tolist() == [2, 0, 1, 3, 5, 4]


def test_a_tile_by_layer_checked_by_eye() -> None:
    # fc1: u0 in B, u1 in A; fc2: v0 in B, v1 in B, v2 in A
    block = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    partition = partition_of([1, 0, 1, 1, 0], {(0, 1): block}, [2, 3], 2)
    # in the order u1 u0 | v2 v0 v1
    expected = [
        [0, 0, 6, 4, 5],
        [0, 0, 3, 1, 2],
        [6, 3, 0, 0, 0],
        [4, 1, 0, 0, 0],
        [5, 2, 0, 0, 0],
    ]
    np.testing.assert_array_equal(matrix.tile(partition, order="layer").image, expected)
    part = matrix.tile(partition, 2, 4, 0, 1, order="layer")
    np.testing.assert_array_equal(part.image, [[6, 4]])
    # and by cluster in the order u1 v2 | u0 v0 v1
    np.testing.assert_array_equal(
        matrix.tile(partition).image,
        [[0, 6, 0, 4, 5], [6, 0, 3, 0, 0], [0, 3, 0, 1, 2], [4, 0, 1, 0, 0], [5, 0, 2, 0, 0]],
    )


def scale_of(values: np.ndarray) -> matrix.Scale:
    """The scale of a graph with these weights, colours and all as a page has them."""
    n = values.size
    block = np.diag(values.astype(np.float32))
    partition = partition_of([0] * (2 * n), {(0, 1): block}, [n, n], 1)
    return matrix.Scale.of(partition.graph, matrix.color_limits(matrix.tile(partition).image))


@given(
    weights=st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=40),
    unit=st.sampled_from([1e-20, 1e-6, 1.0, 1e8]),
)
def test_weights_travel_to_a_thousandth_and_keep_their_order(
    weights: list[float], unit: float
) -> None:
    values = np.sort(np.array(weights) * unit).astype(np.float32)
    scale = scale_of(values)
    codes = scale.code(values)
    assert codes.dtype == np.uint16
    assert (codes >= 1).all()
    np.testing.assert_allclose(scale.weight(codes), values, rtol=1e-3, atol=0)
    assert (np.diff(codes.astype(int)) >= 0).all()
    assert (np.diff(codes.astype(int))[np.diff(values) / values[:-1] > 1e-3] > 0).all()


def test_no_edge_stays_no_edge_and_the_smallest_stays_an_edge() -> None:
    scale = scale_of(np.geomspace(1e-3, 1.0, 30))
    shown = np.array([[0.0, 1e-30], [scale.least, scale.most]], dtype=np.float32)
    codes = scale.code(shown)
    assert codes.tolist() == [[0, 1], [1, matrix.CODES]]
    assert scale.weight(codes)[0, 0] == 0.0
    assert scale.weight(codes)[0, 1] == pytest.approx(scale.least)


def test_the_scale_holds_every_single_weight_of_the_graph() -> None:
    values = np.full(600, 0.01)
    values[0] = 3.0  # one large weight, above the limits of the colours
    scale = scale_of(values)
    assert scale.weight(scale.code(np.float32([3.0])))[0] == pytest.approx(3.0, rel=1e-3)
    assert scale_of(np.zeros(3)).code(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
