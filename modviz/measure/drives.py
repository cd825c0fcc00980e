"""How strongly pictures drive the units of a layer, without running that layer at every position.

A feature visualization asks for the mean over positions of what a layer gives. A convolution is
linear: the mean of its outputs is its kernel times the means of what its taps see, and these are
sums of its input with weights that depend on its geometry alone. So the last and often dearest
operation of every step is one small product, with the same gradients up to rounding. Batch norm in
eval mode acts on every channel alone and linearly, so it may follow the mean as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import fx, nn

from modviz.measure.layout import layouts
from modviz.measure.network import Network
from modviz.measure.ops import BATCH_NORM_FUNCTIONS, BATCH_NORMS, LAYERS, function_name
from modviz.measure.products import Products, linear
from modviz.measure.replay import Env, Replay

#: Bytes that the weights of the sums may take; a larger matrix would cost more than it saves.
_MOST_WEIGHTS = 32 * 2**20


def unit_means(value: torch.Tensor, axis: int) -> torch.Tensor:
    """Mean over positions of every unit, shape (images, units); units stand along `axis`."""
    value = value.movedim(axis, 1)
    return value.flatten(2).mean(dim=2) if value.ndim > 2 else value


class Means:
    """Means over positions of the units of a layer before their non-linearity.

    Parameters
    ----------
    network : Network
    layer : str
    shortcuts : bool
        Whether to use the closed form of convolutions, a quicker layout in memory and quicker
        matrix products where they apply. Without them every operation runs as the model has it;
        results differ by rounding.

    Attributes
    ----------
    in_closed_form : bool
        Whether the layer itself need not run.
    """

    def __init__(self, network: Network, layer: str, *, shortcuts: bool = True) -> None:
        self._replay = replay = network.replay
        self._node = network.pre_activation_node(layer)
        self._axis = network.unit_axis(self._node, layer)
        self._first = network.layer_nodes(layer)[0]
        self._module = _plain_layer(network, self._first) if shortcuts else None
        self._weights: dict[torch.Size, torch.Tensor] = {}
        self._nodes, self._rest = replay.before([self._node]), list[fx.Node]()
        if self._module is not None:
            self._source = self._first.all_input_nodes[0]
            known = {replay.input, self._first, *replay.before([self._source])}
            self._rest = [node for node in self._nodes if node not in known]
            norms = [node for node in self._rest if node.op != "get_attr"]
            if all(_is_norm(network, node) for node in norms) and not (
                norms and isinstance(self._module, nn.Linear)  # one could act on positions
            ):
                self._nodes = replay.before([self._source])
            else:
                self._module = None
        self._layouts = layouts(replay, self._nodes) if shortcuts else {}
        if shortcuts and type(replay) is Replay:
            self._replay = Products(replay, self._nodes)

    @property
    def in_closed_form(self) -> bool:
        """Whether the layer itself need not run."""
        return self._module is not None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Means of all units for `images` as the model takes them, shape (images, units)."""
        replay, arrange = self._replay, self._layouts.get(self._replay.input)
        env: Env = {replay.input: images if arrange is None else arrange(images)}
        if self._module is None:
            replay.run(env, self._nodes, frozenset({self._node}), self._layouts)
        else:
            replay.run(env, self._nodes, frozenset({self._source}), self._layouts)
            env[self._first] = self._mean(self._module, env.pop(self._source))
            replay.run(env, self._rest, frozenset({self._node}))
        return unit_means(env[self._node], self._axis)

    def _mean(self, module: nn.Module, read: torch.Tensor) -> torch.Tensor:
        """The mean over positions of what a layer gives for `read`; every position has size 1.

        Where the sums would cost too much memory, what the layer gives, at all positions.
        """
        if isinstance(module, nn.Linear):
            between = tuple(range(1, read.ndim - 1))
            mean = read.mean(dim=between, keepdim=True) if between else read
            return linear(mean, module.weight, module.bias)
        conv = cast(nn.Conv2d, module)  # or 1-d or 3-d: all have what is read here
        sizes = read.shape[2:]
        taps = math.prod(conv.kernel_size)
        if read.element_size() * taps * math.prod(sizes) > _MOST_WEIGHTS:
            return torch.as_tensor(module(read))
        weights = self._weights.get(sizes)
        if weights is None:
            weights = self._weights[sizes] = tap_weights(conv, sizes).to(read)
        seen = _products(read.flatten(2), weights)  # (images, channels, taps)
        groups = seen.unflatten(1, (conv.groups, -1)).flatten(2)
        kernels = conv.weight.flatten(1).unflatten(0, (conv.groups, -1))
        mean = torch.einsum("ngi,goi->ngo", groups, kernels).flatten(1)
        if conv.bias is not None:
            mean = mean + conv.bias
        return mean.reshape(*mean.shape, *[1] * len(sizes))


def tap_weights(conv: nn.Conv2d, sizes: Sequence[int]) -> torch.Tensor:
    """How much each input position counts in the mean of what each tap of a kernel sees.

    Parameters
    ----------
    conv : torch.nn.Conv1d, Conv2d or Conv3d
        Any stride, dilation, padding and way of padding.
    sizes : sequence of int
        Height and width (or what there is instead) of the input.

    Returns
    -------
    tensor of float64, shape (input positions, taps), on the CPU
    """
    weights = torch.ones(1, 1, dtype=torch.float64)
    for dim, size in enumerate(sizes):
        kernel, dilation = conv.kernel_size[dim], conv.dilation[dim]
        # number the positions from 1 and pad the numbers as the convolution pads values
        numbers = torch.arange(1, size + 1, dtype=torch.float64)[None, None]
        mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        padded = F.pad(numbers, _padding(conv, dim), mode)[0, 0].long()
        windows = padded.unfold(0, dilation * (kernel - 1) + 1, conv.stride[dim])[:, ::dilation]
        counts = F.one_hot(windows, size + 1)[..., 1:].double().mean(dim=0)  # (taps, positions)
        weights = torch.einsum("pt,kq->pqtk", weights, counts).flatten(2).flatten(0, 1)
    return weights


def _padding(conv: nn.Conv2d, dim: int) -> tuple[int, int]:
    if conv.padding == "same":
        both = conv.dilation[dim] * (conv.kernel_size[dim] - 1)
        return both // 2, both - both // 2
    each = 0 if conv.padding == "valid" else int(conv.padding[dim])
    return each, each


def _products(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`values` (images, channels, positions) times `weights`, without copying the values."""
    if values.is_contiguous():
        return (values.flatten(0, 1) @ weights).reshape(*values.shape[:2], -1)
    across: torch.Tensor = weights.t().expand(len(values), -1, -1)
    products: torch.Tensor = torch.bmm(across, values.transpose(1, 2))
    return products.transpose(1, 2)


def _plain_layer(network: Network, node: fx.Node) -> nn.Module | None:
    """The module of a layer if it does what its class says and nothing else; else None."""
    if type(network.replay) is not Replay:
        return None  # a model that runs whole
    module = network.replay.module(node)
    base: Any = next((kind for kind in LAYERS if isinstance(module, kind)), None)
    if module is None or base is None or _has_hooks(module) or "forward" in vars(module):
        return None
    own = [getattr(type(module), name, None) for name in ("forward", "_conv_forward")]
    if own != [getattr(base, name, None) for name in ("forward", "_conv_forward")]:
        return None
    return module


def _has_hooks(module: nn.Module) -> bool:
    # a hook may change what goes in or comes out; torch has no public way to ask
    return bool(module._forward_hooks or module._forward_pre_hooks)  # noqa: SLF001


def _is_norm(network: Network, node: fx.Node) -> bool:
    """Whether a batch norm, as it stands behind a layer, does nothing beside."""
    module = network.replay.module(node)
    if module is None:
        return function_name(node.target) in BATCH_NORM_FUNCTIONS
    return isinstance(module, BATCH_NORMS) and not _has_hooks(module)
