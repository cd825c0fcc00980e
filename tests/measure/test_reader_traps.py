"""Ways in which a model can mislead a reader of its graph; each was wrong once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import modviz
from modviz.measure.network import Network
from modviz.measure.trace import NetworkError
from tests.measure.architectures import made
from tests.measure.small import four_by_four

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A module whose forward() is given as a function of it."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def pairs(network):
    return {(c.source, c.target) for c in network.connections}


def magnitude(layer):
    return layer.weight.detach().abs().numpy().T


def test_a_layer_called_input_is_not_the_input():
    model = Net(
        lambda m, x: m.output(m.hidden(m.input(x.flatten(1)).relu()).relu()),
        input=nn.Linear(16, 8), hidden=nn.Linear(8, 7), output=nn.Linear(7, 3),
    )  # fmt: skip
    network = Network(model, IMAGES)
    assert [layer.name for layer in network.layers] == ["input_2", "hidden", "output"]
    graph = modviz.weight_graph(network, include_inputs=True)
    assert [layer.n_units for layer in graph.layers] == [16, 8, 7]
    assert np.allclose(graph.blocks[0, 1], magnitude(model.input))
    with pytest.raises(NetworkError, match="a module of the model is called 'input'"):
        Network(model, IMAGES, connections=[("input", "hidden"), ("hidden", "output")])


def test_weights_used_as_they_are_and_transposed_are_two_layers():
    square = Net(
        lambda m, x: m.out(m.fc((x.flatten(1) @ m.fc.weight).relu()).relu()),
        fc=nn.Linear(16, 16), out=nn.Linear(16, 3),
    )  # fmt: skip
    assert [layer.name for layer in Network(square, IMAGES).layers] == ["fc.weight", "fc", "out"]
    tied = Net(
        lambda m, x: m.out(m.fc((m.fc(x.flatten(1)).relu() @ m.fc.weight).relu()).relu()),
        fc=nn.Linear(16, 5), out=nn.Linear(5, 3),
    )  # fmt: skip
    network = Network(tied, IMAGES)
    assert [(la.name, la.n_units) for la in network.layers] == [
        ("fc", 5), ("fc.weight", 16), ("out", 3),
    ]  # fmt: skip
    assert ("fc.weight", "fc") in pairs(network)


def test_batch_norm_behind_a_shuffle_is_folded_by_unit():
    norm = nn.BatchNorm2d(4)
    norm.weight.data = torch.tensor([1.0, 2, 3, 4])
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ChannelShuffle(2), norm, nn.ReLU(), nn.Conv2d(4, 5, 1),
        nn.Flatten(), nn.Linear(20, 3),
    ).eval()  # fmt: skip
    graph = modviz.weight_graph(model, IMAGES)
    channel_of_unit = torch.tensor([0, 2, 1, 3])
    kernel = model[4].weight.detach().abs()[:, channel_of_unit, 0, 0].T
    scale = norm.weight[channel_of_unit, None] / np.sqrt(1 + norm.eps)
    assert np.allclose(graph.blocks[0, 1], (kernel * scale).detach())


def test_batch_norm_over_flattened_positions_scales_each_position():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Flatten(), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5),
        nn.ReLU(), nn.Linear(5, 3),
    ).eval()  # fmt: skip
    model[2].weight.data = torch.arange(1.0, 13)
    graph = modviz.weight_graph(model, IMAGES)
    read = magnitude(model[4]) * model[2].weight.detach().numpy()[:, None] / np.sqrt(1 + 1e-5)
    assert np.allclose(graph.blocks[0, 1], read.reshape(3, 4, 5).sum(1), rtol=1e-5)


@pytest.mark.parametrize("lesion", ["zero", "mean"])
def test_a_lesion_reaches_what_is_read_behind_a_flatten(lesion):
    model = made(lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Sigmoid(), nn.Linear(32, 4)
    ))  # fmt: skip
    images, labels = four_by_four(200)
    graph = modviz.weight_graph(model, images, include_outputs=True)
    labelling = np.array([0] * 4 + [1] * 4 + [-1] * 4)
    partition = modviz.Partition(labelling, 2, graph)
    found = modviz.analyze(
        model, (images, labels), partition=partition, lesion=lesion, n_controls=1,
        features=False, top_images=False, progress=False,
    )  # fmt: skip
    with torch.no_grad():
        read = model[:3](images).reshape(200, 8, 4)
        for k, units in enumerate((slice(0, 4), slice(4, 8))):
            silenced = read.clone()
            mean = read.double().mean((0, 2))[units, None].float()
            silenced[:, units] = mean if lesion == "mean" else 0
            right = (model[3](silenced.flatten(1)).argmax(1) == labels).numpy()
            plain = [right[labels.numpy() == c].mean() for c in range(4)]
            assert np.array_equal(found.lesions.lesioned[k], plain)


class LowRank(nn.Linear):
    def __init__(self, inner, outer):
        super().__init__(inner, outer)
        self.a, self.b = nn.Parameter(torch.randn(2, inner)), nn.Parameter(torch.randn(outer, 2))

    def forward(self, x):
        update = functional.linear(functional.linear(x, self.a), self.b)
        return functional.linear(x, self.weight, self.bias) + update


class Skipping(nn.Linear):
    def forward(self, x):
        return super().forward(x).relu() + x


def test_what_a_subclass_adds_to_its_weights_counts():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), LowRank(6, 5), nn.ReLU())
    model.append(nn.Linear(5, 3))
    graph = modviz.weight_graph(model, IMAGES)
    low = model[3]
    effective = (low.weight + low.b @ low.a).detach().abs().numpy().T
    assert np.allclose(graph.blocks[0, 1], effective, rtol=1e-4, atol=1e-5)
    model[3] = Skipping(6, 6)
    model[5] = nn.Linear(6, 3)
    with pytest.raises(NetworkError, match="Skipping.*more than to multiply by one matrix"):
        modviz.weight_graph(model, IMAGES)


def test_the_input_by_channel_and_by_pixel_at_once_is_refused():
    model = Net(
        lambda m, x: m.out(torch.cat([m.c(x).relu().mean((2, 3)), m.f(x.flatten(1)).relu()], 1)),
        c=nn.Conv2d(2, 4, 3), f=nn.Linear(32, 5), out=nn.Linear(9, 3),
    )  # fmt: skip
    images = IMAGES.expand(-1, 2, -1, -1)
    with pytest.raises(ValueError, match=r"by channel \(2\) and by pixel \(32\)"):
        modviz.weight_graph(model, images, include_inputs=True, include_outputs=True)
    assert modviz.weight_graph(model, images, include_outputs=True).n_units == 12


@pytest.mark.parametrize(
    ("join", "scale"),
    [
        (lambda m, a, b: torch.add(a, b, alpha=0.001), 0.001),
        (lambda m, a, b: a + torch.div(b, other=4.0), 0.25),
        (lambda m, a, b: a + torch.addcmul(m.zeros, m.twos, b, value=3), 6),
    ],
)
def test_factors_given_by_keyword_scale_edges(join, scale):
    model = Net(
        lambda m, x: m.out(m.last(join(m, m.a(x.flatten(1)), m.b(x.flatten(1)))).relu()),
        a=nn.Linear(16, 5), b=nn.Linear(16, 5), last=nn.Linear(5, 6), out=nn.Linear(6, 3),
        zeros=nn.Parameter(torch.zeros(5)), twos=nn.Parameter(2 * torch.ones(5)),
    )  # fmt: skip
    graph = modviz.weight_graph(model, IMAGES)
    index = [layer.name for layer in graph.layers].index
    for layer, expected in (("a", 1), ("b", scale)):
        block = graph.blocks[index(layer), index("last")]
        assert np.allclose(block, expected * magnitude(model.last), rtol=1e-5)


def test_units_added_inside_a_product_are_a_gap():
    model = Net(
        lambda m, x: m.out(torch.addmm(m.a(x.flatten(1)), m.b(x.flatten(1)), m.w).relu()),
        a=nn.Linear(16, 5), b=nn.Linear(16, 6), w=nn.Parameter(torch.randn(6, 5)),
        out=nn.Linear(5, 3),
    )  # fmt: skip
    with pytest.raises(NetworkError, match="adds units to the product"):
        modviz.weight_graph(model, IMAGES)


def test_a_model_that_writes_into_its_input_is_read_and_the_images_are_kept():
    def forward(m, x):
        x -= 0.5
        return m.out(m.fc(x.flatten(1)).relu())

    model = Net(forward, fc=nn.Linear(16, 5), out=nn.Linear(5, 3))
    images = IMAGES.clone()
    network = Network(model, images)
    assert [layer.name for layer in network.layers] == ["fc", "out"]
    assert torch.equal(images, IMAGES)


class Answer(NamedTuple):
    aux: torch.Tensor
    logits: torch.Tensor


@pytest.mark.parametrize("head", ["logits", 1])
def test_heads_of_a_named_tuple(head):
    model = Net(
        lambda m, x: Answer(m.aux(x.flatten(1)), m.out(m.fc(x.flatten(1)).relu())),
        aux=nn.Linear(16, 2), fc=nn.Linear(16, 5), out=nn.Linear(5, 3),
    )  # fmt: skip
    network = Network(model, IMAGES, head=head)
    assert [layer.name for layer in network.layers] == ["fc", "out"]


def test_what_can_only_write_is_refused_in_words():
    def forward(m, x):
        x = m.fc(x.flatten(1))
        x.copy_(x.relu())
        return m.out(x)

    with pytest.raises(NetworkError, match=r"writes into a tensor by .copy_\(\)"):
        Network(Net(forward, fc=nn.Linear(16, 5), out=nn.Linear(5, 3)), IMAGES)


def test_a_model_whose_answers_depend_on_the_batch_is_lesioned_one_by_one():
    """Lesions that share a batch would change each other's answers."""
    model = made(lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(),
        Net(lambda m, h: h / h.max()), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4),
    ))  # fmt: skip
    data = four_by_four(60)
    graph = modviz.activation_graph(model, data)
    partition = modviz.spectral_partition(graph, 3)
    options = {"partition": partition, "features": False, "top_images": False, "progress": False}
    few = modviz.analyze(model, data, n_controls=2, **options)
    many = modviz.analyze(model, data, n_controls=9, **options)
    assert np.array_equal(few.lesions.lesioned, many.lesions.lesioned, equal_nan=True)
    assert np.array_equal(few.lesions.controls, many.lesions.controls[:, :2], equal_nan=True)


# ---- by hand -------------------------------------------------------------------------------------


def test_by_hand_a_lesion_acts_on_the_named_readers_alone():
    model = Net(
        lambda m, x: m.o((m.b(m.a(x.flatten(1)).sigmoid()) + m.a.bias).relu()),
        a=nn.Linear(16, 5), b=nn.Linear(5, 5), o=nn.Linear(5, 3),
    )  # fmt: skip
    network = Network(model, IMAGES, connections=[("a", "b"), ("b", "o")])
    assert len(network.lesion_nodes("a")) == 1
    assert network.lesion_nodes("a") != network.layer_nodes("a")


def test_by_hand_the_l2_norm_is_that_of_the_traced_network():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5), nn.ReLU())
    model.append(nn.Linear(5, 4))
    traced = modviz.weight_graph(model, IMAGES, kernel_norm="l2")
    by_hand = modviz.weight_graph(
        model, IMAGES, kernel_norm="l2", connections=[("0", "3"), ("3", "5")]
    )
    assert np.allclose(traced.blocks[0, 1], by_hand.blocks[0, 1])


def test_by_hand_another_order_of_columns_is_noticed():
    model = Net(
        lambda m, x: m.o(m.f(m.c(x).relu().permute(0, 2, 3, 1).flatten(1)).relu()),
        c=nn.Conv2d(1, 4, 3), f=nn.Linear(16, 5), o=nn.Linear(5, 3),
    )  # fmt: skip
    with pytest.raises(NetworkError, match="of 'c' is not felt where 'f' should read it"):
        Network(model, IMAGES, connections=[("c", "f"), ("f", "o")])


def test_by_hand_an_input_by_keyword_is_refused_in_words():
    model = Net(
        lambda m, x: m.o(m.a(input=x.flatten(1)).relu()), a=nn.Linear(16, 5), o=nn.Linear(5, 3)
    )
    with pytest.raises(NetworkError, match="calls 'a' with its input as a keyword"):
        Network(model, IMAGES, connections=[("a", "o")])
