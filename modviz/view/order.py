"""A partition in the order of a matrix, by cluster or by layer, and where its borders are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modviz.view import matrix
from modviz.view.facts import Facts


@dataclass(frozen=True)
class Run:
    """Units that stand together in the sorted matrix and share cluster and layer."""

    start: int
    stop: int
    cluster: int
    layer: int
    subcluster: int | None


class Sorted:
    """A partition in the order of the matrix: what the matrix, its strips and hover share."""

    def __init__(
        self,
        facts: Facts,
        order: matrix.Order = "cluster",
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.facts = facts
        self._limits = limits
        self.by_layer = order == "layer" or facts.local
        self.order: matrix.Order = "layer" if self.by_layer else "cluster"
        self.partition = facts.analysis.partition
        self.n = self.partition.graph.n_units

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """The number of the unit at each position."""
        return matrix.sorted_units(self.partition, self.order)

    @cached_property
    def runs(self) -> list[Run]:
        """Every stretch of one cluster in one layer, in order."""
        graph, order = self.partition.graph, self.units
        layer = np.repeat(np.arange(len(graph.layers)), [la.n_units for la in graph.layers])[order]
        cluster = self.partition.labels[order]
        changes = np.flatnonzero((np.diff(layer) != 0) | (np.diff(cluster) != 0)) + 1
        starts = [0, *changes.tolist()]
        index = {s.key: i for i, s in enumerate(self.facts.subclusters)}
        return [
            Run(
                a,
                b,
                c := int(cluster[a]),
                la := int(layer[a]),
                index.get((graph.layers[la].name, c)),
            )
            for a, b in zip(starts, [*starts[1:], self.n], strict=True)
        ]

    @cached_property
    def clusters(self) -> list[tuple[int, int, int]]:
        """(cluster, start, stop) of each cluster in the matrix; -1 = in no cluster.

        By layer the clusters of every layer, one layer after the other.
        """
        if self.by_layer:
            return [(run.cluster, run.start, run.stop) for run in self.runs]
        spans: dict[int, tuple[int, int]] = {}
        for run in self.runs:
            spans[run.cluster] = (spans.get(run.cluster, (run.start, 0))[0], run.stop)
        return [(cluster, *span) for cluster, span in spans.items()]

    @property
    def borders(self) -> list[int]:
        """Where lines divide the matrix: between clusters, or by layer between layers."""
        if self.by_layer:
            return [int(start) for start in self.partition.graph.offsets[1:-1]]
        return [start for _, start, _ in self.clusters[1:]]

    @cached_property
    def overview(self) -> matrix.Tile:
        """The whole matrix, at most 512 pixels a side."""
        return matrix.tile(self.partition, order=self.order)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Limits of the colours, if not given those of the overview; they hold when zoomed, too."""
        return self._limits or matrix.color_limits(self.overview.image)

    @cached_property
    def scale(self) -> matrix.Scale:
        """How weights travel; the same for the overview and every detail."""
        return matrix.Scale.of(self.partition.graph, self.limits)
