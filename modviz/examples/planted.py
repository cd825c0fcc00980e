"""A network whose true modules are known, to see whether they are found.

Everything is in blocks: pixels, hidden units and classes belong to one module each. Inside a
module weights are large, between modules they are small. A partition should find the blocks, and
silencing a module's units should cost the classes of that module and no others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modviz.examples.data import LabelledImages

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Images are at least this high and wide, and have as many rows as divide among the modules.
_MIN_SIDE = 8


@dataclass(frozen=True, eq=False)
class PlantedMLP:
    """A network with planted modules, and what is true of it.

    Attributes
    ----------
    model : nn.Sequential
        Flatten, then ``fc1``, ReLU, ..., ``output``; in evaluation mode.
    labels : array of int, shape (depth * n_modules * width,)
        True module of each hidden unit, in the order of layers and of units inside them: the
        units of a graph without inputs and outputs.
    input_labels : array of int, shape (pixels,)
        True module of each pixel.
    class_labels : array of int, shape (n_modules * classes_per_module,)
        True module of each class: the classes that suffer when the module is silenced.
    data : LabelledImages
        Images the network classifies, as many of each class. Those of one class light up pixels of
        its own module only, apart from noise.
    """

    model: nn.Sequential
    labels: Ints
    input_labels: Ints
    class_labels: Ints
    data: LabelledImages


def planted_mlp(
    n_modules: int = 4,
    width: int = 32,
    depth: int = 3,
    noise: float = 0.1,
    seed: int = 0,
    *,
    classes_per_module: int = 2,
    images_per_class: int = 50,
    shuffle: bool = True,
) -> PlantedMLP:
    """Make a classifier with planted modules. Nothing is trained.

    Every weight between two hidden layers, and from the pixels to the first, is drawn from a normal
    distribution of mean 0 and variance 2 / (inputs from one module). A weight that joins two
    different modules is then multiplied by `noise`: ``noise=0.1`` makes the weights between modules
    10 % of those inside in mean magnitude, ``noise=0`` leaves disjoint networks. Biases are zero.
    The last layer reads the classes of a module from its own units by ridge regression on the
    images, scaled to variance 2 / `width`, and has noise weights from the other modules.

    Parameters
    ----------
    n_modules : int
        Number of modules, at least 2.
    width : int
        Units of each module in each hidden layer.
    depth : int
        Number of hidden layers.
    noise : float
        Size of the weights between modules relative to those inside, >= 0.
    seed : int
        Decides weights, images and the order of units. Global random numbers stay as they are.
    classes_per_module : int
        Classes that each module serves.
    images_per_class : int
        Images of each class in ``.data``.
    shuffle : bool
        Scatter the units of a module over their layer (default), so that nothing can be read off
        their order; else they stand side by side.

    Returns
    -------
    PlantedMLP

    Raises
    ------
    ValueError
        If a count is too small or `noise` negative.

    Examples
    --------
    >>> from modviz import examples
    >>> planted = examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> planted.labels.shape, examples.accuracy(planted.model, planted.data) > 0.9
    ((32,), True)
    """
    if n_modules < 2 or min(width, depth, classes_per_module, images_per_class) < 1 or noise < 0:
        raise ValueError(
            f"n_modules={n_modules}, width={width}, depth={depth}, noise={noise}, "
            f"classes_per_module={classes_per_module}, images_per_class={images_per_class}; "
            "expected at least 2 modules, at least 1 of the others and noise >= 0"
        )
    rng = np.random.default_rng(seed)
    side = n_modules * -(-_MIN_SIDE // n_modules)
    pixels = np.repeat(np.arange(n_modules), side * side // n_modules)
    classes = np.repeat(np.arange(n_modules), classes_per_module)
    hidden = [np.repeat(np.arange(n_modules), width) for _ in range(depth)]
    if shuffle:
        hidden = [rng.permutation(layer) for layer in hidden]

    images, labels = _images(pixels, classes, images_per_class, rng)
    activity, weights = images, []
    for before, after in zip([pixels, *hidden[:-1]], hidden, strict=True):
        weights.append(_random_weights(before, after, noise, rng))
        activity = np.maximum(activity @ weights[-1].T, 0)
    size = np.sqrt(2 / width)
    weights.append(_readout(activity, hidden[-1], labels, classes, size, noise, rng))
    return PlantedMLP(
        model=_as_model(weights),
        labels=np.concatenate(hidden),
        input_labels=pixels,
        class_labels=classes,
        data=LabelledImages(
            torch.from_numpy(images.astype(np.float32).reshape(-1, 1, side, side)),
            torch.from_numpy(labels),
            tuple(f"{module}.{i % classes_per_module}" for i, module in enumerate(classes)),
            "planted images",
        ),
    )


def _images(
    pixels: Ints, classes: Ints, images_per_class: int, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Images, shape (n, pixels), 0 .. 1, and labels: each class lights its own share of pixels."""
    patterns = np.zeros((len(classes), len(pixels)))
    for module in np.unique(classes):
        own = np.flatnonzero(classes == module)
        shares = np.array_split(rng.permutation(np.flatnonzero(pixels == module)), len(own))
        for label, lit in zip(own, shares, strict=True):
            patterns[label, lit] = 0.8
    labels = rng.permutation(np.repeat(np.arange(len(classes)), images_per_class))
    noise = np.abs(rng.normal(0, 0.1, (len(labels), len(pixels))))
    return np.clip(patterns[labels] + noise, 0, 1), labels


def _random_weights(before: Ints, after: Ints, noise: float, rng: np.random.Generator) -> Floats:
    """Weights, shape (units after, units before), small between modules."""
    fan_in = int((before == before[0]).sum())
    weights = rng.normal(0, np.sqrt(2 / fan_in), (len(after), len(before)))
    return np.where(after[:, None] == before, weights, noise * weights)


def _readout(
    activity: Floats,
    hidden: Ints,
    labels: Ints,
    classes: Ints,
    size: float,
    noise: float,
    rng: np.random.Generator,
) -> Floats:
    """Weights of the last layer: each class is read from the units of its own module."""
    weights = noise * rng.normal(0, size, (len(classes), len(hidden)))
    for module in np.unique(classes):
        own, units = np.flatnonzero(classes == module), np.flatnonzero(hidden == module)
        # +1 for the class, -1 for the other classes of its module, 0 when the module is quiet
        served = np.isin(labels, own)[:, None]
        target = np.where(labels[:, None] == own, 1.0, -1.0 * served)
        seen = activity[:, units]
        gram = seen.T @ seen
        ridge = 1e-2 * np.trace(gram) / len(units) * np.eye(len(units))
        solved = np.linalg.solve(gram + ridge, seen.T @ target).T
        weights[np.ix_(own, units)] = solved * size / np.sqrt((solved**2).mean())
    return weights


def _as_model(weights: list[Floats]) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for number, weight in enumerate(weights, start=1):
        last = number == len(weights)
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.zero_()
        modules["output" if last else f"fc{number}"] = linear
        if not last:
            modules[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(modules).eval()
