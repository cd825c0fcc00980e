"""The graph of an analysis, with edges of either kind, as its settings say; and its partition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition
from modviz.core.settings import Settings
from modviz.core.spectral import Partitioner
from modviz.measure.activations import activation_data, correlation_graph
from modviz.measure.data import LabelledData
from modviz.measure.earlier import KEPT, RECORDED, Earlier
from modviz.measure.edges import weight_graph
from modviz.measure.kept import Slot, partition_key
from modviz.measure.network import Network


@dataclass(eq=False)
class GraphStage:
    """Graphs and partitions of one analysis.

    Attributes
    ----------
    network, data
        What graphs are of.
    earlier : Earlier
        Where graphs and the partition are taken from, and left.
    activation_images : images, (images, labels), Dataset or DataLoader, optional
    cancel : threading.Event, optional
    """

    network: Network
    data: LabelledData
    earlier: Earlier
    activation_images: Any = None
    cancel: threading.Event | None = None

    def partition(self, settings: Settings) -> Partition:
        """The partition that the settings ask for."""
        key, kept, reporter = partition_key(settings), self.earlier.kept, self.earlier.reporter
        reporter.start("partition", "building the graph and partitioning it")
        partitioner, known = self.partitioner(settings, "graph")
        partition: Partition | None = kept.get("partition", key)
        if partition is not None:
            reporter.start("partition", f"partition: {KEPT}")
        else:
            partition = self.earlier.checkpoint.partition(partitioner.graph)
            if partition is not None:
                reporter.start("partition", f"partition: {RECORDED}")
        if partition is None:
            if known:
                what = "activations" if settings.edges == "activations" else "graph"
                reporter.start("partition", f"{what}: {KEPT}; partitioning")
            partition = partitioner.partition(
                settings.n_clusters, scope=settings.scope, seed=settings.seed
            )
        kept.put("partition", key, partition)
        self.earlier.checkpoint.keep_partition(partition)
        return partition

    def partitioner(self, settings: Settings, slot: Slot) -> tuple[Partitioner, bool]:
        """The graph of some settings with its eigenvectors, and whether it was kept."""
        # images of one's own are for the edges that were asked for, not for those of comparison
        images = self.activation_images if slot == "graph" else None

        def build() -> Partitioner:
            if settings.edges == "weights":  # made as quickly as read
                return Partitioner(graph_of(self.network, self.data, settings))
            checkpoint = self.earlier.checkpoint
            graph = checkpoint.graph(settings.edges)
            if graph is None:
                data, report = (self.network, self.data), self.earlier.reporter.advance
                graph = graph_of(*data, settings, images, report=report, cancel=self.cancel)
                checkpoint.keep_graph(graph)
            return Partitioner(graph)

        return self.earlier.kept.partitioner(settings, images, build, slot)


def graph_of(
    network: Network,
    data: LabelledData,
    settings: Settings,
    activation_images: Any = None,
    *,
    report: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> NeuronGraph:
    """The graph that the settings ask for.

    Parameters
    ----------
    network : Network
    data : LabelledData
        What correlations of activations come from, unless there are `activation_images`.
    settings : Settings
    activation_images : images, (images, labels), Dataset or DataLoader, optional
    report, cancel : optional
        See `modviz.measure.activations.correlation_graph`.

    Returns
    -------
    NeuronGraph

    Raises
    ------
    ValueError, NetworkError
        Those of `weight_graph` and `activation_graph`.
    Cancelled
        If `cancel` was set while correlations were computed.
    """
    if settings.edges == "activations":
        if activation_images is not None:
            data = activation_data(network, activation_images)
        return correlation_graph(
            network,
            data,
            layers=settings.layers,
            seed=settings.seed,
            kernel_norm=settings.kernel_norm,
            include_inputs=settings.include_inputs,
            include_outputs=settings.include_outputs,
            report=report,
            cancel=cancel,
        )
    return weight_graph(
        network,
        layers=settings.layers,
        kernel_norm=settings.kernel_norm,
        include_inputs=settings.include_inputs,
        include_outputs=settings.include_outputs,
    )
