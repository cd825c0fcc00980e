"""A comparison in words: what it says above the charts, a card for each row, tables of it all."""

from __future__ import annotations

from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import cells, style
from modviz.view.cells import Head
from modviz.view.compare_facts import CompareFacts, Entry, verdict

EMPTY = "Click a bar, a row or a dot, or choose a cluster: it is marked in all parts."


def head(facts: CompareFacts) -> str:
    """HTML above the charts: title and sentences."""
    found = facts.found
    title = f"Comparison: {found.names[0]} and {found.names[1]}"
    said = "".join(f"<p>{escape(line)}</p>" for line in found.summary().split("\n"))
    return f'<div class="head"><div class="title">{escape(title)}</div></div>{said}'


def card(facts: CompareFacts, i: int) -> str:
    """HTML about one row of the table."""
    entry, row = facts.entries[i], facts.table.iloc[i]
    first, second = (escape(name) for name in facts.found.names)
    start = f'<p><b style="border-bottom:3px solid {entry.color}">{escape(entry.words)}</b>: '
    if not entry.matched:
        units = int(row["units_a"] + row["units_b"])
        return f"{start}{style.plural(units, 'unit')} alive in both.{_went(facts, entry)}</p>"
    shared, a, b = (int(row[name]) for name in ("shared", "units_a", "units_b"))
    text = (
        f"{start}{shared:,} of {style.plural(a, 'unit')} in {first} stay, {b - shared:,} of "
        f"{b:,} in {second} are new; Jaccard index {float(row['jaccard']):.2f}."
        f"{_went(facts, entry)}</p>"
    )
    own = facts.subclusters[facts.subclusters["key"] == entry.key]
    said = [
        verdict(x, y, facts.found.names)
        for x, y in zip(own["verdict_a"], own["verdict_b"], strict=True)
    ]
    measured = [(str(layer), word) for layer, word in zip(own["layer"], said, strict=True)]
    if any(word != "not tested" for _, word in measured):
        words = ", ".join(f"{escape(layer)}: {escape(word)}" for layer, word in measured)
        text += f"<p>Important in, layer by layer: {words}.</p>"
    return text


def _went(facts: CompareFacts, entry: Entry) -> str:
    """Where the units of a row's cluster of a went, the most first."""
    if entry.pair.a < 0:
        return ""
    overlap = facts.found.overlap
    if entry.pair.layer is not None:
        names = [layer.name for layer in facts.found.layers_in_both]
        overlap = overlap[names.index(entry.pair.layer)]
    counts = overlap[entry.pair.a].copy()
    if entry.matched:
        counts[entry.pair.b] = 0
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]][:6]
    if not order:
        return ""
    listed = ", ".join(f"{cluster_name(k)} ({counts[k]:,})" for k in order)
    return f" Units of it went to {listed} of {escape(facts.found.names[1])}."


def tables(facts: CompareFacts) -> str:
    """HTML of everything that is drawn, as tables that open."""
    parts = [
        ("Clusters", _clusters(facts)),
        ("Units by layer", _layers(facts)),
        ("Matched subclusters", _subclusters(facts)),
    ]
    opened = "".join(
        f'<details><summary>{title} as a table</summary><div class="scroll">{table}</div></details>'
        for title, table in parts
    )
    return f'<div class="twin">{opened}</div>'


def _clusters(facts: CompareFacts) -> str:
    first, second = facts.found.names
    rows = []
    for entry, row in zip(facts.entries, facts.table.to_dict("records"), strict=True):
        numbers = [cells.number(f"{int(row[k]):,}") for k in ("units_a", "units_b", "shared")]
        jaccard = cells.number(f"{float(row['jaccard']):.2f}")
        rows.append(cells.row(entry.words, (), [*numbers, jaccard]))
    heads = [Head("Clusters", number=False), Head(f"Units in {first}"), Head(f"Units in {second}")]
    return cells.table(
        f"Clusters of {first} and their matches in {second}, of units alive in both.",
        [*heads, Head("Shared"), Head("Jaccard index")],
        rows,
    )


def _layers(facts: CompareFacts) -> str:
    first, second = facts.found.names
    rows = []
    for name, row in facts.found.layers().to_dict("index").items():
        numbers = [
            f"{int(row['units']):,}",
            "–" if np.isnan(row["stayed"]) else style.percent(float(row["stayed"])),
            "–" if np.isnan(row["ari"]) else style.number(float(row["ari"]), 3),
            f"{int(row['became_dead']):,}",
            f"{int(row['came_alive']):,}",
        ]
        rows.append(cells.row(str(name), (), [cells.number(text) for text in numbers]))
    heads = [Head("Layer", number=False), Head("Units alive in both"), Head("Stayed")]
    heads += [Head("Adjusted Rand index"), Head(f"Dead in {second} alone")]
    return cells.table(
        "Units of each layer: how many are in matched clusters, and how far the layer agrees.",
        [*heads, Head(f"Dead in {first} alone")],
        rows,
    )


def _subclusters(facts: CompareFacts) -> str:
    names = facts.found.names
    heads = [Head("Subclusters", number=False), Head("Layer", number=False), Head("Shared units")]
    for name in names:
        heads += [Head(f"Change in {name}"), Head(f"p in {name}"), Head(f"q in {name}")]
        heads.append(Head(f"Verdict in {name}", number=False))
    rows = []
    for row in facts.subclusters.to_dict("records"):
        found = [cells.words(str(row["layer"])), cells.number(f"{int(row['shared']):,}")]
        for side in "ab":
            points = 100 * float(row[f"accuracy_change_{side}"])
            p, q = (float(row[f"{name}_{side}"]) for name in "pq")
            words = ["–" if np.isnan(points) else style.signed(points), style.q_text(p)]
            found += [cells.number(text, missing="not measured") for text in words]
            found.append(cells.number(style.q_text(q), missing="not measured"))
            found.append(cells.words(str(row[f"verdict_{side}"])))
        own = [row[f"name_{side}"] for side in "ab"]
        label = "–".join(name if isinstance(name, str) else "none" for name in own)
        rows.append(cells.row(label, (), found))
    return cells.table(
        "Matched subclusters: change of accuracy without them in percentage points, with p and q "
        "against random units.",
        heads,
        rows,
    )
