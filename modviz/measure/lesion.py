"""Lesions: silence the units of a subcluster, or of a random control, and see what is lost.

Work goes by batches of images, each through the intact network once and then through what follows
every lesion. Counts of right answers add up over batches, so results do not depend on how the work
was cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core import statistics
from modviz.core.analysis import LesionResults
from modviz.core.partition import Partition
from modviz.core.settings import one_of
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network
from modviz.measure.silencing import Batch, Engine, Plan, integers, shared

#: Results, and which of the model's classes they are about.
Measured = tuple[LesionResults, NDArray[np.bool_]]
#: Called with (lesions x images done, all of them or None, what is measured so far or None).
LesionCallback = Callable[[int, int | None, Measured | None], None]


@dataclass(eq=False)
class _Counts:
    """Right answers by class, over all images so far."""

    images: NDArray[np.int64]  # (classes,)
    intact: NDArray[np.int64]  # (classes,)
    right: NDArray[np.int64]  # (subclusters, 1 + controls, classes)
    still: NDArray[np.int64]  # (subclusters, classes): right with and without their own lesion

    def measured(self, tested: NDArray[np.bool_]) -> Measured:
        present = self.images > 0
        accuracy = np.full((*self.right.shape[:2], int(present.sum())), np.nan)
        accuracy[tested] = self.right[tested][..., present] / self.images[present]
        right, still = self.right[:, 0, present], self.still[:, present]
        error = statistics.paired_error(
            lost=self.intact[present] - still, gained=right - still, n_images=self.images[present]
        )
        results = LesionResults(
            intact=self.intact[present] / self.images[present],
            lesioned=accuracy[:, 0],
            controls=accuracy[:, 1:],
            n_images=int(self.images.sum()),
            change_error=np.where(tested, error, np.nan),
        )
        return results, present


def measure_lesions(
    network: Network,
    data: LabelledData,
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    *,
    lesion: str = "zero",
    seed: int = 0,
    workers: int | None = None,
    report: LesionCallback | None = None,
    cancel: threading.Event | None = None,
) -> Measured:
    """Class accuracies under the lesion of every tested subcluster and each of its controls.

    Parameters
    ----------
    network : Network
    data : LabelledData
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `modviz.core.controls.draw_controls`.
    lesion : {"zero", "mean", "weights"}
        ``"zero"``: what the readers of a unit read is 0: after its activation, batch norm, pooling.
        ``"mean"``: it is the unit's mean over the data instead, see the notes.
        ``"weights"``: the unit's incoming weights and bias are 0, as in the authors' code; batch
        norm behind it then gives a constant.
    seed : int
        Order of the images.
    workers : int, optional
        Threads that share the lesions; by default as many as processors, 1 on a GPU.
    report : callable, optional
    cancel : threading.Event, optional
        Checked between lesions.

    Returns
    -------
    LesionResults
    array of bool, shape (classes,)
        Which classes have images: the columns of the results.

    Raises
    ------
    Cancelled
        If `cancel` was set; ``report`` has then got all that was finished.

    Notes
    -----
    The mean is one number a unit, over all images and all positions of the value that the readers
    read, so it needs a pass over the data before the lesions. A mean for each position would leave
    the readers the unit's average picture of the data (where things usually stand, how borders
    answer), which is something the unit tells and not its absence, and would treat convolutions
    otherwise than linear layers. A module used twice has a mean for each use.
    """
    one_of("lesion", lesion)
    engine = Engine(network, partition, tested, controls, lesion)
    n_controls = len(next(iter(controls.values()), ()))
    counts = _Counts(
        np.zeros(network.n_classes, dtype=np.int64),
        np.zeros(network.n_classes, dtype=np.int64),
        np.zeros((len(tested), 1 + n_controls, network.n_classes), dtype=np.int64),
        np.zeros((len(tested), network.n_classes), dtype=np.int64),
    )
    n_passes = engine.first_passes + engine.n_jobs
    total = None if data.n_images is None else n_passes * data.n_images
    done = 0

    def first(images: int) -> None:
        nonlocal done
        done = images
        if report is not None:
            report(done, total, None)

    with evaluating(network.model):
        engine.measure_fills(data, seed=seed, report=first, cancel=cancel)
    with evaluating(network.model), worker_pool(engine.device, workers) as (pool, _):
        for images, labels in data.batches(
            engine.batch_size(data.n_images), network.n_classes, seed=seed
        ):
            batch = engine.intact(images, labels)
            right, still = np.zeros_like(counts.right), np.zeros_like(counts.still)
            for rows, all_right, still_right in shared(_chunks(engine, batch), pool, cancel):
                right[rows[:, 0], rows[:, 1]] = all_right
                own = rows[:, 1] == 0
                still[rows[own, 0]] = still_right[own]
                done += len(rows) * len(images)
                if report is not None:
                    report(done, total, None)
            counts.images += batch.images
            counts.intact += batch.intact
            counts.right += right
            counts.still += still
            if report is not None:
                report(done, total, counts.measured(tested))
    return counts.measured(tested)


#: Rows of lesions, and their right answers by class: all, and those that were right before.
Outcome = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _chunks(engine: Engine, batch: Batch) -> Iterator[Callable[[], Outcome]]:
    """The lesions of a batch, as tasks of a handy size."""
    for index, plan in enumerate(engine.plans):
        size = engine.stack_size(batch, [index])
        for start in range(0, len(plan.rows), size):
            yield partial(_outcome, engine, plan, batch, slice(start, start + size))


def _outcome(engine: Engine, plan: Plan, batch: Batch, part: slice) -> Outcome:
    with torch.no_grad():
        output = engine.lesioned(plan, batch, plan.masks[part]).output
        right = (output.argmax(dim=-1) == batch.labels).float()
        all_right = right @ batch.one_hot
        still_right = (right * batch.was_right) @ batch.one_hot
    return plan.rows[part], integers(all_right), integers(still_right)
