"""The partition and the edges between its clusters, in a sentence or two."""

from __future__ import annotations

from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import matrix, style
from modviz.view.facts import Facts
from modviz.view.mixing import kept
from modviz.view.sentences import counted, listed


def partition(facts: Facts) -> str:
    """Sentences on the partition, as escaped text: clusters, how many layers they span, sizes."""
    layers = facts.hidden_layers
    units = sum(layer.n_units for layer in layers)
    clustered = sum(len(s.units) for s in facts.subclusters)
    of = f"{style.plural(units, 'hidden unit')} in {style.plural(len(layers), 'layer')}"
    if not clustered:
        return escape(f"None of {of} is in a cluster: all are dead.")
    said = _local(facts, of) if facts.local else _global(facts, of)
    dead = units - clustered
    if dead:
        said += f" {counted(dead, 'unit is', 'units are')} dead and in no cluster."
    return escape(said)


def _global(facts: Facts, of: str) -> str:
    sizes: dict[int, int] = {}
    spans: dict[int, int] = {}
    for s in facts.subclusters:
        sizes[s.cluster] = sizes.get(s.cluster, 0) + len(s.units)
        spans[s.cluster] = spans.get(s.cluster, 0) + 1
    said = f"{style.plural(len(sizes), 'cluster')} of {of}"
    if len(facts.hidden_layers) > 1:
        several = sum(span > 1 for span in spans.values())
        many = "all span" if several == len(spans) > 1 else counted(several, "spans", "span")
        said += f"; {many} several layers"
    largest = max(sizes.values())
    names = [cluster_name(c) for c, size in sizes.items() if size == largest]
    share = style.percent(largest / sum(sizes.values()), 0)
    return f"{said}. {_largest(names, largest, f'{share} of all in clusters')}"


def _local(facts: Facts, of: str) -> str:
    counts = [
        sum(s.layer == layer.name for s in facts.subclusters) for layer in facts.hidden_layers
    ]
    low, high = min(counts), max(counts)
    each = f"{low} to {high} clusters" if low < high else style.plural(low, "cluster")
    largest = max(len(s.units) for s in facts.subclusters)
    names = [s.name for s in facts.subclusters if len(s.units) == largest]
    return (
        f"{of[:1].upper()}{of[1:]}, each layer clustered by itself into {each}; the same letter in "
        f"two layers means nothing. {_largest(names, largest, '')}"
    )


def _largest(names: list[str], units: int, share: str) -> str:
    size = style.plural(units, "unit")
    if len(names) > 1:
        return f"The largest are {listed(names)} with {size} each."
    return f"The largest is {names[0]} with {size}{f', {share}' if share else ''}."


def weights(facts: Facts) -> str:
    """Sentences on the edges, as escaped text: weight inside clusters against even mixing.

    What even mixing would keep is explained in `modviz.view.mixing.Kept`.
    """
    return escape(_cuts(facts) if facts.local else _inside(facts))


def _inside(facts: Facts) -> str:
    whole = facts.analysis.partition
    found = kept(whole)
    if np.isnan(found.share):
        return "No edge weight at any unit of a cluster."
    said = (
        f"{style.percent(found.share, 0)} of the edge weight stays inside clusters; "
        f"{style.percent(found.mixed, 0)} would if units were joined without regard to clusters."
    )
    shares = matrix.shares_inside(whole)
    known = np.flatnonzero(~np.isnan(shares))
    if known.size > 1:
        most, least = known[np.argmax(shares[known])], known[np.argmin(shares[known])]
        if round(100 * shares[most]) > round(100 * shares[least]):
            said += (
                f" Cluster {cluster_name(int(most))} keeps most of its own, "
                f"{style.percent(shares[most], 0)}, {cluster_name(int(least))} least, "
                f"{style.percent(shares[least], 0)}."
            )
        said += (
            " The partition was chosen to keep much inside, so that alone is no evidence of "
            "modules."
        )
    return said


def _cuts(facts: Facts) -> str:
    partition = facts.analysis.partition
    if np.isnan(partition.ncut):
        return "Each layer is clustered by itself; how well each was cut is not known."
    separate = "networks" if partition.graph.edges == "weights" else "groups of units"
    cut = sum(not np.isnan(c.ncut) for c in partition.cuts)
    where = "" if cut == len(partition.cuts) else f" that {'was' if cut == 1 else 'were'} cut"
    return (
        f"Each layer is clustered by itself, with a normalised cut of {facts.cut} in the mean of "
        f"{style.plural(cut, 'layer')}{where}: 0 would be separate {separate}, and about "
        f"{facts.clusters_cut - 1:.3g} is what random partitions give."
    )
