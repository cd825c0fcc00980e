"""Models to be traced or read by hand, and how two readings of them compare."""

from __future__ import annotations

import numpy as np
from torch import nn

import modviz
from tests.measure.small import four_by_four, left_alone


class Steered(nn.Module):
    """Chooses its path by the values of its input, the same one for all images of our data."""

    def __init__(self, body: nn.Sequential):
        super().__init__()
        self.body = body

    def forward(self, x):
        if x.sum() < -1e9:
            return self.body(-x)
        return self.body(x)


def same_graphs(a: modviz.NeuronGraph, b: modviz.NeuronGraph) -> bool:
    return [la.n_units for la in a.layers] == [la.n_units for la in b.layers] and all(
        np.array_equal(a.blocks[key], b.blocks[key]) for key in a.blocks.keys() | b.blocks.keys()
    )


def analysed(model, **options):
    data = four_by_four(120)
    with left_alone(model if isinstance(model, nn.Module) else model.model):
        return modviz.analyze(
            model, data, n_clusters=3, n_controls=5, features=False, progress=False, **options
        )
