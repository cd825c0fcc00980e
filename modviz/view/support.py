"""Words for what else supports a subcluster: whether other seeds and other edges find it too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modviz.view import style
from modviz.view.facts import Facts

#: What the numbers are; a table says it once.
MEANING = (
    "Stability and agreement: of the units in the subcluster or in its closest counterpart, the "
    "share that is in both; in brackets, that of random groups of as many units."
)


class Overlap(NamedTuple):
    """An overlap as it is shown.

    Attributes
    ----------
    value : str
        A percentage, or why there is none.
    note : str
        What it is of; "" if there is nothing to say.
    short : str
        Value and chance level, ``"92 % (31 %)"``; "–" if there is none.
    """

    value: str
    note: str
    short: str


def stability(facts: Facts, i: int) -> Overlap | None:
    """How far a subcluster comes back with other seeds; None where the analysis does not know."""
    support = facts.analysis.support
    if support is None:
        return None
    if not support.n_seeds:
        return Overlap("not measured", "", "–")
    seeds = f"with {style.plural(support.n_seeds, 'other seed')}"
    return _overlap(support.stability[i], support.stability_chance[i], seeds)


def agreement(facts: Facts, i: int) -> Overlap | None:
    """How far the other kind of edges gives it too; None where the analysis does not know."""
    support = facts.analysis.support
    if support is None:
        return None
    if support.other_edges is None:
        yet = " yet" if facts.analysis.status == "running" and not support.missing else ""
        return Overlap(f"not measured{yet}", support.missing, "–")
    clusters = f"clusters of {support.other_edges}"
    if np.isnan(support.agreement[i]):
        return Overlap("not defined", f"none of its units is in any of the {clusters}", "–")
    return _overlap(support.agreement[i], support.agreement_chance[i], f"with {clusters}")


def sentence(facts: Facts, i: int) -> str:
    """Both in plain words; "" where neither is known."""
    support = facts.analysis.support
    if support is None:
        return ""
    parts = []
    if support.n_seeds and not np.isnan(support.stability[i]):
        seeds = style.plural(support.n_seeds, "other seed")
        level = f"(random groups: {_percent(support.stability_chance[i])})"
        parts.append(
            f"Clustered again with {seeds}, {_percent(support.stability[i])} of the units in it or "
            f"in its closest counterpart are in both {level}"
        )
    if support.other_edges is not None and not np.isnan(support.agreement[i]):
        level = f"(random groups: {_percent(support.agreement_chance[i])})"
        share, clusters = _percent(support.agreement[i]), f"clusters of {support.other_edges}"
        parts.append(
            f"with {clusters} it is {share} {level}"
            if parts
            else f"Of the units in it or in the closest of the {clusters}, {share} are in both "
            f"{level}"
        )
    return f"{'; '.join(parts)}." if parts else ""


def _overlap(share: float, chance: float, of: str) -> Overlap:
    own, level = _percent(share), _percent(chance)
    return Overlap(own, f"of units the same {of}; random groups: {level}", f"{own} ({level})")


def _percent(share: float) -> str:
    """Whole per cent: there are nine seeds, and no more is known."""
    return style.percent(float(share), 0)
