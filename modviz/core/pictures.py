"""Pictures as an Analysis keeps them: arrays of height, width and depth, values 0 .. 1."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def reduced(pictures: NDArray[Real], longest: int) -> NDArray[Real]:
    """Pictures with blocks of pixels averaged until no side is longer than `longest`.

    Parameters
    ----------
    pictures : array, shape (..., H, W, D)
        Returned as they are if they fit; rows and columns that fill no block are left out.
    longest : int
        Pixels.

    Returns
    -------
    array, shape (..., h, w, D)
    """
    *many, height, width, depth = pictures.shape
    factor = -(-max(height, width) // longest)
    if factor <= 1:
        return pictures
    tall, wide = min(factor, height), min(factor, width)  # a thin picture keeps one row
    h, w = height // tall, width // wide
    kept = pictures[..., : h * tall, : w * wide, :]
    blocks = kept.reshape(*many, h, tall, w, wide, depth)
    return np.asarray(blocks.mean(axis=(-4, -2)), dtype=pictures.dtype)
