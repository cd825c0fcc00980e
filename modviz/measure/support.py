"""What else supports the subclusters: partitions with other seeds, and of the other kind of edges.

No model is needed for other seeds: the graph is there with its eigenvectors. The other kind of
edges needs the other graph. It is no reason for an analysis to fail: where it can't be had, the
results say why.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.settings import Settings
from modviz.core.spectral import Partitioner
from modviz.core.support import Support, other_seeds, overlaps
from modviz.measure.trace import NetworkError

#: Units whose correlations are computed for this comparison at most: 0.3 GB, and a minute or two.
MOST_UNITS = 6000
_OTHER = {"weights": "activations", "activations": "weights"}


def other_settings(settings: Settings) -> Settings:
    """The same settings with the other kind of edges."""
    return replace(settings, edges=_OTHER[settings.edges])


def measure_support(
    partition: Partition,
    partitioner: Partitioner,
    settings: Settings,
    other: Callable[[], Partitioner],
    *,
    start: Callable[[str], None],
    report: Callable[[int, int], None],
    show: Callable[[Support], None],
    cancel: threading.Event | None = None,
) -> Support:
    """Look for the subclusters of a partition with other seeds and among clusters of other edges.

    Parameters
    ----------
    partition : Partition
        That of `settings`.
    partitioner : Partitioner
        Of its graph.
    settings : Settings
    other : callable
        Gives the partitioner of the graph of `other_settings`. A ValueError or NetworkError says
        that there is no such graph.
    start : callable
        Called with words for each of the two parts.
    report : callable
        Called with partitions done and to be done.
    show : callable
        Called with the results of the first part.
    cancel : threading.Event, optional

    Returns
    -------
    Support

    Raises
    ------
    Cancelled
        If `cancel` was set; checked at every partition.
    """

    def cut(by: Partitioner, seed: int) -> Partition:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        return by.partition(settings.n_clusters, scope=settings.scope, seed=seed)

    seeds = other_seeds(settings.seed)
    start(f"stability: {len(seeds)} more seeds")
    others = []
    for done, seed in enumerate(seeds):
        report(done, len(seeds))
        others.append(cut(partitioner, seed))
    stable = overlaps(partition, others, settings.seed)
    nothing = np.full(len(partition.subclusters), np.nan)
    found = Support(
        tuple(s.name for s in partition.subclusters),
        stable.best,
        stable.chance,
        nothing,
        nothing.copy(),
        n_seeds=len(seeds),
        adjusted_rand=stable.adjusted_rand,
    )
    show(found)
    edges, n_units = _OTHER[settings.edges], partition.graph.n_units
    if edges == "activations" and n_units > MOST_UNITS:
        return replace(
            found,
            missing=f"correlations of {n_units:,} units, more than {MOST_UNITS:,}, would take long",
        )
    start(f"clusters of {edges}")
    try:
        theirs = cut(other(), settings.seed)
    except (ValueError, NetworkError) as error:
        # also a graph that an analysis would refuse, say without edges or of too few live units
        return replace(found, missing=f"there is no partition of {edges}: {error}")
    agreed = overlaps(partition, [theirs], settings.seed)
    return replace(
        found,
        agreement=agreed.best,
        agreement_chance=agreed.chance,
        other_edges=edges,
        other_adjusted_rand=agreed.adjusted_rand,
    )
