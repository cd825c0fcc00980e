"""A fair sample of images, from whatever form the data have, in batches that don't depend on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.measure.data import LabelledData

Ints = NDArray[np.int64]


def sampled_batches(
    data: LabelledData, n_samples: int, size: int, seed: int
) -> Iterator[tuple[torch.Tensor, Ints]]:
    """Images of a fair sample in batches of one size, and where each stands among the samples.

    However the data are cut, the batches are the same: the last bits of what a network gives
    depend on their size.

    Parameters
    ----------
    data : LabelledData
    n_samples : int
        Images to draw; all of them if there are no more.
    size : int
        Images in a batch.
    seed : int

    Yields
    ------
    images : tensor, shape (at most size, ...)
    places : array of int
        0 .. n_samples - 1. Where a loader does not tell how many images it has, a place is given
        to a later image again and again, also within a batch: the last one counts.
    """
    waiting: list[tuple[torch.Tensor, Ints]] = []
    for piece in _sample(data, n_samples, size, seed):
        waiting.append(piece)
        while sum(len(slots) for _, slots in waiting) >= size:
            images, slots = _joined(waiting)
            yield images[:size], slots[:size]
            waiting = [(images[size:], slots[size:])]
    if any(len(slots) for _, slots in waiting):
        yield _joined(waiting)


def _joined(pieces: list[tuple[torch.Tensor, Ints]]) -> tuple[torch.Tensor, Ints]:
    return torch.cat([images for images, _ in pieces]), np.concatenate([s for _, s in pieces])


def _sample(
    data: LabelledData, n_samples: int, size: int, seed: int
) -> Iterator[tuple[torch.Tensor, Ints]]:
    """Images of a fair sample as the data give them, and their places among the samples."""
    rng = np.random.default_rng(seed)
    wanted = None  # where a DataLoader decides the order: which of its images to take
    if data.in_order and data.n_images is not None and data.n_images > n_samples:
        wanted = np.zeros(data.n_images, dtype=bool)
        wanted[rng.choice(data.n_images, n_samples, replace=False)] = True
    seen = taken = 0
    for images in data.images(size, seed=seed):
        number = np.arange(seen, seen + len(images))
        seen += len(images)
        if data.n_images is None:  # a reservoir: every image so far stays with equal chance
            slots = np.where(number < n_samples, number, rng.integers(0, number + 1))
            slots[slots >= n_samples] = -1
        elif wanted is not None:
            inside = number < len(wanted)
            chosen = inside & wanted[np.where(inside, number, 0)]
            slots = np.where(chosen, taken + np.cumsum(chosen) - 1, -1)
        else:
            slots = np.where(number < n_samples, number, -1)
        keep = slots >= 0
        taken += int(keep.sum())
        if keep.any():
            yield images[torch.from_numpy(keep)], slots[keep]
        if data.n_images is not None and taken >= n_samples:
            return
