"""Frozen linear layers by oneDNN: what they give, and the gradient of what they read.

Pictures of dense networks are little but products of float32 matrices. torch leaves them to the
library that it was built with, mostly MKL, which reaches less than half the speed of some
processors (AMD's). oneDNN, which torch brings along for torch.compile, reaches nearly all of it.
Its results differ by rounding only. When it is asked is a fixed rule and no trial, so that pictures
do not depend on how busy the machine was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import fx, nn
from torch.autograd.function import once_differentiable

from modviz.measure.affine import affine, is_relu
from modviz.measure.replay import Replay

#: Multiplications of a product from which oneDNN was measured to be quicker: below, what it takes
#: to call it counts for more (16 x 256 x 256: as quick; 64 x 256 x 256: 1.5x; four times that: 2x).
_FROM_SIZE = 2**21


def linear(
    value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *, relu: bool = False
) -> torch.Tensor:
    """What a linear layer gives, by oneDNN where that is quicker, else by torch.

    Parameters
    ----------
    value : tensor, shape (..., inputs)
    weight : tensor, shape (units, inputs)
        oneDNN is asked only if it is frozen, as is `bias`: they get no gradients.
    bias : tensor, shape (units,), or None
    relu : bool
        Whether negative outputs become 0.

    Returns
    -------
    tensor, shape (..., units)
    """
    if _is_quicker_by_one_dnn(value, weight, bias):
        product: torch.Tensor = _Frozen.apply(value, weight, bias, relu)  # type: ignore[no-untyped-call]
        return product
    product = F.linear(value, weight, bias)
    return torch.relu(product) if relu else product


def _is_quicker_by_one_dnn(
    value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> bool:
    given = (value, weight) if bias is None else (value, weight, bias)
    return (
        value.ndim == weight.ndim == 2
        and len(value) * weight.numel() >= _FROM_SIZE
        and all(type(t) in (torch.Tensor, nn.Parameter) for t in given)
        and all(t.device.type == "cpu" and t.dtype is torch.float32 for t in given)
        and not any(t.requires_grad for t in given[1:])
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _by_one_dnn(
    value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    operation = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - torch.compile's own
    product: torch.Tensor = operation(value, weight, bias, "none", [], "")
    return product


class _Frozen(torch.autograd.Function):
    """A linear layer, with ReLU if asked, whose weights get no gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        value: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        relu: bool,
    ) -> torch.Tensor:
        product = _by_one_dnn(value, weight, bias)
        if relu:
            product.relu_()  # oneDNN's own makes 0 of what is not a number
        ctx.save_for_backward(weight, product if relu else None)
        return product

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        weight, product = ctx.saved_tensors
        if product is not None:  # is 0 where ReLU let nothing through
            gradient = torch.ops.aten.threshold_backward(gradient, product, 0)
        return _by_one_dnn(gradient.contiguous(), weight.t(), None), None, None, None


def plain_linear(module: nn.Module | None) -> nn.Linear | None:
    """A module if it is a linear layer that does nothing else; None if it is anything else."""
    if not isinstance(module, nn.Linear) or affine(module) is None:
        return None
    return module


class Products(Replay):
    """A replay whose plain linear layers, with the ReLU behind them, are products of `linear`.

    Parameters
    ----------
    replay : Replay
        Of a model whose parameters are frozen while this one runs.
    nodes : iterable of torch.fx.Node
        The operations that are going to run, up to the one whose value is asked for.
    """

    def __init__(self, replay: Replay, nodes: Iterable[fx.Node]) -> None:
        super().__init__(replay.graph, replay.root)
        running = list(nodes)
        #: Linear layers, and whether ReLU is part of them; and the ReLUs that are.
        self._layers: dict[fx.Node, tuple[nn.Linear, bool]] = {}
        self._done: set[fx.Node] = set()
        for node in running:
            layer = plain_linear(self.module(node))
            if layer is None or len(node.args) != 1 or node.kwargs:
                continue
            readers = [reader for reader in node.users if reader in running]
            relu = len(readers) == 1 and is_relu(readers[0], self.module(readers[0]))
            self._layers[node] = layer, relu
            if relu:
                self._done.add(readers[0])

    def call(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of one node, given those it reads; a layer's has its ReLU already."""
        if node in self._done:
            return env[node.all_input_nodes[0]]
        if node in self._layers:
            layer, relu = self._layers[node]
            return linear(env[node.all_input_nodes[0]], layer.weight, layer.bias, relu=relu)
        return super().call(node, env)
