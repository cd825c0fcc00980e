"""One operation as it ran on the example, which is what rules about owners of values look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.signals import Opaque, Value

#: Owners may also come as a tuple, as chunk and split give them.
Values = Value | tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One operation as it ran on the example: what it read and what came out.

    Attributes
    ----------
    inputs, tensors, nodes : tuple
        Signals that it reads, in order, the tensors they belong to, and the nodes of these.
    output : tensor or tuple of tensors
    rerun : callable
        The operation on other tensors in place of `tensors`.
    """

    node: fx.Node
    module: nn.Module | None
    operation: str
    inputs: tuple[Value, ...]
    tensors: tuple[torch.Tensor, ...]
    nodes: tuple[fx.Node, ...]
    output: Any
    rerun: Callable[[Sequence[torch.Tensor]], Any]

    def opaque(self, reason: str) -> Opaque:
        """What comes out if no rule can say who owns the values."""
        where = str(self.node.target) if self.module is not None else self.node.name
        constant = all(isinstance(v, Opaque) and v.constant for v in self.inputs)
        return Opaque(where, self.operation, reason, constant=constant)

    def only(self) -> Value:
        """The one signal it reads; parameters beside it do not count."""
        signals = [v for v in self.inputs if not (isinstance(v, Opaque) and v.constant)]
        if len(signals) != 1:
            return self.opaque("it merges two tensors" if signals else "it reads no units")
        return signals[0]

    def shape(self) -> tuple[int, ...]:
        """Shape of the output without the images."""
        return tuple(self.output.shape[1:])


Rule = Callable[[Call], Values]
