"""Two analyses side by side: which clusters are the same ones, and which units moved.

Clusters have no identity of their own: A of one partition may be C of another. They are matched one
to one so that matched clusters share as many units as possible (the Hungarian algorithm); a unit
moved if its cluster in `b` is not the match of its cluster in `a`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core import agreement
from modviz.core.analysis import Analysis
from modviz.core.comparison import Comparison, Pair
from modviz.core.graph import Layer
from modviz.core.partition import Partition
from modviz.core.settings import whole_number

Integers = NDArray[np.int64]


def compare(
    a: Analysis,
    b: Analysis,
    *,
    names: Sequence[str] = ("a", "b"),
    n_shuffles: int = 999,
    seed: int = 0,
) -> Comparison:
    """Put two analyses side by side: match their clusters and say what moved.

    Units are the same if their layer has the same name and they have the same number in it. That
    holds for two analyses of one network (weights and activations, two numbers of clusters, two
    seeds of the clustering), and for checkpoints of one training. In networks trained from
    different beginnings unit 7 of the one has nothing to do with unit 7 of the other: expect no
    more agreement than chance there.

    Parameters
    ----------
    a, b : Analysis
        Layers that only one has, and units that are dead in one, are left out and counted.
    names : pair of str
        What to call them, say ``("weights", "activations")``.
    n_shuffles : int
        How often labels are shuffled within layers to see what chance gives.
    seed : int
        Of the shuffles.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError
        If `a` or `b` is no Analysis.
    ValueError
        If they share no layer, or a shared layer has different numbers of units.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> quick = {"features": False, "n_controls": 19, "progress": False}
    >>> first = modviz.analyze(planted.model, planted.data, n_clusters=2, **quick)
    >>> again = modviz.analyze(planted.model, planted.data, n_clusters=2, seed=1, **quick)
    >>> modviz.compare(first, again, n_shuffles=99).ari
    1.0
    """
    for name, given in (("a", a), ("b", b)):
        if not isinstance(given, Analysis):
            raise TypeError(
                f"{name} is a {type(given).__name__}; expected an Analysis, from modviz.analyze, "
                "modviz.load or explorer.analysis"
            )
    called = _names(names)
    n_shuffles = whole_number("n_shuffles", n_shuffles, 1)
    seed = whole_number("seed", seed, 0)
    first, second = _layers_of(a.partition), _layers_of(b.partition)
    shared = _shared(first, second)
    shape = a.partition.n_clusters, b.partition.n_clusters
    labels = [
        (a.partition.labels[first[name][1]], b.partition.labels[second[name][1]]) for name in shared
    ]
    tables = np.stack([agreement.overlap(x, y, shape) for x, y in labels])
    scope = "local" if "local" in (a.partition.scope, b.partition.scope) else "global"
    null_ari, null_stayed = agreement.chance(tables, scope, n_shuffles, seed)
    return Comparison(
        a,
        b,
        called,
        scope,
        tuple(first[name][0] for name in shared),
        tuple(name for name in first if name not in second),
        tuple(name for name in second if name not in first),
        np.concatenate([x for x, _ in labels]),
        np.concatenate([y for _, y in labels]),
        tables,
        _pairs(tables, shared, scope),
        null_ari,
        null_stayed,
    )


def _names(names: Sequence[str]) -> tuple[str, str]:
    given: Any = names  # what a user gives need not be what the signature says
    listed = list(given) if isinstance(given, (tuple, list)) else []
    two = len(listed) == 2 and all(isinstance(name, str) for name in listed)
    if not two or listed[0] == listed[1]:
        raise ValueError(f"names={names!r}; expected two different names, one for a, one for b")
    return str(listed[0]), str(listed[1])


def _layers_of(partition: Partition) -> Mapping[str, tuple[Layer, slice]]:
    graph = partition.graph
    return {layer.name: (layer, graph.layer_slice(i)) for i, layer in enumerate(graph.layers)}


def _shared(
    first: Mapping[str, tuple[Layer, slice]], second: Mapping[str, tuple[Layer, slice]]
) -> list[str]:
    """Names of the layers that both have, in the order of the first."""
    shared = [name for name in first if name in second]
    if not shared:
        raise ValueError(
            f"the analyses share no layer: a has {list(first)}, b has {list(second)}; units are "
            "compared by the names of their layers, so give analyses of networks of one kind"
        )
    sizes = {name: (first[name][0].n_units, second[name][0].n_units) for name in shared}
    wrong = [f"{name!r} ({m} in a, {n} in b)" for name, (m, n) in sizes.items() if m != n]
    if wrong:
        raise ValueError(
            f"layers of the same name have different numbers of units: {', '.join(wrong)}; their "
            "units cannot be told to be the same ones. Give analyses of networks of one shape"
        )
    return shared


def _pairs(tables: Integers, layers: list[str], scope: str) -> tuple[Pair, ...]:
    if scope == "global":
        return tuple(Pair(int(i), int(j)) for i, j in agreement.match(tables.sum(axis=0)))
    return tuple(
        Pair(int(i), int(j), layer)
        for layer, table in zip(layers, tables, strict=True)
        for i, j in agreement.match(table)
    )
