"""Graphs of weights: kernels, flattened channels, batch norm; as the authors compute them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network
from tests.measure.small import tiny_cnn

IMAGES = torch.rand(3, 1, 4, 4)


def kernels(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("norm", ["l1", "induced", "l2"])
def test_kernel_norms_of_convolutions_and_of_a_flatten_between(norm):
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(3, 4, (2, 3), padding=(0, 1)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 3 * 4, 5),
        nn.ReLU(),
        nn.Linear(5, 2),
    ).double()
    graph = modviz.weight_graph(
        model, torch.rand(2, 1, 4, 4, dtype=torch.float64), kernel_norm=norm
    )
    measure = {
        "l1": lambda m: np.abs(m).sum(),
        "induced": lambda m: np.linalg.norm(m, 1),
        "l2": lambda m: np.linalg.norm(m, "fro"),
    }[norm]
    kernel = model[2].weight.detach().numpy()
    expected = [[measure(kernel[o, i]) for o in range(4)] for i in range(3)]
    assert np.allclose(graph.blocks[0, 1], expected, rtol=1e-12)
    dense = model[5].weight.detach().numpy().reshape(5, 4, 3, 4)
    expected = [[measure(dense[o, i]) for o in range(5)] for i in range(4)]
    assert np.allclose(graph.blocks[1, 2], expected, rtol=1e-12)


def test_the_authors_convolution_graphs_are_reproduced(official):
    for case in official["conv_to_adjacency_l1"]:
        kernel = np.array(case["kernel_hwio"])
        model = nn.Sequential(
            nn.Conv2d(1, kernel.shape[2], 1), nn.Conv2d(*kernel.shape[2:], kernel.shape[:2])
        ).double()
        model[1].weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        model.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten())
        model.append(nn.Linear(kernel.shape[3], 2).double())
        images = torch.rand(2, 1, 9, 9, dtype=torch.float64)
        graph = modviz.weight_graph(model, images, kernel_norm="induced")
        assert np.abs(graph.blocks[0, 1] - np.array(case["adj"])).max() < 1e-9


def test_the_authors_batch_norm_graphs_are_reproduced(official):
    for case in official["conv_bn_to_adjacency"]:
        modules = []
        for layer in case["layers"]:
            kernel = np.array(layer["kernel_hwio"])
            conv = nn.Conv2d(*kernel.shape[2:], kernel.shape[:2], padding="same")
            conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
            norm = nn.BatchNorm2d(kernel.shape[3], eps=case["bn_epsilon"])
            norm.weight.data = torch.tensor(layer["gamma"], dtype=torch.float64)
            norm.bias.data = torch.tensor(layer["beta"], dtype=torch.float64)
            norm.running_mean = torch.tensor(layer["mean"], dtype=torch.float64)
            norm.running_var = torch.tensor(layer["var"], dtype=torch.float64)
            modules += [conv, norm, nn.ReLU()]
        width = modules[-3].out_channels
        modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2)]
        model = nn.Sequential(*modules).double()
        channels = modules[0].in_channels
        graph = modviz.weight_graph(
            model,
            torch.rand(2, channels, 5, 5, dtype=torch.float64),
            kernel_norm="induced",
            include_inputs=True,
        )
        for k, expected in enumerate(case["adjacency_blocks"]):
            assert np.abs(graph.blocks[k, k + 1] - np.abs(expected)).max() < 1e-9


def test_batch_norm_scales_edges_as_folding_it_into_the_convolution_does():
    model = tiny_cnn().eval()
    graph = modviz.weight_graph(model, IMAGES, include_inputs=True)
    first = model.bn1
    scale = (first.weight / torch.sqrt(first.running_var + first.eps)).detach().abs().numpy()
    plain = model.conv1.weight.detach().abs().sum((2, 3)).numpy().T
    assert np.allclose(graph.blocks[0, 1], plain * scale, rtol=1e-5)
    # after the activation batch norm scales what the next layer reads
    second = model.bn2
    scale = (second.weight / torch.sqrt(second.running_var + second.eps)).detach().abs().numpy()
    plain = model.conv2.weight.detach().abs().sum((2, 3)).numpy().T
    assert np.allclose(graph.blocks[1, 2], plain, rtol=1e-5)
    plain = model.fc1.weight.detach().abs().numpy().T
    assert np.allclose(graph.blocks[2, 3], plain * scale[:, None], rtol=1e-5)


def test_in_place_operations_do_not_overwrite_what_a_replay_keeps():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x):
            x = self.a(x)
            nn.functional.relu_(x)
            z = self.b(x)  # reads x after it was overwritten
            return self.c(torch.tanh(z))

    model = Net()
    images = torch.randn(6, 4)
    network = Network(model, images)
    assert torch.equal(network.replay.forward(images)[network.replay.output], model(images))
