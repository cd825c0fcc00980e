"""The operations that modviz knows: groups of torch classes and of functions, by what they do.

What each group does to the owners of values stands in `modviz.measure.rules`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import nn

#: Layers whose outputs are units.
LAYERS: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.Conv3d: "conv3d",
}


def layer_kind(module: nn.Module | None) -> str | None:
    """What kind of layer a module is; None if its outputs are no units."""
    return next((kind for known, kind in LAYERS.items() if isinstance(module, known)), None)


def function_name(target: object) -> str:
    """The plain name of a function, method or operator of torch: ``add_`` and ``add`` are one."""
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - what torch.export calls
        return target._schema.name.rpartition("::")[2].rstrip("_")  # noqa: SLF001
    return str(getattr(target, "__name__", target)).rstrip("_")


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
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
)
GATES = (nn.Sigmoid, nn.Hardsigmoid)

#: Modules that leave values as they are (in eval mode).
PASSES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)

#: Modules that only move values.
MOVES = (nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle)

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
    nn.ConstantPad1d,
    nn.ConstantPad2d,
    nn.ConstantPad3d,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.ReflectionPad3d,
    nn.ReplicationPad1d,
    nn.ReplicationPad2d,
    nn.ReplicationPad3d,
    nn.Upsample,
)
#: Normalisations that scale values by statistics of several of them.
SCALINGS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LocalResponseNorm,
)

ACTIVATION_FUNCTIONS = frozenset(
    "relu relu6 leaky_relu prelu elu selu celu gelu silu mish hardswish hardtanh softplus softsign "
    "tanh clamp clamp_min clamp_max threshold".split()
)
GATE_FUNCTIONS = frozenset("sigmoid hardsigmoid".split())
PASS_FUNCTIONS = frozenset(
    "dropout dropout1d dropout2d dropout3d alpha_dropout contiguous clone detach float "
    "stochastic_depth feature_dropout neg to type_as alias _to_copy lift_fresh_copy".split()
)
POOL_FUNCTIONS = frozenset(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d lp_pool1d lp_pool2d interpolate upsample_nearest2d upsample_bilinear2d "
    "reflection_pad2d replication_pad2d".split()
)
REDUCTIONS = frozenset("mean amax sum".split())
BATCH_NORM_FUNCTIONS = frozenset(["batch_norm"])
MOVE_FUNCTIONS = frozenset(
    "flatten view reshape squeeze unsqueeze unflatten transpose permute movedim swapaxes chunk "
    "split tensor_split narrow getitem cat concat concatenate channel_shuffle pixel_shuffle flip "
    "roll expand expand_as stack select slice t split_with_sizes unbind repeat_interleave "
    "pixel_unshuffle".split()
)

#: In-place operators and the operators that give the same value without writing.
_OUT_OF_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    torch.relu_: torch.relu,
    F.relu_: F.relu,
    F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu,
}


def out_of_place(target: Any) -> Any:
    """The function that gives the same value without writing; None if `target` does not write."""
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001
        name = target._schema.name.rpartition("::")[2]  # noqa: SLF001
        if not name.endswith("_"):
            return None
        return getattr(getattr(torch.ops.aten, name.rstrip("_")), target._overloadname)  # noqa: SLF001
    return _OUT_OF_PLACE.get(target)
