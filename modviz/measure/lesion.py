"""Lesions: silence the units of a subcluster, or of a random control, and see what is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modviz.core import statistics
from modviz.core.analysis import LesionResults
from modviz.core.checkpoint import Folder
from modviz.core.controls import LayerGroups, layer_groups
from modviz.core.partition import Partition
from modviz.measure.counting import count_right
from modviz.measure.counts import Counts
from modviz.measure.data import LabelledData
from modviz.measure.digests import ImagesDigest
from modviz.measure.network import Network

#: Results, and which of the model's classes they are about.
Measured = tuple[LesionResults, NDArray[np.bool_]]
#: Called with (lesions x images done, all of them or None, what is measured so far or None).
LesionCallback = Callable[[int, int | None, Measured | None], None]


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
    memory_limit: int | None = None,
    executor: Executor | None = None,
    folder: Folder | None = None,
    images: ImagesDigest | None = None,
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
    memory_limit : int, optional
        Bytes that values may take, beside the model and the data; by default a quarter of the
        memory that is free, 2 GiB at most.
    executor : concurrent.futures.Executor, optional
        Whose workers do the work, instead of threads of this process.
    folder : Folder, optional
        Where what is finished is recorded, and taken from.
    images : ImagesDigest, optional
        Becomes the digest of all images.
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
    groups = list(layer_groups(partition, tested, controls))
    n_controls = len(next(iter(controls.values()), ()))
    shape = len(tested), 1 + n_controls

    def measured(counts: Counts) -> Measured:
        return results_of(counts, groups, tested, shape)

    def told(done: int, total: int | None, counts: Counts | None) -> None:
        if report is not None:
            report(done, total, None if counts is None else measured(counts))

    counts = count_right(
        network,
        data,
        groups,
        lesion=lesion,
        seed=seed,
        workers=workers,
        memory_limit=memory_limit,
        executor=executor,
        folder=folder,
        images=images,
        report=told,
        cancel=cancel,
    )
    return measured(counts)


def results_of(
    counts: Counts,
    groups: Sequence[LayerGroups],
    tested: NDArray[np.bool_],
    shape: tuple[int, int],
) -> Measured:
    """Accuracies from counts.

    Parameters
    ----------
    counts : Counts
    groups : sequence of LayerGroups
        What was counted.
    tested : array of bool, shape (subclusters,)
    shape : (int, int)
        Number of subclusters, and 1 + the most controls that one of them has.
    """
    present = counts.images > 0
    rows = np.concatenate([np.empty((0, 2), dtype=np.int64), *(some.rows for some in groups)])
    accuracy = np.full((*shape, int(present.sum())), np.nan)
    accuracy[rows[:, 0], rows[:, 1]] = counts.right[:, present] / counts.images[present]
    error = np.full(shape[0], np.nan)
    own = rows[:, 1] == 0
    right, still = counts.right[own][:, present], counts.still[own][:, present]
    error[rows[own, 0]] = statistics.paired_error(
        lost=counts.intact[present] - still, gained=right - still, n_images=counts.images[present]
    )
    results = LesionResults(
        intact=counts.intact[present] / counts.images[present],
        lesioned=accuracy[:, 0],
        controls=accuracy[:, 1:],
        n_images=int(counts.images.sum()),
        change_error=np.where(tested, error, np.nan),
        near_ties=counts.near_ties,
        class_images=counts.images[present],
    )
    return results, present


def cut_to(results: LesionResults, n_controls: int) -> LesionResults:
    """Results with the first `n_controls` controls of every subcluster, or as many as all have.

    As many as they have now, which may be more than before some were given more.
    """
    drawn = results.draws[results.measured]
    n = min(n_controls, int(drawn.min(initial=results.controls.shape[1])))
    if n == results.controls.shape[1] and results.rounds is None:
        return results
    return replace(results, controls=results.controls[:, :n].copy(), rounds=None)


def lacking(results: LesionResults, wanted: NDArray[np.bool_], n_controls: int) -> dict[int, range]:
    """The draws that some subclusters lack of their first `n_controls`, for `layer_groups`."""
    draws = results.draws
    return {
        k: range(int(draws[k]), n_controls)
        for k in np.flatnonzero(wanted).tolist()
        if draws[k] < n_controls
    }


def extended(
    results: LesionResults, groups: Sequence[LayerGroups], counts: Counts, n_controls: int
) -> LesionResults:
    """Results with more controls, counted on the same images, for at most `n_controls`.

    Parameters
    ----------
    results : LesionResults
    groups : sequence of LayerGroups
        Controls that `results` lack.
    counts : Counts
        Of `groups`.
    n_controls : int
        The most that a subcluster then has; NaN where one has fewer.
    """
    n_subclusters, before, n_classes = results.controls.shape
    wanted = np.ones(n_subclusters, dtype=bool)
    new = results_of(counts, groups, wanted, (n_subclusters, 1 + n_controls))[0].controls
    kept = min(before, n_controls)
    controls = np.full((n_subclusters, n_controls, n_classes), np.nan)
    controls[:, :kept] = results.controls[:, :kept]
    there = ~np.isnan(new)
    controls[there] = new[there]
    return replace(results, controls=controls, near_ties=results.near_ties + counts.near_ties)


def differing(results: LesionResults, groups: Sequence[LayerGroups], counts: Counts) -> int | None:
    """Right answers that differ between results and counts of the same, without a lesion and with.

    None if they are not about the same numbers of images of the same number of classes.
    """
    present = counts.images > 0
    if int(counts.images.sum()) != results.n_images or present.sum() != len(results.intact):
        return None
    images = counts.images[present]
    off = np.abs(counts.intact[present] - results.intact * images).sum()
    rows = np.concatenate([np.empty((0, 2), dtype=np.int64), *(some.rows for some in groups)])
    own = rows[:, 1] == 0
    before = results.lesioned[rows[own, 0]] * images
    return round(float(off + np.abs(counts.right[own][:, present] - before).sum()))
