"""A comparison as tidy tables; what their columns mean is said where they are asked for.

See the methods of `modviz.core.comparison.Comparison`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from modviz.core import agreement
from modviz.core.analysis import Analysis
from modviz.core.partition import cluster_name
from modviz.core.verdicts import verdicts

if TYPE_CHECKING:
    from modviz.core.comparison import Comparison

Integers = NDArray[np.int64]


def name_of(cluster: int) -> str | None:
    """Letters of a cluster; None for no cluster."""
    return None if cluster < 0 else cluster_name(int(cluster))


def status(found: Comparison) -> NDArray[np.str_]:
    """What became of every unit, shape (n_units,)."""
    a, b = found.labels_a, found.labels_b
    words = np.where(a < 0, np.where(b < 0, "dead", "came alive"), "became dead")
    both = (a >= 0) & (b >= 0)
    stayed = matches(found)[_rows(found), a] == b
    return np.where(both, np.where(stayed, "stayed", "moved"), words)


def matches(found: Comparison) -> Integers:
    """The match in b of each cluster of a, by layer, shape (L, j); -1 = none."""
    partner = np.full((len(found.layers_in_both), found.layer_overlaps.shape[1]), -1)
    row = {layer.name: i for i, layer in enumerate(found.layers_in_both)}
    for pair in found.pairs:
        partner[slice(None) if pair.layer is None else row[pair.layer], pair.a] = pair.b
    return partner


def _rows(found: Comparison) -> Integers:
    """Number of each unit's layer among those in both, shape (n_units,)."""
    sizes = [layer.n_units for layer in found.layers_in_both]
    return np.repeat(np.arange(len(sizes)), sizes)


def units(found: Comparison) -> pd.DataFrame:
    """A row per unit."""
    sizes = [layer.n_units for layer in found.layers_in_both]
    return pd.DataFrame(
        {
            "layer": np.repeat([layer.name for layer in found.layers_in_both], sizes),
            "unit": np.concatenate([np.arange(size) for size in sizes]),
            "in_a": [name_of(cluster) for cluster in found.labels_a],
            "in_b": [name_of(cluster) for cluster in found.labels_b],
            "status": found.status,
        }
    )


def moved(found: Comparison) -> pd.DataFrame:
    """A row per unit that left its cluster."""
    backward = {(pair.layer, pair.b): pair.a for pair in found.pairs}
    local = found.scope == "local"
    rows = units(found)
    left = np.flatnonzero(found.status == "moved")
    keys = [(str(rows["layer"].iloc[i]) if local else None, int(found.labels_b[i])) for i in left]
    return pd.DataFrame(
        {
            "layer": rows["layer"].iloc[left].to_numpy(),
            "unit": rows["unit"].iloc[left].to_numpy(),
            "from": rows["in_a"].iloc[left].to_numpy(),
            "to": rows["in_b"].iloc[left].to_numpy(),
            "to_match": [name_of(backward.get(key, -1)) for key in keys],
        }
    )


def layers(found: Comparison) -> pd.DataFrame:
    """A row per layer."""
    row, alive = _rows(found), found.layer_overlaps.sum(axis=(1, 2))
    count = len(found.layers_in_both)

    def counted(word: str) -> Integers:
        return np.bincount(row[found.status == word], minlength=count)

    with np.errstate(invalid="ignore"):
        stayed = counted("stayed") / alive
    return pd.DataFrame(
        {
            "units": alive,
            "stayed": stayed,
            "ari": np.where(alive > 0, agreement.adjusted_rand(found.layer_overlaps), np.nan),
            "became_dead": counted("became dead"),
            "came_alive": counted("came alive"),
        },
        index=pd.Index([layer.name for layer in found.layers_in_both], name="layer"),
    )


def table(found: Comparison) -> pd.DataFrame:
    """A row per matched pair, then per cluster without a match."""
    overlaps: dict[str | None, Integers] = {None: found.overlap}
    if found.scope == "local":
        names = [layer.name for layer in found.layers_in_both]
        overlaps = dict(zip(names, found.layer_overlaps, strict=True))
    rows = []
    for pair in found.rows:
        overlap = overlaps[pair.layer]
        units_a = int(overlap[pair.a].sum()) if pair.a >= 0 else 0
        units_b = int(overlap[:, pair.b].sum()) if pair.b >= 0 else 0
        shared = int(overlap[pair.a, pair.b]) if min(pair.a, pair.b) >= 0 else 0
        # a cluster whose units are all dead in the other has no union
        jaccard = shared / max(units_a + units_b - shared, 1)
        cells = (name_of(pair.a), name_of(pair.b), units_a, units_b, shared, jaccard)
        rows.append((pair.layer, *cells))
    columns = ["layer", "cluster_a", "cluster_b", "units_a", "units_b", "shared", "jaccard"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame if found.scope == "local" else frame.drop(columns="layer")


def unmatched(found: Comparison) -> list[tuple[int, int, str | None]]:
    """The clusters that have units but no match, as (a, b, layer) with -1; those of a first."""
    alone: list[tuple[int, int, str | None]] = []
    for layer, here in _places(found):
        pairs = [pair for pair in found.pairs if pair.layer == layer]
        a, b = {pair.a for pair in pairs}, {pair.b for pair in pairs}
        alone += [(i, -1, layer) for i in _present(found.labels_a[here]) if i not in a]
        alone += [(-1, j, layer) for j in _present(found.labels_b[here]) if j not in b]
    return alone


def _places(found: Comparison) -> list[tuple[str | None, NDArray[np.bool_]]]:
    """Where clusters are matched: everywhere (None), or layer by layer, with the units there."""
    row = _rows(found)
    if found.scope == "global":
        return [(None, np.ones(len(row), dtype=bool))]
    return [(layer.name, row == i) for i, layer in enumerate(found.layers_in_both)]


def _present(labels: Integers) -> list[int]:
    return [int(cluster) for cluster in np.unique(labels[labels >= 0])]


class _Side:
    """One analysis by (layer, cluster): a row of what was measured, or nothing there."""

    def __init__(self, analysis: Analysis) -> None:
        self.table, self.verdicts = analysis.table(), verdicts(analysis)
        self.place = {s.key: i for i, s in enumerate(analysis.subclusters)}

    def cells(self, key: tuple[str, int], suffix: str) -> dict[str, Any]:
        """The columns of this side, see `Comparison.subclusters`."""
        i = self.place.get(key)
        row = None if i is None else self.table.iloc[i]
        values = {
            name: float("nan") if row is None else float(row[column])
            for name, column in (
                ("accuracy_change", "accuracy_change"),
                ("p", "accuracy_p"),
                ("q", "accuracy_q"),
            )
        }
        return {
            f"name_{suffix}": None if i is None else str(self.table.index[i]),
            f"units_{suffix}": 0 if row is None else int(row["size"]),
            **{f"{name}_{suffix}": value for name, value in values.items()},
            f"verdict_{suffix}": "no units" if i is None else self.verdicts[i],
        }


_SUBCLUSTER_COLUMNS = (
    *("layer", "pair", "name_a", "name_b", "units_a", "units_b", "shared"),
    *("accuracy_change_a", "accuracy_change_b", "p_a", "p_b", "q_a", "q_b"),
    *("verdict_a", "verdict_b"),
)


def subclusters(found: Comparison) -> pd.DataFrame:
    """A row per matched pair and layer where either has units."""
    a, b = _Side(found.a), _Side(found.b)
    rows = []
    for layer, overlap in zip(found.layers_in_both, found.layer_overlaps, strict=True):
        for pair in found.pairs:
            keys = (layer.name, pair.a), (layer.name, pair.b)
            if pair.layer in (None, layer.name) and (keys[0] in a.place or keys[1] in b.place):
                both = {
                    "layer": layer.name,
                    "pair": pair.name,
                    "shared": int(overlap[pair.a, pair.b]),
                }
                rows.append(both | a.cells(keys[0], "a") | b.cells(keys[1], "b"))
    return pd.DataFrame(rows, columns=list(_SUBCLUSTER_COLUMNS))
