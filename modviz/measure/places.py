"""Where in a run of a model the units of a layer stand: to be watched, silenced, or driven."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import fx

from modviz.measure.reading import Reading
from modviz.measure.replay import Replay
from modviz.measure.signals import Signal, unit_axis


class Places:
    """The operations of a model that belong to each of its layers.

    Parameters
    ----------
    replay : Replay
    reading : Reading
        What a run of that replay has told.
    """

    def __init__(self, replay: Replay, reading: Reading) -> None:
        self.replay, self._reading = replay, reading

    def groups(self, layer: str) -> int:
        """Groups of a convolution, between which no weights run; 1 for other layers."""
        return self._reading.layers[layer].groups

    def layer_nodes(self, layer: str) -> tuple[fx.Node, ...]:
        """The operations of the layer itself, one for every use: what its weights give."""
        return tuple(self._reading.nodes[layer])

    def unit_axis(self, node: fx.Node, layer: str) -> int:
        """The dimension of a value, from 1, along which the units of a layer stand.

        Behind a flatten every unit has as many places there as it had positions, in a row.
        """
        axis = self._axis(node, layer)
        if axis is None and self._is_folded(node, layer):
            axis = 0
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
            onward = [
                user
                for user in node.users
                if self._still_alone(user, layer) or self._is_folded(user, layer)
            ]
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
            if not (user in self._reading.norms and self._still_alone(user, layer)):
                break
            node = user
        return node

    def _still_alone(self, node: fx.Node, layer: str) -> bool:
        """Whether a value is that of the units of `layer` alone, each apart from the others."""
        return node not in self._layer_nodes and self._axis(node, layer) is not None

    def _axis(self, node: fx.Node, layer: str) -> int | None:
        signal = self._only(node, layer)
        if signal is None or signal.positions:
            return None
        return unit_axis(signal.terms[0], self._reading.layers[layer].n_units)

    def _is_folded(self, node: fx.Node, layer: str) -> bool:
        """Whether a value holds the units of `layer` alone, each with its positions in a row."""
        signal = self._only(node, layer)
        if signal is None or not signal.positions or node in self._layer_nodes:
            return False
        units = torch.arange(self._reading.layers[layer].n_units)
        in_a_row = units.repeat_interleave(math.prod(signal.positions))
        return torch.equal(signal.terms[0].units, in_a_row)

    def _only(self, node: fx.Node, layer: str) -> Signal | None:
        """The signal of a value to which no other layer than `layer` adds."""
        signal = self._reading.values.get(node)
        if not isinstance(signal, Signal) or [term.source for term in signal.terms] != [layer]:
            return None
        return signal

    @cached_property
    def _layer_nodes(self) -> frozenset[fx.Node]:
        return frozenset(node for uses in self._reading.nodes.values() for node in uses)
