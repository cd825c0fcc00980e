"""Run a model whole, and show or change by hooks what its layers read and give."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.replay import Env, Replay
from modviz.measure.trace import Head, chosen_head


@dataclass(frozen=True, eq=False)
class Tap:
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
        taps: Mapping[fx.Node, Tap],
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
            except Exception as error:
                error.add_note("modviz was running the model as a whole.")
                raise
            finally:
                for handle in handles:
                    handle.remove()

    def call(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of one node, by running the whole model."""
        values: Env = {self.input: env[self.input]}
        self.run(values, (), frozenset({node}))
        return values[node]


def _reads(
    taps: Sequence[tuple[fx.Node, Tap]],
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
