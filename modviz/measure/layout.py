"""How maps lie in memory on the way to a layer: channels last where convolutions are quicker so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.ops import (
    ACTIVATION_FUNCTIONS,
    ACTIVATIONS,
    BATCH_NORM_FUNCTIONS,
    BATCH_NORMS,
    GATES,
    PASSES,
    POOL_FUNCTIONS,
    POOLS,
    REDUCTIONS,
    function_name,
)
from modviz.measure.replay import Replay

#: Positions of a map from which convolutions with channels last were measured to be quicker (by
#: oneDNN on a CPU: 2x at 28 x 28, 1.15x at 14 x 14, 1.05x at 8 x 8, .75x at 4 x 4). A fixed rule
#: and no trial, so that pictures do not depend on how busy the machine was.
_FROM_POSITIONS = 64

_READ_ANY_LAYOUT = (nn.Conv2d, nn.Flatten, *ACTIVATIONS, *BATCH_NORMS, *GATES, *PASSES, *POOLS)
_READ_ANY_LAYOUT_FUNCTIONS = (
    ACTIVATION_FUNCTIONS
    | BATCH_NORM_FUNCTIONS
    | POOL_FUNCTIONS
    | REDUCTIONS
    | frozenset("add mul cat concat flatten size getattr".split())
)


def layouts(
    replay: Replay, nodes: Iterable[fx.Node]
) -> dict[fx.Node, Callable[[torch.Tensor], torch.Tensor]]:
    """What to make of the values of some nodes, so that their readers are quick, and work.

    Parameters
    ----------
    replay : Replay
    nodes : iterable of torch.fx.Node
        The operations that are going to run.

    Returns
    -------
    dict of node to callable
        For `Replay.run`'s `amend`; the values stay the same. May hold the network's input, too.
    """
    if type(replay) is not Replay:
        return {}  # a model that runs whole decides by itself
    running = list(nodes)
    found: dict[fx.Node, Callable[[Any], Any]] = {}
    for node in [replay.input, *running]:
        readers = [reader for reader in node.users if reader in running]
        if not all(reads_any_layout(replay, reader) for reader in readers):
            found[node] = contiguous  # the code may say .view(), which needs it
        elif any(isinstance(replay.module(reader), nn.Conv2d) for reader in readers):
            found[node] = _quickest
    return found


def contiguous(value: Any) -> Any:
    """A tensor with its values in the order of its dimensions; anything else as it is."""
    return value.contiguous() if isinstance(value, torch.Tensor) else value


def _quickest(value: Any) -> Any:
    """A value in the layout in which a convolution reads it best."""
    if value.ndim != 4 or value.device.type != "cpu" or value.dtype is not torch.float32:
        return value  # not oneDNN's
    if math.prod(value.shape[2:]) < _FROM_POSITIONS:
        return value.contiguous()
    if value.shape[1] == 1:  # both layouts are one here; torch goes by the strides
        return value.reshape(len(value), *value.shape[2:], 1).permute(0, 3, 1, 2)
    return value.contiguous(memory_format=torch.channels_last)


def reads_any_layout(replay: Replay, reader: fx.Node) -> bool:
    """Whether an operation is known not to mind how what it reads lies in memory."""
    module = replay.module(reader)
    if module is not None:
        return isinstance(module, _READ_ANY_LAYOUT)
    return function_name(reader.target) in _READ_ANY_LAYOUT_FUNCTIONS
