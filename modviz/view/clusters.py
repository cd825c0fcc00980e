"""The cluster table: units of each cluster and the share of its edges that stays inside.

In a local partition, whose clusters are those of one layer each, a row per layer instead: its
clusters, and the normalised cut of its neighbourhood. The numbers come from the graph itself; read
off the picture of the matrix they would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import adjacency, drawing, matrix, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import Facts

#: Pixels across.
WIDTH = style.RIGHT - adjacency.STRIP - adjacency.SIDE - style.GUTTER


def height(n_rows: int) -> int:
    """Pixels of the cluster table; as high as the matrix, or higher for many rows."""
    return max(adjacency.STRIP + adjacency.SIDE, 24 + 16 * n_rows + 40)


def n_rows(facts: Facts | None) -> int:
    """Rows of the table: clusters, or the layers of a local partition."""
    if facts is None:
        return 0
    partition = facts.analysis.partition
    return len(partition.graph.layers) if facts.local else partition.n_clusters


@dataclass(frozen=True)
class _Row:
    """A row: its name, with a swatch or none, two figures, and what a click selects."""

    color: str | None
    name: str
    figures: tuple[str, str]
    members: list[str]
    tip: str
    hatch: str = " "


def draw(facts: Facts | None) -> Drawing:
    """A row per cluster, or per layer of a local partition; a click selects all of it."""
    tall = height(n_rows(facts))
    swatches: Marks = []
    names: Marks = []
    figures: Marks = []
    hits: Marks = []
    tips: Marks = []  # one a row for the hover; the hit rectangles of a row share a place
    if facts is not None:
        rows = _layers(facts) if facts.local else _clusters(facts)
        heads, foot = ("units", "inside"), ("inside: share of a cluster's", "edges that stay in it")
        if facts.local:
            heads = "clusters", "n-cut"
            foot = "n-cut: of each layer's own", "clusters; letters are per layer"
        pitch = min(30.0, (tall - 24 - 40) / len(rows))
        right = (WIDTH - 58, WIDTH - 6)
        figures += [(x, 10, head, style.MUTED) for x, head in zip(right, heads, strict=True)]
        for place, row in enumerate(rows):
            low, high = 24 + pitch * place, 24 + pitch * (place + 1)
            y = (low + high) / 2
            if row.color is not None:
                swatches.append(
                    (6, y - 5, 16, y + 5, row.color, row.hatch, style.ink_on(row.color))
                )
            names.append((6 if row.color is None else 26, y, row.name, style.TEXT))
            found = zip(right, row.figures, strict=True)
            figures += [(x, y, text, style.TEXT) for x, text in found]
            hits += [(0, low, WIDTH, high, name, "") for name in row.members]
            tips.append((0, low + 0.5, WIDTH, high - 0.5, row.tip))
        bottom = 24 + pitch * len(rows) + 14
        names += [(6, bottom + 14 * k, text, style.MUTED) for k, text in enumerate(foot)]
    return Drawing(
        WIDTH,
        tall,
        {
            "hits": drawing.hits(hits, drawing.STRIPE),
            "rows": drawing.rectangles(tips, "tip", fill_alpha=0.0),
            "swatches": drawing.rectangles(
                swatches, "fill", "hatch", "ink", fill_color="fill", **style.HATCHED
            ),
            "names": drawing.labels(names, "ink", text_color="ink"),
            "figures": drawing.labels(figures, "ink", text_color="ink", text_align="right"),
        },
    )


def _clusters(facts: Facts) -> list[_Row]:
    partition = facts.analysis.partition
    shares = matrix.shares_inside(partition)
    labels = partition.labels
    sizes = np.bincount(labels[labels >= 0], minlength=partition.n_clusters)
    rows = []
    for cluster, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        members = [s.name for s in facts.subclusters if s.cluster == cluster]
        name = cluster_name(cluster)
        tip = f"cluster {name}: {', '.join(members)}<br>click selects all"
        inside = "–" if np.isnan(share) else style.percent(share, 0)
        rows.append(
            _Row(
                style.cluster_color(cluster),
                name,
                (f"{size:,}", inside),
                members,
                tip if members else "no hidden units",
                style.cluster_hatch(cluster),
            )
        )
    return rows


def _layers(facts: Facts) -> list[_Row]:
    partition = facts.analysis.partition
    graph = partition.graph
    rows = []
    for index, layer in enumerate(graph.layers):
        labels = partition.labels[graph.layer_slice(index)]
        members = [s.name for s in facts.subclusters if s.layer == layer.name]
        name = f"Layer {layer.number}" if layer.role == "hidden" else layer.role.capitalize()
        ncut = partition.cuts[index].ncut if partition.cuts else np.nan
        cut = "–" if np.isnan(ncut) else style.number(ncut, 2)
        tip = f"{escape(layer.name)}: {', '.join(members)}<br>click selects all"
        rows.append(
            _Row(
                None,
                name,
                (f"{np.unique(labels[labels >= 0]).size:,}", cut),
                members,
                tip if members else f"{escape(layer.name)}: no hidden units",
            )
        )
    return rows
