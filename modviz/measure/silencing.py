"""Silence groups of units in a network, many at once, and run again only what that changes.

A batch of images passes through the intact network once. For a lesion only what follows the
silenced values runs again, many lesions stacked into one batch; a second lesion can be put on top
of a stack, so that pairs share all that comes before the second. Nothing is computed in another
way than a full pass would, it is only not computed twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from modviz.core.controls import LayerGroups
from modviz.measure.data import LabelledData
from modviz.measure.means import unit_means
from modviz.measure.memory import default_limit
from modviz.measure.network import Network, device_of
from modviz.measure.passes import Batch, Stack, integers
from modviz.measure.referee import near_ties
from modviz.measure.replay import Env
from modviz.measure.trace import NetworkError

#: Bytes of one stacked tensor: large enough for fast matrix products, small enough for caches.
_STACK_BYTES = 16 * 2**20

#: Bytes that workers have at hand, whatever the number of images.
_AT_HAND = 32 * 2**20
#: From how many lesions on a batch has to be large, so that what each costs by itself is little.
_MANY_LESIONS = 5000


@dataclass(frozen=True, eq=False)
class Plan:
    """What it takes to lesion one layer."""

    cuts: dict[fx.Node, int]  # values to silence, and the dimension their units stand along
    after: list[fx.Node]  # operations to run again
    reads: frozenset[fx.Node]  # values of the intact run that these read, cuts included
    rows: NDArray[np.int64]  # (jobs, 2): subcluster, and 0 = itself or 1 + control
    masks: torch.Tensor  # (jobs, units), True = silenced


class Engine:
    """Lesions of groups of units: subclusters and their controls.

    Parameters
    ----------
    network : Network
    groups : sequence of LayerGroups
        From `modviz.core.controls.layer_groups`.
    lesion : {"zero", "mean", "weights"}
    memory_limit : int, optional
        Bytes that values may take; by default a quarter of what is free, 2 GiB at most.

    Attributes
    ----------
    plans : list of Plan
        One a layer that has a tested subcluster, in the order of the layers.
    n_jobs : int
        Lesions of single subclusters and controls.
    first_passes : int
        Passes over the data before the lesions can begin: 1 for ``"mean"``.
    keep : set of torch.fx.Node
        Values of the intact run that stay.
    fills : dict of torch.fx.Node to tensor of shape (units,)
        What silenced units become; 0 where there is nothing.
    """

    def __init__(
        self,
        network: Network,
        groups: Iterable[LayerGroups],
        lesion: str,
        *,
        memory_limit: int | None = None,
    ) -> None:
        self.network, self.replay = network, network.replay
        self.device = device_of(network.model)
        self.memory_limit = default_limit(self.device) if memory_limit is None else memory_limit
        self._given = list(groups), lesion
        self.plans = [self._plan(some, lesion) for some in self._given[0]]
        self.n_jobs = sum(len(plan.rows) for plan in self.plans)
        self.first_passes = int(lesion == "mean")
        self._axes = {node: axis for plan in self.plans for node, axis in plan.cuts.items()}
        self._widths = {node: plan.masks.shape[1] for plan in self.plans for node in plan.cuts}
        self.fills: dict[fx.Node, torch.Tensor] = {}
        self.keep = frozenset().union(*(plan.reads for plan in self.plans))
        self.reserved = 0  # bytes that are taken whatever the number of images
        self._stackable: dict[int, bool] = {}

    def description(self) -> tuple[Any, ...]:
        """All that it takes to build the same engine in another process."""
        network = self.network
        fills = {node.name: fill for node, fill in self.fills.items()}
        return (
            network.model,
            network.example,
            network.options,
            *self._given,
            fills,
            self.memory_limit,
        )

    @classmethod
    def described(
        cls,
        model: nn.Module,
        example: torch.Tensor,
        options: dict[str, Any],
        groups: list[LayerGroups],
        lesion: str,
        fills: dict[str, torch.Tensor],
        memory_limit: int,
    ) -> Engine:
        """The engine of a description."""
        network = Network(model, example, **options)
        engine = cls(network, groups, lesion, memory_limit=memory_limit)
        engine.fills = {n: fills[n.name] for n in network.replay.nodes if n.name in fills}
        return engine

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
        kept = sum(self.network.bytes_of(node) for node in self.keep)
        # beside what is kept: its copies in another layout, and the intact pass
        needed = 2 * kept + 6 * self.network.bytes_per_image
        fits = max(1, (self.memory_limit - self.reserved - _AT_HAND) // max(1, needed))
        least = 64 if self.n_jobs < _MANY_LESIONS else 512  # small batches cost them more
        wanted = 1024 if n_images is None else int(np.clip(np.ceil(n_images / 10), least, 1024))
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
            self.fills = unit_means(
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
            images = images.to(self.device)
            env = self.replay.forward(images, self.keep)
            if bool(env[self.replay.output].isnan().any()):
                raise NetworkError(
                    "the model gives NaN for some images, so its answers mean nothing; in half "
                    "precision values overflow early: try model.float()"
                )
            one_hot = torch.nn.functional.one_hot(labels, self.network.n_classes).float()
            right = (env[self.replay.output].argmax(dim=1) == labels).float()
        return Batch(
            inputs=images,
            env=env,
            near=near_ties(env[self.replay.output]),
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
                env[node] = self.silenced(env[node], node, silenced[node], len(batch.labels))
        amend = {
            node: partial(self.silenced, node=node, masks=some, images=len(batch.labels))
            for node, some in silenced.items()
        }
        self.replay.run(env, plan.after, keep | {self.replay.output}, amend)
        output: torch.Tensor = env[self.replay.output]
        kept = {node: env[node] for node in keep if node in env}
        return Stack(output.reshape(len(masks), len(batch.labels), -1), kept, silenced)

    def silenced(
        self, value: torch.Tensor, node: fx.Node, masks: torch.Tensor, images: int
    ) -> torch.Tensor:
        """A value with some units silenced; one copy of the batch becomes a copy a lesion."""
        axis = self._axes[node]
        each = value.shape[axis] // masks.shape[1]  # places of a unit, more than 1 if flattened
        masks = masks.repeat_interleave(each, dim=1)
        shape = [1] * (value.ndim + 1)
        shape[0], shape[axis + 1] = masks.shape
        copies = value.reshape(-1, images, *value.shape[1:])
        fill = self.fills.get(node)
        if fill is None:
            return copies.masked_fill(masks.reshape(shape), 0.0).flatten(0, 1)
        place = fill.to(value).repeat_interleave(each).reshape(1, *shape[1:])
        return torch.where(masks.reshape(shape), place, copies).flatten(0, 1)

    def stack_size(self, batch: Batch, plans: Sequence[int]) -> int:
        """How many lesions of some plans, given by their numbers, run at once."""
        if not all(self._stacks(index, batch) for index in plans):
            return 1
        per_copy = max(1, self.network.bytes_per_image * len(batch.labels))
        most = _STACK_BYTES if self.device.type == "cpu" else self.memory_limit // 8
        return max(1, most // per_copy)

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
            except (RuntimeError, ValueError, IndexError):
                same = False
            self._stackable[index] = same
        return self._stackable[index]
