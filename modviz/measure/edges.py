"""Neuron graphs of a model: which units influence which, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modviz.core.graph import Layer, NeuronGraph
from modviz.core.settings import one_of, true_or_false
from modviz.measure.by_hand import Pairs
from modviz.measure.data import LabelledData
from modviz.measure.network import LayerChoice, Network, dtype_of
from modviz.measure.reading import Connection
from modviz.measure.signals import INPUT
from modviz.measure.sound import require_module
from modviz.measure.trace import Head

Floats = NDArray[np.float64]


def weight_graph(
    model: nn.Module | Network,
    example_input: Any = None,
    *,
    layers: LayerChoice = None,
    kernel_norm: str = "l1",
    include_inputs: bool = False,
    include_outputs: bool = False,
    head: Head = None,
    connections: Pairs | None = None,
) -> NeuronGraph:
    """The graph of a network's units, with magnitudes of weights as edges.

    Two units are connected if one reads the other directly. Between channels the edge is a norm of
    the kernel slice; a channel that was flattened owns all its positions. Batch norm right after a
    layer multiplies its in-edges by |gamma| / sqrt(var + eps).

    Parameters
    ----------
    model : torch.nn.Module or Network
    example_input : tensor or array, shape (images, ...), or data as `modviz.analyze` takes them
        A few inputs; not needed if a Network is given.
    layers : None, pair of str, or list of str
        Every hidden layer, a range (first, last), or just these.
    kernel_norm : {"l1", "induced", "l2"}
        ``"l1"``: sum of magnitudes. ``"l2"``: root of the sum of squares. ``"induced"``: largest
        column sum of magnitudes, which the authors' code computes under the name L1; use it to
        reproduce their numbers.
    include_inputs, include_outputs : bool
        Also take the units of the input (pixels where a linear layer reads them, channels where a
        convolution does) and of the output layers. They are clustered, never lesioned.
    head : int or str, optional
        Which output counts, if the model returns several.
    connections : list of (str, str), optional
        Which layer reads which, by hand, for a model that can't be traced: see `modviz.Network`.

    Returns
    -------
    NeuronGraph

    Raises
    ------
    ValueError
        If a layer is unknown, weights are NaN, or nothing connects the chosen layers.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> modviz.weight_graph(planted.model, planted.data.images)
    NeuronGraph(2 layers, 32 units, edges='weights')
    """
    one_of("kernel_norm", kernel_norm)
    include_inputs = true_or_false("include_inputs", include_inputs)
    include_outputs = true_or_false("include_outputs", include_outputs)
    if isinstance(model, Network):
        if head is not None or connections is not None:
            raise TypeError(
                "head and connections belong to modviz.Network(model, example_input, ...), which "
                "was given; say them there"
            )
        network = model
    elif example_input is None:
        raise TypeError("example_input is missing; give a few inputs as the model takes them")
    else:
        require_module(model)
        if isinstance(example_input, np.ndarray) and example_input.ndim:
            example_input = example_input, np.zeros(len(example_input))
        if not isinstance(example_input, torch.Tensor):
            example_input = LabelledData(example_input, dtype=dtype_of(model)).first(2)
        network = Network(model, example_input, head=head, connections=connections)
    chosen = list(network.choose(layers))
    if include_outputs:
        chosen += [layer for layer in network.layers if layer.role == "output"]
    network.require_followed(chosen, from_input=include_inputs)
    names = {layer.name for layer in chosen}
    reads = [c for c in network.connections if c.target in names and c.source in names]
    if include_inputs:
        from_input = [c for c in network.connections if c.target in names and c.source == INPUT]
        if from_input:
            n_inputs = input_units(from_input, network)
            chosen.insert(0, Layer(INPUT, "input", n_inputs, "input"))
            reads += from_input
    if not reads:
        unfollowed = network.unfollowed()
        raise ValueError(
            f"nothing connects the layers {[la.name for la in chosen]} directly, so there is no "
            "graph; choose neighbouring layers, or include_inputs=True / include_outputs=True"
            + (f". modviz could not follow {unfollowed}" if unfollowed else "")
        )
    index = {layer.name: k for k, layer in enumerate(chosen)}
    blocks: dict[tuple[int, int], Floats] = {}
    for connection in reads:
        i, j = index[connection.source], index[connection.target]
        block = _block(network, connection, (chosen[i].n_units, chosen[j].n_units), kernel_norm)
        if i == j:  # a layer that reads itself
            block = block + block.T
            np.fill_diagonal(block, 0)
        key, block = ((i, j), block) if i <= j else ((j, i), block.T)
        blocks[key] = blocks.get(key, 0) + block
    return NeuronGraph(chosen, blocks, edges="weights")


def input_units(from_input: Sequence[Connection], network: Network) -> int:
    """How many units the input has: its pixels where linear layers read it, else its channels."""
    found = [int(c.units.max()) + 1 for c in from_input]
    n_channels = network.input_shape[0]
    if len(network.input_shape) > 1 and min(found) <= n_channels < max(found):
        raise ValueError(
            f"the input is read by channel ({n_channels}) and by pixel ({max(found)}), so that its "
            "units are not defined; use include_inputs=False, or layers of which only one reads it"
        )
    return max(found)


def _block(
    network: Network, connection: Connection, shape: tuple[int, int], kernel_norm: str
) -> Floats:
    """Edge weights of one connection, shape (units of source, units of target)."""
    name = connection.target
    weight = network.weight(name).cpu().double().abs().numpy()
    weight = _ungrouped(weight, network.groups(name))
    slices = weight * connection.scale.reshape(-1, *[1] * (weight.ndim - 2))
    units = connection.units
    if connection.positions:  # (targets, units and positions) -> (targets, units, *positions)
        slices = slices.reshape(len(weight), -1, *connection.positions)
        units = units.reshape(slices.shape[1], -1)[:, 0]
    norms = _norm(slices, kernel_norm, name)
    block = np.zeros(shape)
    if kernel_norm == "l2":  # a unit may be read in several places, which belong to one slice
        np.add.at(block, units[units >= 0], norms.T[units >= 0] ** 2)
        block = np.sqrt(block)
    else:
        np.add.at(block, units[units >= 0], norms.T[units >= 0])
    return np.asarray(block * network.batch_norm_scale(name))


def _ungrouped(weight: Floats, groups: int) -> Floats:
    """Weights of a convolution in groups as of one without: 0 between the groups."""
    if groups == 1:
        return weight
    out, inner = weight.shape[:2]
    full = np.zeros((out, inner * groups, *weight.shape[2:]))
    for g in range(groups):
        rows = slice(g * out // groups, (g + 1) * out // groups)
        full[rows, g * inner : (g + 1) * inner] = weight[rows]
    return full


def _norm(slices: Floats, kernel_norm: str, layer: str) -> Floats:
    """Norm of every slice of magnitudes, (targets, units, *positions) -> (targets, units)."""
    positions = tuple(range(2, slices.ndim))
    if kernel_norm == "l2":
        return np.asarray(np.sqrt((slices**2).sum(axis=positions)))
    if kernel_norm == "induced" and len(positions) > 1:
        if len(positions) > 2:
            raise ValueError(
                f"kernel_norm='induced' is a matrix norm and layer {layer!r} has "
                f"{len(positions)}-dimensional kernels; use 'l1' or 'l2'"
            )
        return np.asarray(slices.sum(axis=2).max(axis=2))
    return np.asarray(slices.sum(axis=positions))
