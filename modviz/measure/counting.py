"""Count right answers under lesions, batch by batch of images.

Each batch passes through the intact network once and then through what follows every lesion.
Counts add up over batches, and near ties are decided in double precision, so results do not depend
on how the work was cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from modviz.core.checkpoint import Folder
from modviz.core.controls import LayerGroups
from modviz.core.settings import one_of
from modviz.measure.answers import Answers
from modviz.measure.count_record import CountRecord, Numbered, OtherImages, Running
from modviz.measure.counts import Counts
from modviz.measure.data import LabelledData
from modviz.measure.digests import ImagesDigest
from modviz.measure.guard import evaluating, shared, worker_pool
from modviz.measure.network import Network
from modviz.measure.passes import Batch
from modviz.measure.remote import Workers
from modviz.measure.silencing import Engine
from modviz.measure.suffix import Kernels


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
        running: Running | None = None,
    ) -> Counts:
        """The counts of one batch; `advance` is told how many lesions x images more are done.

        Lesions that `running` has are not done again; those that are done are taken in there.
        """
        batch = self.answers.settled(self.engine.intact(images, labels), cancel)
        self.answers.prepare(batch)
        if running is None:
            running = Running.nothing(self.engine.n_jobs, self.engine.network.n_classes)
        advance(int(running.have.sum()) * len(labels))
        for found in shared(self.answers.tasks(batch, self._done(running)), pool, cancel):
            start = self._first[found.plan] + found.start
            rows = slice(start, start + len(found.right))
            again = int(running.have[rows].sum())
            ties = found.ties.cpu().numpy()
            running.add(rows, found.plan, found.start, found.right, found.still, ties)
            advance((len(found.right) - again) * len(labels))
        counts = Counts(batch.images, batch.intact, running.right.copy(), running.still.copy())
        for plan in np.unique(running.ties[:, 0]).tolist():
            ties = running.ties[running.ties[:, 0] == plan, 1:]
            self._settle(plan, batch, torch.from_numpy(ties).to(batch.labels), counts, cancel)
        return counts

    def _done(self, running: Running) -> Callable[[int, int, int], bool]:
        """Whether some lesions of a plan, from the first to before the last, are all done."""
        return lambda plan, start, stop: bool(
            running.have[self._first[plan] + start : self._first[plan] + stop].all()
        )

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
    folder: Folder | None = None,
    images: ImagesDigest | None = None,
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
    folder : Folder, optional
        Where what is finished is recorded, and taken from.
    images : ImagesDigest, optional
        Becomes the digest of all images.
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
    record = CountRecord(folder, groups, lesion, network.n_classes)
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
    fits = engine.batch_size(data.n_images)

    def all_batches() -> None:
        size = record.batch_size = record.batch_size or fits
        batches = record.open_batches(data.batches(size, network.n_classes, seed=seed))
        advance(record.n_finished * engine.n_jobs)
        for number, n, found in _counted(
            counter, batches, record, fits, workers, executor, advance, cancel
        ):
            record.finish(number, found)
            if executor is not None:
                advance(n * engine.n_jobs)
            if report is not None:
                report(done, total, record.counts)

    try:
        try:
            all_batches()
        except OtherImages:  # what is there can't be added to
            record.forget()
            done = engine.first_passes * (data.n_images or 0)
            all_batches()
    finally:
        record.write()
    if images is not None:
        images.total, images.n_images = record.images.total, record.images.n_images
    return record.counts


def _counted(
    counter: BatchCounter,
    batches: Iterator[Numbered],
    record: CountRecord,
    fits: int,
    workers: int | None,
    executor: Executor | None,
    advance: Callable[[int], None],
    cancel: threading.Event | None,
) -> Iterator[tuple[int, int, Counts]]:
    """Number, images and counts of each batch, in any order."""
    engine = counter.engine
    if executor is None:
        with evaluating(engine.network.model), worker_pool(engine.device, workers) as (pool, _):
            for number, images, labels in batches:
                if len(labels) <= fits:
                    running = record.running(number)
                    found = counter.count(images, labels, pool, advance, cancel, running)
                else:  # there was more memory when the record was begun
                    found = Counts.nothing(engine.n_jobs, engine.network.n_classes)
                    for some, of_them in zip(images.split(fits), labels.split(fits), strict=True):
                        found = found + counter.count(some, of_them, pool, advance, cancel)
                yield number, len(labels), found
        return
    with Workers(executor, remote_counter, engine.description()) as there:
        for (number, _, labels), found in there.results(count_there, batches, cancel):
            yield number, len(labels), found


def remote_counter(*description: Any) -> BatchCounter:
    """In a worker: what counts batches."""
    return BatchCounter(Engine.described(*description))


def count_there(
    counter: BatchCounter, _number: int, images: torch.Tensor, labels: torch.Tensor
) -> Counts:
    """In a worker: the counts of a batch."""
    engine = counter.engine
    with evaluating(engine.network.model), worker_pool(engine.device, 1) as (pool, _):
        return counter.count(images, labels, pool, lambda _: None, None)
