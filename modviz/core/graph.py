"""The neuron graph: layers of units and the weighted blocks that connect them.

A graph is kept as one dense block per pair of connected layers, because that is what a network
is: a few layers, each pair either fully connected or not at all. The sparse adjacency matrix of
all units is assembled from the blocks when somebody asks for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from modviz.core.arrays import real_numbers

if TYPE_CHECKING:
    import pandas as pd

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

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"a layer's name is {self.name!r}; expected text")
        if isinstance(self.n_units, bool) or not isinstance(self.n_units, (int, np.integer)):
            raise TypeError(f"layer {self.name!r} has n_units={self.n_units!r}; expected a number")
        if self.n_units < 0:
            raise ValueError(f"layer {self.name!r} has n_units={self.n_units}; expected 0 or more")


def _checked_layers(layers: object) -> tuple[Layer, ...]:
    given = tuple(layers) if isinstance(layers, Iterable) else ()
    if not isinstance(layers, Iterable) or not all(isinstance(layer, Layer) for layer in given):
        raise TypeError(f"layers={layers!r}; expected a sequence of modviz.core.graph.Layer")
    names = [layer.name for layer in given]
    if len(set(names)) < len(names):  # units, controls and results are found by their layer's name
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"layers hold two with the name {twice!r}; give each a name of its own")
    return given


def _checked_keys(blocks: object) -> list[tuple[int, int]]:
    if not isinstance(blocks, Mapping):
        raise TypeError(f"blocks is {type(blocks).__name__}; expected a dict of arrays by (i, j)")
    for key in blocks:
        pair = isinstance(key, tuple) and len(key) == 2
        if not pair or not all(isinstance(i, (int, np.integer)) for i in key):
            raise TypeError(f"blocks has the key {key!r}; expected numbers of two layers (i, j)")
    return list(blocks)


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
    exact : bool
        False: weights are rounded, as a file keeps them for the picture of the graph; what is
        computed from them is a little off.

    Raises
    ------
    TypeError
        If `layers` are no layers, or `blocks` no arrays by pairs of numbers.
    ValueError
        If a layer's name comes twice, or a block has the wrong shape, a negative or a non-finite
        entry.

    Examples
    --------
    >>> import numpy as np
    >>> from modviz.core.graph import Layer, NeuronGraph
    >>> layers = [Layer("fc1", "linear", 3, number=1), Layer("fc2", "linear", 2, number=2)]
    >>> graph = NeuronGraph(layers, {(0, 1): np.ones((3, 2))})
    >>> graph.adjacency.shape, graph.units["layer"].tolist()
    ((5, 5), ['fc1', 'fc1', 'fc1', 'fc2', 'fc2'])
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        blocks: Mapping[tuple[int, int], NDArray[np.floating]],
        *,
        edges: str = "weights",
        exact: bool = True,
    ) -> None:
        self.layers = _checked_layers(layers)
        if not isinstance(edges, str):
            raise TypeError(f"edges={edges!r}; expected a word, 'weights' or 'activations'")
        self.edges = edges
        self.exact = exact
        self.blocks: dict[tuple[int, int], NDArray[np.float64]] = {}
        for i, j in sorted(_checked_keys(blocks)):
            block = real_numbers(f"the block ({i}, {j})", blocks[i, j])
            self.blocks[i, j] = self._checked(i, j, block)

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
        import pandas as pd  # here: opening a file does without, and it takes half a second

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
        rounded = "" if self.exact else ", rounded"
        return (
            f"NeuronGraph({len(self.layers)} layers, {self.n_units:,} units, "
            f"edges={self.edges!r}{rounded})"
        )


def warn_if_rounded(graph: object, what: str, stacklevel: int = 3) -> None:
    """Say that `what` is computed from a graph whose weights a file has rounded, if they are."""
    if isinstance(graph, NeuronGraph) and not graph.exact:
        warnings.warn(
            f"{what} is computed from a graph that was saved for its picture, with rounded "
            "weights: expect it to be a little off. Analysis.save(path, exact_graph=True) keeps "
            "all digits",
            stacklevel=stacklevel,
        )
