"""Models that take other ways than modules in a row: functions, heads, torch.export, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import modviz
from modviz.core.controls import draw_controls, layer_groups
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.silencing import Engine
from modviz.measure.trace import NetworkError
from tests.measure.architectures import Asking, Functional, Standardised, made
from tests.measure.small import tiny_mlp
from tests.measure.traced import Steered, analysed, same_graphs

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.trunk = nn.Linear(16, 11), nn.Linear(11, 9)
        self.one, self.two = nn.Linear(9, 4), nn.Linear(9, 5)
        self.after_two = nn.Linear(5, 3)

    def forward(self, x):
        x = self.trunk(self.stem(x.flatten(1)).relu()).relu()
        return {"one": self.one(x), "two": self.after_two(self.two(x).relu())}


def test_functions_are_layers_named_by_their_parameters():
    network = Network(made(Functional), IMAGES)
    assert [(la.name, la.kind, la.n_units, la.role) for la in network.layers] == [
        ("conv", "conv2d", 6, "hidden"),
        ("blocks.grouped", "conv2d", 8, "hidden"),
        ("blocks.first", "linear", 7, "hidden"),
        ("blocks.second", "linear", 5, "hidden"),
        ("blocks.third", "linear", 6, "hidden"),
        ("out", "linear", 4, "output"),
    ]


def test_functions_give_the_edges_that_modules_give():
    """The twin has the same weights in modules; `x @ w` and addmm take theirs transposed."""
    model = made(Functional)
    twin = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 8, 3, groups=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(),
        nn.Linear(6, 4),
    ).eval()  # fmt: skip
    blocks = model.blocks
    for place, weight in {
        0: model.conv, 3: blocks["grouped"], 7: blocks["first"], 9: blocks["second"].t(),
        11: blocks["third"].t(), 13: model.out,
    }.items():  # fmt: skip
        twin[place].weight.data = weight.detach().clone()
        if twin[place].bias is not None:
            nn.init.zeros_(twin[place].bias)
    twin[1].weight.data = model.gamma.detach().clone()
    twin[1].running_mean, twin[1].running_var = model.mean.clone(), model.variance.clone()
    with torch.no_grad():
        assert torch.allclose(model(IMAGES), twin(IMAGES), atol=1e-6)
    ends = {"include_inputs": True, "include_outputs": True}
    assert same_graphs(
        modviz.weight_graph(model, IMAGES, **ends), modviz.weight_graph(twin, IMAGES, **ends)
    )
    ours, theirs = analysed(model), analysed(twin)
    assert np.array_equal(ours.lesions.lesioned, theirs.lesions.lesioned, equal_nan=True)
    assert np.array_equal(ours.lesions.controls, theirs.lesions.controls, equal_nan=True)


def test_weights_count_as_the_layer_uses_them():
    model = made(Standardised)
    graph = modviz.weight_graph(model, IMAGES)
    used = model.two.weight - model.two.weight.mean((1, 2, 3), keepdim=True)
    assert np.allclose(graph.blocks[0, 1], used.detach().abs().sum((2, 3)).T, rtol=1e-6)
    weight = model.fc.weight.detach().abs().reshape(5, 6, 4).sum(2).T
    assert np.allclose(graph.blocks[1, 2], weight, rtol=1e-6)


def test_one_parameter_in_two_products_makes_two_layers():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(7, 16))
            self.out = nn.Linear(16, 4)

        def forward(self, x):
            x = functional.relu(functional.linear(x.flatten(1), self.weight))
            return self.out(functional.relu(functional.linear(x, self.weight.t())))

    network = Network(Tied(), IMAGES)
    assert [(la.name, la.n_units) for la in network.layers] == [
        ("weight", 7), ("weight_2", 16), ("out", 4),
    ]  # fmt: skip


def test_a_fixed_filter_is_no_layer():
    class Blurred(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 5, 3, padding=1), nn.Linear(5 * 4, 4)
            self.register_buffer("blur", torch.full((5, 1, 2, 2), 0.25))

        def forward(self, x):
            x = functional.conv2d(self.conv(x).relu(), self.blur, stride=2, groups=5)
            return self.out(x.flatten(1))

    network = Network(Blurred(), IMAGES)
    assert [layer.name for layer in network.layers] == ["conv", "out"]
    assert network.connections[-1].source == "conv"


def test_batch_norm_by_the_batch_at_hand_is_not_followed():
    class ByBatch(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.out = nn.Linear(16, 6), nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, x):
            x = functional.batch_norm(self.fc1(x.flatten(1)), None, None, training=True)
            return self.out(self.fc2(x.relu()).relu())

    with pytest.raises(NetworkError, match="operation batch_norm.*by the batch at hand"):
        modviz.weight_graph(ByBatch(), IMAGES)


def test_a_model_that_asks_for_shapes_is_exported():
    """Without the question torch.fx passes the same model: both must say the same."""
    model = made(Asking)
    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(model)
    exported = Network(model, IMAGES)

    class Silent(Asking):
        def forward(self, x):
            return self.followed(x)

    twin = made(Silent)
    assert [la.name for la in exported.layers] == ["conv", "side", "fc", "out"]
    assert same_graphs(modviz.weight_graph(exported), modviz.weight_graph(twin, IMAGES))
    ours, theirs = analysed(model), analysed(twin)
    assert np.array_equal(ours.lesions.lesioned, theirs.lesions.lesioned, equal_nan=True)
    assert np.array_equal(ours.lesions.controls, theirs.lesions.controls, equal_nan=True)


@pytest.mark.parametrize(
    ("head", "names"),
    [("one", ["stem", "trunk", "one"]), ("two", ["stem", "trunk", "two", "after_two"])],
)
def test_what_leads_to_the_chosen_head_is_the_network(head, names):
    model = TwoHeads()
    network = Network(model, IMAGES, head=head)
    assert [layer.name for layer in network.layers] == names
    assert network.n_classes == (4 if head == "one" else 3)
    assert torch.equal(network.replay.forward(IMAGES)[network.replay.output], model(IMAGES)[head])


def test_heads_are_listed_when_none_or_a_wrong_one_is_chosen():
    there = r"'one' of shape \(2, 4\), 'two' of shape \(2, 3\); say with head="
    with pytest.raises(NetworkError, match=f"returns several outputs: {there}"):
        Network(TwoHeads(), IMAGES)
    with pytest.raises(NetworkError, match=f"there is no head 'three': {there}"):
        Network(TwoHeads(), IMAGES, head="three")
    with pytest.raises(NetworkError, match="head=1, but the model returns just one tensor"):
        Network(tiny_mlp(), IMAGES, head=1)


def test_an_analysis_and_a_graph_take_the_head_too():
    model = TwoHeads()
    analysis = analysed(model, head="one")
    plain = analysed(Network(model, IMAGES, head="one"))
    assert analysis.table().equals(plain.table())
    assert analysis.settings["head"] == plain.settings["head"] == "one"
    assert modviz.weight_graph(model, IMAGES, head="two").n_units == 11 + 9 + 5
    with pytest.raises(TypeError, match="head and connections belong to modviz.Network"):
        analysed(Network(model, IMAGES, head="one"), head="one")


def test_a_model_that_chooses_its_path_by_values_is_named_with_its_line():
    with pytest.raises(NetworkError, match=r"traced.py, line \d+, in forward: if x.sum\(\)") as e:
        Network(Steered(tiny_mlp()), IMAGES)
    assert "connections=[(source, target), ...]" in str(e.value)


class Counting(nn.Module):
    """Uses the number of images, in every way to ask for it, behind the layer that is lesioned."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.turn = nn.Parameter(torch.eye(8) + 0.1)

    def forward(self, x):
        n, m = x.size(0), x.shape[0]
        o, _, _, _ = x.size()
        y = self.one(x.flatten(1)).relu().view(len(x), 8)
        y = self.two(y.view(n, 8)).relu().view(m, 2, 4)
        y = functional.linear(y.reshape(o, 8), 2 * self.turn.t())
        return self.out(y.relu())


@pytest.mark.parametrize("kind", [Counting, Asking])
def test_lesions_share_a_batch_also_where_the_number_of_images_is_used(kind):
    model = made(kind)
    network = Network(model, IMAGES)
    graph = modviz.weight_graph(network)
    partition = modviz.spectral_partition(graph, 2)
    tested = np.ones(len(partition.subclusters), dtype=bool)
    controls = draw_controls(partition, 3, seed=0)
    engine = Engine(network, layer_groups(partition, tested, controls), "zero")
    with evaluating(model):
        batch = engine.intact(IMAGES, torch.arange(6) % 4)
        assert engine.stack_size(batch, range(len(engine.plans))) > 1
