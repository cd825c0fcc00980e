"""What of a count of right answers is finished, batch by batch, and of the batch that is at work.

Batches are told by the images in them: where data give others than before (a DataLoader whose order
no seed decides, random augmentation) what was counted can't be added to, and is counted again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.archive import Archive
from modviz.core.checkpoint import Folder, Pace
from modviz.core.controls import LayerGroups
from modviz.measure.counts import Counts
from modviz.measure.digests import ImagesDigest

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
#: Number of a batch, images, labels.
Numbered = tuple[int, torch.Tensor, torch.Tensor]

#: The arrays of `Counts` and `Running`, in order.
_COUNTS = ("images", "intact", "right", "still")
_RUNNING = ("have", "right", "still", "ties")


class OtherImages(Exception):
    """The data gave other images than those that were counted before."""


@dataclass(eq=False)
class Running:
    """A batch at work: right answers of the lesions that are done. G groups, C classes.

    Attributes
    ----------
    have : array of bool, shape (G,)
        Which lesions are done.
    right, still : array of int, shape (G, C)
        As in `Counts`, before near ties are decided.
    ties : array of int, shape (ties, 4)
        Near ties: plan, lesion of the plan, image, and whether it was counted as right.
    """

    have: Bools
    right: Ints
    still: Ints
    ties: Ints = field(default_factory=lambda: np.empty((0, 4), dtype=np.int64))
    #: Called after every piece.
    told: Callable[[], None] = field(default=lambda: None, kw_only=True)

    @classmethod
    def nothing(cls, n_groups: int, n_classes: int) -> Running:
        """No lesion is done."""
        right, still = np.zeros((2, n_groups, n_classes), dtype=np.int64)
        return cls(np.zeros(n_groups, dtype=bool), right, still)

    def add(self, rows: slice, plan: int, start: int, right: Ints, still: Ints, ties: Ints) -> None:
        """Take in lesions of a plan, from number `start` on, which are `rows` of all groups."""
        # pieces may have been cut otherwise before, or an interrupt have come between these lines
        lesion = self.ties[:, 1]
        again = (self.ties[:, 0] == plan) & (lesion >= start) & (lesion < start + len(right))
        kept = [self.ties[~again]]
        self.right[rows], self.still[rows] = right, still
        if len(ties):
            kept.append(np.hstack([np.full((len(ties), 1), plan, dtype=np.int64), ties]))
        self.ties = np.concatenate(kept)
        self.have[rows] = True
        self.told()


@dataclass(frozen=True, eq=False)
class _State:
    """All that is finished, in one object: an interrupt finds it before a change or after it."""

    counts: Counts
    digests: Mapping[int, int] = field(default_factory=dict)  # of finished batches, by number
    running: tuple[int, int, Running] | None = None  # number and digest of a batch, what it has


class CountRecord:
    """The record of one count, in a checkpoint or nowhere.

    Parameters
    ----------
    folder : Folder or None
        None = nothing is kept.
    groups : sequence of LayerGroups
        What is counted.
    lesion : str
    n_classes : int

    Attributes
    ----------
    batch_size : int or None
        Images of a batch; None = nothing was counted yet.
    images : ImagesDigest
        Of all images, after the last batch.
    """

    def __init__(
        self, folder: Folder | None, groups: Sequence[LayerGroups], lesion: str, n_classes: int
    ) -> None:
        self._folder = folder
        self._name = f"counts-{_digest(groups, lesion)}"
        self._shape = sum(len(some.rows) for some in groups), n_classes
        self._pace = Pace()
        self.images = ImagesDigest()
        self._open: dict[int, int] = {}  # digests of the batches that were given out
        self.forget()
        stored = None if folder is None else folder.read(self._name)
        if stored is not None:
            self._restore(stored)

    def forget(self) -> None:
        """Count everything anew."""
        self.batch_size: int | None = None
        self._state = _State(Counts.nothing(*self._shape))

    @property
    def counts(self) -> Counts:
        """Of the batches that are finished."""
        return self._state.counts

    @property
    def n_finished(self) -> int:
        """Images of all finished batches."""
        return int(self.counts.images.sum())

    def open_batches(
        self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
    ) -> Iterator[Numbered]:
        """The batches that are not finished, with their numbers.

        Raises
        ------
        OtherImages
            If a batch that was worked on holds other images now, or is not there.
        """
        self.images = ImagesDigest()
        waiting = dict(self._state.digests)
        begun = self._state.running
        for number, (images, labels) in enumerate(batches):
            digest = self.images.add(images, labels)
            if number in waiting:
                if waiting.pop(number) != digest:
                    raise OtherImages
                continue
            if begun is not None and begun[0] == number and begun[1] != digest:
                raise OtherImages
            self._open[number] = digest
            yield number, images, labels
        if waiting:
            raise OtherImages

    def running(self, number: int) -> Running:
        """Where the lesions of a batch are taken in, as they are done."""
        known = self._state.running
        if known is None or known[0] != number:
            known = number, self._open[number], Running.nothing(*self._shape)
            self._state = replace(self._state, running=known)
        known[2].told = self.write_if_due
        return known[2]

    def finish(self, number: int, counts: Counts) -> None:
        """A batch is finished."""
        state, digest = self._state, self._open.pop(number)
        running = None if state.running and state.running[0] == number else state.running
        self._state = _State(state.counts + counts, {**state.digests, number: digest}, running)
        self.write_if_due()

    # ---- on disk ---------------------------------------------------------------------------------

    def write_if_due(self) -> None:
        """Record what is done if it is time to."""
        if self._folder is not None and self._pace.due():
            self.write()

    def write(self) -> None:
        """Record what is done."""
        if self._folder is None or self.batch_size is None:
            return
        began, state = time.monotonic(), self._state
        header: dict[str, Any] = {
            "batch_size": self.batch_size,
            "near_ties": state.counts.near_ties,
            "digests": [[number, f"{digest:x}"] for number, digest in state.digests.items()],
            "running": None,
            "done": [self.n_finished, 0.0],  # images, and the share of a batch: for whoever peeks
        }
        arrays = {name: getattr(state.counts, name) for name in _COUNTS}
        if state.running is not None:
            number, digest, running = state.running
            header["running"] = [number, f"{digest:x}"]
            header["done"][1] = float(running.have.sum() / max(1, running.have.size))
            arrays |= {f"running/{name}": getattr(running, name) for name in _RUNNING}
        self._folder.write(self._name, header, arrays)
        self._pace.recorded(began)

    def _restore(self, stored: Archive) -> None:
        header, arrays = stored.header, stored.arrays
        try:
            whole = {name: np.array(arrays[name]) for name in _COUNTS}
            counts = Counts(**whole, near_ties=int(header["near_ties"]))
            running = None
            if header["running"] is not None:
                number, digest = header["running"]
                parts = [np.array(arrays[f"running/{name}"]) for name in _RUNNING]
                running = int(number), int(digest, 16), Running(*parts)
            digests = {int(number): int(digest, 16) for number, digest in header["digests"]}
            size = int(header["batch_size"])
        except (KeyError, TypeError, ValueError):
            return  # written by something else: count anew
        if counts.right.shape == counts.still.shape == self._shape:
            self._state, self.batch_size = _State(counts, digests, running), size


def _digest(groups: Sequence[LayerGroups], lesion: str) -> str:
    """What is counted, in 16 letters."""
    found = hashlib.sha256(lesion.encode())
    for some in groups:
        found.update(repr((some.layer, some.masks.shape)).encode())
        found.update(np.ascontiguousarray(some.rows).data)
        found.update(np.packbits(some.masks, axis=1).data)
    return found.hexdigest()[:16]
