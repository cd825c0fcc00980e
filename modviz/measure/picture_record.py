"""What of the pictures is finished, batch by batch."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.archive import Archive
from modviz.core.checkpoint import Folder, Pace
from modviz.measure.batches import BatchSizes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SIZES, _PIECE = "pictures-sizes", "pictures-of-"
_PIECES = re.compile(rf"{_PIECE}\d{{5,9}}")


class PictureRecord:
    """The pictures of one analysis, in a checkpoint or nowhere. S subclusters, R controls each.

    Parameters
    ----------
    folder : Folder or None
        None = nothing is kept.
    score, entropy : array, shape (S, 1 + R)
        Where results stand, filled with what there is.
    images : array of float32, shape (S, 2, H, W, D)
        Pictures of the subclusters and of their first controls, likewise.
    """

    def __init__(
        self, folder: Folder | None, score: Floats, entropy: Floats, images: NDArray[np.float32]
    ) -> None:
        self._folder = folder
        self._score, self._entropy, self._images = score, entropy, images
        self._have = np.zeros(score.shape, dtype=bool)
        self._new: list[Ints] = []  # rows that are not recorded yet
        self._n_pieces = 0
        self._pace = Pace()
        for name in [] if folder is None else filter(_PIECES.fullmatch, folder.names()):
            stored = None if folder is None else folder.read(name)
            if stored is not None:
                self._restore(stored)
            self._n_pieces = int(name.removeprefix(_PIECE)) + 1

    @property
    def n_finished(self) -> int:
        """Pictures that are there."""
        return int(self._have.sum())

    def sizes(self, wanted: BatchSizes, memory_limit: int | None) -> BatchSizes:
        """Sizes of batches: as before, since pictures of other batches round otherwise.

        With another limit of memory they are as wanted now.
        """
        if self._folder is None:
            return wanted
        stored = self._folder.read(_SIZES)
        found: Any = None if stored is None else stored.header
        same = found is not None and found.get("memory_limit") == memory_limit
        if same and found.get("batch", {}).keys() == wanted.batch.keys():
            return replace(wanted, batch=dict(found["batch"]), at_once=found["at_once"])
        header = {"batch": wanted.batch, "at_once": wanted.at_once, "memory_limit": memory_limit}
        self._folder.write(_SIZES, header, {})
        return wanted

    def done(self, rows: Ints) -> bool:
        """Whether the pictures of these subclusters and draws, shape (n, 2), are all there."""
        return bool(self._have[rows[:, 0], rows[:, 1]].all())

    def add(self, rows: Ints) -> None:
        """The results of some rows stand in the arrays now."""
        self._have[rows[:, 0], rows[:, 1]] = True
        self._new.append(rows)
        if self._folder is not None and self._pace.due():
            self.write()

    def write(self) -> None:
        """Record what is new."""
        if self._folder is None or not self._new:
            return
        began = time.monotonic()
        rows = np.concatenate(self._new)
        shown = rows[rows[:, 1] < 2]
        arrays: dict[str, NDArray[Any]] = {
            "rows": rows,
            "score": self._score[rows[:, 0], rows[:, 1]],
            "entropy": self._entropy[rows[:, 0], rows[:, 1]],
            "shown": shown,
            "images": self._images[shown[:, 0], shown[:, 1]],
        }
        done = {"done": self.n_finished}  # for whoever peeks
        if self._folder.write(f"{_PIECE}{self._n_pieces:05d}", done, arrays):
            self._n_pieces += 1
            self._new = []
        self._pace.recorded(began)

    def _restore(self, stored: Archive) -> None:
        found = {name: np.array(array) for name, array in stored.arrays.items()}
        try:
            rows, shown = found["rows"], found["shown"]
            place, of_shown = (rows[:, 0], rows[:, 1]), (shown[:, 0], shown[:, 1])
            if found["images"].shape[1:] != self._images.shape[2:]:
                return
            self._score[place], self._entropy[place] = found["score"], found["entropy"]
            self._images[of_shown] = found["images"]
            self._have[place] = True
        except (KeyError, IndexError, ValueError):
            return  # written by something else: made anew
