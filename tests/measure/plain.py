"""Lesions the plain way: a forward hook a silenced place, and a full pass over all images."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np
import torch
from torch import nn

#: What to silence: by the name of a module, which units (a mask) of what it gives.
Silenced = Mapping[str, np.ndarray]


class InBlocks(nn.Module):
    """Two residual blocks, the second with a projection; every lesion point is a module's output.

    Batch norm stands before an activation, after one, and before a sum.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.stem_bn = nn.BatchNorm2d(8)
        self.stem_relu = nn.ReLU()
        self.a = nn.Conv2d(8, 8, 3, padding=1)
        self.a_bn = nn.BatchNorm2d(8)
        self.a_relu = nn.ReLU()
        self.b1 = nn.Conv2d(8, 9, 1)
        self.b1_relu = nn.ReLU()
        self.b1_bn = nn.BatchNorm2d(9)
        self.b2 = nn.Conv2d(9, 8, 3, padding=1, stride=2)
        self.b2_bn = nn.BatchNorm2d(8)
        self.short = nn.Conv2d(8, 8, 1, stride=2)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem_relu(self.stem_bn(self.stem(x)))
        x = self.a_relu(self.a_bn(self.a(x)) + x)
        y = self.b2_bn(self.b2(self.b1_bn(self.b1_relu(self.b1(x)))))
        return self.out((y + self.short(x)).relu().mean((2, 3)))


class Twice(nn.Module):
    """A layer used twice with its activation, and another layer between: each follows the other."""

    def __init__(self):
        super().__init__()
        self.first, self.first_relu = nn.Linear(16, 10), nn.ReLU()
        self.again, self.again_relu = nn.Linear(10, 10), nn.ReLU()
        self.between, self.between_relu = nn.Linear(10, 10), nn.ReLU()
        self.out = nn.Linear(10, 4)

    def forward(self, x):
        x = self.first_relu(self.first(x.flatten(1)))
        x = self.between_relu(self.between(self.again_relu(self.again(x))))
        return self.out(self.again_relu(self.again(x)))


#: Where readers read the units of each layer: the module whose output it is.
READ_AT = {
    "tiny_mlp": {"fc1": "drop1", "fc2": "relu2", "fc3": "relu3"},
    "tiny_cnn": {"conv1": "relu1", "conv2": "pool", "fc1": "relu3"},
    "InBlocks": {
        "stem": "stem_relu",
        "a": "a_bn",
        "b1": "b1_bn",
        "b2": "b2_bn",
        "short": "short",
    },
    "Twice": {"first": "first_relu", "again": "again_relu", "between": "between_relu"},
}


def class_accuracy(model: nn.Module, data) -> np.ndarray:
    """Accuracy of each of four classes."""
    with torch.no_grad():
        right = (model.eval()(data[0]).argmax(1) == data[1]).numpy()
    return np.array([right[data[1].numpy() == c].mean() for c in range(4)])


def means_at(model: nn.Module, places, data) -> dict[str, list[torch.Tensor]]:
    """Mean of what modules give, over images and positions, by unit: one a use of the module."""
    means: dict[str, list[torch.Tensor]] = {place: [] for place in places}
    with ExitStack() as hooks, torch.no_grad():
        for place, uses in means.items():

            def note(module, inputs, output, uses=uses):
                uses.append(output.double().mean(dim=[0, *range(2, output.ndim)]))

            handle = model.get_submodule(place).register_forward_hook(note)
            hooks.callback(handle.remove)
        model.eval()(data[0])
    return means


def accuracy_under(model: nn.Module, silenced: Silenced, data, means=None) -> np.ndarray:
    """Class accuracies with units put to 0, or to their means."""
    with ExitStack() as hooks:
        for place, mask in silenced.items():
            use = iter(range(9))

            def silence(module, inputs, output, place=place, mask=mask, use=use):
                k = next(use)
                output = output.clone()
                if means is None:
                    output[:, mask] = 0
                else:
                    fill = means[place][k][mask].to(output)
                    output[:, mask] = fill.reshape(-1, *[1] * (output.ndim - 2))
                return output

            handle = model.get_submodule(place).register_forward_hook(silence)
            hooks.callback(handle.remove)
        return class_accuracy(model, data)
