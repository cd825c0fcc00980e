"""The cluster table: units of each cluster and the share of its weight that stays inside.

Its numbers come from the graph itself; read off the picture of the matrix they would be wrong.
"""

from __future__ import annotations

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import adjacency, drawing, matrix, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import Facts

_WIDTH = style.RIGHT - adjacency.STRIP - adjacency.SIDE - 20


def height(n_clusters: int) -> int:
    """Pixels of the cluster table; as high as the matrix, or higher for many clusters."""
    return max(adjacency.STRIP + adjacency.SIDE, 24 + 16 * n_clusters + 40)


def draw(facts: Facts | None) -> Drawing:
    """Units and share of weight inside, a row per cluster; a click selects the whole cluster."""
    k = 0 if facts is None else facts.analysis.partition.n_clusters
    tall = height(k)
    swatches: Marks = []
    names: Marks = []
    figures: Marks = []
    hits: Marks = []
    rows: Marks = []  # one a cluster for the hover; the hit rectangles of a cluster share a place
    if facts is not None:
        partition = facts.analysis.partition
        shares = matrix.shares_inside(partition)
        sizes = np.bincount(partition.labels[partition.labels >= 0], minlength=k)
        pitch = min(30.0, (tall - 24 - 40) / k)
        figures += [
            (_WIDTH - 58, 10, "units", style.MUTED),
            (_WIDTH - 6, 10, "inside", style.MUTED),
        ]
        for cluster in range(k):
            low, high = 24 + pitch * cluster, 24 + pitch * (cluster + 1)
            y = (low + high) / 2
            swatches.append((6, y - 5, 16, y + 5, style.cluster_color(cluster)))
            names.append((26, y, cluster_name(cluster), style.TEXT))
            inside = "–" if np.isnan(shares[cluster]) else style.percent(shares[cluster], 0)
            figures.append((_WIDTH - 58, y, f"{sizes[cluster]:,}", style.TEXT))
            figures.append((_WIDTH - 6, y, inside, style.TEXT))
            members = [s.name for s in facts.subclusters if s.cluster == cluster]
            hits += [(0, low, _WIDTH, high, name, "") for name in members]
            tip = f"cluster {cluster_name(cluster)}: {', '.join(members)}<br>click selects all"
            rows.append((0, low + 0.5, _WIDTH, high - 0.5, tip if members else "no hidden units"))
        foot = 24 + pitch * k + 14
        names.append((6, foot, "inside: share of a cluster's", style.MUTED))
        names.append((6, foot + 14, "weight that stays in it", style.MUTED))
    return Drawing(
        _WIDTH,
        tall,
        {
            "hits": drawing.hits(hits, drawing.STRIPE),
            "rows": drawing.rectangles(rows, "tip", fill_alpha=0.0),
            "swatches": drawing.rectangles(swatches, "fill", fill_color="fill"),
            "names": drawing.labels(names, "ink", text_color="ink"),
            "figures": drawing.labels(figures, "ink", text_color="ink", text_align="right"),
        },
    )
