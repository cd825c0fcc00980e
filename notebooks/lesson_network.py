"""Network B of the lesson as plain matrices: lesions of your own, in milliseconds, without torch.

A bundle holds what was measured, not the network. To draw random groups of your own the lesson
needs the network too; this one is small enough to be written down as five matrices.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modviz.core.threads import one_blas_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LessonNetwork:
    """A perceptron with ReLU between its layers, and the images it is tested on.

    Attributes
    ----------
    layers : tuple of str
        Names of the hidden layers, in the order data flows.
    n_units : dict of str to int
        How many units each of them has.
    intact : array, shape (classes,)
        Accuracy of each class, 0 .. 1, with no unit silent.
    """

    def __init__(
        self, weights: list[Floats], biases: list[Floats], images: Floats, labels: Ints
    ) -> None:
        self._weights, self._biases, self._labels = weights, biases, labels
        self.layers = tuple(f"fc{number}" for number in range(1, len(weights)))
        self.n_units = {
            layer: len(weight) for layer, weight in zip(self.layers, weights, strict=False)
        }
        # what every layer reads, with no unit silent: a lesion changes only what follows it
        self._reads = [images]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            self._reads.append(np.maximum(self._reads[-1] @ weight.T + bias, 0))
        self.intact = self.accuracies()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> LessonNetwork:
        """Read what `make_bundles.py` wrote."""
        with np.load(Path(path), allow_pickle=False) as stored:
            n_layers = sum(name.startswith("weight") for name in stored.files)
            return cls(
                [stored[f"weight{k}"].astype(np.float64) for k in range(n_layers)],
                [stored[f"bias{k}"].astype(np.float64) for k in range(n_layers)],
                # scikit-learn's digits have 17 shades
                stored["images"].astype(np.float64) / 16,
                stored["labels"].astype(np.int64),
            )

    def accuracies(self, layer: str | None = None, units: Iterable[int] = ()) -> Floats:
        """Accuracy of each class, 0 .. 1, while some units of one layer are silent.

        Parameters
        ----------
        layer : str, optional
            One of `layers`.
        units : iterable of int
            Which of its units give 0, from 0.

        Raises
        ------
        ValueError
            If there is no such layer or no such unit.
        """
        silent = self._checked(layer, units)
        start = 0 if layer is None else self.layers.index(layer) + 1
        values = self._reads[start]
        if silent.size:
            values = values.copy()
            values[:, silent] = 0
        right = self._scores(values, start).argmax(axis=1) == self._labels
        return np.bincount(self._labels, weights=right) / np.bincount(self._labels)

    def class_changes(self, layer: str, units: Iterable[int]) -> Floats:
        """What silencing `units` changes in the accuracy of each class, -1 .. 1."""
        return self.accuracies(layer, units) - self.intact

    def change(self, layer: str, units: Iterable[int]) -> float:
        """What silencing `units` changes in the accuracy, mean over classes: lower = it hurts."""
        # accuracies are ratios of counts: equal ones have to tie, whatever their last bit says
        return round(float(self.class_changes(layer, units).mean()), 9)

    def top_classes(self, layer: str, units: Iterable[int], n: int = 10) -> Ints:
        """Classes of the `n` test images that drive `units` most, as in an Analysis' top images.

        What drives a group is the sum over its units of their size before the ReLU.
        """
        chosen, place = self._checked(layer, units), self.layers.index(layer)
        with one_blas_thread():
            weight, bias = self._weights[place][chosen], self._biases[place][chosen]
            drives = np.abs(self._reads[place] @ weight.T + bias).sum(axis=1)
        return np.asarray(self._labels[np.argsort(-drives, kind="stable")[:n]])

    def certainty(self, picture: Floats) -> Floats:
        """How sure the network is of each class, 0 .. 1 (softmax), for one picture of 8 x 8."""
        values = np.asarray(picture, dtype=np.float64).reshape(1, -1)
        scores = self._scores(values, 0)[0]
        shares = np.exp(scores - scores.max())
        return np.asarray(shares / shares.sum())

    def _scores(self, values: Floats, start: int) -> Floats:
        """Scores of the classes, from what the layer of number `start` reads."""
        with one_blas_thread():  # more only get into each other's way with products this small
            for weight, bias in zip(self._weights[start:-1], self._biases[start:-1], strict=True):
                values = np.maximum(values @ weight.T + bias, 0)
            return np.asarray(values @ self._weights[-1].T + self._biases[-1])

    def _checked(self, layer: str | None, units: Iterable[int]) -> Ints:
        silent = np.asarray(list(units), dtype=np.int64)
        if layer is None:
            if silent.size:
                raise ValueError(f"units without a layer; name one of {', '.join(self.layers)}")
            return silent
        if layer not in self.layers:
            raise ValueError(f"layer={layer!r}; expected one of {', '.join(self.layers)}")
        if silent.size and not 0 <= silent.min() <= silent.max() < self.n_units[layer]:
            raise ValueError(
                f"units run from {silent.min()} to {silent.max()}; {layer} has units 0 to "
                f"{self.n_units[layer] - 1}"
            )
        return silent
