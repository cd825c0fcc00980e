"""What modviz refuses to read, or reads with an error that names a way out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network
from modviz.measure.trace import NetworkError
from tests.measure.small import tiny_mlp

IMAGES = torch.rand(3, 1, 4, 4)


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 6), nn.Linear(6, 6)
        self.fc3, self.out = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        x = self.fc2(self.fc1(x.flatten(1)).relu()).relu()
        x = torch.cumsum(x, dim=1)
        return self.out(self.fc3(x).relu())


def test_an_operation_without_a_rule_is_named_with_a_way_out():
    network = Network(Mixing(), IMAGES)
    match = r"'cumsum', operation cumsum, which the layer 'fc3' reads: .*layers=\('fc1', 'fc2'\)"
    with pytest.raises(NetworkError, match=match):
        modviz.weight_graph(network)
    graph = modviz.weight_graph(network, layers=("fc1", "fc2"))
    assert graph.blocks[0, 1].shape == (6, 6)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (nn.Sequential(nn.ReLU(), nn.Flatten()), "no linear layers or convolutions"),
        (nn.Sequential(nn.Linear(7, 3)), r"can't run on inputs of shape \(1, 4, 4\)"),
        (nn.Sequential(nn.Conv2d(1, 3, 3)), r"returns shape \(2, 3, 2, 2\) for 2 images"),
    ],
)
def test_what_is_no_classifier_is_refused(model, match):
    with pytest.raises(NetworkError, match=match):
        Network(model, IMAGES)


def test_a_model_that_returns_no_tensor_is_refused():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 3)

        def forward(self, x):
            return {"out": [self.fc(x.flatten(1))]}

    with pytest.raises(NetworkError, match="returns list; expected a tensor of class scores"):
        Network(Words(), IMAGES)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="model is str; expected a torch.nn.Module"):
        Network("resnet", IMAGES)
    with pytest.raises(TypeError, match="example_input is ndarray; expected a torch.Tensor"):
        Network(tiny_mlp(), IMAGES.numpy())


def test_nan_weights_are_named():
    model = tiny_mlp()
    model.fc2.weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match="'fc2.weight' of the model holds NaN"):
        modviz.weight_graph(model, IMAGES)


def test_arguments_with_defaults_keep_them():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.out = nn.Linear(16, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x, return_features=False, scale=None):
            x = self.fc2(self.fc1(x.flatten(1)).relu()).relu()
            if return_features:
                return x
            return self.out(x if scale is None else x * scale)

    model = Net()
    network = Network(model, IMAGES)
    assert [layer.name for layer in network.hidden] == ["fc1", "fc2"]
    assert torch.equal(network.replay.forward(IMAGES)[network.replay.output], model(IMAGES))


def test_wrapped_models_are_named():
    with pytest.raises(NetworkError, match="wrapped in DataParallel; give the model inside"):
        Network(nn.DataParallel(tiny_mlp()), IMAGES)
    with pytest.raises(NetworkError, match="TorchScript"):
        Network(torch.jit.trace(tiny_mlp().eval(), IMAGES), IMAGES)


def test_what_lies_between_unconnected_layers_is_named():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 3, 3), nn.Flatten(), nn.Linear(48, 4)
    )
    with pytest.raises(ValueError, match="nothing connects .*could not follow ConvTranspose2d at"):
        modviz.weight_graph(model, IMAGES)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softmax2d(), nn.Conv2d(4, 4, 1), nn.Flatten())
    model.append(nn.Linear(16, 4))
    with pytest.raises(NetworkError, match="Softmax2d.*choose layers on one side of it"):
        modviz.weight_graph(model, IMAGES)


@pytest.mark.parametrize(
    ("layers", "error", "match"),
    [
        (("fc1", "nope"), ValueError, r"no hidden layer 'nope'; the model has \['fc1', 'fc2'"),
        (["output"], ValueError, "no hidden layer 'output'"),
        (("fc3", "fc1"), ValueError, "'fc3' comes after 'fc1'"),
        (("fc1", "fc2", "fc3"), ValueError, "a tuple is a range"),
        (["fc1", "fc1"], ValueError, "each once"),
        ([], ValueError, "at least one name"),
        ("fc1", TypeError, "expected None, a pair"),
        (["fc1", "fc3"], ValueError, "nothing connects the layers"),
    ],
)
def test_bad_layers_are_refused(layers, error, match):
    with pytest.raises(error, match=match):
        modviz.weight_graph(tiny_mlp(), IMAGES, layers=layers)


def test_a_graph_takes_its_example_from_labelled_data_too():
    from_data = modviz.weight_graph(tiny_mlp(), (IMAGES, torch.zeros(len(IMAGES))))
    plain = modviz.weight_graph(tiny_mlp(), IMAGES)
    assert all(np.array_equal(from_data.blocks[k], plain.blocks[k]) for k in plain.blocks)


def test_unknown_norm_and_missing_example_are_refused():
    with pytest.raises(ValueError, match="kernel_norm='L1'; expected one of"):
        modviz.weight_graph(tiny_mlp(), IMAGES, kernel_norm="L1")
    with pytest.raises(TypeError, match="example_input is missing"):
        modviz.weight_graph(tiny_mlp())
