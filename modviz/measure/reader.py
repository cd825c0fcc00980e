"""Follow an example through a traced model and find who reads whose units.

Beside every tensor of the run goes its `Signal`, which says whose units own its channels. When a
layer reads a signal, that is a connection; when it reads something no rule could follow, a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.measure.ops import (
    BATCH_NORMS,
    FUNCTION_RULES,
    LAYERS,
    MODULE_RULES,
    Call,
    Opaque,
    Signal,
    Term,
    Value,
    per_channel,
)
from modviz.measure.replay import Env, Replay


class NetworkError(ValueError):
    """modviz can't follow a model; the message says where it stopped and what to do."""


@dataclass(frozen=True, eq=False)
class Connection:
    """One layer reads what another layer (or the input) gives.

    Attributes
    ----------
    source, target : str
        Names of layers; ``"input"`` for the network's input.
    units : array of int, shape (channels that the target reads,)
        Which unit of the source owns each of them; -1 = none.
    scale : array, same shape
        Magnitude by which batch norm scales it on the way.
    positions : tuple of int
        Shape of the positions that each unit owns, if a flatten stands between; else ().
    """

    source: str
    target: str
    units: NDArray[np.int64]
    scale: NDArray[np.float64]
    positions: tuple[int, ...] = ()


@dataclass(eq=False)
class Reading:
    """What one run of the example told about a model.

    Attributes
    ----------
    nodes : dict of str to torch.fx.Node
        Each layer's operation, in the order data flows.
    values : dict of torch.fx.Node to Value
        The signal (or Opaque) of every tensor.
    connections : list of Connection
    gaps : list of (str, Opaque)
        Layers that read something no rule could follow.
    in_scale : dict of str to array, shape (units,)
        Magnitude by which the batch norm right after a layer scales its units.
    output : tensor
        What the model gave for the example.
    bytes_per_image : int
        Size of the largest tensor on the way, for one image.
    """

    nodes: dict[str, fx.Node] = field(default_factory=dict)
    values: dict[fx.Node, Value] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    gaps: list[tuple[str, Opaque]] = field(default_factory=list)
    in_scale: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    output: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    bytes_per_image: int = 0


def read(replay: Replay, modules: Mapping[str, nn.Module], example: torch.Tensor) -> Reading:
    """Run `example`, shape (images, ...), through the model and note who reads whom."""
    reading = Reading()
    width = example.shape[1] if example.ndim > 1 else 1
    reading.values[replay.input] = Signal((_whole("input", width),))
    env: Env = {replay.input: example}
    for node in replay.nodes:
        if node is not replay.input:
            env[node] = replay.call(node, env)
        value = env[node]
        if not isinstance(value, torch.Tensor) or node.op in ("placeholder", "output"):
            continue
        reading.bytes_per_image = max(
            reading.bytes_per_image, value.element_size() * value[:1].numel()
        )
        if node.op == "get_attr":
            reading.values[node] = Opaque(
                str(node.target), "parameter", "it does not come from units", constant=True
            )
            continue
        tensors = [n for n in node.all_input_nodes if n in reading.values]
        module = modules[str(node.target)] if node.op == "call_module" else None
        call = Call(
            node=node,
            module=module,
            operation=_operation(node, module),
            inputs=tuple(reading.values[n] for n in tensors),
            shapes=tuple(tuple(env[n].shape) for n in tensors),
            out_shape=tuple(value.shape),
        )
        reading.values[node] = _value(call, reading)
    reading.output = env[replay.output]
    return reading


def _whole(source: str, n_units: int) -> Term:
    """A tensor whose channels are the units of one layer, in order."""
    return Term(source, np.arange(n_units), np.ones(n_units))


def _operation(node: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type(module).__name__
    return str(getattr(node.target, "__name__", node.target))


def _value(call: Call, reading: Reading) -> Value:
    if not call.inputs:
        return call.opaque("it does not come from units")
    if isinstance(call.module, tuple(LAYERS)):
        return _layer(call, reading)
    if isinstance(call.module, BATCH_NORMS):
        return _batch_norm(call, call.module, reading)
    if call.module is not None:
        rule = next((MODULE_RULES[c] for c in MODULE_RULES if isinstance(call.module, c)), None)
    else:
        rule = FUNCTION_RULES.get(call.operation)
    return call.opaque("modviz has no rule for it") if rule is None else rule(call)


def _layer(call: Call, reading: Reading) -> Value:
    name, module, shape = str(call.node.target), call.module, call.shapes[0]
    kind = next(LAYERS[c] for c in LAYERS if isinstance(module, c))
    if name in reading.nodes:
        raise NetworkError(
            f"the module {name!r} ({call.operation}) is used twice in forward(); modviz follows "
            "layers that are used once: give each use a module of its own"
        )
    groups = getattr(module, "groups", 1)
    if groups != 1:
        raise NetworkError(
            f"the layer {name!r} is a convolution in {groups} groups, which modviz can't follow "
            "yet; use a model with ordinary convolutions (groups=1)"
        )
    reading.nodes[name] = call.node
    signal = call.inputs[0]
    expected = {"linear": 2, "conv1d": 3, "conv2d": 4, "conv3d": 5}[kind]
    if len(shape) != expected:
        wrong = call.opaque(f"it reads shape {shape}, and modviz follows {expected} dimensions")
        reading.gaps.append((name, wrong))
        return wrong
    if isinstance(signal, Opaque):
        reading.gaps.append((name, signal))
    else:
        reading.connections += [
            Connection(term.source, name, term.units, term.scale, signal.positions)
            for term in signal.terms
        ]
    return Signal((_whole(name, call.out_shape[1 if kind != "linear" else -1]),))


def _batch_norm(call: Call, module: nn.Module, reading: Reading) -> Value:
    signal = per_channel(call)
    if isinstance(signal, Opaque):
        return signal
    variance = getattr(module, "running_var", None)
    if not isinstance(variance, torch.Tensor):
        return call.opaque("it has no running statistics (track_running_stats=False)")
    deviation = torch.sqrt(variance.cpu().double() + float(module.eps))  # type: ignore[arg-type]
    gamma = module.weight
    factor = gamma.cpu().double().abs() if isinstance(gamma, torch.Tensor) else 1.0
    scale = (factor / deviation).numpy()
    source = signal.terms[0].source
    own = len(signal.terms) == 1 and not signal.activated and source in reading.nodes
    if own and _only_reader(call.node, reading.nodes[source]):
        # nothing else sees the layer without this batch norm: it is part of the layer
        reading.in_scale[source] = reading.in_scale.get(source, np.ones_like(scale)) * scale
        return signal
    return replace(signal, terms=tuple(replace(t, scale=t.scale * scale) for t in signal.terms))


def _only_reader(node: fx.Node, origin: fx.Node) -> bool:
    """Whether every value from `origin` up to `node` is read by the next operation alone."""
    while node is not origin:
        node = node.all_input_nodes[0]
        if len(node.users) > 1:
            return False
    return True
