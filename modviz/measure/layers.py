"""What counts as a layer: a module or a function that mixes its inputs by a matrix of weights.

``nn.Linear`` and ``F.linear(x, self.weight)`` are the same to modviz. A layer's name is that of its
module; a function's is that of the parameter it uses, without ``.weight`` at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from modviz.measure.ops import LAYERS, function_name, layer_kind

_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
#: Functions that are layers: their kind, and the order of their arguments.
_FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "linear": ("linear", ("input", "weight", "bias")),
    "matmul": ("linear", ("input", "transposed")),
    "mm": ("linear", ("input", "transposed")),
    "addmm": ("linear", ("bias", "input", "transposed")),
    "conv1d": ("conv1d", _CONVOLUTION),
    "conv2d": ("conv2d", _CONVOLUTION),
    "conv3d": ("conv3d", _CONVOLUTION),
}


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The weights of a layer as it uses them.

    Attributes
    ----------
    kind : str
        ``"linear"``, ``"conv1d"``, ``"conv2d"`` or ``"conv3d"``.
    weight : tensor, shape (units, inputs of a group, ...)
    groups : int
        Groups of a convolution, between which no weights run; 1 for other layers.
    """

    kind: str
    weight: torch.Tensor
    groups: int = 1

    @property
    def n_units(self) -> int:
        """Outputs of a linear layer, output channels of a convolution."""
        return int(self.weight.shape[0])

    @property
    def unit_axis(self) -> int:
        """Where the units stand in the output without the images."""
        return -1 if self.kind == "linear" else 0

    @property
    def by_channel(self) -> bool:
        """Whether every channel is filtered by itself (depthwise, one output each)."""
        return 1 < self.groups == self.n_units and self.weight.shape[1] == 1


class WeightsSeen(TorchFunctionMode):
    """Notes the layer functions that run inside the block, with the weights they really use.

    A subclass of a layer may do something to its weights first (standardise them, add an update of
    low rank); what counts is what its forward() hands on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[LayerWeights] = []
        self.outputs: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = _weights(function_name(func), args, kwargs or {})
        value = func(*args, **(kwargs or {}))
        if found is not None:
            self.layers.append(found)
            self.outputs.append(value)
        return value


def of_module(module: nn.Module, seen: Sequence[LayerWeights]) -> LayerWeights | None:
    """The layer that a module is, given what ran inside it; None if it is no layer."""
    kind = layer_kind(module)
    if kind is None:
        return None
    own = torch.as_tensor(module.weight)
    groups: Any = getattr(module, "groups", 1)
    stored = LayerWeights(kind, own, int(groups))
    fits = [s for s in seen if s.kind == kind and s.n_units == stored.n_units]
    return fits[0] if len(fits) == 1 and fits[0].weight.shape == own.shape else stored


def as_used(
    module: nn.Module,
    weights: LayerWeights,
    seen: WeightsSeen,
    read: torch.Tensor,
    gives: torch.Tensor,
    rerun: Callable[[Sequence[torch.Tensor]], Any],
) -> LayerWeights | None:
    """The weights that a module applies to what it reads; None if it does something else, too.

    A subclass with a forward() of its own may add an update of low rank to a linear layer, say:
    then the matrix is what comes out for the unit vectors.
    """
    base = next(kind for kind in LAYERS if isinstance(module, kind))
    if type(module).forward is base.forward or any(value is gives for value in seen.outputs):
        return weights
    if weights.kind != "linear" or read.ndim != 2:
        return None
    unit_vectors = torch.eye(read.shape[1], device=read.device, dtype=read.dtype)
    origin = rerun([torch.zeros_like(unit_vectors[:1])])
    matrix = rerun([unit_vectors]) - origin
    same = gives.shape == (len(read), weights.n_units) and torch.allclose(
        read @ matrix + origin, gives, rtol=1e-3, atol=1e-4
    )
    return LayerWeights("linear", matrix.t()) if same else None


def of_function(
    node: fx.Node, value_of: Callable[[Any], Any], *, constant: Callable[[fx.Node], bool]
) -> tuple[LayerWeights, fx.Node, fx.Node] | None:
    """The layer that a function is, the node it reads, and the node of its weights; None if none.

    Parameters
    ----------
    node : torch.fx.Node
    value_of : callable
        Values of the example's run in place of nodes.
    constant : callable
        Whether a node's value depends on parameters alone: only such are weights.
    """
    name = function_name(node.target)
    if node.op not in ("call_function", "call_method") or name not in _FUNCTIONS:
        return None
    given = _bound(name, node.args, node.kwargs)
    weight, read = given.get("weight", given.get("transposed")), given.get("input")
    if not isinstance(weight, fx.Node) or not isinstance(read, fx.Node) or not constant(weight):
        return None
    found = _weights(name, value_of(node.args), value_of(node.kwargs))
    return None if found is None else (found, read, weight)


def _bound(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(zip(_FUNCTIONS[name][1], args, strict=False)), **kwargs}


def _weights(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> LayerWeights | None:
    if name not in _FUNCTIONS:
        return None
    given = _bound(name, args, kwargs)
    weight, turned = given.get("weight"), given.get("transposed")
    if isinstance(turned, torch.Tensor) and turned.ndim == 2:
        weight = turned.t()
    if not isinstance(weight, torch.Tensor) or weight.ndim < 2:
        return None
    return LayerWeights(_FUNCTIONS[name][0], weight, int(given.get("groups", 1)))


def parameter_of(weight: fx.Node) -> str:
    """The name of the first parameter that a value is made of."""
    node: fx.Node | None = weight
    while node is not None and node.op != "get_attr":
        node = next(iter(node.all_input_nodes), None)
    return weight.name if node is None else str(node.target)


def layer_name(parameter: str) -> str:
    """The name of the layer that uses a parameter: ``block.1.weight`` belongs to ``block.1``."""
    owner = parameter.partition(".parametrizations.")[0]
    return owner.removesuffix(".weight")
