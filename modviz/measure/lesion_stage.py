"""The stage of the lesions: all at once, in rounds, or only those that are not there yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modviz.core.checkpoint import Folder
from modviz.core.controls import LayerGroups, draw_controls, layer_groups
from modviz.core.partition import Partition
from modviz.core.sequential import rule_for
from modviz.core.settings import Settings
from modviz.measure.adaptive import measure_adaptively
from modviz.measure.counting import CountCallback, count_right
from modviz.measure.counts import Counts
from modviz.measure.data import LabelledData
from modviz.measure.digests import ImagesDigest
from modviz.measure.lesion import (
    LesionCallback,
    Measured,
    differing,
    extended,
    lacking,
    measure_lesions,
)
from modviz.measure.network import Network
from modviz.measure.suffix import Kernels


@dataclass(eq=False)
class LesionStage:
    """The lesions of one partition.

    Attributes
    ----------
    network, data, partition, tested, settings
        What is measured, and how.
    workers, memory_limit, executor, folder, cancel
        As in `modviz.measure.lesion.measure_lesions`.
    digest : ImagesDigest
        Of the images, once they have been gone through.
    """

    network: Network
    data: LabelledData
    partition: Partition
    tested: NDArray[np.bool_]
    settings: Settings
    workers: int | None = None
    memory_limit: int | None = None
    executor: Executor | None = None
    folder: Folder | None = None
    cancel: threading.Event | None = None
    digest: ImagesDigest = field(default_factory=ImagesDigest)
    _kernels: Kernels = field(default_factory=Kernels)  # every count is of one network

    @cached_property
    def controls(self) -> dict[str, NDArray[np.int64]]:
        """All draws that the settings ask for."""
        return draw_controls(self.partition, self.settings.n_controls, self.settings.seed)

    @property
    def images(self) -> str:
        """How many images, in words."""
        return "all" if self.data.n_images is None else f"{self.data.n_images:,}"

    def all(self, report: LesionCallback) -> Measured:
        """Every subcluster and its controls."""
        if self.settings.controls == "adaptive":
            rule = rule_for(self.settings.n_controls)
            return measure_adaptively(
                self.partition, self.tested, self.controls, rule, self.count, report=report
            )
        return measure_lesions(
            self.network,
            self.data,
            self.partition,
            self.tested,
            self.controls,
            lesion=self.settings.lesion,
            seed=self.settings.seed,
            workers=self.workers,
            memory_limit=self.memory_limit,
            executor=self.executor,
            folder=self.folder,
            images=self.digest,
            report=report,
            cancel=self.cancel,
        )

    def lacking(self, before: Measured, wanted: NDArray[np.bool_] | None = None) -> int:
        """How many controls of all or some tested subclusters are not in the results `before`."""
        chosen = self.tested if wanted is None else wanted
        return sum(map(len, lacking(before[0], chosen, self.settings.n_controls).values()))

    def more(
        self,
        before: Measured,
        report: Callable[[int, int | None], None],
        wanted: NDArray[np.bool_] | None = None,
        *,
        off: float = 0,
    ) -> Measured | None:
        """The results `before` with the controls that all or some tested subclusters lack.

        `report` gets lesions x images done, and all of them. The draws that there are by now have
        different numbers if not all are wanted; what p then is, the caller has to say. None if
        more than `off` answers without a lesion differ, so that nothing may be added.
        """
        results, present = before
        n = self.settings.n_controls
        draws = lacking(results, self.tested if wanted is None else wanted, n)
        groups = list(layer_groups(self.partition, self.tested, self.controls, draws))
        counts = self.count(groups, lambda done, total, _: report(done, total))
        otherwise = differing(results, groups, counts)
        if otherwise is None or otherwise > off or ((counts.images > 0) != present).any():
            return None
        most = n if wanted is None else max(n, results.controls.shape[1])
        return replace(extended(results, groups, counts, most), rounds=None), present

    def count(self, groups: Sequence[LayerGroups], report: CountCallback) -> Counts:
        """Right answers under the lesions of some groups."""
        return count_right(
            self.network,
            self.data,
            groups,
            lesion=self.settings.lesion,
            seed=self.settings.seed,
            workers=self.workers,
            memory_limit=self.memory_limit,
            executor=self.executor,
            folder=self.folder,
            images=self.digest,
            kernels=self._kernels,
            report=report,
            cancel=self.cancel,
        )
