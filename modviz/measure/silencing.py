"""Silence groups of units in a network, many at once, and run again only what that changes.

A batch of images passes through the intact network once. For a lesion only what follows the
silenced values runs again, many lesions stacked into one batch; a second lesion can be put on top
of a stack, so that pairs share all that comes before the second. Nothing is computed in another
way than a full pass would, it is only not computed twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from modviz.core.controls import LayerGroups, layer_groups
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.measure.data import LabelledData
from modviz.measure.means import unit_means
from modviz.measure.network import Network, device_of
from modviz.measure.replay import Env
from modviz.measure.trace import NetworkError

#: Bytes of one stacked tensor: large enough for fast matrix products, small enough for caches.
_STACK_BYTES = 16 * 2**20

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Plan:
    """What it takes to lesion one layer."""

    cuts: dict[fx.Node, int]  # values to silence, and the dimension their units stand along
    after: list[fx.Node]  # operations to run again
    reads: frozenset[fx.Node]  # values of the intact run that these read, cuts included
    rows: NDArray[np.int64]  # (jobs, 2): subcluster, and 0 = itself or 1 + control
    masks: torch.Tensor  # (jobs, units), True = silenced


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch of images after its intact pass."""

    env: Env
    one_hot: torch.Tensor  # (images, classes)
    labels: torch.Tensor
    was_right: torch.Tensor  # (images,), 1 = right without a lesion
    images: NDArray[np.int64]  # (classes,)
    intact: NDArray[np.int64]  # (classes,)


@dataclass(frozen=True, eq=False)
class Stack:
    """Copies of a batch, a lesion each, one after the other along the first dimension."""

    output: torch.Tensor  # (lesions, images, classes)
    values: Env = field(default_factory=dict)  # what was kept for a second lesion
    silenced: dict[fx.Node, torch.Tensor] = field(default_factory=dict)  # (lesions, units) a cut


class Engine:
    """Lesions of the tested subclusters of a partition and of their controls.

    Parameters
    ----------
    network : Network
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `modviz.core.controls.draw_controls`.
    lesion : {"zero", "mean", "weights"}

    Attributes
    ----------
    plans : list of Plan
        One a layer that has a tested subcluster, in the order of the layers.
    n_jobs : int
        Lesions of single subclusters and controls.
    first_passes : int
        Passes over the data before the lesions can begin: 1 for ``"mean"``.
    """

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
        self.first_passes = int(lesion == "mean")
        self._axes = {node: axis for plan in self.plans for node, axis in plan.cuts.items()}
        self._widths = {node: plan.masks.shape[1] for plan in self.plans for node in plan.cuts}
        #: What silenced units become, (units,) a cut; 0 where there is nothing.
        self._fills: dict[fx.Node, torch.Tensor] = {}
        self._keep = frozenset().union(*(plan.reads for plan in self.plans))
        self._stackable: dict[int, bool] = {}

    def _plan(self, groups: LayerGroups, lesion: str) -> Plan:
        if lesion == "weights":  # without weights and bias a unit's own output is 0
            cuts = self.network.layer_nodes(groups.layer)
        else:
            cuts = self.network.lesion_nodes(groups.layer)
        after = self.replay.after(cuts)
        return Plan(
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

    def measure_fills(
        self,
        data: LabelledData,
        *,
        seed: int,
        report: Callable[[int], None],
        cancel: threading.Event | None,
    ) -> None:
        """What silenced units become; for ``"mean"`` a pass over all images, before the lesions."""
        if self.first_passes:
            self._fills = unit_means(
                self.network,
                {node: (axis, self._widths[node]) for node, axis in self._axes.items()},
                data,
                batch_size=self.batch_size(data.n_images),
                seed=seed,
                report=report,
                cancel=cancel,
            )

    def intact(self, images: torch.Tensor, labels: torch.Tensor) -> Batch:
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
        return Batch(
            env=env,
            one_hot=one_hot,
            labels=labels,
            was_right=right,
            images=integers(one_hot.sum(dim=0)),
            intact=integers(right @ one_hot),
        )

    def lesioned(
        self,
        plan: Plan,
        batch: Batch,
        masks: torch.Tensor,
        *,
        on: Stack | None = None,
        keep: frozenset[fx.Node] = frozenset(),
    ) -> Stack:
        """Several lesions of a batch.

        Parameters
        ----------
        plan : Plan
            Of the layer to lesion.
        batch : Batch
        masks : tensor of bool, shape (lesions, units)
            True = silenced.
        on : Stack, optional
            As many lesions that are there already, of the same batch. What `plan` reads must have
            been kept.
        keep : set of torch.fx.Node
            What a second lesion will read.
        """
        silenced = {} if on is None else dict(on.silenced)
        for node in plan.cuts:  # two groups of one layer are silenced at the same values
            silenced[node] = masks | silenced[node] if node in silenced else masks
        env: Env = {}
        for node in plan.reads:
            if on is not None and node in on.values:
                env[node] = on.values[node]
            elif node in plan.cuts:  # one copy is enough: silencing makes the others
                env[node] = batch.env[node]
            else:
                env[node] = self.network.stacked(node, batch.env[node], len(masks))
                if on is not None:
                    on.values[node] = env[node]
            if node in plan.cuts:
                env[node] = self._silence(env[node], node, silenced[node], len(batch.labels))
        amend = {
            node: partial(self._silence, node=node, masks=some, images=len(batch.labels))
            for node, some in silenced.items()
        }
        self.replay.run(env, plan.after, keep | {self.replay.output}, amend)
        output: torch.Tensor = env[self.replay.output]
        kept = {node: env[node] for node in keep if node in env}
        return Stack(output.reshape(len(masks), len(batch.labels), -1), kept, silenced)

    def _silence(
        self, value: torch.Tensor, node: fx.Node, masks: torch.Tensor, images: int
    ) -> torch.Tensor:
        """A value with some units silenced; one copy of the batch becomes a copy a lesion."""
        axis = self._axes[node]
        each = value.shape[axis] // masks.shape[1]  # places of a unit, more than 1 if flattened
        masks = masks.repeat_interleave(each, dim=1)
        shape = [1] * (value.ndim + 1)
        shape[0], shape[axis + 1] = masks.shape
        copies = value.reshape(-1, images, *value.shape[1:])
        fill = self._fills.get(node)
        if fill is None:
            return copies.masked_fill(masks.reshape(shape), 0.0).flatten(0, 1)
        place = fill.to(value).repeat_interleave(each).reshape(1, *shape[1:])
        return torch.where(masks.reshape(shape), place, copies).flatten(0, 1)

    def stack_size(self, batch: Batch, plans: Sequence[int]) -> int:
        """How many lesions of some plans, given by their numbers, run at once."""
        if not all(self._stacks(index, batch) for index in plans):
            return 1
        per_copy = max(1, self.network.bytes_per_image * len(batch.labels))
        return max(1, _STACK_BYTES // per_copy)

    def _stacks(self, index: int, batch: Batch) -> bool:
        """Whether several lesions may share a batch: not if the model fixed its batch size."""
        if index not in self._stackable:
            plan = self.plans[index]
            # very different lesions: were images of one to change those of the other, it would show
            some = torch.cat([plan.masks[:1], ~plan.masks[:1], torch.zeros_like(plan.masks[:1])])
            try:
                with torch.no_grad():
                    together = self.lesioned(plan, batch, some).output
                    alone = [self.lesioned(plan, batch, mask[None]).output for mask in some]
                same = torch.allclose(together, torch.cat(alone), rtol=1e-3, atol=1e-4)
            except (RuntimeError, ValueError):
                same = False
            self._stackable[index] = same
        return self._stackable[index]


def integers(counts: torch.Tensor) -> NDArray[np.int64]:
    """Whole numbers that were counted in floating point."""
    return np.asarray(counts.round().long().cpu().numpy(), dtype=np.int64)


def shared(
    tasks: Iterator[Callable[[], Result]],
    pool: ThreadPoolExecutor,
    cancel: threading.Event | None,
) -> Iterator[Result]:
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
