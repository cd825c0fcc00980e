"""Frozen linear layers by oneDNN, against torch's own in float32 and against float64."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from modviz.measure import products
from modviz.measure.drives import Means
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.products import linear, plain_linear
from tests.measure.small import left_alone

needs_one_dnn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


@pytest.fixture
def by_one_dnn(monkeypatch):
    """The shapes of the matrices that oneDNN was asked to multiply by, in order."""
    asked = []
    original = products._by_one_dnn

    def noted(value, weight, bias):
        asked.append(tuple(weight.shape))
        return original(value, weight, bias)

    monkeypatch.setattr(products, "_by_one_dnn", noted)
    return asked


def layer(dtype=torch.float32, *, rows=96, bias=True):
    generator = torch.Generator().manual_seed(0)
    shapes = {"value": (rows, 300), "weight": (200, 300), "bias": (200,), "gradient": (rows, 200)}
    made = {k: torch.randn(s, generator=generator).to(dtype) for k, s in shapes.items()}
    return {**made, "bias": made["bias"] if bias else None}


def results(given, way, *, relu):
    """What a layer gives, and the gradient of what it reads."""
    value = given["value"].clone().requires_grad_()
    product = way(value, given["weight"], given["bias"], relu)
    product.backward(given["gradient"])
    return product.detach(), value.grad


def plain(value, weight, bias, relu):
    product = F.linear(value, weight, bias)
    return torch.relu(product) if relu else product


def quick(value, weight, bias, relu):
    return linear(value, weight, bias, relu=relu)


@needs_one_dnn
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_values_and_gradients_are_those_of_torch_up_to_rounding(by_one_dnn, bias, relu):
    given = layer(bias=bias)
    quickly, usual = results(given, quick, relu=relu), results(given, plain, relu=relu)
    assert by_one_dnn == [(200, 300), (300, 200)]
    # a value that rounding moves across 0 changes its whole row's gradient: none is here
    exact = results(layer(torch.float64, bias=bias), plain, relu=relu)
    for ours, theirs, known in zip(quickly, usual, exact, strict=True):
        scale = known.abs().max()
        assert (ours - known).abs().max() < 1e-6 * scale
        assert (ours - known).abs().max() < 3 * (theirs - known).abs().max()


@needs_one_dnn
def test_relu_lets_no_gradient_through_at_zero_and_hides_no_nan():
    given = layer()
    given["weight"][:50], given["bias"][:50] = 0, 0
    given["bias"][50:100] = torch.nan
    for ours, theirs in zip(*(results(given, w, relu=True) for w in (quick, plain)), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
    given["bias"][50:100] = 0
    _, gradient = results(given, quick, relu=True)
    given["gradient"][:, :50] = 0
    _, without = results(given, quick, relu=True)
    assert torch.equal(gradient, without)


def test_where_one_dnn_is_no_gain_torch_is_asked(by_one_dnn):
    cases = [layer(torch.float64), layer(rows=8)]
    places = layer()
    places["value"] = places["value"].reshape(2, 48, 300)
    places["gradient"] = places["gradient"].reshape(2, 48, 200)
    for given in [*cases, places]:
        for ours, theirs in zip(
            results(given, quick, relu=True), results(given, plain, relu=True), strict=True
        ):
            assert torch.equal(ours, theirs)
    given = layer()
    gradients = []
    for way in (quick, plain):
        weight = given["weight"].clone().requires_grad_()  # not frozen
        way(given["value"], weight, given["bias"], True).sum().backward()
        gradients.append(weight.grad)
    assert torch.equal(*gradients)
    with torch.autocast("cpu", torch.bfloat16):
        assert quick(given["value"], given["weight"], None, False).dtype is torch.bfloat16
    assert not by_one_dnn


class Scaled(nn.Linear):
    """Says that it is a linear layer, and does more."""

    def forward(self, value):
        return 2 * super().forward(value)


def dense(**changed):
    torch.manual_seed(0)
    parts = OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(300, 200), relu1=nn.ReLU())
    parts.update(fc2=nn.Linear(200, 200), relu2=nn.ReLU(), fc3=nn.Linear(200, 180))
    parts.update(relu3=nn.ReLU(), output=nn.Linear(180, 5))
    return nn.Sequential(OrderedDict(parts, **changed)).eval()


def hooked():
    model = dense()
    model.fc1.register_forward_hook(lambda module, given, value: value**2)
    model.relu2.register_forward_hook(lambda module, given, value: value + 1)
    return model


def replaced():
    model = dense()
    model.fc1.forward = lambda value: 3 * F.linear(value, model.fc1.weight)
    return model


class Branching(nn.Module):
    """One layer's value has two readers, one of them ReLU; another one's ReLU is a function."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2 = nn.Linear(300, 200), nn.Linear(200, 200)
        self.fc3, self.output = nn.Linear(200, 180), nn.Linear(180, 5)

    def forward(self, value):
        value = self.fc1(value.flatten(1))
        value = torch.relu(value) + 0.1 * value
        value = F.relu(self.fc2(value))
        return self.output(self.fc3(value).relu())


def drives(model, dtype=torch.float32, **options):
    images = torch.rand(90, 1, 15, 20, generator=torch.Generator().manual_seed(1)).to(dtype)
    network = Network(model.to(dtype), images[:2])
    images.requires_grad_()
    with left_alone(model), evaluating(network.model):
        means = Means(network, "fc3", **options)(images)
        (means.abs() * torch.linspace(0.5, 2, means.shape[1], dtype=dtype)).sum().backward()
    return means.detach(), images.grad


FIRST, SECOND, THIRD = (200, 300), (200, 200), (180, 200)
#: Models, and the matrices of those of their layers that may be left to oneDNN.
MODELS = {
    "plain": (dense, [FIRST, SECOND, THIRD]),
    "hooks": (hooked, [SECOND, THIRD]),
    "a subclass": (lambda: dense(fc1=Scaled(300, 200)), [SECOND, THIRD]),
    "weight norm": (lambda: dense(fc2=weight_norm(nn.Linear(200, 200))), [FIRST, THIRD]),
    "another forward": (replaced, [SECOND, THIRD]),
    "another activation": (lambda: dense(relu1=nn.Tanh()), [FIRST, SECOND, THIRD]),
    "two readers": (Branching, [FIRST, SECOND, THIRD]),
}


@needs_one_dnn
@pytest.mark.parametrize("name", MODELS)
def test_networks_keep_their_values_and_gradients_whatever_they_are_made_of(by_one_dnn, name):
    make, matrices = MODELS[name]
    ours, theirs = drives(make()), drives(make(), shortcuts=False)
    back = [shape[::-1] for shape in reversed(matrices)]
    assert by_one_dnn == matrices + back
    for value, known in zip(ours, theirs, strict=True):
        assert (value - known).abs().max() < 2e-6 * known.abs().max()
    by_one_dnn.clear()
    ours, theirs = (drives(make(), torch.float64, shortcuts=s) for s in (True, False))
    assert not by_one_dnn
    assert all(torch.equal(value, known) for value, known in zip(ours, theirs, strict=True))


def test_only_plain_layers_count_as_such():
    model = hooked()
    assert plain_linear(model.output) is model.output
    assert [plain_linear(m) for m in (None, nn.ReLU(), model.fc1, Scaled(3, 2))] == [None] * 4
    assert plain_linear(replaced().fc1) is None
