"""Small networks and data to try modviz on: nothing is downloaded."""

from __future__ import annotations

from modviz.examples.data import LabelledImages, digits, fashion_mnist
from modviz.examples.networks import cnn, mlp
from modviz.examples.planted import PlantedMLP, planted_mlp
from modviz.examples.training import accuracy, train

__all__ = [
    "LabelledImages",
    "PlantedMLP",
    "accuracy",
    "cnn",
    "digits",
    "fashion_mnist",
    "mlp",
    "planted_mlp",
    "train",
]
