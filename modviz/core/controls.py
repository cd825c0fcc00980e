"""Random groups of units to compare subclusters with.

A control is what the same partition gives when the labels are shuffled within each layer: draw
number r holds, for every subcluster at once, as many random live units of the same layer. Each
draw is a whole partition, so the real one and the shuffled ones are exchangeable under the null,
which is what the joint test needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.core.partition import Partition


def draw_controls(partition: Partition, n_controls: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Labels shuffled within each hidden layer, `n_controls` times.

    Parameters
    ----------
    partition : Partition
    n_controls : int
    seed : int
        The first draws do not depend on how many follow.

    Returns
    -------
    dict of str to array of int, shape (n_controls, units of the layer)
        Cluster of each unit in each draw; dead units stay -1.
    """
    drawn = {}
    for index, layer in enumerate(partition.graph.layers):
        if layer.role != "hidden":
            continue
        labels = partition.labels[partition.graph.layer_slice(index)]
        live = labels >= 0
        rng = np.random.default_rng([seed, layer.number])
        shuffled = np.tile(labels, (n_controls, 1))
        for row in shuffled:
            row[live] = rng.permutation(labels[live])
        drawn[layer.name] = shuffled
    return drawn


@dataclass(frozen=True, eq=False)
class LayerGroups:
    """All groups of units of one layer that are measured: subclusters and their controls.

    Attributes
    ----------
    layer : str
    rows : array of int, shape (groups, 2)
        Which subcluster a group belongs to, and 0 = the subcluster itself or 1 + number of control.
    masks : array of bool, shape (groups, units of the layer)
    """

    layer: str
    rows: NDArray[np.int64]
    masks: NDArray[np.bool_]


def layer_groups(
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    draws: Mapping[int, range] | None = None,
) -> Iterator[LayerGroups]:
    """The groups of every layer that has a tested subcluster, in the order of the layers.

    Parameters
    ----------
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `draw_controls`.
    draws : mapping of int to range, optional
        Which controls of which subclusters, for lesions in rounds: by number of the subcluster the
        numbers of its draws, from 0. Subclusters that are not named are left out, and the
        subcluster itself comes with draw 0. By default everything.
    """
    for layer in dict.fromkeys(s.layer for s in partition.subclusters):
        members = [
            k
            for k, s in enumerate(partition.subclusters)
            if s.layer == layer and tested[k] and (draws is None or k in draws)
        ]
        rows, chosen = [], []
        for k in members:
            every = masks(partition, k, controls)
            wanted = range(len(every) - 1) if draws is None else draws[k]
            numbers = [*([0] if wanted.start == 0 else []), *(1 + r for r in wanted)]
            rows += [(k, number) for number in numbers]
            chosen.append(every[numbers])
        if rows:
            yield LayerGroups(layer, np.array(rows, dtype=np.int64), np.concatenate(chosen))


def masks(
    partition: Partition, subcluster: int, controls: dict[str, NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """The units of a subcluster (row 0) and of its controls, shape (1 + n, units of the layer)."""
    chosen = partition.subclusters[subcluster]
    shuffled = controls[chosen.layer]
    mask = np.zeros((1 + len(shuffled), shuffled.shape[1]), dtype=bool)
    mask[0, chosen.units] = True
    mask[1:] = shuffled == chosen.cluster
    return mask
