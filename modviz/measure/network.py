"""What modviz knows of a model: its layers, how they connect, and how to run parts of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.core.graph import Layer, Role
from modviz.measure.by_hand import Pairs, read_by_hand
from modviz.measure.guard import evaluating
from modviz.measure.places import Places
from modviz.measure.reader import read
from modviz.measure.reading import Connection, Reading
from modviz.measure.replay import Replay
from modviz.measure.sound import (
    alike,
    checked_example,
    checked_head,
    checked_pairs,
    refuse_broken,
    require_module,
)
from modviz.measure.trace import Head, NetworkError, class_scores, traced

#: What `layers=` takes: all hidden layers, a range (first, last), or a list of names.
LayerChoice = tuple[str, str] | list[str] | None


class Network(Places):
    """A PyTorch model as modviz reads it.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier that takes one tensor and returns class scores, shape (images, classes).
    example_input : tensor, shape (images, ...)
        A few inputs as the model takes them; only their shape and type matter.
    head : int or str, optional
        Which output holds the class scores, if the model returns several (a tuple or a dict). Only
        what leads to it is part of the network.
    connections : list of (str, str), optional
        Names of modules, (source, target): target reads source. For models that can't be traced:
        nothing is then read off the model but these. A target's sources stand in the order in which
        they are concatenated; the last pair should end at the layer of the class scores, so that
        its source can be lesioned. A lesion acts on what the named targets read. Batch norm between
        two layers is run but not folded into the weights of the graph.

    Attributes
    ----------
    layers : tuple of Layer
        Every layer in the order data flows: name, kind, n_units, and role: ``"hidden"`` (its units
        can be lesioned) or ``"output"`` (no other layer reads it).
    connections : tuple of Connection
        Which layer reads which other layer's units, or the ``"input"``.
    n_classes : int
        Width of the model's output.
    input_shape : tuple of int
        Shape of one input.

    Raises
    ------
    TypeError
        If `model` is no module or `example_input` no tensor.
    NetworkError
        If the model can't be traced or run on the example, or does not return class scores.

    Examples
    --------
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> network = modviz.Network(planted.model, planted.data.images[:1])
    >>> [f"{layer.name}: {layer.n_units}" for layer in network.layers]
    ['fc1: 16', 'fc2: 16', 'output: 4']
    """

    def __init__(
        self,
        model: nn.Module,
        example_input: torch.Tensor,
        *,
        head: Head = None,
        connections: Pairs | None = None,
    ) -> None:
        require_module(model)
        example = checked_example(example_input)
        head, pairs = checked_head(head), checked_pairs(connections)
        self.model = model
        given: dict[str, Any] = {"head": head, "connections": pairs}
        #: What was said about how to read the model, for whoever wants to read it so again.
        self.options = {name: value for name, value in given.items() if value is not None}
        refuse_broken(model)
        example = example.to(device_of(model))
        if len(example) == 1:  # two images, so that their number shows in shapes
            example = example.expand(2, *example.shape[1:])
        self.input_shape = tuple(example.shape[1:])
        # a model may draw random numbers, which are the user's, before it is refused for that
        devices = [example.device] if example.is_cuda else []
        with (
            torch.random.fork_rng(devices=devices),
            torch.inference_mode(False),
            evaluating(model),
            torch.no_grad(),
        ):
            # copies: a model may write into its input
            expected = class_scores(model, example.clone(), head)
            super().__init__(*_read(model, example, head, pairs))
        if not alike(self._reading.output, expected):
            raise NetworkError(
                "the traced model gives other outputs than the model itself, so forward() depends "
                "on something that tracing can't see: randomness (F.dropout needs "
                "training=self.training), or choices by values"
            )
        self.n_classes = int(expected.shape[1])
        self.connections: tuple[Connection, ...] = tuple(self._reading.connections)
        self.layers = self._numbered()

    def _numbered(self) -> tuple[Layer, ...]:
        if not self._reading.nodes:
            raise NetworkError(
                "the model has no linear layers or convolutions that modviz can see; layers are "
                "modules (torch.nn.Linear, Conv2d, ...) or functions (F.linear, F.conv2d, ...) "
                "with parameters as weights"
            )
        layers, number = [], 0
        nodes = {node for uses in self._reading.nodes.values() for node in uses}
        for name, uses in self._reading.nodes.items():
            hidden = any(later in nodes for later in self.replay.after(uses))
            number += hidden
            found = self._reading.layers[name]
            role: Role = "hidden" if hidden else "output"
            layers.append(Layer(name, found.kind, found.n_units, role, number if hidden else 0))
        return tuple(layers)

    # ---- layers ----------------------------------------------------------------------------------

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """The layers whose units can be clustered and lesioned, in order."""
        return tuple(layer for layer in self.layers if layer.role == "hidden")

    def choose(self, layers: LayerChoice = None) -> tuple[Layer, ...]:
        """Resolve `layers`: None = every hidden layer, (first, last) = a range, list = names.

        Raises
        ------
        ValueError
            If a name is unknown, names an output, or comes twice, or a range is empty.
        TypeError
            If `layers` is none of the three forms.
        """
        names = [layer.name for layer in self.hidden]
        if layers is None:
            if not names:
                raise NetworkError("the model has no hidden layer: only its output layer has units")
            return self.hidden
        given: Any = layers  # what a user gives need not be what the signature says
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"layers={layers!r}; expected None, a pair (first, last) or a list of names, "
                f"out of {names}"
            )
        for name in given:
            if not isinstance(name, str) or name not in names:
                near = difflib.get_close_matches(str(name), names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"there is no hidden layer {name!r}; the model has {names}{hint}")
        if isinstance(layers, tuple):
            if len(layers) != 2:
                raise ValueError(
                    f"layers={layers!r}; a tuple is a range (first, last), use a list for names"
                )
            first, last = names.index(layers[0]), names.index(layers[1])
            if first > last:
                raise ValueError(f"layers={layers!r}; {layers[0]!r} comes after {layers[1]!r}")
            return self.hidden[first : last + 1]
        if not layers or len(set(layers)) < len(layers):
            raise ValueError(f"layers={layers!r}; expected at least one name, each once")
        return tuple(layer for layer in self.hidden if layer.name in layers)

    def require_followed(self, layers: Sequence[Layer], *, from_input: bool = False) -> None:
        """Refuse a choice of layers between which there is something modviz can't follow."""
        chosen = [layer.name for layer in layers]
        for name, gap in self._reading.gaps:
            first = chosen[0] == name and not from_input
            if name not in chosen or first:
                continue
            before = [n for n in chosen if chosen.index(n) < chosen.index(name)]
            advice = (
                f"analyse the layers before it, layers={(before[0], before[-1])!r}"
                if len(before) > 1
                else "choose layers on one side of it"
            )
            raise NetworkError(
                f"modviz can't follow the model at {gap.node!r}, operation {gap.operation}, which "
                f"the layer {name!r} reads: {gap.reason}; {advice}, or replace the operation"
            )

    def unfollowed(self) -> str:
        """The operations between layers that modviz could not follow, in words; "" if none."""
        gaps = {f"{gap.operation} at {gap.node!r}" for _, gap in self._reading.gaps}
        return ", ".join(sorted(gaps))

    def weight(self, layer: str) -> torch.Tensor:
        """The layer's weights: (units, inputs of a group, ...)."""
        return self._reading.layers[layer].weight.detach()

    def batch_norm_scale(self, layer: str) -> NDArray[np.float64]:
        """|gamma| / sqrt(var + eps) of the batch norm right after a layer, per unit; else 1."""
        units = next(la.n_units for la in self.layers if la.name == layer)
        return self._reading.in_scale.get(layer, np.ones(units))

    @property
    def bytes_per_image(self) -> int:
        """Size of the largest tensor of a forward pass, for one image."""
        return self._reading.bytes_per_image

    def stacked(self, node: fx.Node, value: Any, n: int) -> Any:
        """What becomes of a value if `n` copies of the images stand one behind the other."""
        if node in self._reading.image_counts:
            return value * n
        if isinstance(value, torch.Tensor) and value.ndim and not self._reading.is_constant(node):
            return value.repeat(n, *[1] * (value.ndim - 1))
        return value

    def part(self, node: fx.Node, value: Any, images: slice) -> Any:
        """What a value is for some of the images."""
        if node in self._reading.image_counts:
            return len(range(*images.indices(value)))
        if self._reading.is_constant(node):
            return value
        if isinstance(value, torch.Tensor) and value.ndim:
            return value[images]
        if isinstance(value, (tuple, list)):
            return type(value)(v[images] if isinstance(v, torch.Tensor) else v for v in value)
        return value

    @property
    def example(self) -> torch.Tensor:
        """Two inputs of nothing but zeros, of the shape that the model takes."""
        shape = 2, *self.input_shape
        return torch.zeros(shape, device=device_of(self.model), dtype=dtype_of(self.model))

    @cached_property
    def shapes(self) -> dict[fx.Node, tuple[int, ...]]:
        """Shape of every tensor of a run of two images."""
        found: dict[fx.Node, tuple[int, ...]] = {}

        def noted(node: fx.Node) -> Callable[[Any], None]:
            def look(value: Any) -> None:
                if isinstance(value, torch.Tensor):
                    found[node] = tuple(value.shape)

            return look

        images = self.example
        with evaluating(self.model), torch.no_grad():
            nodes = [node for node in self.replay.nodes if node is not self.replay.input]
            self.replay.show(images, {node: noted(node) for node in nodes})
        found[self.replay.input] = tuple(images.shape)
        return found

    def bytes_of(self, node: fx.Node) -> int:
        """Size of a value for one image; 0 for what is no tensor."""
        shape = self.shapes.get(node, (0,))
        return math.prod(shape) // 2 * dtype_of(self.model).itemsize

    def __repr__(self) -> str:
        chain = ", ".join(f"{la.name} ({la.kind}, {la.n_units})" for la in self.layers)
        return f"Network of {type(self.model).__name__}: {chain}"


def _read(
    model: nn.Module, example: torch.Tensor, head: Head, connections: list[list[str]] | None
) -> tuple[Replay, Reading]:
    if connections is not None:
        pairs = [(source, target) for source, target in connections]
        return read_by_hand(model, example.clone(), pairs, head)
    module = traced(model, example.clone(), head)
    replay = Replay(module.graph, module)
    return replay, read(replay, dict(model.named_modules()), example.clone())


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype:
    """Floating type of a model's parameters; float32 if it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
