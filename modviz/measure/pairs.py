"""Silence pairs of subclusters, and pairs of random groups, and count what is still right.

A lesion is put on top of another: with the first group silenced, a batch is taken as far as it
goes, and every second group is silenced in what that gives. The draws of the controls are stacked,
so that a subcluster and its random groups share every step.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.controls import draw_controls, layer_groups
from modviz.core.interactions import Interactions
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.settings import Settings
from modviz.measure.data import LabelledData
from modviz.measure.guard import shared, worker_pool
from modviz.measure.network import Network
from modviz.measure.passes import Batch, Stack, integers
from modviz.measure.reporter import Reporter
from modviz.measure.silencing import Engine, Plan

#: Where a subcluster's groups stand in the masks of a plan: number of the plan, its first row.
_Place = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Part:
    """Right answers by class of one subcluster, silenced alone and with each later one.

    ``alone`` has shape (draws, classes), ``together`` (later members, draws, classes).
    """

    first: int
    draws: slice
    alone: NDArray[np.int64]
    together: NDArray[np.int64]


class _Counts:
    """Right answers by class. M members, draw 0 = the real partition."""

    def __init__(self, m: int, n_draws: int, n_classes: int) -> None:
        self.images = np.zeros(n_classes, dtype=np.int64)
        self.intact = np.zeros(n_classes, dtype=np.int64)
        self.right = np.zeros((m, m, n_draws, n_classes), dtype=np.int32)
        self.done = np.zeros((m, m, n_draws), dtype=bool)

    def add(self, part: _Part) -> None:
        """Take in what one task counted."""
        i, draws = part.first, part.draws
        self.right[i, i, draws] += part.alone.astype(np.int32)
        self.right[i, i + 1 :, draws] += part.together.astype(np.int32)
        self.done[i, i:, draws] = True

    def changes(self) -> NDArray[np.float64]:
        """Accuracy changes, mean over classes, shape (M, M, draws), symmetric."""
        here = self.images > 0
        total = self.images[here]
        intact = self.intact[here] / total
        change = ((self.right[..., here] / total) - intact).mean(axis=-1)
        change[~self.done] = np.nan
        i, j = np.triu_indices(len(change), k=1)
        change[j, i] = change[i, j]
        return np.asarray(change)


class PairRun:
    """Double lesions on their way.

    Parameters
    ----------
    network : Network
    data : LabelledData
    partition : Partition
    members : array of int, shape (M,)
        Which of ``partition.subclusters`` to pair, ascending.
    settings : Settings
        Of which ``lesion``, ``n_controls`` and ``seed`` count.
    reporter : Reporter
    cancel : threading.Event
    """

    def __init__(
        self,
        network: Network,
        data: LabelledData,
        partition: Partition,
        members: NDArray[np.int64],
        settings: Settings,
        reporter: Reporter,
        cancel: threading.Event,
    ) -> None:
        self.network, self.data, self.partition, self.members = network, data, partition, members
        self.settings, self.reporter, self.cancel = settings, reporter, cancel
        self.n_draws = 1 + settings.n_controls
        tested = np.zeros(len(partition.subclusters), dtype=bool)
        tested[members] = True
        controls = draw_controls(partition, settings.n_controls, settings.seed)
        groups = layer_groups(partition, tested, controls)
        self.engine = Engine(network, groups, settings.lesion)
        self._stop = threading.Event()  # ends running tasks when something else has ended the run
        self.places: list[_Place] = []
        for index, plan in enumerate(self.engine.plans):
            self.places += [(index, start) for start in range(0, len(plan.rows), self.n_draws)]
        self.counts = self._nothing()

    def _nothing(self) -> _Counts:
        return _Counts(len(self.members), self.n_draws, self.network.n_classes)

    def measure(self, workers: int) -> Literal["complete", "cancelled"]:
        """Measure all pairs; whatever was finished is in `counts`."""
        m = len(self.members)
        n_pairs = m * (m - 1) // 2
        n_lesions = (n_pairs + m) * self.n_draws
        images = "all" if self.data.n_images is None else f"{self.data.n_images:,}"
        self.reporter.start(
            "interactions",
            f"double lesions: {n_pairs:,} pairs, {n_lesions:,} lesions on {images} images",
        )
        n_passes = self.engine.first_passes + n_lesions
        total = (self.data.n_images or 0) * n_passes
        data_size = self.data.n_images or 0
        total = data_size * n_passes
        partial_counts = [self._nothing()]
        try:
            self.engine.measure_fills(
                self.data,
                seed=self.settings.seed,
                report=lambda images: self.reporter.advance(images, total),
                cancel=self.cancel,
            )
            done = self.engine.first_passes * data_size
            with worker_pool(self.engine.device, workers) as (pool, _):
                try:
                    self._batches(pool, partial_counts, done, total)
                except BaseException:
                    self._stop.set()
                    raise
        except (Cancelled, KeyboardInterrupt) as stop:
            if isinstance(stop, KeyboardInterrupt):
                warnings.warn("interrupted: the result keeps what was finished", stacklevel=3)
            if not self.counts.done.any():  # not one batch of all pairs: keep the pairs there are
                self.counts = partial_counts[-1]
            return "cancelled"
        return "complete"

    def _batches(
        self, pool: ThreadPoolExecutor, started: list[_Counts], done: int, total: int
    ) -> None:
        """Go through the data; the counts of the batch at hand are the last of `started`."""
        size = self.engine.batch_size(self.data.n_images)
        for images, labels in self.data.batches(
            size, self.network.n_classes, seed=self.settings.seed
        ):
            batch = self.engine.intact(images, labels)
            counts = self._nothing()
            counts.images, counts.intact = batch.images, batch.intact
            started[:] = [counts]
            for part in shared(self._tasks(batch), pool, self.cancel):
                counts.add(part)
                done += len(labels) * len(part.alone) * (1 + len(part.together))
                self.reporter.advance(done, total)
            self._keep(counts)

    def _keep(self, counts: _Counts) -> None:
        self.counts.images = self.counts.images + counts.images
        self.counts.intact = self.counts.intact + counts.intact
        self.counts.right += counts.right
        self.counts.done = counts.done

    def _tasks(self, batch: Batch) -> Iterator[Callable[[], _Part]]:
        """All pairs of a batch, a first subcluster and some draws at a time."""
        size = self.engine.stack_size(batch, range(len(self.engine.plans)))
        # from the last: whenever it is cancelled, what pairs were done have both single lesions
        for first in reversed(range(len(self.places))):
            for start in range(0, self.n_draws, size):
                draws = slice(start, min(start + size, self.n_draws))
                yield partial(self._part, batch, first, draws)

    def _part(self, batch: Batch, first: int, draws: slice) -> _Part:
        later = self.places[first + 1 :]
        plans = self.engine.plans
        keep = frozenset().union(*(plans[index].reads for index, _ in later))
        with torch.no_grad():
            plan, masks = self._groups(self.places[first], draws)
            alone = self.engine.lesioned(plan, batch, masks, keep=keep)
            together = []
            for place in later:
                if self.cancel.is_set() or self._stop.is_set():
                    raise Cancelled
                plan, masks = self._groups(place, draws)
                together.append(_right(self.engine.lesioned(plan, batch, masks, on=alone), batch))
            right = _right(alone, batch)
        both = np.stack(together) if together else np.zeros((0, *right.shape), dtype=np.int64)
        return _Part(first, draws, right, both)

    def _groups(self, place: _Place, draws: slice) -> tuple[Plan, torch.Tensor]:
        index, start = place
        plan = self.engine.plans[index]
        return plan, plan.masks[start + draws.start : start + draws.stop]

    def result(
        self, status: Literal["complete", "cancelled"], settings: dict[str, Any]
    ) -> Interactions:
        """What was measured."""
        counts = self.counts
        here = counts.images > 0
        changes = np.full(counts.done.shape, np.nan)
        accuracy = np.nan
        if counts.done.any():
            changes = counts.changes()
            accuracy = float((counts.intact[here] / counts.images[here]).mean())
        own = np.arange(len(changes))
        return Interactions(
            partition=self.partition,
            members=self.members,
            single=changes[own, own, 0],
            single_controls=changes[own, own, 1:],
            paired=changes[..., 0],
            paired_controls=changes[..., 1:],
            accuracy=accuracy,
            n_images=int(counts.images.sum()) if counts.done.any() else 0,
            status=status,
            settings=settings,
            model_name=type(self.network.model).__name__,
        )


def _right(stack: Stack, batch: Batch) -> NDArray[np.int64]:
    """Right answers by class under each lesion, shape (lesions, classes)."""
    right = (stack.output.argmax(dim=-1) == batch.labels).float()
    return integers(right @ batch.one_hot)
