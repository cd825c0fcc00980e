"""The architectures that users bring are followed from end to end, as the packages write them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import modviz
from modviz.measure.network import Network
from tests.networks.table import README, rows
from tests.networks.zoo import ARCHITECTURES, connected_pairs, layer_widths


@pytest.mark.parametrize(
    "label",
    [
        pytest.param(label, marks=[pytest.mark.networks] if a.thorough else [])
        for label, a in ARCHITECTURES.items()
    ],
)
def test_an_architecture_is_followed_from_end_to_end(label):
    architecture = ARCHITECTURES[label]
    model = architecture.made()
    network = Network(model, torch.rand(2, 3, architecture.side, architecture.side))
    assert network.unfollowed() == ""
    assert {layer.name: layer.n_units for layer in network.layers} == layer_widths(model)
    (output,) = [layer for layer in network.layers if layer.role == "output"]
    assert output.n_units == network.n_classes == 1000
    for target, expected in architecture.sources.items():
        assert {c.source for c in network.connections if c.target == target} == expected, target
    for layer in network.hidden:  # every unit can be silenced and visualized
        places = network.lesion_nodes(layer.name)
        assert places
        for node in (*places, network.pre_activation_node(layer.name)):
            assert network.unit_axis(node, layer.name) >= 1
    graph = modviz.weight_graph(network, include_outputs=True)
    assert graph.n_units == sum(layer.n_units for layer in network.layers)
    assert graph.live.all()
    # README says the same; its seconds and megabytes are those of one machine
    table = rows(README.read_text(encoding="utf-8"))
    assert table[label][:3] == (len(network.layers), graph.n_units, connected_pairs(network))


def test_the_table_is_about_these_architectures():
    assert list(rows(README.read_text(encoding="utf-8"))) == list(ARCHITECTURES)


def test_a_shuffle_hands_on_the_right_half_of_each_branch():
    # two branches of 58 channels interleave; the second half of that goes into the next block
    model = ARCHITECTURES["shufflenet_v2_x1_0"].made()
    network = Network(model, torch.rand(2, 3, 64, 64))
    read = {c.source: c.units for c in network.connections if c.target == "stage2.1.branch2.0"}
    channel = np.arange(58, 116)
    for source, parity in (("stage2.0.branch1.2", 0), ("stage2.0.branch2.5", 1)):
        expected = np.where(channel % 2 == parity, channel // 2, -1)
        assert np.array_equal(read[source], expected)
