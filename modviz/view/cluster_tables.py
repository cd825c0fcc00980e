"""Table twins of the partition and of the edges between clusters: numbers of the graph itself."""

from __future__ import annotations

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import cells, matrix, style
from modviz.view.adjacency import measure
from modviz.view.cells import Head
from modviz.view.facts import Facts

#: With more clusters than this a column for each is too many to read.
MOST_CLUSTERS = 16


def partition(facts: Facts) -> str:
    """HTML of the partition: a row per layer and cluster, and one for units in no cluster."""
    whole = facts.analysis.partition
    named = {s.key: s.name for s in facts.subclusters}
    rows = []
    for index, layer in enumerate(whole.graph.layers):
        counts = np.bincount(whole.labels[whole.graph.layer_slice(index)] + 1)
        for cluster in [*range(len(counts) - 1), -1]:
            size = int(counts[cluster + 1])
            if not size:
                continue
            figures = [
                cells.words(layer.name),
                cells.number(f"{size:,}"),
                cells.number(style.percent(size / layer.n_units)),
            ]
            name = named.get((layer.name, cluster))
            if name is not None:
                rows.append(cells.subcluster(name, figures))
            elif cluster < 0:
                rows.append(cells.row("dead", [], figures))
            else:
                rows.append(cells.row(f"{cluster_name(cluster)}, {layer.role}", [], figures))
    letters = (
        " Letters are per layer: the same letter in another layer has nothing to do with it."
        if facts.local
        else ""
    )
    return cells.table(
        "Partition: a row for each cluster in each layer, with the number of its units there and "
        f"their share of the layer's units in per cent. Dead units are in no cluster.{letters}",
        [
            Head("Subcluster", number=False),
            Head("Layer", number=False),
            Head("Units"),
            Head("Share of layer"),
        ],
        rows,
    )


def weights(facts: Facts) -> str:
    """HTML of the clusters and the edges between them; of the layers in a local partition."""
    return _layers(facts) if facts.local else _clusters(facts)


def _clusters(facts: Facts) -> str:
    whole = facts.analysis.partition
    labels, k = whole.labels, whole.n_clusters
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    letters = [cluster_name(cluster) for cluster in range(k)]
    heads = [Head("Cluster", number=False), Head("Units"), Head("Inside")]
    caption = (
        "Clusters: a row each, with the number of units and, inside, the share of the weight of "
        "its edges that stays in it, in per cent."
    )
    means = np.zeros((k, 0))
    if k <= MOST_CLUSTERS:
        sums = matrix.pool(whole.graph, labels, labels, (k, k))
        # a unit has no edge to itself
        pairs = np.outer(sizes, sizes) - np.diag(sizes)
        means = np.divide(sums, pairs, out=np.full((k, k), np.nan), where=pairs > 0)
        heads += [Head(f"To {letter}") for letter in letters]
        caption += (
            f" Then its mean edge, {measure(facts)}, to the units of each cluster, over all pairs "
            "of units; pairs without an edge count as 0."
        )
    rows = []
    for cluster, share in enumerate(matrix.shares_inside(whole)):
        members = [s.name for s in facts.subclusters if s.cluster == cluster]
        inside = "–" if np.isnan(share) else style.percent(share)
        found = [cells.number(f"{sizes[cluster]:,}"), cells.number(inside, missing="no edges")]
        found += [cells.number(cells.digits(mean), missing="no pairs") for mean in means[cluster]]
        rows.append(cells.row(letters[cluster], members, found))
    return cells.table(caption, heads, rows)


def _layers(facts: Facts) -> str:
    whole = facts.analysis.partition
    rows = []
    for index, layer in enumerate(whole.graph.layers):
        labels = whole.labels[whole.graph.layer_slice(index)]
        members = [s.name for s in facts.subclusters if s.layer == layer.name]
        ncut = whole.cuts[index].ncut if whole.cuts else np.nan
        cut = "–" if np.isnan(ncut) else style.number(ncut, 2)
        why = "not cut" if whole.cuts else "not known"
        found = [
            cells.words(layer.name),
            cells.number(f"{np.unique(labels[labels >= 0]).size:,}"),
            cells.number(cut, missing=why),
        ]
        label = f"Layer {layer.number}" if layer.role == "hidden" else layer.role.capitalize()
        rows.append(cells.row(label, members, found))
    return cells.table(
        "Layers, each clustered by itself: a row each, with the number of its clusters and the "
        "normalised cut of its neighbourhood, from 0 to that number; lower is more modular. "
        "Letters of clusters are per layer.",
        [
            Head("Layer", number=False),
            Head("Name", number=False),
            Head("Clusters"),
            Head("Normalised cut"),
        ],
        rows,
    )
