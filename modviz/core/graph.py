"""The neuron graph: layers of units and the weighted blocks that connect them.

A graph is kept as one dense block per pair of connected layers, because that is what a network
is: a few layers, each pair either fully connected or not at all. The sparse adjacency matrix of
all units is assembled from the blocks when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

Role = Literal["input", "hidden", "output"]


@dataclass(frozen=True)
class Layer:
    """One layer of units in a graph.

    Attributes
    ----------
    name : str
        The module's dotted name in the model (``"features.3"``), or ``"input"``.
    kind : str
        What the layer is: ``"linear"``, ``"conv2d"``, ... or ``"input"``.
    n_units : int
        Number of units: outputs of a linear layer, output channels of a convolution.
    role : {"input", "hidden", "output"}
        Only units of hidden layers are lesioned, visualized and drawn as controls.
    number : int
        Position among the model's hidden layers, from 1; 0 for inputs. Used in names of
        subclusters: B2 is cluster B in layer 2.
    """

    name: str
    kind: str
    n_units: int
    role: Role = "hidden"
    number: int = 0


class NeuronGraph:
    """A weighted undirected graph over the units of a network.

    Parameters
    ----------
    layers : sequence of Layer
        In the order data flows.
    blocks : mapping of (int, int) to array
        ``blocks[i, j]``, shape (units of layer i, units of layer j), holds the weights of the edges
        between two layers, i < j. A block ``[i, i]`` holds edges inside a layer and must be
        symmetric with a zero diagonal.
    edges : str
        What an edge means: ``"weights"`` or ``"activations"``.

    Raises
    ------
    ValueError
        If a block has the wrong shape, a negative or a non-finite entry.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        blocks: Mapping[tuple[int, int], NDArray[np.floating]],
        *,
        edges: str = "weights",
    ) -> None:
        self.layers = tuple(layers)
        self.edges = edges
        self.blocks: dict[tuple[int, int], NDArray[np.float64]] = {}
        for (i, j), block in sorted(blocks.items()):
            self.blocks[i, j] = self._checked(i, j, np.asarray(block, dtype=np.float64))

    def _checked(self, i: int, j: int, block: NDArray[np.float64]) -> NDArray[np.float64]:
        if not 0 <= i <= j < len(self.layers):
            raise ValueError(
                f"a block connects layers {i} and {j}, but the graph has {len(self.layers)} layers "
                "and expects the earlier one first; give keys (i, j) with i <= j"
            )
        between = f"the edges between {self.layers[i].name!r} and {self.layers[j].name!r}"
        expected = (self.layers[i].n_units, self.layers[j].n_units)
        if block.shape != expected:
            raise ValueError(f"{between} have shape {block.shape}; expected {expected}")
        if not np.isfinite(block).all():
            raise ValueError(
                f"{between} hold NaN or infinite values: the network's weights are broken; "
                "check that training did not diverge and load a sound checkpoint"
            )
        if (block < 0).any():
            raise ValueError(f"{between} hold negative weights; expected magnitudes >= 0")
        if i == j and not (np.array_equal(block, block.T) and not block.diagonal().any()):
            raise ValueError(f"{between} must be symmetric with a zero diagonal")
        return block

    @property
    def n_units(self) -> int:
        """Number of units (nodes) of all layers together."""
        return sum(layer.n_units for layer in self.layers)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Index of each layer's first unit among all units, with the total at the end."""
        return np.cumsum([0, *(layer.n_units for layer in self.layers)], dtype=np.int64)

    def layer_slice(self, index: int) -> slice:
        """Where the units of the layer at position `index` stand among all units."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    @cached_property
    def units(self) -> pd.DataFrame:
        """A row per unit: ``layer`` (name) and ``unit`` (number inside the layer)."""
        return pd.DataFrame(
            {
                "layer": np.repeat(
                    [layer.name for layer in self.layers], [la.n_units for la in self.layers]
                ),
                "unit": np.concatenate(
                    [np.arange(layer.n_units) for layer in self.layers] or [np.arange(0)]
                ),
            }
        )

    @cached_property
    def adjacency(self) -> sp.csr_array:
        """Symmetric adjacency matrix, shape (n_units, n_units), >= 0, zero diagonal."""
        rows: list[list[sp.coo_array | None]] = [
            [None] * len(self.layers) for _ in range(len(self.layers))
        ]
        for k, layer in enumerate(self.layers):
            rows[k][k] = sp.coo_array((layer.n_units, layer.n_units), dtype=np.float64)
        for (i, j), block in self.blocks.items():
            rows[i][j] = sp.coo_array(block)
            rows[j][i] = sp.coo_array(block.T)
        matrix = sp.csr_array(sp.block_array(rows, format="csr"))
        matrix.eliminate_zeros()
        return matrix

    @cached_property
    def degrees(self) -> NDArray[np.float64]:
        """Sum of each unit's edge weights, shape (n_units,); 0 for a dead unit."""
        total = np.zeros(self.n_units)
        for (i, j), block in self.blocks.items():
            total[self.layer_slice(i)] += block.sum(axis=1)
            if i != j:
                total[self.layer_slice(j)] += block.sum(axis=0)
        return total

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which units have any edge at all, shape (n_units,)."""
        return self.degrees > 0

    def multiply(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Adjacency matrix times `vectors`, shape (n_units,) or (n_units, m), block by block."""
        product = np.zeros_like(vectors)
        for (i, j), block in self.blocks.items():
            product[self.layer_slice(i)] += block @ vectors[self.layer_slice(j)]
            if i != j:
                product[self.layer_slice(j)] += block.T @ vectors[self.layer_slice(i)]
        return product

    def __repr__(self) -> str:
        return (
            f"NeuronGraph({len(self.layers)} layers, {self.n_units:,} units, edges={self.edges!r})"
        )
