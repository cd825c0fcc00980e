"""Lesions: silence the units of a subcluster, or of a random control, and see what is lost.

Work goes by batches of images: a batch passes through the intact network once, and for every lesion
only what follows the lesioned layer runs again, many lesions stacked into one batch. Counts of
right answers add up over batches, so results do not depend on how the work was cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from modviz.core import statistics
from modviz.core.analysis import LesionResults
from modviz.core.controls import LayerGroups, layer_groups
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.settings import one_of
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network, device_of
from modviz.measure.reader import NetworkError
from modviz.measure.replay import Env

#: Bytes of one stacked tensor: large enough for fast matrix products, small enough for caches.
_STACK_BYTES = 16 * 2**20

#: Results, and which of the model's classes they are about.
Measured = tuple[LesionResults, NDArray[np.bool_]]
#: Called with (lesions x images done, all of them or None, what is measured so far or None).
LesionCallback = Callable[[int, int | None, Measured | None], None]


@dataclass(frozen=True, eq=False)
class _LayerPlan:
    """What it takes to lesion one layer."""

    cuts: dict[fx.Node, int]  # values to silence, and the dimension their units stand along
    after: list[fx.Node]  # operations to run again
    reads: frozenset[fx.Node]  # values of the intact run that these read, cuts included
    rows: NDArray[np.int64]  # (jobs, 2): subcluster, and 0 = itself or 1 + control
    masks: torch.Tensor  # (jobs, units), 1 = silenced


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
    lesion : {"zero", "weights"}
        ``"zero"``: what the readers of a unit read is 0: after its activation, batch norm, pooling.
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
    """
    one_of("lesion", lesion)
    engine = _Engine(network, partition, tested, controls, lesion)
    n_controls = len(next(iter(controls.values()), ()))
    counts = _Counts(
        np.zeros(network.n_classes, dtype=np.int64),
        np.zeros(network.n_classes, dtype=np.int64),
        np.zeros((len(tested), 1 + n_controls, network.n_classes), dtype=np.int64),
        np.zeros((len(tested), network.n_classes), dtype=np.int64),
    )
    total = None if data.n_images is None else engine.n_jobs * data.n_images
    done = 0
    with evaluating(network.model), worker_pool(engine.device, workers) as (pool, _):
        for images, labels in data.batches(
            engine.batch_size(data.n_images), network.n_classes, seed=seed
        ):
            batch = engine.intact(images, labels)
            right, still = np.zeros_like(counts.right), np.zeros_like(counts.still)
            for rows, all_right, still_right in _shared(engine.chunks(batch), pool, cancel):
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


def _shared(
    tasks: Iterator[Callable[[], Outcome]],
    pool: ThreadPoolExecutor,
    cancel: threading.Event | None,
) -> Iterator[Outcome]:
    """Run tasks in the pool; whatever ends the loop, none of them goes on."""
    futures = [pool.submit(task) for task in tasks]
    try:
        for future in as_completed(futures):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@dataclass(frozen=True, eq=False)
class _Batch:
    """One batch of images after its intact pass."""

    env: Env
    one_hot: torch.Tensor  # (images, classes)
    labels: torch.Tensor
    was_right: torch.Tensor  # (images,), 1 = right without a lesion
    images: NDArray[np.int64]  # (classes,)
    intact: NDArray[np.int64]  # (classes,)


class _Engine:
    def __init__(
        self,
        network: Network,
        partition: Partition,
        tested: NDArray[np.bool_],
        controls: dict[str, NDArray[np.int64]],
        lesion: str,
    ) -> None:
        self.network, self.replay = network, network.replay
        self.device = device_of(network.model)
        self.plans = [
            self._plan(groups, lesion) for groups in layer_groups(partition, tested, controls)
        ]
        self.n_jobs = sum(len(plan.rows) for plan in self.plans)
        self._keep = frozenset().union(*(plan.reads for plan in self.plans))
        self._stackable: dict[int, bool] = {}

    def _plan(self, groups: LayerGroups, lesion: str) -> _LayerPlan:
        if lesion == "zero":
            cuts = self.network.lesion_nodes(groups.layer)
        else:  # without weights and bias a unit's own output is 0
            cuts = self.network.layer_nodes(groups.layer)
        after = self.replay.after(cuts)
        return _LayerPlan(
            cuts={node: self.network.unit_axis(node, groups.layer) for node in cuts},
            after=after,
            reads=frozenset(n for node in after for n in node.all_input_nodes) - set(after),
            rows=groups.rows,
            masks=torch.from_numpy(groups.masks).to(self.device),
        )

    def batch_size(self, n_images: int | None) -> int:
        """Images at once: about ten batches, so that estimates refine, within memory."""
        fits = max(1, 2 * _STACK_BYTES // max(1, self.network.bytes_per_image))
        wanted = 1024 if n_images is None else int(np.clip(np.ceil(n_images / 10), 64, 1024))
        return min(fits, wanted)

    def intact(self, images: torch.Tensor, labels: torch.Tensor) -> _Batch:
        """Pass a batch through the intact network, keeping what the lesions will read."""
        labels = labels.to(self.device)
        with torch.no_grad():
            env = self.replay.forward(images.to(self.device), self._keep)
            if bool(env[self.replay.output].isnan().any()):
                raise NetworkError(
                    "the model gives NaN for some images, so its answers mean nothing; in half "
                    "precision values overflow early: try model.float()"
                )
            one_hot = torch.nn.functional.one_hot(labels, self.network.n_classes).float()
            right = (env[self.replay.output].argmax(dim=1) == labels).float()
        return _Batch(
            env=env,
            one_hot=one_hot,
            labels=labels,
            was_right=right,
            images=_integers(one_hot.sum(dim=0)),
            intact=_integers(right @ one_hot),
        )

    def chunks(self, batch: _Batch) -> Iterator[Callable[[], Outcome]]:
        """The lesions of a batch, as tasks of a handy size."""
        per_copy = max(1, self.network.bytes_per_image * len(batch.labels))
        for index, plan in enumerate(self.plans):
            size = max(1, _STACK_BYTES // per_copy) if self._stacks(index, plan, batch) else 1
            for start in range(0, len(plan.rows), size):
                yield self._task(plan, batch, slice(start, start + size))

    def _task(self, plan: _LayerPlan, batch: _Batch, part: slice) -> Callable[[], Outcome]:
        def run() -> Outcome:
            with torch.no_grad():
                output = self._lesioned(plan, batch, plan.masks[part])
                right = (output.argmax(dim=-1) == batch.labels).float()
                all_right = right @ batch.one_hot
                still_right = (right * batch.was_right) @ batch.one_hot
            return plan.rows[part], _integers(all_right), _integers(still_right)

        return run

    def _lesioned(self, plan: _LayerPlan, batch: _Batch, silenced: torch.Tensor) -> torch.Tensor:
        """Outputs under several lesions, shape (lesions, images, classes)."""
        n, images = len(silenced), len(batch.labels)

        def silence(value: torch.Tensor, axis: int) -> torch.Tensor:
            shape = [1] * (value.ndim + 1)
            shape[0], shape[axis + 1] = silenced.shape
            copies = value.reshape(-1, images, *value.shape[1:])
            return copies.masked_fill(silenced.reshape(shape), 0.0).flatten(0, 1)

        env: Env = {}
        for node in plan.reads:
            value = batch.env[node]
            if node in plan.cuts:
                env[node] = silence(value, plan.cuts[node])
            elif isinstance(value, torch.Tensor) and node.op != "get_attr" and value.ndim:
                env[node] = value.repeat(n, *[1] * (value.ndim - 1))
            else:
                env[node] = value
        amend = {node: partial(silence, axis=axis) for node, axis in plan.cuts.items()}
        self.replay.run(env, plan.after, frozenset({self.replay.output}), amend)
        output: torch.Tensor = env[self.replay.output]
        return output.reshape(n, len(batch.labels), -1)

    def _stacks(self, index: int, plan: _LayerPlan, batch: _Batch) -> bool:
        """Whether several lesions may share a batch: not if the model fixed its batch size."""
        if index not in self._stackable:
            nothing = torch.zeros_like(plan.masks[:2])
            try:
                with torch.no_grad():
                    output = self._lesioned(plan, batch, nothing)
                same = torch.allclose(
                    output, batch.env[self.replay.output][None], rtol=1e-3, atol=1e-4
                )
            except (RuntimeError, ValueError):
                same = False
            self._stackable[index] = same
        return self._stackable[index]


def _integers(counts: torch.Tensor) -> NDArray[np.int64]:
    return np.asarray(counts.round().long().cpu().numpy(), dtype=np.int64)
