"""Connections that a user names, for models whose code no tracer can pass.

Such a model is run whole, as it is. Hooks on the readers of a layer show what they read of it, and
put something else in its place; that is all that edges, lesions and pictures need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import fx, nn

from modviz.measure import layers
from modviz.measure.hooks import HookReplay, Tap
from modviz.measure.layers import LayerWeights
from modviz.measure.reading import Connection, Reading
from modviz.measure.replay import Env
from modviz.measure.signals import INPUT, Signal, whole
from modviz.measure.trace import Head, NetworkError, chosen_head

#: Pairs of names, (source, target).
Pairs = Sequence[tuple[str, str]]


def read_by_hand(
    model: nn.Module, example: torch.Tensor, pairs: Pairs, head: Head
) -> tuple[HookReplay, Reading]:
    """What `modviz.measure.reader.read` finds out, from pairs of layers that the user names.

    Raises
    ------
    NetworkError
        If a name is no layer, a layer does not run exactly once, or the widths do not fit.
    """
    modules = dict(model.named_modules())
    found = _layers(modules, pairs)
    order, shapes, inputs, output = _observe(model, example, {n: modules[n] for n in found})
    reading = Reading(output=chosen_head(output, head))
    reading.bytes_per_image = example[:1].numel() * example.element_size()
    graph = fx.Graph()
    images = graph.placeholder("images")
    nodes: dict[str, fx.Node] = {}
    taps: dict[fx.Node, Tap] = {}
    axes: dict[str, int] = {}
    for name in order:
        read = []
        for tap in _taps(name, [s for s, t in pairs if t == name], found, inputs):
            reading.connections.append(_connection(tap, found[name]))
            if tap.source == INPUT:
                continue
            if tap.source not in nodes:
                raise NetworkError(
                    f"connections say that {name!r} reads {tap.source!r}, which runs after it"
                )
            node = graph.call_function(tap.read, (nodes[tap.source],))
            part = tap.read(torch.empty(inputs[name], device="meta")).shape[1:]
            taps[node] = tap
            reading.values[node] = Signal((whole(tap.source, tap.n_units, part, tap.axis - 1),))
            read.append(node)
        nodes[name] = graph.call_module(name, tuple(read) or (images,))
        weights, shape = found[name], shapes[name][1:]
        axis = weights.unit_axis % len(shape)
        axes[name] = axis + 1
        reading.layers[name], reading.nodes[name] = weights, [nodes[name]]
        reading.values[nodes[name]] = Signal((whole(name, weights.n_units, shape, axis),))
        reading.bytes_per_image = max(
            reading.bytes_per_image, example.element_size() * torch.Size(shape).numel()
        )
    unread = [node for node in nodes.values() if not node.users]
    graph.output((images, *unread))
    replay = HookReplay(model, graph, nodes, taps, head)
    _probe(replay, nodes, axes, taps, example)
    return replay, reading


def _layers(modules: Mapping[str, nn.Module], pairs: Pairs) -> dict[str, LayerWeights]:
    given: Any = pairs  # what a user gives need not be what the signature says
    if not isinstance(given, Sequence) or not given:
        raise TypeError(f"connections={pairs!r}; expected a list of pairs (source, target)")
    found = {}
    for pair in given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"connections hold {pair!r}; expected pairs (source, target)")
        for name in pair:
            weights = layers.of_module(modules[name], []) if name in modules else None
            if name == INPUT and name == pair[0]:
                if INPUT in modules:
                    raise NetworkError(
                        "a module of the model is called 'input', which is what modviz calls the "
                        "network's input; rename it to name its connections by hand"
                    )
                continue
            if weights is None:
                there = [n for n, m in modules.items() if layers.of_module(m, []) is not None]
                raise NetworkError(
                    f"connections name {name!r}, which is no linear or convolution module of the "
                    f"model; it has {there}"
                )
            found[name] = weights
    return found


def _observe(
    model: nn.Module, example: torch.Tensor, chosen: Mapping[str, nn.Module]
) -> tuple[list[str], dict[str, torch.Size], dict[str, torch.Size], Any]:
    """Run the example and note the order of layers and the shapes of what they read and give."""
    order: list[str] = []
    gives: dict[str, torch.Size] = {}
    reads: dict[str, torch.Size] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[torch.Tensor, ...], value: torch.Tensor) -> None:
            if not args:
                raise NetworkError(
                    f"the model calls {name!r} with its input as a keyword; connections by hand "
                    "need it as the first argument"
                )
            order.append(name)
            reads[name], gives[name] = args[0].shape, value.shape

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in chosen.items()]
    try:
        output = model(example)
    finally:
        for handle in handles:
            handle.remove()
    for name in chosen:
        if order.count(name) != 1:
            raise NetworkError(
                f"the layer {name!r} runs {order.count(name)} times; connections by hand need "
                "layers that run exactly once for every batch"
            )
    return order, gives, reads, output


def _taps(
    target: str,
    sources: Sequence[str],
    found: Mapping[str, LayerWeights],
    inputs: Mapping[str, torch.Size],
) -> list[Tap]:
    """Where `target` finds each of its sources; several stand one behind the other."""
    weights, shape = found[target], inputs[target]
    axis = 1 if weights.unit_axis == 0 else len(shape) - 1
    width = int(shape[axis])
    if not sources:
        return []
    if sources == [INPUT]:
        return [Tap(INPUT, target, axis, 0, width, 1)]
    sizes = [found[source].n_units if source in found else -1 for source in sources]
    total = sum(sizes)
    if -1 in sizes or total == 0 or width % total or len(set(sources)) < len(sources):
        raise NetworkError(
            f"connections give {target!r} the sources {list(sources)} with {total} units together, "
            f"but it reads {width} channels; expected all its sources in the order in which they "
            "are concatenated (sums of several layers can't be told apart by hand)"
        )
    positions = width // total
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size * positions)
    return [
        Tap(source, target, axis, start, size, positions)
        for source, size, (start, _) in zip(sources, sizes, pairwise(starts), strict=True)
    ]


#: Share of what a disturbed unit changes at a reader that has to be in its own place there.
_OWN_SHARE = 0.6


def _probe(
    replay: HookReplay,
    nodes: Mapping[str, fx.Node],
    axes: Mapping[str, int],
    taps: Mapping[fx.Node, Tap],
    example: torch.Tensor,
) -> None:
    """Disturb the first and the last unit of every source, and look where readers feel it."""
    keep = frozenset(taps)
    calm = replay.forward(example, keep)
    for source in {tap.source for tap in taps.values()}:
        own = [(node, tap) for node, tap in taps.items() if tap.source == source]
        for unit in (0, own[0][1].n_units - 1):
            felt = {node: torch.zeros(()) for node, _ in own}
            for step in (10.0, -10.0):  # one of them passes a ReLU on the way
                env: Env = {replay.input: example}
                change = partial(_disturbed, axis=axes[source], unit=unit, by=step)
                replay.run(env, (), keep, {nodes[source]: change})
                for node, tap in own:
                    difference = (env[node] - calm[node]).double().square().movedim(tap.axis, 0)
                    felt[node] = felt[node] + difference.flatten(1).sum(dim=1)
            for node, tap in own:
                if float(felt[node].sum()) and felt[node][unit] < _OWN_SHARE * felt[node].sum():
                    raise NetworkError(
                        f"unit {unit} of {source!r} is not felt where {tap.target!r} should read "
                        "it: something between them moves or mixes units, or other sources are "
                        "concatenated before it; leave this connection out"
                    )


def _disturbed(value: torch.Tensor, *, axis: int, unit: int, by: float) -> torch.Tensor:
    changed = value.clone()
    changed.select(axis, unit).add_(by * (1 + value.abs().max()))
    return changed


def _connection(tap: Tap, reader: LayerWeights) -> Connection:
    width = int(reader.weight.shape[1]) * reader.groups
    units = torch.full((width,), -1)
    owned = torch.arange(tap.n_units).repeat_interleave(tap.positions)
    units[tap.start : tap.start + len(owned)] = owned
    return Connection(tap.source, tap.target, units.numpy(), torch.ones(width).double().numpy())
