"""What an analysis has to do, in numbers: how many lesions, pictures and edges, of which layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modviz.core.analysis import size_rule
from modviz.core.graph import Layer
from modviz.core.partition import Partition
from modviz.core.sequential import LOOKS, rule_for
from modviz.core.settings import Settings
from modviz.core.spectral import spectral_partition
from modviz.measure.edges import weight_graph
from modviz.measure.network import Network

#: Up to how many edges, and weights behind them, the partition itself is made to count its
#: subclusters: a quarter of a second for VGG-16.
_MOST_EDGES, _MOST_WEIGHTS = 5_000_000, 30_000_000
#: Share of the subclusters that there could be which are there, in partitions that are too dear to
#: make: .95 for activations of an MLP 4x256, .53 of a small CNN, .63 of VGG16-BN at 32 px.
_SHARE = 0.7

#: By how much more than as 1 / draws the share of open verdicts falls.
_OPEN = 0.2


@dataclass(frozen=True, eq=False)
class Workload:
    """What an analysis has to do.

    Attributes
    ----------
    network : Network
    settings : Settings
    tested : mapping of str to float
        Subclusters that are measured, by layer.
    n_units, n_edges : int
        Units of the graph, and pairs of them whose edge is stored.
    n_images : float
        NaN if the data do not tell.
    workers : int
    memory_limit : int
        Bytes that the values of lesions may take.
    """

    network: Network
    settings: Settings
    tested: Mapping[str, float]
    n_units: int
    n_edges: int
    n_images: float
    workers: int
    memory_limit: int

    @property
    def draws(self) -> float:
        """Controls that a lesion is compared with, on average.

        Adaptive ones by rule of thumb: after t draws the verdict of a share of (39 / t)**1.2 of the
        subclusters is still open, about as with the stop of Besag and Clifford (39 / t). That makes
        132 of 999, where 157, 120 and 68 were counted on networks of the benchmarks.
        """
        n, first = self.settings.n_controls, LOOKS[0]
        if self.settings.controls == "fixed" or n <= first:
            return float(n)
        return float(first * (1 + (1 - (first / n) ** _OPEN) / _OPEN))

    @property
    def rounds(self) -> int:
        """How many times lesions go through the data."""
        adaptive = self.settings.controls == "adaptive"
        return len(rule_for(self.settings.n_controls).ends) if adaptive else 1

    def lesions(self, layer: str) -> float:
        """Lesions of a layer: subclusters and controls."""
        return self.tested.get(layer, 0.0) * (1 + self.draws)

    def groups(self, layer: str) -> float:
        """Groups of units whose top images are sought."""
        return self.tested.get(layer, 0.0) * (1 + self.settings.n_controls)

    def pictures(self, layer: str) -> float:
        """Pictures of a layer: subclusters and controls."""
        return self.tested.get(layer, 0.0) * (1 + self.settings.image_controls)


def workload_of(
    network: Network,
    settings: Settings,
    *,
    n_images: int | None,
    workers: int,
    memory_limit: int,
    partition: Partition | None = None,
    n_subclusters: int | None = None,
) -> Workload:
    """Count what an analysis with some settings has to do.

    Parameters
    ----------
    network : Network
    settings : Settings
    n_images : int or None
    workers, memory_limit : int
    partition : Partition, optional
        If it is known.
    n_subclusters : int, optional
        How many subclusters are tested, if that is known.

    Returns
    -------
    Workload
    """
    layers = network.choose(settings.layers)
    n_units = sum(layer.n_units for layer in layers)
    n_edges = _edges(network, layers, settings)
    if partition is None and settings.edges == "weights" and n_edges <= _MOST_EDGES:
        weights = sum(network.weight(layer.name).numel() for layer in layers)
        partition = _partition(network, settings) if weights <= _MOST_WEIGHTS else None
    tested = _expected(layers, settings.n_clusters) if partition is None else _counted(partition)
    if partition is not None:
        n_units = partition.graph.n_units
        n_edges = sum(block.size for block in partition.graph.blocks.values())
    total = sum(tested.values())
    if n_subclusters is not None and total:
        tested = {layer: n * n_subclusters / total for layer, n in tested.items()}
    images = math.nan if n_images is None else float(n_images)
    return Workload(network, settings, tested, n_units, n_edges, images, workers, memory_limit)


def _edges(network: Network, layers: tuple[Layer, ...], settings: Settings) -> int:
    """Pairs of units whose edge a graph stores, without those of inputs and outputs."""
    sizes = {layer.name: layer.n_units for layer in layers}
    if settings.edges == "activations":
        n = sum(sizes.values())
        return n * (n + 1) // 2
    pairs = {(c.source, c.target) for c in network.connections}
    return sum(sizes.get(source, 0) * sizes.get(target, 0) for source, target in pairs)


def _partition(network: Network, settings: Settings) -> Partition:
    graph = weight_graph(
        network,
        layers=settings.layers,
        kernel_norm=settings.kernel_norm,
        include_inputs=settings.include_inputs,
        include_outputs=settings.include_outputs,
    )
    return spectral_partition(graph, settings.n_clusters, scope=settings.scope, seed=settings.seed)


def _counted(partition: Partition) -> dict[str, float]:
    counts: dict[str, Any] = {}
    for subcluster, tested in zip(partition.subclusters, size_rule(partition), strict=True):
        counts[subcluster.layer] = counts.get(subcluster.layer, 0.0) + float(np.asarray(tested))
    return counts


def _expected(layers: tuple[Layer, ...], n_clusters: int) -> dict[str, float]:
    """Of the subclusters that there could be in each layer, with at least 3 units each."""
    return {la.name: _SHARE * min(n_clusters, la.n_units // 3) for la in layers}
