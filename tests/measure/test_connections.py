"""Connections of all kinds, proved by disturbing units, and lesions through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import modviz
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.trace import NetworkError
from tests.measure.architectures import (
    ARCHITECTURES,
    ChannelsLast,
    Dense,
    Residual,
    Reused,
    Shuffled,
    made,
)
from tests.measure.small import tiny_cnn, tiny_mlp

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def felt(network: Network, source: str, target: str) -> np.ndarray:
    """Which units of `target` change when a unit of `source` does and all other layers are held."""
    replay = network.replay
    cuts = network.lesion_nodes(source)
    (reader,) = network.layer_nodes(target)
    held = {n for la in network.layers for n in network.layer_nodes(la.name)} - {reader}
    way = [n for n in replay.before([reader]) if n in replay.after(cuts) and n not in held]
    sizes = {la.name: la.n_units for la in network.layers}
    changed = np.zeros((sizes[source], sizes[target]), dtype=bool)
    env = replay.forward(IMAGES, frozenset(replay.nodes))
    axis = network.unit_axis(reader, target)
    for unit in range(sizes[source]):
        for step in (10.0, -10.0):  # one of them passes every ReLU on the way
            disturbed = dict(env)
            amend = {}
            for cut in cuts:
                at = network.unit_axis(cut, source)
                each = env[cut].shape[at] // sizes[source]  # places of a unit behind a flatten
                index = (slice(None),) * at + (slice(unit * each, (unit + 1) * each),)

                def shift(value, index=index, step=step):
                    value = value.clone()
                    value[index] += step
                    return value

                disturbed[cut] = shift(env[cut])
                amend[cut] = shift
            replay.run(disturbed, way, frozenset(replay.nodes), amend)
            change = (disturbed[reader] - env[reader]).abs().movedim(axis, 0).flatten(1)
            changed[unit] |= (change.amax(dim=1) > 1e-6).numpy()
    return changed


@pytest.mark.parametrize(
    "kind", [k for k in (*ARCHITECTURES, tiny_mlp, tiny_cnn) if k is not Reused]
)
@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_an_edge_is_where_a_disturbed_unit_is_felt(kind, seed):
    """modviz says unit i reaches unit j if and only if disturbing i changes what j computes."""
    model = made(kind, seed, sparse=0.3)
    network = Network(model, IMAGES)
    graph = modviz.weight_graph(network)
    names = [layer.name for layer in graph.layers]
    with torch.no_grad(), evaluating(model):
        for i, source in enumerate(names):
            for j, target in enumerate(names):
                if i < j and source != "excite":  # a gate counts as scaling, not as an edge
                    nothing = np.zeros((graph.layers[i].n_units, graph.layers[j].n_units))
                    edges = graph.blocks.get((i, j), nothing) > 0
                    assert np.array_equal(felt(network, source, target), edges), (source, target)


def test_every_source_of_a_sum_reaches_every_reader():
    network = Network(made(Residual), IMAGES)
    read = {(c.source, c.target) for c in network.connections}
    assert read == {
        ("input", "stem"), ("stem", "a1"), ("a1", "a2"),
        ("stem", "b1"), ("a2", "b1"), ("stem", "short"), ("a2", "short"), ("b1", "b2"),
        ("b2", "out"), ("short", "out"),
    }  # fmt: skip


def test_weights_of_groups_and_offsets_stand_where_they_belong():
    model = made(Shuffled)
    graph = modviz.weight_graph(model, IMAGES)
    place = {layer.name: k for k, layer in enumerate(graph.layers)}
    deep = graph.blocks[place["stem"], place["depthwise"]]
    kernel = model.depthwise.weight.detach().abs().sum((1, 2, 3)).numpy()
    assert np.allclose(deep, np.diag(kernel))
    grouped = graph.blocks[place["depthwise"], place["grouped"]]
    weight = model.grouped.weight.detach().abs()[:, :, 0, 0].numpy()  # (12, 2): 3 units a group
    expected = np.zeros((8, 12))
    for unit in range(12):
        group = unit // 3
        expected[2 * group : 2 * group + 2, unit] = weight[unit]
    assert np.allclose(grouped, expected)
    # channel 2 k of what `last` reads is unit k of `grouped`, channel 2 k + 1 unit k of `side`
    last = model.last.weight.detach().abs()[:, :, 0, 0].numpy()
    assert np.allclose(graph.blocks[place["side"], place["last"]], last[:, 1::2].T)
    assert np.allclose(graph.blocks[place["grouped"], place["last"]][:6], last[:, ::2].T)


def test_batch_norm_over_a_concatenation_scales_each_source_by_its_own_part():
    model = made(Dense)
    graph = modviz.weight_graph(model, IMAGES)
    norm = model.three_bn
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().abs().numpy()
    weight = model.three.weight.detach().abs()[:, :, 0, 0].numpy().T
    assert np.allclose(graph.blocks[0, 2], weight[:4] * scale[:4, None], rtol=1e-5)
    assert np.allclose(graph.blocks[1, 2], weight[4:] * scale[4:, None], rtol=1e-5)


def test_a_scaled_branch_scales_its_edges():
    model = made(ChannelsLast)
    graph = modviz.weight_graph(model, IMAGES)
    weight = model.last.weight.detach().abs()[:, :, 0, 0].numpy().T
    place = {layer.name: k for k, layer in enumerate(graph.layers)}
    scale = model.scale.detach().abs().reshape(-1, 1).numpy()
    assert np.allclose(graph.blocks[place["stem"], place["last"]], weight)
    assert np.allclose(graph.blocks[place["narrow"], place["last"]], weight * scale)


def test_a_module_used_twice_is_one_layer_that_reads_itself():
    model = made(Reused)
    graph = modviz.weight_graph(model, IMAGES)
    assert [layer.name for layer in graph.layers] == ["first", "again"]
    weight = model.again.weight.detach().abs().numpy()
    assert np.allclose(graph.blocks[0, 1], weight.T)
    expected = weight + weight.T
    np.fill_diagonal(expected, 0)
    assert np.allclose(graph.blocks[1, 1], expected)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, 8)
        self.over_time, self.out = nn.LSTM(8, 6, batch_first=True), nn.Linear(6, 4)

    def forward(self, x):
        x = self.fc2(self.fc1(x.flatten(1)).relu()).relu()
        found, _ = self.over_time(x.unsqueeze(1))
        return self.out(found[:, 0])


def test_a_reader_that_gives_nested_tuples_still_reads():
    model = made(Recurrent)
    network = Network(model, IMAGES)
    with pytest.raises(NetworkError, match="'out' reads.*it gives tuples of tuples"):
        modviz.weight_graph(network, include_outputs=True)
    (cut,) = network.lesion_nodes("fc2")
    assert cut.name == "unsqueeze"  # the last value in which each unit stands apart
    labels = torch.arange(60) % 4
    images = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    analysis = modviz.analyze(
        model, (images, labels), n_clusters=2, n_controls=2, features=False, progress=False
    )
    assert analysis.status == "complete"


class Gained(nn.Module):
    """Factors of all forms: a number as a parameter, and one a channel with an offset."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(16, 5), nn.Linear(5, 6), nn.Linear(6, 4)
        self.gain = nn.Parameter(torch.tensor(-3.0))
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6))
        self.offset = nn.Parameter(torch.linspace(0, 1, 6))

    def forward(self, x):
        x = self.one(x.flatten(1)).relu() * self.gain
        return self.out(torch.addcmul(self.offset, self.scale, self.two(x).relu()))


def test_learnt_factors_scale_edges():
    model = made(Gained)
    graph = modviz.weight_graph(model, IMAGES, include_outputs=True)
    two = model.two.weight.detach().abs().numpy().T
    assert np.allclose(graph.blocks[0, 1], 3 * two)
    out = model.out.weight.detach().abs().numpy().T
    assert np.allclose(graph.blocks[1, 2], out * model.scale.detach().numpy()[:, None])


def test_a_part_of_what_could_not_be_followed_is_not_followed_either():
    class Unbound(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.out = nn.Linear(16, 6), nn.Linear(3, 5), nn.Linear(5, 4)

        def forward(self, x):
            x = self.one(x.flatten(1)).reshape(len(x), 2, 3).permute(1, 0, 2)
            first, second = x.unbind(0)
            return self.out(self.two(first + second).relu())

    network = Network(Unbound(), IMAGES)
    with pytest.raises(NetworkError, match="which the layer 'two' reads"):
        modviz.weight_graph(network)


def test_two_ways_of_the_same_units_add_up_to_one_connection():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.out = nn.Linear(16, 6), nn.Linear(6, 5), nn.Linear(5, 4)

        def forward(self, x):
            x = self.one(x.flatten(1))
            return self.out(self.two(x + 2 * x).relu())

    model = Doubled()
    network = Network(model, IMAGES)
    assert [(c.source, c.target) for c in network.connections].count(("one", "two")) == 1
    graph = modviz.weight_graph(network)
    assert np.allclose(graph.blocks[0, 1], 3 * model.two.weight.detach().abs().numpy().T)
