"""Networks and lesions that a hostile reader found to break an exact engine."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import nn

from modviz.core.controls import LayerGroups
from modviz.core.progress import Cancelled
from modviz.measure import answers, referee, silencing
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.network import Network
from tests.measure.small import left_alone


class Layers(nn.Module):
    """Three linear layers."""

    def __init__(self, middle: type[nn.Linear] = nn.Linear, *, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.a_relu = nn.Linear(16, 24, bias=bias), nn.ReLU()
        self.b, self.b_relu = middle(24, 24, bias=bias), nn.ReLU()
        self.out = nn.Linear(24, 4, bias=False)

    def forward(self, x):
        return self.out(self.b_relu(self.b(self.a_relu(self.a(x)))))


class Maps(nn.Module):
    def __init__(self, ending, width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.ending = ending
        self.a, self.a_relu = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()
        self.b, self.b_relu = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        return self.out(self.ending(self.b_relu(self.b(self.a_relu(self.a(x))))))


def noise(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    return images, torch.arange(shape[0]) % 4


def group(layer: str, *masks: torch.Tensor) -> LayerGroups:
    rows = np.array([(k, 0) for k in range(len(masks))], dtype=np.int64)
    return LayerGroups(layer, rows, torch.stack(masks).numpy())


def thirds(layer: str, units: int) -> LayerGroups:
    return group(layer, *(torch.arange(units) % 3 == k for k in range(3)))


def by_hooks(model: nn.Module, groups, data, *, axis: int = 1) -> list[list[int]]:
    """Right answers by class in double precision, by a hook and a full pass each."""
    double = copy.deepcopy(model).double().eval()
    found = []
    for of_layer in groups:
        for mask in torch.from_numpy(of_layer.masks):

            def silence(module, inputs, output, mask=mask):
                return output.index_fill(axis % output.ndim, mask.nonzero()[:, 0], 0)

            handle = double.get_submodule(f"{of_layer.layer}_relu").register_forward_hook(silence)
            with torch.no_grad():
                right = double(data[0].double()).argmax(1) == data[1]
            handle.remove()
            found.append([int(right[data[1] == c].sum()) for c in range(4)])
    return found


def agree(model: nn.Module, groups, data, *, axis: int = 1) -> None:
    network = Network(model.eval(), data[0][:2])
    with left_alone(model):
        counts = count_right(network, LabelledData(data), groups)
    assert counts.right.tolist() == by_hooks(model, groups, data, axis=axis)


def test_almost_nothing_is_left_of_a_layer_without_biases():
    """Where the rest of the layer is silent all scores are 0: not what rounding left of them."""
    units = torch.arange(24)
    silenced = units >= 22, units < 22  # the first is harmless: only it is tried beforehand
    agree(Layers(bias=False), [group("a", *silenced), group("b", *silenced)], noise(600, 16))


@pytest.mark.parametrize("size", [1e5, 1e7, 3e38])
def test_a_unit_that_outshouts_all_others(size):
    model = Layers()
    model.a.bias.data[1] = size
    model.b.weight.data[:, 1] = torch.linspace(-9, 9, 24)
    model.b_relu = nn.Tanh()  # scores stay finite whatever it does
    agree(model, [thirds("a", 24)], noise(600, 16))


def saturated(middle: type[nn.Linear] = nn.Linear) -> nn.Module:
    model = Layers(middle)
    model.out.weight.data *= 300
    model.out.weight.data[:, ::3] = 0
    return nn.Sequential(model, nn.Sigmoid())


def test_units_that_nobody_reads_change_no_answer():
    """Scores of exactly 1 in float32 are ties, intact as lesioned."""
    model, data = saturated(), noise(400, 16)
    network = Network(model.eval(), data[0][:2])
    unread = group("0.b", torch.arange(24) % 3 == 0)
    counts = count_right(network, LabelledData(data), [unread])
    assert counts.near_ties > 0
    assert counts.right[0].tolist() == counts.intact.tolist() == counts.still[0].tolist()


class Tied(nn.Linear):
    """One parameter under two names."""

    def __init__(self, *sizes: int, bias: bool) -> None:
        super().__init__(*sizes, bias=bias)
        self.again = self.weight


class Single(nn.Linear):
    """Refuses double precision in its own way."""

    def forward(self, x):
        assert x.dtype == torch.float32
        return super().forward(x)


@pytest.mark.parametrize("middle", [Tied, Single])
def test_ties_in_networks_with_layers_of_their_own(middle):
    model, data = saturated(middle), noise(100, 16)
    network = Network(model.eval(), data[0][:2])
    with left_alone(model):
        counts = count_right(network, LabelledData(data), [thirds("0.b", 24)])
    assert counts.near_ties > 0
    assert (counts.right <= counts.images).all()


def test_a_cancel_also_stops_the_decision_of_ties(monkeypatch):
    model, data, stop = Layers(), noise(640, 16), threading.Event()
    model.out.weight.data[:] = model.out.weight.data[0] * (1 + 1e-6 * torch.rand(4, 24))
    network = Network(model.eval(), data[0][:2])
    calls, call = [], referee.Referee.call

    def stopping(self, node, env):
        calls.append(node)
        stop.set()
        return call(self, node, env)

    monkeypatch.setattr(referee.Referee, "call", stopping)
    monkeypatch.setattr(silencing.Engine, "batch_size", lambda *_: 640)
    masks = [torch.rand(24, generator=torch.Generator().manual_seed(k)) < 0.5 for k in range(40)]
    with pytest.raises(Cancelled):
        count_right(network, LabelledData(data), [group("a", *masks)], cancel=stop)
    everything = len(network.replay.nodes) * 640 * 40 / referee._AT_ONCE
    assert 0 < len(calls) < everything / 4


def viewed(x):
    x = F.max_pool2d(x if x.dim() == 4 else x[None], 2)  # a choice that torch.fx can't follow
    return x.view(x.size(0), -1)


def test_a_view_behind_convolutions_in_an_exported_graph():
    agree(Maps(viewed, 8 * 16), [thirds("a", 8)], noise(130, 1, 8, 8))


def test_one_image_is_left_over_for_a_squeeze():
    """65 images: fine for the model as a whole, but not one by itself."""
    model = Maps(lambda x: x.mean((2, 3), keepdim=True).squeeze(), 8)
    agree(model, [thirds("a", 8)], noise(65, 1, 8, 8))


def test_batches_leave_room_for_prepared_weights(monkeypatch):
    """How many images fit is asked when it is known what the suffixes keep."""
    model, data, reserved = Layers(), noise(400, 16), []
    size = silencing.Engine.batch_size
    monkeypatch.setattr(
        silencing.Engine, "batch_size", lambda *a: (reserved.append(a[0].reserved), size(*a))[1]
    )
    count_right(Network(model.eval(), data[0][:2]), LabelledData(data), [thirds("a", 24)])
    assert min(reserved) >= answers._PREPARED * sum(p.nbytes for p in model.parameters())
