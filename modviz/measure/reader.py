"""Follow an example through a traced model and find who reads whose units.

Beside every tensor of the run goes its `Signal`, which says whose units own its channels. When a
layer reads a signal, that is a connection; when it reads something no rule could follow, a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import fx, nn

from modviz.measure import layers
from modviz.measure.calls import Call, Values
from modviz.measure.layers import LayerWeights, WeightsSeen
from modviz.measure.moving import elementwise, pool
from modviz.measure.norms import batch_norm_scale
from modviz.measure.ops import function_name
from modviz.measure.reading import Connection, Reading
from modviz.measure.replay import Env, Replay
from modviz.measure.rules import FUNCTION_RULES, MODULE_RULES
from modviz.measure.signals import INPUT, Opaque, Signal, Value, along, unit_axis, whole


def read(replay: Replay, modules: Mapping[str, nn.Module], example: torch.Tensor) -> Reading:
    """Run `example`, shape (images, ...), through the model and note who reads whom."""
    reading = Reading()
    shape = tuple(example.shape[1:]) or (1,)
    reading.values[replay.input] = Signal((whole(INPUT, shape[0], shape),))
    env: Env = {replay.input: example}
    for node in replay.nodes:
        seen = WeightsSeen()
        if node is not replay.input:
            with seen:
                env[node] = replay.call(node, env)
        value = env[node]
        if node.op in ("placeholder", "output"):
            continue
        if not _holds_tensors(value):
            if _counts_images(node, reading):
                reading.image_counts.add(node)
            if _hides_tensors(value):
                where = Opaque(node.name, "several outputs", "it gives tuples of tuples")
                reading.values[node] = where
            continue
        if isinstance(value, torch.Tensor):
            reading.bytes_per_image = max(
                reading.bytes_per_image,
                value.element_size() * (value[:1] if value.ndim else value).numel(),
            )
        if node.op == "get_attr":
            reading.values[node] = Opaque(
                str(node.target), "parameter", "it does not come from units", constant=True
            )
        else:
            part = _part(node, reading)
            if part is None:
                call = _call(node, env, replay, modules, reading)
                layer = _as_layer(call, env, seen, modules, reading)
                reading.values[node] = layer if layer is not None else _values(call, reading)
            else:
                reading.values[node] = part
    reading.output = env[replay.output]
    return reading


def _holds_tensors(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) > 0 and all(isinstance(part, torch.Tensor) for part in value)
    return isinstance(value, torch.Tensor)


def _counts_images(node: fx.Node, reading: Reading) -> bool:
    """Whether a node is ``x.size(0)``, ``x.shape[0]`` or ``len(x)`` of a tensor of units."""
    name, (source, *rest) = function_name(node.target), (*node.args, None)
    if name == "getitem" and isinstance(source, fx.Node) and rest[:1] == [0]:
        return function_name(source.target) in ("size", "getattr") and _is_of_units(
            source.args[0], reading
        )
    first = name == "len" or (name in ("size", "sym_size") and rest[:1] == [0])
    return first and _is_of_units(source, reading)


def _is_of_units(given: object, reading: Reading) -> bool:
    return isinstance(given, fx.Node) and given in reading.values and not reading.is_constant(given)


def _hides_tensors(value: object) -> bool:
    if isinstance(value, (tuple, list, dict)):
        parts = value.values() if isinstance(value, dict) else value
        return any(isinstance(part, torch.Tensor) or _hides_tensors(part) for part in parts)
    return False


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
        nodes=tuple(sources),
        output=env[node],
        rerun=rerun,
    )


def _operation(node: fx.Node, module: nn.Module | None) -> str:
    return type(module).__name__ if module is not None else function_name(node.target)


def _part(node: fx.Node, reading: Reading) -> Value | None:
    """One part of what chunk or split gave; None if a node is something else."""
    whole_value = reading.values.get(node.args[0]) if node.args else None  # type: ignore[arg-type]
    if not isinstance(whole_value, tuple):
        return None
    index = node.args[1] if len(node.args) > 1 else None
    if getattr(node.target, "__name__", "") == "getitem" and isinstance(index, int):
        return whole_value[index]
    return Opaque(node.name, str(node.target), "it reads several tensors at once")


def _as_layer(
    call: Call, env: Env, seen: WeightsSeen, modules: Mapping[str, nn.Module], reading: Reading
) -> Value | None:
    """The signal that a layer gives; None if the operation is no layer."""
    if call.module is not None:
        weights = layers.of_module(call.module, seen.layers)
        if weights is None:
            return None
        name = str(call.node.target)
        name = f"{name}_2" if name == INPUT else name
        used = layers.as_used(call.module, weights, seen, call.tensors[0], call.output, call.rerun)
        if used is None:
            reason = "its forward() does more than to multiply by one matrix of weights"
            call = replace(call, inputs=(call.opaque(reason),))
        return _layer(call, name, used or weights, reading)
    found = layers.of_function(
        call.node,
        lambda given: fx.map_arg(given, env.__getitem__),
        constant=reading.is_constant,
    )
    if found is None or reading.is_constant(found[1]):
        return None
    weights, source, weight_node = found
    parameter = layers.parameter_of(weight_node)
    if weights.by_channel and not _learnt(weight_node, env):
        return pool(call)  # a fixed filter, channel by channel, as for blurred pooling
    read = reading.values[source]
    only = replace(
        call,
        inputs=() if isinstance(read, tuple) else (read,),
        tensors=(env[source],),
        nodes=(source,),
    )
    if any(n not in (source, weight_node) and not reading.is_constant(n) for n in call.nodes):
        only = replace(only, inputs=(call.opaque("it adds units to the product"),))
    return _layer(only, _free_name(parameter, weights, modules, reading), weights, reading)


def _learnt(weight: fx.Node, env: Env) -> bool:
    todo = [weight]
    while todo:
        node = todo.pop()
        if node.op == "get_attr" and isinstance(env.get(node), nn.Parameter):
            return True
        todo += node.all_input_nodes
    return False


def _free_name(
    parameter: str, weights: LayerWeights, modules: Mapping[str, nn.Module], reading: Reading
) -> str:
    """The layer's name; that of its parameter, or a number behind it, if the name is taken."""
    name, number = layers.layer_name(parameter), 1
    for candidate in (name, parameter):
        known = reading.layers.get(candidate)
        if known is None and candidate in modules:  # kept for the module, which may come later
            known = layers.of_module(modules[candidate], [])
        if candidate != INPUT and (known is None or _same(known.weight, weights.weight)):
            return candidate
    while f"{name}_{number + 1}" in reading.layers:
        number += 1
    return f"{name}_{number + 1}"


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same memory seen in the same way, or equal."""
    return one.shape == other.shape and (one is other or bool(torch.equal(one, other)))


def _values(call: Call, reading: Reading) -> Values:
    if not call.inputs or all(isinstance(v, Opaque) and v.constant for v in call.inputs):
        return call.opaque("it does not come from units")
    scale = batch_norm_scale(call)
    if scale is not None:
        reading.norms.add(call.node)
        return scale if isinstance(scale, Opaque) else _batch_norm(call, scale, reading)
    if call.module is not None:
        rule = next(
            (r for kinds, r in MODULE_RULES.items() if isinstance(call.module, kinds)), None
        )
    else:
        rule = FUNCTION_RULES.get(call.operation)
    return call.opaque("modviz has no rule for it") if rule is None else rule(call)


def _layer(call: Call, name: str, weights: LayerWeights, reading: Reading) -> Value:
    reading.layers.setdefault(name, weights)
    reading.nodes.setdefault(name, []).append(call.node)
    axis = weights.unit_axis
    signal = call.inputs[0] if call.inputs else call.opaque("it reads several tensors at once")
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


def _batch_norm(call: Call, scale: torch.Tensor, reading: Reading) -> Value:
    signal = elementwise(call)
    if isinstance(signal, Opaque):
        return signal
    source = signal.terms[0].source
    uses = reading.nodes.get(source, [])
    own = len(signal.terms) == 1 and not signal.activated and len(uses) == 1
    # the scale is by channel: that is by unit only where the channels are the units in order
    own = own and unit_axis(signal.terms[0], len(scale)) == 0
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
        node = next(n for n in node.all_input_nodes if n.op != "get_attr")
        if len(node.users) > 1:
            return False
    return True
