"""The graph of activations: units are connected as far as they rise and fall together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.core.correlation import centred_ranks, squared_spearman
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.progress import Cancelled
from modviz.core.settings import one_of, true_or_false, whole_number
from modviz.measure.data import LabelledData
from modviz.measure.edges import input_units
from modviz.measure.guard import evaluating
from modviz.measure.inputs import require_shape
from modviz.measure.network import LayerChoice, Network, device_of, dtype_of
from modviz.measure.sampling import sampled_batches
from modviz.measure.signals import INPUT
from modviz.measure.sound import require_module
from modviz.measure.trace import NetworkError

#: Images behind the correlations, as in the authors' code.
N_SAMPLES = 5000
#: Bytes of the largest tensor of one forward pass; also what is sent through it at once at most.
_BATCH_BYTES, _MOST_IMAGES = 64 * 2**20, 512
#: Bytes that the correlations and ranks may take together.
_MOST_BYTES = 4 * 2**30

Values = NDArray[np.floating[Any]]


def activation_graph(
    model: nn.Module | Network,
    images: Any,
    *,
    layers: LayerChoice = None,
    n_samples: int = N_SAMPLES,
    seed: int = 0,
    kernel_norm: str = "l1",
    include_inputs: bool = False,
    include_outputs: bool = False,
) -> NeuronGraph:
    """The graph of a network's units, with squared rank correlations of activations as edges.

    Every unit is connected with every other one, in its own layer and in all others, by the square
    of Spearman's correlation over images: 0 .. 1, 0 where it is undefined. An activation is the
    value before the non-linearity, after a batch norm that belongs to the layer; where a unit has
    many positions (a channel of a convolution), the norm of its map. A unit whose activation never
    changes has no edges: it is dead.

    Parameters
    ----------
    model : torch.nn.Module or Network
        It is run in eval mode, on the device where it is, and left as it was.
    images : tensor or array, (images, labels), torch Dataset or DataLoader
        Images as the model takes them; labels are not used. The method takes training images.
    layers : None, pair of str, or list of str
        Every hidden layer, a range (first, last), or just these.
    n_samples : int
        Images to use at most, at least 3; if there are more they are drawn by `seed`, from a
        DataLoader after one pass through all it gives.
    seed : int
    kernel_norm : {"l1", "induced", "l2"}
        How a map of many positions becomes one number. ``"l1"``: sum of magnitudes. ``"l2"``: root
        of the sum of squares. ``"induced"``: largest column sum of magnitudes, which the authors'
        code computes under the name L1; use it to reproduce their numbers. A unit without positions
        keeps its value with its sign.
    include_inputs, include_outputs : bool
        Also take the units of the input (pixels where a linear layer reads them, channels where a
        convolution does) and of the output layers. They are clustered, never lesioned.

    Returns
    -------
    NeuronGraph
        With ``edges="activations"`` and a block for every pair of layers.

    Raises
    ------
    ValueError
        If a layer is unknown, there are fewer than 3 images, or the correlations of so many units
        would take more than 4 GiB.
    NetworkError
        If modviz can't follow the model, or it gives NaN.

    Notes
    -----
    A layer that the model uses more than once counts as it is used first. The order of the images
    does not matter (unless there are more than `n_samples`), and batches don't either.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> modviz.activation_graph(planted.model, planted.data.images)
    NeuronGraph(2 layers, 32 units, edges='activations')
    """
    n_samples = whole_number("n_samples", n_samples, 3)
    if isinstance(model, Network):
        network, data = model, labelled_images(images, dtype_of(model.model))
    else:
        require_module(model)
        data = labelled_images(images, dtype_of(model))
        network = Network(model, data.first())
    return correlation_graph(
        network,
        data,
        layers=layers,
        n_samples=n_samples,
        seed=whole_number("seed", seed, 0),
        kernel_norm=kernel_norm,
        include_inputs=include_inputs,
        include_outputs=include_outputs,
    )


def labelled_images(images: Any, dtype: torch.dtype) -> LabelledData:
    """Images in any form that `LabelledData` takes, or without labels."""
    if isinstance(images, (torch.Tensor, np.ndarray)):
        if images.ndim == 0:
            raise ValueError("images have shape (); expected (n, ...)")
        images = (images, np.zeros(len(images), dtype=np.int64))
    return LabelledData(images, dtype=dtype)


def activation_data(network: Network, images: Any) -> LabelledData:
    """What a caller gave as `activation_images`; errors name that argument."""
    try:
        data = labelled_images(images, dtype_of(network.model))
        require_shape(network, data)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"activation_images: {error}") from error
    return data


def correlation_graph(
    network: Network,
    data: LabelledData,
    *,
    layers: LayerChoice = None,
    n_samples: int = N_SAMPLES,
    seed: int = 0,
    kernel_norm: str = "l1",
    include_inputs: bool = False,
    include_outputs: bool = False,
    report: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> NeuronGraph:
    """See `activation_graph`; `report` is called with (done, total) images.

    Raises
    ------
    Cancelled
        If `cancel` was set; checked at every batch of images and at every layer.
    """
    one_of("kernel_norm", kernel_norm)
    include_inputs = true_or_false("include_inputs", include_inputs)
    include_outputs = true_or_false("include_outputs", include_outputs)
    require_shape(network, data)
    chosen = list(network.choose(layers))
    if include_outputs:
        chosen += [layer for layer in network.layers if layer.role == "output"]
    if include_inputs and (n_inputs := _n_inputs(network)):
        chosen.insert(0, Layer(INPUT, "input", n_inputs, "input"))
    n_samples = n_samples if data.n_images is None else min(n_samples, data.n_images)
    _refuse_too_many(chosen, n_samples)
    measure = _Measure(network, chosen, kernel_norm)
    values = {layer.name: np.empty((n_samples, layer.n_units), measure.dtype) for layer in chosen}
    filled = np.zeros(n_samples, dtype=bool)
    with evaluating(network.model), torch.no_grad():
        for images, slots in sampled_batches(data, n_samples, measure.batch_size, seed):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            for name, found in measure(images).items():
                values[name][slots] = found
            filled[slots] = True
            if report is not None:
                report(int(filled.sum()), n_samples)
    if filled.sum() < 3:
        raise ValueError(
            f"there are {int(filled.sum())} images; correlations need at least 3, and mean little "
            "below a few hundred"
        )
    ends = np.cumsum([0, *(layer.n_units for layer in chosen)])
    # a row a unit, so that each layer's correlations with all later ones are one product
    ranks = np.empty((ends[-1], int(filled.sum())))
    for i, layer in enumerate(chosen):
        settled = _settled(values.pop(layer.name)[filled], layer.name)
        ranks[ends[i] : ends[i + 1]] = centred_ranks(settled).T
    blocks = {}
    for i, layer in enumerate(chosen):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        begin = ends[i]
        found = squared_spearman(ranks[begin : ends[i + 1]].T, ranks[begin:].T)
        np.fill_diagonal(found[:, : layer.n_units], 0)
        for j in range(i, len(chosen)):
            blocks[i, j] = found[:, ends[j] - begin : ends[j + 1] - begin].copy()
    return NeuronGraph(chosen, blocks, edges="activations")


def _n_inputs(network: Network) -> int:
    """Units of the input as layers read them; 0 if none reads it directly."""
    reads = [c for c in network.connections if c.source == INPUT]
    return input_units(reads, network) if reads else 0


def _refuse_too_many(layers: list[Layer], n_samples: int) -> None:
    n_units = sum(layer.n_units for layer in layers)
    needed = 8 * n_units * (n_units + 1) // 2 + 8 * n_samples * n_units
    if needed > _MOST_BYTES:
        raise ValueError(
            f"the correlations of {n_units:,} units need {needed / 2**30:.1f} GiB, more than the "
            f"{_MOST_BYTES / 2**30:.0f} GiB that modviz allows: choose fewer layers, "
            f"layers=({layers[0].name!r}, ...), or edges of weights (weight_graph)"
        )


def _settled(values: Values, layer: str) -> Values:
    """Values of one layer, checked, with units that differ only by rounding made constant."""
    if not np.isfinite(values).all():
        raise NetworkError(
            f"layer {layer!r} gives NaN or infinite values for some images, so they can't be "
            "ranked; in half precision values overflow early: try model.float()"
        )
    largest = np.abs(values).max(axis=0)
    rounding = 64 * np.finfo(values.dtype).eps * largest
    values[:, values.max(axis=0) - values.min(axis=0) <= rounding] = 0
    return values


class _Measure:
    """One number for every unit of the chosen layers and every image of a batch."""

    def __init__(self, network: Network, layers: list[Layer], kernel_norm: str) -> None:
        self._network, self._norm = network, kernel_norm
        self._nodes: dict[fx.Node, str] = {}
        self._inputs = next((la.n_units for la in layers if la.role == "input"), 0)
        for layer in layers:
            if layer.role != "input":
                self._nodes[network.pre_activation_node(layer.name)] = layer.name
        self._device = device_of(network.model)
        double = dtype_of(network.model) == torch.float64
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self.batch_size = int(np.clip(_BATCH_BYTES // network.bytes_per_image, 1, _MOST_IMAGES))

    def __call__(self, images: torch.Tensor) -> Mapping[str, Values]:
        """Values by layer, each of shape (images, units)."""
        found: dict[str, Values] = {}
        network = self._network

        def observer(node: fx.Node, name: str) -> Callable[[torch.Tensor], None]:
            def look(value: torch.Tensor) -> None:
                found[name] = self._by_unit(value.movedim(network.unit_axis(node, name), 1), name)

            return look

        images = images.to(self._device)
        # values are reduced as they come: kept to the end they would fill the memory
        network.replay.show(
            images, {node: observer(node, name) for node, name in self._nodes.items()}
        )
        if self._inputs:
            channels = self._inputs == images.shape[1]
            found[INPUT] = self._by_unit(images if channels else images.flatten(1), INPUT)
        return found

    def _by_unit(self, value: torch.Tensor, layer: str) -> Values:
        """Reduce values of shape (images, units, *positions) over the positions."""
        value = value if value.dtype == torch.float64 else value.float()
        positions = tuple(range(2, value.ndim))
        if positions and self._norm == "l2":
            value = value.square().sum(dim=positions).sqrt()
        elif self._norm == "induced" and len(positions) == 2:
            value = value.abs().sum(dim=2).amax(dim=2)
        elif self._norm == "induced" and len(positions) > 2:
            raise ValueError(
                f"kernel_norm='induced' is a matrix norm and units of layer {layer!r} have "
                f"{len(positions)}-dimensional maps; use 'l1' or 'l2'"
            )
        elif positions:
            value = value.abs().sum(dim=positions)
        return np.asarray(value.cpu().numpy(), dtype=self.dtype)
