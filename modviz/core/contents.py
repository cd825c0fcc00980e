"""What is in an open bundle, and what of it nobody has asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Letters for the lengths of axes, in messages.
_AXES = {
    "S": "subclusters",
    "C": "classes",
    "R": "controls",
    "L": "rounds",
    "T": "top images",
    "k": "clusters",
    "n": "units",
}


@dataclass(eq=False)
class Contents:
    """Arrays and blobs of a file by name, checked as they are taken out.

    Parameters
    ----------
    arrays : mapping of str to array
    blobs : mapping of str to bytes
    """

    arrays: Mapping[str, NDArray[Any]]
    blobs: Mapping[str, bytes]
    lengths: dict[str, int] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return name in self.arrays

    def array(self, name: str) -> NDArray[Any]:
        """An array as it is stored."""
        self._asked.add(name)
        if name not in self.arrays:
            raise ValueError(f"the array {name!r} is missing")
        return self.arrays[name]

    def blob(self, name: str) -> bytes | None:
        """A blob, or None."""
        self._asked.add(name)
        return self.blobs.get(name)

    def left(self) -> list[str]:
        """Names that nobody asked for."""
        return sorted({*self.arrays, *self.blobs} - self._asked)

    def shaped(self, name: str, axes: str) -> NDArray[Any]:
        """An array with axes of given letters; a letter has the same length in all arrays.

        Lengths that nobody has told (in `lengths`) are those of the first array that has them.
        """
        array = self.array(name)
        lengths = array.shape if array.ndim == len(axes) else ()
        if lengths:
            for axis, length in zip(axes, lengths, strict=True):
                self.lengths.setdefault(axis, length)
        expected = [self.lengths.get(axis) for axis in axes]
        if list(array.shape) != expected:
            words = " x ".join(_AXES.get(axis, axis) for axis in axes)
            raise ValueError(
                f"{name} has shape {array.shape}; expected {words}"
                + (f" = {tuple(expected)}" if None not in expected else "")
            )
        return array

    def numbers(
        self,
        name: str,
        axes: str,
        low: float = -1e100,
        high: float = 1e100,
        *,
        undefined: bool = True,
    ) -> NDArray[Any]:
        """Floats between two limits, or NaN if they may be undefined."""
        array = self.shaped(name, axes)
        if array.dtype.kind != "f":
            raise ValueError(f"{name} has dtype {array.dtype}; expected floats")
        wide = array.astype(np.float64, copy=False)
        fits = (wide >= low) & (wide <= high)
        if undefined:
            fits |= np.isnan(array)
        if not fits.all():
            raise ValueError(
                f"{name} holds {array[~fits][0]}; expected numbers from {low:g} to {high:g}"
                + (" or NaN" if undefined else "")
            )
        return array

    def whole(self, name: str, axes: str, low: int, high: int) -> NDArray[np.int64]:
        """Whole numbers between two limits, as int64."""
        array = self.shaped(name, axes)
        if array.dtype.kind not in "iu":
            raise ValueError(f"{name} has dtype {array.dtype}; expected whole numbers")
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            raise ValueError(
                f"{name} runs from {array.min()} to {array.max()}; expected {low} to {high}"
            )
        return array.astype(np.int64)

    def flags(self, name: str, axes: str) -> NDArray[np.bool_]:
        """Booleans."""
        array = self.shaped(name, axes)
        if array.dtype != bool:
            raise ValueError(f"{name} has dtype {array.dtype}; expected booleans")
        return array


def smallest(values: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Whole numbers in the fewest bytes that hold them."""
    array = np.asarray(values)
    if not array.size:
        return array.astype(np.int8)
    low, high = int(array.min()), int(array.max())
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return array.astype(dtype)
    return array.astype(np.int64)
