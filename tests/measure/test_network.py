"""What the reader finds in a model, against models whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network
from modviz.measure.trace import NetworkError
from tests.measure.small import left_alone, tiny_cnn, tiny_mlp

IMAGES = torch.rand(3, 1, 4, 4)


def names(nodes):
    return [str(node.target) for node in nodes]


def test_layers_come_in_the_order_of_the_data_with_their_roles():
    network = Network(tiny_cnn(), IMAGES)
    assert [(la.name, la.kind, la.n_units, la.role, la.number) for la in network.layers] == [
        ("conv1", "conv2d", 10, "hidden", 1),
        ("conv2", "conv2d", 12, "hidden", 2),
        ("fc1", "linear", 14, "hidden", 3),
        ("output", "linear", 4, "output", 0),
    ]
    assert network.n_classes == 4
    assert [(c.source, c.target) for c in network.connections] == [
        ("input", "conv1"),
        ("conv1", "conv2"),
        ("conv2", "fc1"),
        ("fc1", "output"),
    ]


def test_a_lesion_acts_on_what_readers_read_whatever_the_order_of_the_chain():
    network = Network(tiny_cnn(), IMAGES)
    assert names(network.lesion_nodes("conv1")) == ["relu1"]
    assert names(network.lesion_nodes("conv2")) == ["flatten"]  # after relu, bn, pool to 1 x 1
    assert names(Network(tiny_mlp(), IMAGES).lesion_nodes("fc1")) == ["drop1"]


def test_pre_activation_includes_only_the_batch_norm_before_the_activation():
    network = Network(tiny_cnn(), IMAGES)
    assert str(network.pre_activation_node("conv1").target) == "bn1"
    assert str(network.pre_activation_node("conv2").target) == "conv2"


def test_functional_forms_and_methods_are_followed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 5, 3)
            self.fc = nn.Linear(5, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            x = nn.functional.relu(self.conv(x), inplace=True)
            x = nn.functional.max_pool2d(x, 2)
            x = torch.flatten(x, 1)
            x = self.fc(x).relu_()
            x = nn.functional.dropout(x, 0.5, training=self.training)
            return torch.log_softmax(self.out(x), dim=1)

    network = Network(Net(), IMAGES)
    assert [(c.source, c.target) for c in network.connections] == [
        ("input", "conv"),
        ("conv", "fc"),
        ("fc", "out"),
    ]
    assert network.lesion_nodes("fc")[0].name == "dropout"


def test_global_average_by_mean_and_view_keep_channels_apart():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 5, 3)
            self.fc = nn.Linear(5, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            x = self.conv(x).relu().mean([2, 3])
            return self.out(self.fc(x.view(x.size(0), -1)).tanh())

    connection = Network(Net(), IMAGES).connections[1]
    assert (connection.source, connection.target) == ("conv", "fc")
    assert connection.units.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dim", [1, -3])
def test_a_mean_over_channels_is_not_taken_for_pooling(dim):
    """Even where, as here with four channels and four rows, the shape does not give it away."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 1)
            self.fc = nn.Linear(4, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.fc(self.conv(x).mean(dim).amax(dim=2)).relu())

    network = Network(Net(), IMAGES)
    with pytest.raises(NetworkError, match="operation mean, which the layer 'fc' reads"):
        modviz.weight_graph(network)


def test_weight_graph_of_an_mlp_is_the_magnitudes_of_its_weights():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[1.0, -2], [0, 3], [-4, 5]])
        model[2].weight[:] = torch.tensor([[1.0, 0, -2], [0, -3, 0]])
        model[4].weight[:] = torch.tensor([[7.0, 0], [0, -8]])
    graph = modviz.weight_graph(model, torch.rand(2, 2), include_inputs=True, include_outputs=True)
    expected = np.zeros((9, 9))
    expected[0:2, 2:5] = [[1, 0, 4], [2, 3, 5]]
    expected[2:5, 5:7] = [[1, 0], [0, 3], [2, 0]]
    expected[5:7, 7:9] = [[7, 0], [0, 8]]
    assert np.array_equal(graph.adjacency.toarray(), expected + expected.T)
    assert [layer.role for layer in graph.layers] == ["input", "hidden", "hidden", "output"]
    hidden = modviz.weight_graph(model, torch.rand(2, 2))
    assert np.array_equal(hidden.blocks[0, 1], [[1, 0], [0, 3], [2, 0]])


def test_a_trace_that_differs_from_the_model_is_refused():
    class Alias(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            x = self.a(x)
            y = x
            y *= 2  # torch.fx sees y = y * 2, which leaves x as it was
            return self.b(x)

    with pytest.raises(NetworkError, match="the traced model gives other outputs"):
        Network(Alias(), torch.randn(6, 4))


def test_reading_leaves_the_model_alone():
    model = tiny_cnn().train()
    model.conv1.weight.grad = torch.ones_like(model.conv1.weight)
    model.fc1.weight.requires_grad_(False)
    model.bn1.eval()
    model.conv2.register_forward_hook(lambda *_: None)
    with left_alone(model):
        modviz.weight_graph(model, IMAGES)


# ---- what can't be followed ----------------------------------------------------------------------
