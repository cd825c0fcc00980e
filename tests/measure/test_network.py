"""What the reader finds in a model, against models whose structure is known."""

from __future__ import annotations

import math

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
