"""Count right answers under lesions, batch by batch of images.

Each batch passes through the intact network once and then through what follows every lesion.
Counts add up over batches, and near ties are decided in double precision, so results do not depend
on how the work was cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.controls import LayerGroups
from modviz.core.settings import one_of
from modviz.measure.answers import Answers
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating, shared, worker_pool
from modviz.measure.network import Network
from modviz.measure.passes import Batch
from modviz.measure.remote import Workers
from modviz.measure.silencing import Engine
from modviz.measure.suffix import Kernels

Ints = NDArray[np.int64]
#: Images and labels of a batch.
Labelled = tuple[torch.Tensor, torch.Tensor]


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


class BatchCounter:
    """Counts right answers under all lesions of an engine, a batch at a time.

    Parameters
    ----------
    engine : Engine
        With its fills measured.
    kernels : Kernels, optional
        Of another engine of the same network.
    """

    def __init__(self, engine: Engine, kernels: Kernels | None = None) -> None:
        self.engine = engine
        self.answers = Answers(engine, kernels)
        sizes = [len(plan.rows) for plan in engine.plans]
        self._first = np.cumsum([0, *sizes])  # where the groups of each plan begin

    def count(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        pool: ThreadPoolExecutor,
        advance: Callable[[int], None],
        cancel: threading.Event | None,
    ) -> Counts:
        """The counts of one batch; `advance` is told how many lesions x images more are done."""
        batch = self.answers.settled(self.engine.intact(images, labels), cancel)
        self.answers.prepare(batch)
        counts = Counts.nothing(self.engine.n_jobs, self.engine.network.n_classes)
        counts.images, counts.intact = batch.images, batch.intact
        ties: list[list[torch.Tensor]] = [[] for _ in self.engine.plans]
        for found in shared(self.answers.tasks(batch), pool, cancel):
            start = self._first[found.plan] + found.start
            rows = slice(start, start + len(found.right))
            counts.right[rows], counts.still[rows] = found.right, found.still
            ties[found.plan].append(found.ties)
            advance(len(found.right) * len(labels))
        for plan, several in enumerate(ties):
            if several:
                self._settle(plan, batch, torch.cat(several), counts, cancel)
        return counts

    def _settle(
        self,
        plan: int,
        batch: Batch,
        ties: torch.Tensor,
        counts: Counts,
        cancel: threading.Event | None,
    ) -> None:
        """Count near ties as double precision decides them."""
        counts.near_ties += len(ties)
        answers = self.answers.settle(plan, batch, ties, cancel)
        if answers is None:
            return
        lesion, image, counted = ties.unbind(dim=1)
        right = (answers == batch.labels[image]).long()
        change = (right - counted).cpu().numpy()
        place = (lesion.cpu().numpy() + self._first[plan], batch.labels[image].cpu().numpy())
        np.add.at(counts.right, place, change)
        was_right = batch.was_right[image].long().cpu().numpy()
        np.add.at(counts.still, place, change * was_right)


#: Called with (lesions x images done, all of them or None, counts after another batch or None).
CountCallback = Callable[[int, int | None, Counts | None], None]


def count_right(
    network: Network,
    data: LabelledData,
    groups: Sequence[LayerGroups],
    *,
    lesion: str = "zero",
    seed: int = 0,
    workers: int | None = None,
    memory_limit: int | None = None,
    executor: Executor | None = None,
    kernels: Kernels | None = None,
    report: CountCallback | None = None,
    cancel: threading.Event | None = None,
) -> Counts:
    """Right answers by class under the lesion of each group of units.

    Parameters
    ----------
    network : Network
    data : LabelledData
    groups : sequence of LayerGroups
        From `modviz.core.controls.layer_groups`.
    lesion, seed, workers, memory_limit, executor
        As in `measure_lesions`.
    kernels : Kernels, optional
        What another call with the same network has found out about its layers.
    report : callable, optional
    cancel : threading.Event, optional
        Checked between lesions.

    Returns
    -------
    Counts
        Groups in the order in which they are given, layer by layer.

    Raises
    ------
    Cancelled
        If `cancel` was set; ``report`` has then got all that was finished.
    """
    one_of("lesion", lesion)
    engine = Engine(network, groups, lesion, memory_limit=memory_limit)
    counts = Counts.nothing(engine.n_jobs, network.n_classes)
    n_passes = engine.first_passes + engine.n_jobs
    total = None if data.n_images is None else n_passes * data.n_images
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if report is not None:
            report(done, total, None)

    def first(images: int) -> None:
        advance(images - done)

    with evaluating(network.model):
        engine.measure_fills(data, seed=seed, report=first, cancel=cancel)
    counter = BatchCounter(engine, kernels)  # first: it decides what a batch keeps
    batches = data.batches(engine.batch_size(data.n_images), network.n_classes, seed=seed)
    for n, found in _counted(counter, batches, workers, executor, advance, cancel):
        counts = counts + found
        if executor is not None:
            advance(n * engine.n_jobs)
        if report is not None:
            report(done, total, counts)
    return counts


def _counted(
    counter: BatchCounter,
    batches: Iterator[Labelled],
    workers: int | None,
    executor: Executor | None,
    advance: Callable[[int], None],
    cancel: threading.Event | None,
) -> Iterator[tuple[int, Counts]]:
    """Images and counts of each batch, in any order."""
    engine = counter.engine
    if executor is None:
        with evaluating(engine.network.model), worker_pool(engine.device, workers) as (pool, _):
            for images, labels in batches:
                yield len(labels), counter.count(images, labels, pool, advance, cancel)
        return
    with Workers(executor, remote_counter, engine.description()) as there:
        for (_, labels), found in there.results(count_there, batches, cancel):
            yield len(labels), found


def remote_counter(*description: Any) -> BatchCounter:
    """In a worker: what counts batches."""
    return BatchCounter(Engine.described(*description))


def count_there(counter: BatchCounter, images: torch.Tensor, labels: torch.Tensor) -> Counts:
    """In a worker: the counts of a batch."""
    engine = counter.engine
    with evaluating(engine.network.model), worker_pool(engine.device, 1) as (pool, _):
        return counter.count(images, labels, pool, lambda _: None, None)
