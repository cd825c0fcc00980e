"""Connections that a user names, for models whose code no tracer can pass.

Such a model is run whole, as it is. Hooks on the readers of a layer show what they read of it, and
put something else in its place; that is all that edges, lesions and pictures need.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import fx, nn

from modviz.measure import layers
from modviz.measure.layers import LayerWeights
from modviz.measure.reader import Connection, Reading
from modviz.measure.replay import Env, Replay
from modviz.measure.signals import Signal, whole
from modviz.measure.trace import Head, NetworkError, chosen_head

#: Pairs of names, (source, target).
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class _Tap:
    """Where a layer finds the units of another in what it reads."""

    source: str
    target: str
    axis: int  # of the reader's channels in its input
    start: int  # of the source's channels among them
    n_units: int
    positions: int  # columns that each unit owns

    def read(self, value: torch.Tensor) -> torch.Tensor:
        """The source's part of the reader's input, units along one dimension."""
        part = value.narrow(self.axis, self.start, self.n_units * self.positions)
        if self.positions > 1:
            part = part.unflatten(self.axis, (self.n_units, self.positions))
        return part

    def write(self, value: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """The reader's input with another part in place of the source's."""
        if self.positions > 1:
            part = part.flatten(self.axis, self.axis + 1)
        end = self.start + self.n_units * self.positions
        rest = value.narrow(self.axis, end, value.shape[self.axis] - end)
        return torch.cat([value.narrow(self.axis, 0, self.start), part, rest], dim=self.axis)


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
    taps: dict[fx.Node, _Tap] = {}
    for name in order:
        read = []
        for tap in _taps(name, [s for s, t in pairs if t == name], found, inputs):
            reading.connections.append(_connection(tap, found[name]))
            if tap.source == "input":
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
        reading.layers[name], reading.nodes[name] = weights, [nodes[name]]
        reading.values[nodes[name]] = Signal((whole(name, weights.n_units, shape, axis),))
        reading.bytes_per_image = max(
            reading.bytes_per_image, example.element_size() * torch.Size(shape).numel()
        )
    graph.output((images, *nodes.values()))
    return HookReplay(model, graph, nodes, taps, head), reading


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
            if name == "input" and name == pair[0]:
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
) -> list[_Tap]:
    """Where `target` finds each of its sources; several stand one behind the other."""
    weights, shape = found[target], inputs[target]
    axis = 1 if weights.unit_axis == 0 else len(shape) - 1
    width = int(shape[axis])
    if not sources:
        return []
    if sources == ["input"]:
        return [_Tap("input", target, axis, 0, width, 1)]
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
        _Tap(source, target, axis, start, size, positions)
        for source, size, (start, _) in zip(sources, sizes, pairwise(starts), strict=True)
    ]


def _connection(tap: _Tap, reader: LayerWeights) -> Connection:
    width = int(reader.weight.shape[1]) * reader.groups
    units = torch.full((width,), -1)
    owned = torch.arange(tap.n_units).repeat_interleave(tap.positions)
    units[tap.start : tap.start + len(owned)] = owned
    return Connection(tap.source, tap.target, units.numpy(), torch.ones(width).double().numpy())


class HookReplay(Replay):
    """Runs the whole model every time, and shows or changes what readers read by hooks.

    The graph is only a picture of who reads whom. Runs are made one at a time: hooks belong to the
    model, which threads share.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: fx.Graph,
        layer_nodes: Mapping[str, fx.Node],
        taps: Mapping[fx.Node, _Tap],
        head: Head,
    ) -> None:
        super().__init__(graph, model)
        self._model, self._head = model, head
        self._layers, self._taps = dict(layer_nodes), dict(taps)
        self._lock = threading.Lock()

    def run(
        self,
        env: Env,
        nodes: Iterable[fx.Node],  # noqa: ARG002 - the model runs whole
        keep: frozenset[fx.Node],
        amend: Mapping[fx.Node, Callable[[Any], Any]] | None = None,
    ) -> None:
        """Run the model on the input in `env`, amending what layers give and readers read."""
        changes = amend or {}
        images = env[self.input]
        for node in set(env) - keep:
            env.pop(node)
        with self._lock:
            handles = []
            try:
                for name, node in self._layers.items():
                    module = self._model.get_submodule(name)
                    taps = [(n, tap) for n, tap in self._taps.items() if tap.target == name]
                    handles += [
                        module.register_forward_pre_hook(_reads(taps, changes, keep, env)),
                        module.register_forward_hook(_gives(node, changes, keep, env)),
                    ]
                env[self.output] = chosen_head(self._model(images), self._head)
            finally:
                for handle in handles:
                    handle.remove()

    def call(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of one node, by running the whole model."""
        values: Env = {self.input: env[self.input]}
        self.run(values, (), frozenset({node}))
        return values[node]


def _reads(
    taps: Sequence[tuple[fx.Node, _Tap]],
    changes: Mapping[fx.Node, Callable[[Any], Any]],
    keep: frozenset[fx.Node],
    env: Env,
) -> Callable[..., Any]:
    def hook(_module: nn.Module, args: tuple[Any, ...]) -> Any:
        value = args[0]
        for node, tap in taps:
            if node in changes:
                value = tap.write(value, changes[node](tap.read(value)))
            if node in keep:
                env[node] = tap.read(value)
        return (value, *args[1:])

    return hook


def _gives(
    node: fx.Node,
    changes: Mapping[fx.Node, Callable[[Any], Any]],
    keep: frozenset[fx.Node],
    env: Env,
) -> Callable[..., Any]:
    def hook(_module: nn.Module, _args: tuple[Any, ...], value: Any) -> Any:
        if node in changes:
            value = changes[node](value)
        if node in keep:
            env[node] = value
        return value

    return hook
