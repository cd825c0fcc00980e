"""Follow an example through a traced model and find who reads whose units.

Beside every tensor of the run goes its `Signal`, which says whose units own its channels. When a
layer reads a signal, that is a connection; when it reads something no rule could follow, a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.measure.ops import BATCH_NORMS, layer_kind
from modviz.measure.replay import Env, Replay
from modviz.measure.rules import FUNCTION_RULES, MODULE_RULES, Call, Values, elementwise
from modviz.measure.signals import Opaque, Signal, Value, along, whole


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
    nodes : dict of str to list of torch.fx.Node
        Each layer's operation, once for every use, in the order data flows.
    values : dict of torch.fx.Node to Value
        The signal (or Opaque) of every tensor, or of every part of a tuple of tensors.
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

    nodes: dict[str, list[fx.Node]] = field(default_factory=dict)
    values: dict[fx.Node, Values] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    gaps: list[tuple[str, Opaque]] = field(default_factory=list)
    in_scale: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    output: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    bytes_per_image: int = 0


def read(replay: Replay, modules: Mapping[str, nn.Module], example: torch.Tensor) -> Reading:
    """Run `example`, shape (images, ...), through the model and note who reads whom."""
    reading = Reading()
    shape = tuple(example.shape[1:]) or (1,)
    reading.values[replay.input] = Signal((whole("input", shape[0], shape),))
    env: Env = {replay.input: example}
    for node in replay.nodes:
        if node is not replay.input:
            env[node] = replay.call(node, env)
        value = env[node]
        if node.op in ("placeholder", "output") or not _holds_tensors(value):
            continue
        if isinstance(value, torch.Tensor):
            reading.bytes_per_image = max(
                reading.bytes_per_image, value.element_size() * value[:1].numel()
            )
        if node.op == "get_attr":
            reading.values[node] = Opaque(
                str(node.target), "parameter", "it does not come from units", constant=True
            )
        else:
            part = _part(node, reading)
            if part is None:
                reading.values[node] = _values(_call(node, env, replay, modules, reading), reading)
            else:
                reading.values[node] = part
    reading.output = env[replay.output]
    return reading


def _holds_tensors(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) > 0 and all(isinstance(part, torch.Tensor) for part in value)
    return isinstance(value, torch.Tensor)


def _call(
    node: fx.Node, env: Env, replay: Replay, modules: Mapping[str, nn.Module], reading: Reading
) -> Call:
    module = modules[str(node.target)] if node.op == "call_module" else None
    sources = [n for n in node.all_input_nodes if n in reading.values]

    def rerun(tensors: Sequence[torch.Tensor]) -> object:
        return replay.call(node, {**env, **dict(zip(sources, tensors, strict=True))})

    return Call(
        node=node,
        module=module,
        operation=_operation(node, module),
        inputs=tuple(value for n in sources if not isinstance(value := reading.values[n], tuple)),
        tensors=tuple(env[n] for n in sources),
        output=env[node],
        rerun=rerun,
    )


def _operation(node: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type(module).__name__
    return str(getattr(node.target, "__name__", node.target)).rstrip("_")


def _part(node: fx.Node, reading: Reading) -> Value | None:
    """One part of what chunk or split gave; None if a node is something else."""
    whole_value = reading.values.get(node.args[0]) if node.args else None  # type: ignore[arg-type]
    if not isinstance(whole_value, tuple):
        return None
    index = node.args[1] if len(node.args) > 1 else None
    if getattr(node.target, "__name__", "") == "getitem" and isinstance(index, int):
        return whole_value[index]
    return Opaque(node.name, str(node.target), "it reads several tensors at once")


def _values(call: Call, reading: Reading) -> Values:
    if not call.inputs or all(isinstance(v, Opaque) and v.constant for v in call.inputs):
        return call.opaque("it does not come from units")
    if layer_kind(call.module) is not None:
        return _layer(call, reading)
    if isinstance(call.module, BATCH_NORMS):
        return _batch_norm(call, call.module, reading)
    if call.module is not None:
        rule = next(
            (r for kinds, r in MODULE_RULES.items() if isinstance(call.module, kinds)), None
        )
    else:
        rule = FUNCTION_RULES.get(call.operation)
    return call.opaque("modviz has no rule for it") if rule is None else rule(call)


def _layer(call: Call, reading: Reading) -> Value:
    name, kind = str(call.node.target), layer_kind(call.module)
    reading.nodes.setdefault(name, []).append(call.node)
    axis = -1 if kind == "linear" else 0
    signal = call.inputs[0]
    if isinstance(signal, Signal):
        found = [
            (term.source, along(term.units, axis), along(term.scale, axis)) for term in signal.terms
        ]
        if any(units is None or scale is None for _, units, scale in found):
            signal = call.opaque("what it reads as one channel belongs to different units")
        else:
            reading.connections += [
                Connection(source, name, units.numpy(), scale.numpy(), signal.positions)
                for source, units, scale in found
                if units is not None and scale is not None
            ]
    if isinstance(signal, Opaque):
        reading.gaps.append((name, signal))
    shape = call.shape()
    return Signal((whole(name, shape[axis], shape, axis % len(shape)),))


def _batch_norm(call: Call, module: nn.Module, reading: Reading) -> Value:
    signal = elementwise(call)
    if isinstance(signal, Opaque):
        return signal
    variance = getattr(module, "running_var", None)
    if not isinstance(variance, torch.Tensor):
        return call.opaque("it has no running statistics (track_running_stats=False)")
    deviation = torch.sqrt(variance.cpu().double() + float(module.eps))  # type: ignore[arg-type]
    gamma = module.weight
    factor = gamma.detach().cpu().double().abs() if isinstance(gamma, torch.Tensor) else 1.0
    scale = factor / deviation
    source = signal.terms[0].source
    uses = reading.nodes.get(source, [])
    own = len(signal.terms) == 1 and not signal.activated and len(uses) == 1
    if own and _only_reader(call.node, uses[0]):
        # nothing else sees the layer without this batch norm: it is part of the layer
        before = reading.in_scale.get(source, np.ones(len(scale)))
        reading.in_scale[source] = before * scale.numpy()
        return signal
    spread = scale.reshape(-1, *[1] * (len(call.shape()) - 1))
    return replace(signal, terms=tuple(replace(t, scale=t.scale * spread) for t in signal.terms))


def _only_reader(node: fx.Node, origin: fx.Node) -> bool:
    """Whether every value from `origin` up to `node` is read by the next operation alone."""
    while node is not origin:
        node = node.all_input_nodes[0]
        if len(node.users) > 1:
            return False
    return True
