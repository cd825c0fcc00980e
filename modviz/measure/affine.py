"""What a linear layer or a convolution computes, apart from how: its weights, bias and options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.ops import function_name

#: One way to compute a layer: of its input, and of what is added to its output (or None).
Form = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Affine:
    """What a linear layer or a convolution computes, with all that was folded into it.

    Attributes
    ----------
    weight : tensor, shape (units, inputs of a group, *kernel)
    bias : tensor, shape (units,), or None
    options : dict
        Of a convolution: stride, padding, dilation, groups. Empty for a linear layer.
    relu : bool
        Whether negative outputs become 0.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    options: dict[str, Any]
    relu: bool = False

    @property
    def groups(self) -> int:
        """Groups of a convolution, between which no weights run."""
        return int(self.options.get("groups", 1))

    def response_to(self, columns: torch.Tensor) -> Affine:
        """The same layer reading only some of its input's channels: what they take from it.

        The weights are negative and there is no bias: added to the output of the whole layer, it
        gives the output without those channels.
        """
        weight = self.weight.index_select(1, columns).neg_()
        if weight.ndim == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        return Affine(weight, None, self.options, self.relu)


def affine(module: nn.Module) -> Affine | None:
    """What a module computes, if it is a plain layer; None if it is anything else.

    Subclasses, hooks and parametrisations may do more than the weights say, so they are left alone.
    """
    if type(module) not in (nn.Linear, nn.Conv2d) or not is_plain(module):
        return None
    given: object = module.bias
    bias = given.detach() if isinstance(given, torch.Tensor) else None
    weight = module.weight
    if not isinstance(weight, torch.Tensor):
        return None
    if not isinstance(module, nn.Conv2d):
        return Affine(weight.detach(), bias, {})
    if module.padding_mode != "zeros":
        return None
    padding = _same_padding(module) if module.padding == "same" else module.padding
    if isinstance(padding, str):
        padding = (0, 0) if padding == "valid" else None
    if padding is None:
        return None
    options = {
        "stride": list(module.stride),
        "padding": list(padding),
        "dilation": list(module.dilation),
        "groups": module.groups,
    }
    return Affine(weight.detach(), bias, options)


def _same_padding(conv: nn.Conv2d) -> tuple[int, ...] | None:
    """Padding on both sides that keeps the size; None where the two sides would differ."""
    spans = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    return None if any(span % 2 for span in spans) else tuple(span // 2 for span in spans)


def folded(layer: Affine, norm: nn.Module) -> Affine | None:
    """A layer with the batch norm behind it as part of its weights; None if that can't be done."""
    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d) or not is_plain(norm) or layer.relu:
        return None
    mean, var = norm.running_mean, norm.running_var
    if not isinstance(mean, torch.Tensor) or not isinstance(var, torch.Tensor):
        return None  # it takes the statistics of the batch
    # in double precision, so that folding adds no more than one rounding
    scale = (var.double() + float(norm.eps)).rsqrt()  # type: ignore[arg-type]
    if isinstance(norm.weight, torch.Tensor):
        scale = scale * norm.weight.detach().double()
    shift = -mean.double() * scale
    if isinstance(norm.bias, torch.Tensor):
        shift = shift + norm.bias.detach().double()
    if layer.bias is not None:
        shift = shift + layer.bias.double() * scale
    weight = layer.weight.double() * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    like = layer.weight
    return Affine(weight.to(like), shift.to(like), layer.options, layer.relu)


def is_plain(module: nn.Module) -> bool:
    """Whether a module runs its class's forward, and no hooks see or change what goes through."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return "forward" not in vars(module) and not any(getattr(module, name, None) for name in hooks)


def is_relu(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether an operation is ReLU and nothing else; `module` is what it calls, if it calls one."""
    if module is not None:
        return type(module) is nn.ReLU and is_plain(module)
    known = node.op in ("call_function", "call_method") and function_name(node.target) == "relu"
    return known and len(node.args) == 1
