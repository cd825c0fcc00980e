"""What modviz knows of a model: its layers, how they connect, and how to run parts of it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.core.graph import Layer
from modviz.measure.guard import evaluating
from modviz.measure.ops import BATCH_NORMS, layer_kind
from modviz.measure.reader import Connection, NetworkError, Reading, read
from modviz.measure.replay import Replay, Tracer, without_writes
from modviz.measure.signals import Signal, unit_axis

#: What `layers=` takes: all hidden layers, a range (first, last), or a list of names.
LayerChoice = tuple[str, str] | list[str] | None


class Network:
    """A PyTorch model as modviz reads it.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier that takes one tensor and returns class scores, shape (images, classes).
    example_input : tensor, shape (images, ...)
        A few inputs as the model takes them; only their shape and type matter.

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
    """

    def __init__(self, model: nn.Module, example_input: torch.Tensor) -> None:
        require_module(model)
        if not isinstance(example_input, torch.Tensor):
            raise TypeError(
                f"example_input is {type(example_input).__name__}; expected a torch.Tensor"
            )
        self.model = model
        self._modules = dict(model.named_modules())
        _refuse_broken(model)
        example = example_input[:2].to(device_of(model))
        self.input_shape = tuple(example.shape[1:])
        with evaluating(model), torch.no_grad():
            expected = _class_scores(model, example)
            self.replay = Replay(_traced(model))
            self._reading: Reading = read(self.replay, self._modules, example)
        if not torch.allclose(self._reading.output, expected, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise NetworkError(
                "the traced model gives other outputs than the model itself, so forward() depends "
                "on something torch.fx can't see; remove randomness and data-dependent choices"
            )
        self.n_classes = int(expected.shape[1])
        self.connections: tuple[Connection, ...] = tuple(self._reading.connections)
        self.layers = self._numbered()

    def _numbered(self) -> tuple[Layer, ...]:
        if not self._reading.nodes:
            raise NetworkError(
                "the model has no Linear or convolution modules that modviz can see; "
                "layers must be modules (torch.nn.Linear, ...), not functions"
            )
        layers, number = [], 0
        nodes = {node for uses in self._reading.nodes.values() for node in uses}
        for name, uses in self._reading.nodes.items():
            hidden = any(later in nodes for later in self.replay.after(uses))
            number += hidden
            kind = layer_kind(self._modules[name]) or "layer"
            units = int(self._modules[name].weight.shape[0])
            layers.append(
                Layer(name, kind, units, "hidden" if hidden else "output", number if hidden else 0)
            )
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
        given: object = layers  # what a user gives need not be what the signature says
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"layers={layers!r}; expected None, a pair (first, last) or a list of names, "
                f"out of {names}"
            )
        for name in layers:
            if name not in names:
                raise ValueError(f"there is no hidden layer {name!r}; the model has {names}")
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
        """The layer's weights as stored: (units, inputs, ...)."""
        weight: Any = self._modules[layer].weight
        return torch.as_tensor(weight.detach())

    def batch_norm_scale(self, layer: str) -> NDArray[np.float64]:
        """|gamma| / sqrt(var + eps) of the batch norm right after a layer, per unit; else 1."""
        units = next(la.n_units for la in self.layers if la.name == layer)
        return self._reading.in_scale.get(layer, np.ones(units))

    @property
    def bytes_per_image(self) -> int:
        """Size of the largest tensor of a forward pass, for one image."""
        return self._reading.bytes_per_image

    # ---- where to measure ------------------------------------------------------------------------

    def groups(self, layer: str) -> int:
        """Groups of a convolution, between which no weights run; 1 for other layers."""
        groups: Any = getattr(self._modules[layer], "groups", 1)
        return int(groups)

    def layer_nodes(self, layer: str) -> tuple[fx.Node, ...]:
        """The operations of the layer itself, one for every use: what its weights give."""
        return tuple(self._reading.nodes[layer])

    def unit_axis(self, node: fx.Node, layer: str) -> int:
        """The dimension of a value, from 1, along which the units of a layer stand."""
        axis = self._axis(node, layer)
        if axis is None:
            raise ValueError(f"the units of layer {layer!r} do not stand apart at {node.name!r}")
        return axis + 1

    def lesion_nodes(self, layer: str) -> tuple[fx.Node, ...]:
        """The values that readers of a layer read.

        The end of each chain of per-channel operations (activation, batch norm, pooling, dropout)
        before the next operation that mixes units or merges branches.
        """
        ends, todo = [], list(self._reading.nodes[layer])
        while todo:
            node = todo.pop()
            onward = [user for user in node.users if self._still_alone(user, layer)]
            readers = [u for u in node.users if u in self._reading.values or u.op == "output"]
            if len(onward) < len(readers):
                ends.append(node)
            todo += onward
        return tuple(node for node in self.replay.nodes if node in ends)

    def pre_activation_node(self, layer: str) -> fx.Node:
        """A layer's value before its non-linearity, after the batch norm that belongs to it."""
        node = self._reading.nodes[layer][0]
        while len(node.users) == 1:
            (user,) = node.users
            module = self._modules.get(str(user.target)) if user.op == "call_module" else None
            if not (isinstance(module, BATCH_NORMS) and self._still_alone(user, layer)):
                break
            node = user
        return node

    def _still_alone(self, node: fx.Node, layer: str) -> bool:
        """Whether a value is that of the units of `layer` alone, each apart from the others."""
        return node not in self._layer_nodes and self._axis(node, layer) is not None

    def _axis(self, node: fx.Node, layer: str) -> int | None:
        signal = self._reading.values.get(node)
        if not isinstance(signal, Signal) or signal.positions or len(signal.terms) != 1:
            return None
        (term,) = signal.terms
        n_units = next(la.n_units for la in self.layers if la.name == layer)
        return unit_axis(term, n_units) if term.source == layer else None

    @cached_property
    def _layer_nodes(self) -> frozenset[fx.Node]:
        return frozenset(node for uses in self._reading.nodes.values() for node in uses)

    def __repr__(self) -> str:
        chain = ", ".join(f"{la.name} ({la.kind}, {la.n_units})" for la in self.layers)
        return f"Network of {type(self.model).__name__}: {chain}"


def require_module(model: object) -> None:
    """Raise a TypeError for what is no torch module."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}; expected a torch.nn.Module")


def _refuse_broken(model: nn.Module) -> None:
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_inference():
            raise NetworkError(
                f"{name!r} of the model was made in torch.inference_mode, where nothing can be "
                "derived; build or load the model outside of it"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NetworkError(
                f"{name!r} of the model holds NaN or infinite values: training diverged or the "
                "checkpoint is damaged; load a sound one"
            )


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype:
    """Floating type of a model's parameters; float32 if it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def _class_scores(model: nn.Module, example: torch.Tensor) -> torch.Tensor:
    """The model's output on the example, checked to be class scores."""
    try:
        output = model(example)
    except Exception as error:
        raise NetworkError(
            f"the model can't run on inputs of shape {tuple(example.shape[1:])} and type "
            f"{example.dtype}: {error}; give images as the model takes them"
        ) from error
    if not isinstance(output, torch.Tensor):
        raise NetworkError(
            f"the model returns {type(output).__name__}; expected a tensor of class scores, shape "
            "(images, classes): wrap the model in a module that returns just that"
        )
    if output.ndim != 2 or output.shape[0] != example.shape[0] or output.shape[1] < 2:
        raise NetworkError(
            f"the model returns shape {tuple(output.shape)} for {example.shape[0]} images; "
            "expected class scores of shape (images, classes) with at least 2 classes"
        )
    return output


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


def _traced(model: nn.Module) -> fx.GraphModule:
    if isinstance(model, nn.DataParallel):
        raise NetworkError("the model is wrapped in DataParallel; give the model inside: .module")
    if isinstance(model, torch.jit.ScriptModule):
        raise NetworkError(
            "the model is TorchScript, which can't be traced; give its Python module"
        )
    arguments = list(inspect.signature(model.forward).parameters.values())[1:]
    fixed = {a.name: a.default for a in arguments if a.default is not a.empty}
    try:
        graph = Tracer().trace(model, concrete_args=fixed or None)
    except Exception as error:
        raise NetworkError(
            f"torch.fx can't trace {type(model).__name__}: {error}; forward() must not choose its "
            "path by the values or shapes of its input: move such code out of the model"
        ) from error
    for node in [n for n in graph.nodes if n.op == "placeholder"]:
        if str(node.target).rpartition("_")[0] in fixed:
            _erase(graph, node)  # only checks that the default is the default hang on it
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len([node for node in inputs if not node.args]) != 1:
        names = [str(node.target) for node in inputs]
        raise NetworkError(
            f"forward() takes {names}; modviz follows models with one input tensor: wrap the model "
            "in a module that fixes the other arguments"
        )
    without_writes(graph, dict(model.named_modules()))
    return fx.GraphModule(model, graph)
