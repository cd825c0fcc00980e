"""The answers of a network under many lesions of one batch of images.

On a processor each lesion runs through a prepared suffix, some images at a time so that values stay
in the processor's cache. On a GPU, and where a model can't be prepared, many lesions run as one
stacked batch through the model's own operations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from modviz.measure.network import dtype_of
from modviz.measure.passes import Batch, integers
from modviz.measure.referee import Referee, near_ties
from modviz.measure.replay import Replay
from modviz.measure.silencing import Engine
from modviz.measure.steps import Intact
from modviz.measure.suffix import Cut, Kernels, Suffix

#: Bytes that pass through the suffixes in one task, so that it neither ends at once nor takes long.
_TASK_BYTES = 256 * 2**20
#: How many times the weights are held by quick kernels: folded and in the best order of memory;
#: and where there is room, also transformed.
_PREPARED, _LAVISH = 2, 10
#: Images that a suffix is compared with the model's own operations on.
_CHECKED = 4


@dataclass(frozen=True, eq=False)
class Outcome:
    """Right answers by class under some lesions of one batch.

    Attributes
    ----------
    plan : int
        Number of the layer's plan.
    start : int
        Which of its lesions is the first.
    right, still : array of int, shape (lesions, classes)
        Right answers, and those of them that are right without a lesion, too.
    ties : tensor of int64, shape (ties, 3)
        Near ties: lesion (of the plan), image, and whether it was counted as right.
    """

    plan: int
    start: int
    right: NDArray[np.int64]
    still: NDArray[np.int64]
    ties: torch.Tensor


class Answers:
    """Runs the lesions of an engine.

    Parameters
    ----------
    engine : Engine
        With its fills measured.
    kernels : Kernels, optional
        Of another engine of the same network.
    """

    def __init__(self, engine: Engine, kernels: Kernels | None = None) -> None:
        self.engine, self.network = engine, engine.network
        self._suffixes: list[Suffix | None] = [None] * len(engine.plans)
        self._referee: Referee | None = None
        self._kernels = Kernels() if kernels is None else kernels
        self._checked = False
        replay = self.network.replay
        if type(replay) is not Replay:  # a model that runs whole
            return
        self._referee = Referee(replay)
        exact = dtype_of(self.network.model) in (torch.float32, torch.float64)
        if engine.device.type == "cpu" and exact:  # shorter numbers would round visibly
            shapes = self.network.shapes
            weights = sum(p.nbytes for p in self.network.model.parameters())
            self._kernels.lavish = _LAVISH * weights < engine.memory_limit / 2
            engine.reserved = weights * (_LAVISH if self._kernels.lavish else _PREPARED)
            suffixes = [self._suffix(k, shapes) for k in range(len(engine.plans))]
            engine.keep = engine.keep.union(*(suffix.reads for suffix in suffixes))
            self._suffixes = list(suffixes)

    def _suffix(self, index: int, shapes: Mapping[fx.Node, tuple[int, ...]]) -> Suffix:
        plan, engine = self.engine.plans[index], self.engine
        units = plan.masks.shape[1]
        cuts = {node: Cut(axis, units, engine.fills.get(node)) for node, axis in plan.cuts.items()}
        return Suffix(engine.replay, shapes, cuts, self._kernels)

    def prepare(self, batch: Batch) -> None:
        """Lay out a batch for the suffixes; on the first one see which of them can be used."""
        if not any(self._suffixes):
            return
        if not self._checked:
            self._checked = True
            few = batch.part(self.network, slice(0, min(_CHECKED, len(batch.labels))))
            expected = [
                None if suffix is None else self._expected(index, few)
                for index, suffix in enumerate(self._suffixes)
            ]
            self._lay_out(batch, torch.channels_last)
            self._suffixes = [self._if_right(k, batch, e) for k, e in enumerate(expected)]
            if not all(self._suffixes):  # the model's own operations may mind the layout
                self._lay_out(batch, torch.contiguous_format)
        elif all(self._suffixes):
            self._lay_out(batch, torch.channels_last)

    def _lay_out(self, batch: Batch, layout: torch.memory_format) -> None:
        sources = frozenset().union(*(s.sources for s in self._suffixes if s is not None))
        for node, value in batch.env.items():
            if isinstance(value, torch.Tensor) and value.ndim == 4 and node not in sources:
                batch.env[node] = value.contiguous(memory_format=layout)

    def _expected(self, index: int, few: Batch) -> torch.Tensor | None:
        """What the model's own operations give under the first lesion of a plan."""
        plan = self.engine.plans[index]
        try:
            with torch.no_grad():
                return self.engine.lesioned(plan, few, plan.masks[:1]).output[0]
        except (RuntimeError, ValueError, TypeError, IndexError):
            return None

    def _if_right(self, index: int, batch: Batch, expected: torch.Tensor | None) -> Suffix | None:
        """A suffix if it gives what is expected for the first images."""
        suffix = self._suffixes[index]
        if suffix is None or expected is None:
            return None
        try:
            with torch.no_grad():
                # with as many images as later, so that the quickest kernels are found
                lesion = suffix.lesion(self.engine.plans[index].masks[0].nonzero()[:, 0])
                found = lesion(Intact(self.network, batch.env, len(batch.labels)))
        except (RuntimeError, ValueError, TypeError, IndexError):
            return None
        found = found[: len(expected)]
        if found.shape != expected.shape:
            return None
        scale = max(1e-6, float(expected.abs().max()))
        right = torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * scale, equal_nan=True)
        return suffix if right else None

    # ---- tasks -----------------------------------------------------------------------------------

    def tasks(
        self, batch: Batch, done: Callable[[int, int, int], bool]
    ) -> Iterator[Callable[[], Outcome]]:
        """The lesions of a batch, in pieces of a handy size, without those that are all `done`.

        That is asked with the number of a plan, and of its first lesion and the one after the last.
        """
        for index, plan in enumerate(self.engine.plans):
            suffix = self._suffixes[index]
            if suffix is None:
                size = self.engine.stack_size(batch, [index])
            else:
                each = max(1, suffix.bytes_per_image * len(batch.labels))
                size = int(np.clip(_TASK_BYTES // each, 1, 64))
            for start in range(0, len(plan.rows), size):
                stop = min(start + size, len(plan.rows))
                if not done(index, start, stop):
                    yield partial(self._outcome, index, batch, slice(start, stop))

    def _outcome(self, index: int, batch: Batch, part: slice) -> Outcome:
        with torch.no_grad():
            answers, near = self.answers(index, batch, part)
            right = answers == batch.labels
            counted = right.float()
            found = near.nonzero()
            ties = torch.cat([found, right[near][:, None].long()], dim=1)
            ties[:, 0] += part.start
            return Outcome(
                index,
                part.start,
                integers(counted @ batch.one_hot),
                integers((counted * batch.was_right) @ batch.one_hot),
                ties,
            )

    def answers(self, index: int, batch: Batch, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Predicted classes under some lesions of one plan, and which are near ties.

        Both of shape (lesions, images).
        """
        plan, suffix = self.engine.plans[index], self._suffixes[index]
        if suffix is None:
            scores = self.engine.lesioned(plan, batch, plan.masks[part]).output
            return scores.argmax(dim=-1), near_ties(scores)
        intact = Intact(self.network, batch.env, len(batch.labels))
        found, near = [], []
        for mask in plan.masks[part]:
            scores = suffix.lesion(mask.nonzero()[:, 0])(intact)
            found.append(scores.argmax(dim=-1))
            near.append(near_ties(scores))
        return torch.stack(found), torch.stack(near)

    def settled(self, batch: Batch, cancel: threading.Event | None) -> Batch:
        """The batch with its near ties without a lesion decided in double precision."""
        near = batch.near.nonzero()[:, 0]
        if self._referee is None or not len(near):
            return batch
        with torch.no_grad():
            answers = self._referee.answers(batch.inputs[near], lambda _: {}, cancel)
        if answers is None:
            return batch
        right = batch.was_right.clone()
        right[near] = (answers == batch.labels[near]).to(right)
        return replace(batch, was_right=right, intact=integers(right @ batch.one_hot))

    def settle(
        self, index: int, batch: Batch, ties: torch.Tensor, cancel: threading.Event | None = None
    ) -> torch.Tensor | None:
        """The classes of near ties in double precision, shape (ties,); None if that can't be had.

        No other lesion may run meanwhile.
        """
        if self._referee is None or not len(ties):
            return None
        plan, engine = self.engine.plans[index], self.engine
        masks = plan.masks[ties[:, 0]]

        def amend(part: slice) -> dict[fx.Node, Callable[[Any], Any]]:
            return {
                node: partial(engine.silenced, node=node, masks=masks[part], images=1)
                for node in plan.cuts
            }

        with torch.no_grad():
            return self._referee.answers(batch.inputs[ties[:, 1]], amend, cancel)
