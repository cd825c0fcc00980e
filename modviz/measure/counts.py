"""Right answers by class: what lesions are counted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(eq=False)
class Counts:
    """Right answers by class, over all images so far. G groups, C classes.

    Attributes
    ----------
    images, intact : array of int, shape (C,)
        Images, and right answers without a lesion.
    right, still : array of int, shape (G, C)
        Right answers under each lesion, and those that are right without it, too.
    near_ties : int
        Answers, of all images under all lesions, that rounding alone could decide.
    """

    images: Ints
    intact: Ints
    right: Ints
    still: Ints
    near_ties: int = 0

    @classmethod
    def nothing(cls, n_groups: int, n_classes: int) -> Counts:
        """No images yet."""
        images, intact = np.zeros((2, n_classes), dtype=np.int64)
        right, still = np.zeros((2, n_groups, n_classes), dtype=np.int64)
        return cls(images, intact, right, still)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.images + other.images,
            self.intact + other.intact,
            self.right + other.right,
            self.still + other.still,
            self.near_ties + other.near_ties,
        )
