"""Models in odd states and of odd kinds, and what reading them gives."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import nn
from torch.nn.utils import parametrizations

from tests.sweep.models import drawn

Scores = namedtuple("Scores", ["logits"])


class Net(nn.Module):
    """Layers fc1, fc2 and out; `finish` makes of the class scores what the model returns."""

    def __init__(self, finish: Callable[[torch.Tensor], Any] | None = None, width: int = 7) -> None:
        super().__init__()
        self.fc1, self.relu = nn.Linear(4, width), nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.fc2, self.out = nn.Linear(width, width), nn.Linear(width, 3)
        self.finish = finish

    def forward(self, x):
        x = self.drop(self.relu(self.fc1(x.flatten(1))))
        x = self.out(torch.relu(self.fc2(x)))
        return x if self.finish is None else self.finish(x)


class WithNorm(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(7)

    def forward(self, x):
        x = self.norm(self.relu(self.fc1(x.flatten(1))))
        return self.out(torch.relu(self.fc2(x)))


class Functional(Net):
    def forward(self, x):
        x = F.relu(F.linear(x.flatten(1), self.fc1.weight, self.fc1.bias))
        return F.linear(F.relu(F.linear(x, self.fc2.weight, self.fc2.bias)), self.out.weight)


class Counting(Net):
    """Raises in the n-th call, or for some number of images."""

    def __init__(self, when: Callable[[int, int], bool], error: Exception) -> None:
        super().__init__()
        self.calls, self.when, self.error = [], when, error

    def forward(self, x):
        self.calls.append(0)
        if self.when(len(self.calls), len(x)):
            raise self.error
        return super().forward(x)


class ByValue(Net):
    def forward(self, x):
        return super().forward(x) if x.sum() > -1e9 else x


class Rolling(Net):
    """Draws random numbers in eval mode, too."""

    def forward(self, x):
        return F.dropout(super().forward(x), 0.5, training=True)


class TwoInputs(Net):
    def forward(self, x, y):
        return super().forward(x) + y


class OnlyTwo(Net):
    """Takes two images, neither more nor fewer."""

    def forward(self, x):
        return super().forward(x.reshape(2, 4))


@dataclass(frozen=True)
class OddModel:
    """A model, and what becomes of it.

    Attributes
    ----------
    refused : str or None
        What the error says; None = it is read, and connects fc1 and fc2 by the magnitudes of the
        weights that fc2 uses.
    options : dict
        Further arguments of `modviz.Network`.
    """

    name: str
    make: Callable[[], Any]
    refused: str | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def __repr__(self) -> str:
        return self.name


def _changed(
    change: Callable[[Net], Any], kind: Callable[[], Net] = Net
) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = drawn(kind(), torch.Generator().manual_seed(1))
        change(model)
        return model

    return make


def _used(model: nn.Module) -> None:
    """With gradients, and statistics of its own, in training mode."""
    model.train()
    model(torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(3))).sum().backward()


def _hooked(model: Net) -> None:
    model.fc1.register_forward_hook(lambda module, args, value: None)
    model.fc2.register_forward_pre_hook(lambda module, args: None)
    model.out.register_full_backward_hook(lambda module, into, out: None)
    model.register_forward_hook(lambda module, args, value: None)


def _extra(model: Net) -> None:
    model.unused = nn.Conv2d(1, 3, 3)
    model.register_parameter("nothing", None)
    model.register_buffer("steps", torch.tensor(3))
    model.register_buffer("flags", torch.tensor([True]))
    model.register_buffer("phases", torch.ones(2, dtype=torch.complex64))
    model.note = object()


def _dead(model: Net) -> None:
    model.fc2.weight.data[:3] = 0
    model.fc2.bias.data[:3] = 0


def _half_frozen(model: Net) -> None:
    model.fc1.requires_grad_(False)
    model.out.bias.requires_grad_(False)


def _weights(value: float) -> Callable[[Net], None]:
    def change(model: Net) -> None:
        model.fc2.weight.data[1, 2] = value

    return change


def _shared(model: Net) -> None:
    model.again = model.fc2
    model.relu = model.drop = nn.ReLU()


def _lazy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(7), nn.ReLU(), nn.LazyLinear(3))


def _in_inference() -> nn.Module:
    with torch.inference_mode():
        return Net()


def _scripted() -> nn.Module:
    return torch.jit.trace(Net().eval(), torch.rand(2, 1, 2, 2))


def _quantized() -> nn.Module:
    first = torch.ao.nn.quantized.dynamic.Linear(4, 7)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(7, 3))


def _complex() -> nn.Module:
    return _changed(lambda m: setattr(m, "fc2", nn.Linear(7, 7, dtype=torch.complex64)))()


def _returning(finish: Callable[[torch.Tensor], Any]) -> Callable[[], nn.Module]:
    return lambda: drawn(Net(finish), torch.Generator().manual_seed(1))


def _raising(when: Callable[[int, int], bool], error: Exception) -> Callable[[], nn.Module]:
    return lambda: drawn(Counting(when, error), torch.Generator().manual_seed(1))


def _good(name: str, change: Callable[[Net], Any], kind: Callable[[], Net] = Net) -> OddModel:
    return OddModel(name, _changed(change, kind))


GOOD = [
    _good("plain", nn.Module.eval),
    _good("in training mode", nn.Module.train),
    _good("some of it in training mode", lambda m: m.eval().drop.train()),
    _good("with gradients", _used),
    _good("batch norm in training mode", _used, WithNorm),
    _good("functional", nn.Module.train, Functional),
    _good("double", nn.Module.double),
    _good("half", nn.Module.half),
    _good("bfloat16", nn.Module.bfloat16),
    _good("frozen", lambda m: m.requires_grad_(False)),
    _good("half frozen", _half_frozen),
    _good("with hooks", _hooked),
    _good("with more than it uses", _extra),
    _good("with dead units", _dead),
    _good("with shared modules", _shared),
    _good("with weight norm", lambda m: parametrizations.weight_norm(m.fc2)),
    _good("without biases", lambda m: m.fc2.register_parameter("bias", None)),
    _good("weights in other order", lambda m: setattr(m.fc2.weight, "data", m.fc2.weight.data.t())),
    OddModel("tuple of one", _returning(lambda x: (x,))),
    OddModel("list of one", _returning(lambda x: [x])),
    OddModel("dict of one", _returning(lambda x: {"out": x})),
    OddModel("named tuple", _returning(Scores)),
    OddModel("first of two", _returning(lambda x: (x, x + 1)), options=(("head", 0),)),
    OddModel("named of two", _returning(lambda x: {"a": x, "b": 1}), options=(("head", "a"),)),
    OddModel(
        "by value, by hand",
        _changed(nn.Module.train, ByValue),
        options=(("connections", [("fc1", "fc2"), ("fc2", "out")]),),
    ),
]

#: They can be read, but their graphs can't be cut in two.
ONLY_READ = [
    _good("with a dead layer", lambda m: m.fc2.weight.data.zero_()),
    _good("with layers of one unit", nn.Module.train, partial(Net, width=1)),
]

_RETURNS = "the model returns"
REFUSED = [
    OddModel("None", lambda: None, "model is NoneType; expected a torch.nn.Module"),
    OddModel("text", lambda: "resnet18", "model is str; expected"),
    OddModel("class", lambda: nn.Linear, "model is type; expected"),
    OddModel("function", lambda: torch.relu, "model is builtin.*; expected"),
    OddModel("state dict", lambda: Net().state_dict(), "model is OrderedDict; expected"),
    OddModel("no layers", lambda: nn.Sequential(nn.Flatten(), nn.ReLU()), "no linear layers or"),
    OddModel("one layer", lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), "no hidden layer"),
    OddModel("returns None", _returning(lambda x: None), f"{_RETURNS} NoneType"),
    OddModel("returns a number", _returning(lambda x: 3.0), f"{_RETURNS} float"),
    OddModel("returns tuples", _returning(lambda x: ([x],)), f"{_RETURNS} list"),
    OddModel("returns no outputs", _returning(lambda x: ()), f"{_RETURNS}"),
    OddModel("returns two", _returning(lambda x: (x, -x)), f"{_RETURNS} several outputs: 0 "),
    OddModel("returns a dict", _returning(lambda x: {"a": x, "b": -x}), f"{_RETURNS} several.*'a'"),
    OddModel("one class", _returning(lambda x: x[:, :1]), rf"{_RETURNS} shape \(2, 1\)"),
    OddModel("no class", _returning(lambda x: x[:, 0]), rf"{_RETURNS} shape \(2,\)"),
    OddModel("one image", _returning(lambda x: x[:1]), rf"{_RETURNS} shape \(1, 3\)"),
    OddModel("turned", _returning(lambda x: x.t()), rf"{_RETURNS} shape \(3, 2\)"),
    OddModel("maps", _returning(lambda x: x[..., None]), rf"{_RETURNS} shape \(2, 3, 1\)"),
    OddModel("integers", _returning(lambda x: x.long()), f"{_RETURNS} torch.int64"),
    OddModel("bools", _returning(lambda x: x > 0), f"{_RETURNS} torch.bool"),
    OddModel("complex scores", _returning(lambda x: x + 0j), f"{_RETURNS} torch.complex64"),
    OddModel("nan weight", _changed(_weights(torch.nan)), "'fc2.weight' of the model holds NaN"),
    OddModel("inf weight", _changed(_weights(torch.inf)), "'fc2.weight' of the model holds NaN"),
    OddModel("meta", lambda: Net().to("meta"), "'fc1.weight' of the model is on torch's device"),
    OddModel("lazy", _lazy, "'1.weight' of the model has no shape yet"),
    OddModel("of inference mode", _in_inference, "'fc1.weight' of the model was made in torch.inf"),
    OddModel("complex", _complex, "'fc2.weight' of the model is torch.complex64"),
    OddModel("two types", _changed(lambda m: m.fc2.double()), "can't run on inputs of shape"),
    OddModel("wrong width", _changed(lambda m: setattr(m, "out", nn.Linear(9, 3))), "can't run on"),
    OddModel("DataParallel", lambda: nn.DataParallel(Net()), "wrapped in DataParallel"),
    OddModel("compiled", lambda: torch.compile(Net(), backend="eager"), "wrapped by torch.compile"),
    OddModel("quantized", _quantized, "nothing connects the layers|no hidden layer"),
    OddModel("TorchScript", _scripted, "the model is TorchScript"),
    OddModel("two inputs", TwoInputs, "can't run on inputs"),
    OddModel("by value", ByValue, r"ByValue can't be traced: odd_models.py, line"),
    OddModel("rolling", Rolling, "the traced model gives other outputs than the model itself"),
    OddModel(
        "hook that changes the scores",
        _changed(lambda m: m.register_forward_hook(lambda module, args, value: value + 1)),
        "the traced model gives other outputs than the model itself",
    ),
    OddModel("raises", _raising(lambda n, k: True, KeyError("fc9")), "can't run on .*'fc9'"),
    OddModel("divides", _raising(lambda n, k: k == 2, ZeroDivisionError()), "can't run on"),
    OddModel("stops", _raising(lambda n, k: True, StopIteration("end")), "can't run on"),
    OddModel("raises later", _raising(lambda n, k: n > 1, RuntimeError("again")), "traced.*again"),
]
