"""What each operation of a network does to the ownership of channels.

A tensor inside a network is described by a `Signal`: which unit of which layer owns each of its
channels. An operation is a rule from the signals it reads to the signal it gives. The tables at the
end name every operation that modviz can follow; teaching it a new one is a new rule and an entry.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from numpy.typing import NDArray
from torch import fx, nn

#: Layers whose outputs are units.
LAYERS: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.Conv3d: "conv3d",
}

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

#: Modules that act on every element alone.
ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    nn.Sigmoid,
)

#: Modules that leave values as they are (in eval mode).
PASSES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)

#: Modules that summarise positions, channel by channel.
POOLS = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.LPPool1d,
    nn.LPPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)

ACTIVATION_FUNCTIONS = frozenset(
    "relu relu6 leaky_relu prelu elu selu celu gelu silu mish hardswish hardtanh hardsigmoid "
    "softplus softsign tanh sigmoid clamp".split()
)
PASS_FUNCTIONS = frozenset("dropout dropout2d alpha_dropout contiguous clone detach".split())
POOL_FUNCTIONS = frozenset(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d".split()
)
REDUCTIONS = frozenset("mean amax sum".split())
RESHAPES = frozenset("flatten view reshape squeeze".split())

#: In-place operators and the operators that give the same value without writing.
OUT_OF_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    torch.relu_: torch.relu,
    F.relu_: F.relu,
    F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu,
}


@dataclass(frozen=True, eq=False)
class Term:
    """One layer's part in the channels of a tensor.

    Attributes
    ----------
    source : str
        The layer's name, or ``"input"``.
    units : array of int, shape (channels,)
        Which unit of the source owns each channel; -1 = none.
    scale : array, shape (channels,)
        Magnitude by which the unit's value was scaled on its way.
    """

    source: str
    units: NDArray[np.int64]
    scale: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signal:
    """Who owns each channel of a tensor of shape (images, channels, ...).

    Attributes
    ----------
    terms : tuple of Term
        More than one where layers were added together.
    positions : tuple of int
        Shape of the positions that a flatten folded into the channels, () if none did. Channels
        then run over units first and positions last.
    activated : bool
        Whether a non-linearity stands between the layer and here.
    """

    terms: tuple[Term, ...]
    positions: tuple[int, ...] = ()
    activated: bool = False


@dataclass(frozen=True)
class Opaque:
    """A tensor whose channels modviz can't attribute to units, and why."""

    node: str
    operation: str
    reason: str
    constant: bool = False  # it depends on parameters alone


Value = Signal | Opaque


@dataclass(frozen=True)
class Call:
    """One operation as it ran on the example: what it read and what came out."""

    node: fx.Node
    module: nn.Module | None
    operation: str
    inputs: tuple[Value, ...]
    shapes: tuple[tuple[int, ...], ...]
    out_shape: tuple[int, ...]

    def opaque(self, reason: str) -> Opaque:
        """What comes out if no rule can say who owns the channels."""
        where = str(self.node.target) if self.module is not None else self.node.name
        return Opaque(where, self.operation, reason)


Rule = Callable[[Call], Value]


def per_channel(call: Call) -> Value:
    """Every channel stays what it was, whatever happens to its values or positions."""
    signal = call.inputs[0]
    if len([v for v in call.inputs if not (isinstance(v, Opaque) and v.constant)]) > 1:
        return call.opaque("it merges two tensors")
    if isinstance(signal, Opaque):
        return signal
    if call.out_shape[:2] != call.shapes[0][:2]:
        return call.opaque(f"it turns shape {call.shapes[0]} into {call.out_shape}")
    return signal


def activation(call: Call) -> Value:
    """A non-linearity, element by element."""
    signal = per_channel(call)
    return replace(signal, activated=True) if isinstance(signal, Signal) else signal


def reduction(call: Call) -> Value:
    """A mean, sum or maximum: over positions it is pooling, over anything else it mixes units."""
    given = call.node.kwargs.get("dim", call.node.args[1] if len(call.node.args) > 1 else None)
    axes = [given] if isinstance(given, int) else given
    rank = len(call.shapes[0])
    if not isinstance(axes, (tuple, list)) or any(
        not isinstance(axis, int) or axis % rank < 2 for axis in axes
    ):
        return call.opaque(f"it goes over dimensions {given}, not over positions alone")
    return per_channel(call)


def reshape(call: Call) -> Value:
    """Flatten: a channel then owns all its positions."""
    signal = per_channel(call) if call.out_shape[:2] == call.shapes[0][:2] else call.inputs[0]
    if isinstance(signal, Opaque) or call.out_shape == call.shapes[0]:
        return signal
    n, channels, *positions = call.shapes[0]
    size = int(np.prod(positions, dtype=int))
    if call.out_shape != (n, channels * size):
        return call.opaque(f"it turns shape {call.shapes[0]} into {call.out_shape}")
    terms = []
    for term in signal.terms:
        units = np.repeat(term.units, size)
        if term.source == "input" and size > 1:  # read position by position: pixels are the units
            units = np.arange(channels * size)
        terms.append(replace(term, units=units, scale=np.repeat(term.scale, size)))
    folded = () if size == 1 else tuple(positions)
    if folded and all(term.source == "input" for term in terms):
        folded = ()
    return replace(signal, terms=tuple(terms), positions=folded or signal.positions)


def _followed(table: dict[type[nn.Module], Rule], classes: tuple[type, ...], rule: Rule) -> None:
    table.update(dict.fromkeys(classes, rule))


MODULE_RULES: dict[type[nn.Module], Rule] = {nn.Flatten: reshape}
_followed(MODULE_RULES, ACTIVATIONS, activation)
_followed(MODULE_RULES, PASSES + POOLS, per_channel)

#: Functions (torch.*, nn.functional.*) and tensor methods, by name.
FUNCTION_RULES: dict[str, Rule] = {
    **dict.fromkeys(ACTIVATION_FUNCTIONS, activation),
    **dict.fromkeys(PASS_FUNCTIONS | POOL_FUNCTIONS, per_channel),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(RESHAPES, reshape),
}
