"""The two networks of the method's paper: a multilayer perceptron and a small convolution network.

Both start from Keras's initialisation (Glorot uniform weights, zero biases), because the recorded
numbers of the method were measured on networks that did; torch's own gives other weights.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

import torch
from torch import nn

from modviz.examples.training import seeded

Chain = TypeVar("Chain", bound=nn.Sequential)


class MLP(nn.Sequential):
    """What `mlp` makes; named so that titles say what is shown."""


class CNN(nn.Sequential):
    """What `cnn` makes; named so that titles say what is shown."""


def mlp(
    input_shape: tuple[int, ...] = (1, 28, 28),
    n_classes: int = 10,
    width: int = 256,
    depth: int = 4,
    dropout: float = 0.0,
    *,
    seed: int = 0,
) -> MLP:
    """A multilayer perceptron with ReLU, untrained.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one image, (channels, height, width).
    n_classes : int
        Number of outputs (logits).
    width : int
        Units in each hidden layer.
    depth : int
        Number of hidden layers, ``fc1``, ``fc2``, ...
    dropout : float
        Share of units silenced after each hidden layer while training; 0 = no dropout modules.
    seed : int
        Decides the weights. torch's global random numbers stay as they are.

    Returns
    -------
    MLP, a torch.nn.Sequential

    Examples
    --------
    >>> from modviz import examples
    >>> [name for name, _ in examples.mlp((1, 8, 8), width=16, depth=2).named_children()]
    ['flatten', 'fc1', 'relu1', 'fc2', 'relu2', 'output']
    """
    if depth < 1 or width < 1:
        raise ValueError(f"depth={depth}, width={width}; expected at least 1 of each")
    n_inputs = 1
    for size in input_shape:
        n_inputs *= size
    modules: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    with seeded(seed):
        for layer in range(1, depth + 1):
            modules[f"fc{layer}"] = nn.Linear(n_inputs if layer == 1 else width, width)
            modules[f"relu{layer}"] = nn.ReLU()
            if dropout:
                modules[f"dropout{layer}"] = nn.Dropout(dropout)
        modules["output"] = nn.Linear(width, n_classes)
        return _keras_start(MLP(modules))


def cnn(
    input_shape: tuple[int, int, int] = (1, 28, 28), n_classes: int = 10, *, seed: int = 0
) -> CNN:
    """A small convolution network with ReLU, untrained.

    Three convolutions of 64 channels (3 x 3, same size), 2 x 2 max pooling after the second and
    the third, a dense layer of 128.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one image, (channels, height, width); height and width at least 4.
    n_classes : int
        Number of outputs (logits).
    seed : int
        Decides the weights. torch's global random numbers stay as they are.

    Returns
    -------
    CNN, a torch.nn.Sequential

    Examples
    --------
    >>> from modviz import examples
    >>> examples.cnn((1, 8, 8)).conv3.out_channels
    64
    """
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise ValueError(
            f"input_shape={input_shape}; two poolings need images of at least 4 x 4 pixels"
        )
    with seeded(seed):
        modules: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(channels, 64, 3, padding="same"),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(64, 64, 3, padding="same"),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(64, 64, 3, padding="same"),
            relu3=nn.ReLU(),
            pool3=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64 * (height // 2 // 2) * (width // 2 // 2), 128),
            relu4=nn.ReLU(),
            output=nn.Linear(128, n_classes),
        )
        return _keras_start(CNN(modules))


def _keras_start(model: Chain) -> Chain:
    for module in model:
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(module.weight)
            if isinstance(module.bias, torch.Tensor):
                nn.init.zeros_(module.bias)
    return model
