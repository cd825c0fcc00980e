"""The partition as a whole, in words: the card while nothing is selected, and plain sentences."""

from __future__ import annotations

from html import escape

from modviz.core.questions import IMAGE_ENTROPY, STATISTICS
from modviz.view import style
from modviz.view.evidence import line
from modviz.view.facts import LEVEL, Facts

EMPTY = (
    '<div class="card"><div class="name">No analysis yet</div>'
    "<p>Choose the layers and the number of clusters, then press Run.</p>"
    '<div class="note">Click a subcluster in any panel afterwards: its evidence stands here.'
    "</div></div>"
)


def summary(facts: Facts) -> str:
    """HTML of the card while nothing is selected: the partition as a whole."""
    analysis = facts.analysis
    partition = analysis.partition
    layers = style.plural(len(facts.hidden_layers), "layer")
    units = sum(layer.n_units for layer in facts.hidden_layers)
    k = partition.n_clusters
    where = (
        f"{style.plural(k, 'cluster')}, {style.plural(units, 'hidden unit')}, {layers}, "
        f"{style.plural(len(facts.names), 'subcluster')}"
    )
    words = (
        f"Normalised cut {facts.cut}, from 0 to {k}: lower is more modular; about "
        f"{k - 1} is what a random partition gives."
    )
    if facts.local:
        clusters = facts.clusters_cut
        where = where.replace(style.plural(k, "cluster"), f"up to {k} clusters a layer")
        words = (
            "Each layer is clustered by itself: equal letters in different layers have nothing to "
            f"do with each other. Normalised cut {facts.cut} in the mean of the layers, from 0 to "
            f"{clusters:.3g}: lower is more modular; about {clusters - 1:.3g} is what random "
            "partitions give."
        )
    lines = [
        '<div class="card"><div class="name">Whole partition</div>',
        f'<div class="where">{where}</div><p>{words}</p>',
    ]
    if analysis.status == "cancelled":
        lines.append("<p>The analysis was cancelled: what was finished is shown.</p>")
    lines += [
        line(s.name.capitalize(), *_statistic_words(facts, s.name, s.question)) for s in STATISTICS
    ]
    if facts.whole(IMAGE_ENTROPY.name) is not None:
        said = _statistic_words(facts, IMAGE_ENTROPY.name, IMAGE_ENTROPY.question)
        lines.append(line("Top images", *said))
    left_out = [
        f"{name} ({len(s.units)})"
        for name, s, tested in zip(facts.names, facts.subclusters, facts.tested, strict=True)
        if not tested
    ]
    if left_out:
        shown = ", ".join(left_out[:12]) + (", …" if len(left_out) > 12 else "")
        count = style.plural(len(left_out), "subcluster")
        lines.append(line("Not tested", count, f"outside the size rule (units): {shown}"))
    lines.append('<p style="margin-bottom:0">Click a subcluster in any panel for its evidence.</p>')
    return "".join(lines) + "</div>"


def _statistic_words(facts: Facts, statistic: str, question: str) -> tuple[str, str]:
    whole = facts.whole(statistic)
    if whole is None:
        return "not measured", escape(question)
    undefined = f", {whole.undefined} undefined" if whole.undefined else ""
    controls = style.plural(facts.common(statistic), "control")
    note = f"{escape(question)}<br>joint p {whole.joint_p} ({controls}{undefined})"
    return f"{whole.declared} of {whole.n} with q ≤ 0.05", note


def in_words(facts: Facts) -> list[str]:
    """The result as plain sentences, for a report or a terminal."""
    partition = facts.analysis.partition
    k = partition.n_clusters
    clusters = style.plural(k, "cluster")
    separate = "networks" if partition.graph.edges == "weights" else "groups of units"
    cut = (
        f"{clusters} with a normalised cut of {facts.cut}: 0 would be {k} separate "
        f"{separate}, and about {k - 1} is what a random partition gives."
    )
    if facts.local:
        cut = (
            f"Each layer has up to {k} clusters of its own; equal letters in different layers have "
            f"nothing to do with each other. Their normalised cut is {facts.cut} in the mean of "
            f"the layers: 0 would be separate {separate}, and about {facts.clusters_cut - 1:.3g} "
            "is what random partitions give."
        )
    tested = (
        f"{style.plural(int(facts.tested.sum()), 'subcluster')} (a cluster's units in one layer)"
    )
    if facts.n_controls:
        tested += f" against {facts.groups} of units each"
        if facts.adaptive:
            tested += f", as many as a verdict needs, at most {facts.n_controls:,}"
    said = [cut, f"Tested: {tested}."] + [
        f"{statistic.question} {_answer(facts, statistic.name)}"
        for statistic in (*STATISTICS, IMAGE_ENTROPY)
        if facts.whole(statistic.name) is not None
    ]
    if facts.analysis.status != "complete":
        said.append(f"The analysis is {facts.analysis.status}: what is missing is marked.")
    return said


def _answer(facts: Facts, statistic: str) -> str:
    """What a statistic answers to its question, no more than the evidence allows."""
    whole = facts.whole(statistic)
    if whole is None:
        return "Not measured."
    of = style.plural(whole.n, "subcluster")
    controls = facts.controls_of(statistic)
    joint = f"joint p {whole.joint_p}"
    if whole.declared:
        words = f"Yes for {whole.declared} of {of} (q ≤ 0.05); all together: {joint}"
    elif whole.jointly:
        words = f"Taken together yes ({joint}), but none of {of} stands out alone (q ≤ 0.05)"
    elif 1 / (controls + 1) > LEVEL:
        words = f"Undecided: {style.plural(controls, 'control')} cannot give a p of 0.05"
    else:
        words = f"No evidence: none of {of} stands out (q ≤ 0.05), {joint}"
    undefined = f"; undefined for {whole.undefined}" if whole.undefined else ""
    return f"{words}{undefined}. [{statistic}]"
