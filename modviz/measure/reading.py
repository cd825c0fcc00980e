"""What reading a model has found: its layers, who reads whom, and whose values stand where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from modviz.measure.calls import Values
from modviz.measure.layers import LayerWeights
from modviz.measure.signals import Opaque


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
    units: NDArray[np.int64] = field(repr=False)
    scale: NDArray[np.float64] = field(repr=False)
    positions: tuple[int, ...] = ()


@dataclass(eq=False)
class Reading:
    """What one run of the example told about a model.

    Attributes
    ----------
    layers : dict of str to LayerWeights
        Every layer by its name, in the order data flows.
    nodes : dict of str to list of torch.fx.Node
        Each layer's operation, once for every use.
    values : dict of torch.fx.Node to Value
        The signal (or Opaque) of every tensor, or of every part of a tuple of tensors.
    connections : list of Connection
    gaps : list of (str, Opaque)
        Layers that read something no rule could follow.
    in_scale : dict of str to array, shape (units,)
        Magnitude by which the batch norm right after a layer scales its units.
    norms : set of torch.fx.Node
        Operations that are batch norms.
    image_counts : set of torch.fx.Node
        Numbers that say how many images there are.
    output : tensor
        What the model gave for the example.
    bytes_per_image : int
        Size of the largest tensor on the way, for one image.
    """

    layers: dict[str, LayerWeights] = field(default_factory=dict)
    nodes: dict[str, list[fx.Node]] = field(default_factory=dict)
    values: dict[fx.Node, Values] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    gaps: list[tuple[str, Opaque]] = field(default_factory=list)
    in_scale: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    norms: set[fx.Node] = field(default_factory=set)
    image_counts: set[fx.Node] = field(default_factory=set)
    output: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    bytes_per_image: int = 0

    def is_constant(self, node: fx.Node) -> bool:
        """Whether a value depends on the model's parameters alone, not on the input."""
        value = self.values.get(node)
        return isinstance(value, Opaque) and value.constant
