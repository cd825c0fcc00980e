"""How much edge weight a partition keeps inside its clusters, and what would be there anyway."""

from __future__ import annotations

from dataclasses import dataclass

from modviz.core.partition import Partition


@dataclass(frozen=True)
class Kept:
    """Edge weight inside clusters as a share of all weight at clustered units, 0 .. 1.

    Attributes
    ----------
    share : float
        What the partition keeps. NaN where there is no weight at all.
    mixed : float
        What it would keep if units took no notice of clusters: each pair of layers has the same
        weight between them, each unit the same part of it, and a unit's partners are taken in
        proportion to theirs.
    """

    share: float
    mixed: float


def kept(partition: Partition) -> Kept:
    """Share of the weight inside clusters, beside that of the same units mixed evenly.

    Layer pairs are mixed one by one, since most pairs of layers of a network have no edges and a
    cluster of two layers would seem tight for that alone. Inside a layer, where a unit cannot be
    its own partner, the rest of the proportions stands for all.
    """
    return Kept(partition.inside.kept, partition.inside.mixed)
