"""The verdict on a subcluster: what the evidence allows to say about its importance.

A subcluster is declared only on its q-value. Where even the smallest p that the controls allow
cannot bring q to 0.05, the verdict is open: the resolution of a p-value is part of the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modviz.view import style
from modviz.view.facts import LEVEL, Facts

#: Numbers of controls that give round p-values.
_ROUND = (19, 39, 49, 99, 199, 399, 499, 999, 1999, 4999, 9999)


@dataclass(frozen=True)
class Verdict:
    """What the evidence allows to say about a subcluster's importance.

    Attributes
    ----------
    badge : str
        In a word or two.
    tone : {"yes", "open", "no"}
    words : str
    needed : (int, int)
        Where the number of controls forbids a decision: how many would allow it, drawn for this
        subcluster alone, or for all; 0 elsewhere.
    """

    badge: str
    tone: str
    words: str
    needed: tuple[int, int] = (0, 0)


def verdict(facts: Facts, i: int) -> Verdict:
    """The verdict of `modviz.core.verdicts`, with its reasons."""
    s, found = facts.subclusters[i], facts.importance[i]
    if found == "not tested":
        return Verdict("Not tested", "no", _size_rule(facts, i))
    if found == "not measured":
        return Verdict("Not measured", "no", _unmeasured(facts))
    tests = int(facts.measured.sum())
    p, q = facts.p("accuracy", i), facts.q("accuracy", i)
    as_bad, n = (int(counts[i]) for counts in facts.counts)
    among = f"over {style.plural(tests, 'subcluster')}"
    if found == "important":
        return Verdict(
            "Important",
            "yes",
            f"The network needs it more than random units of layer {s.layer_number}: "
            f"q {style.q_text(q)} {among}.",
        )
    if facts.undecided[i]:
        return Verdict(
            "Undecided",
            "open",
            f"So far {as_bad} of {style.plural(n, 'random group')} lose as much or more: too few "
            f"to say. {_more(facts)}",
        )
    if found == "undecided":
        alike = int(facts.worst.sum())
        needed = _enough(tests, alike)
        return Verdict(
            "Undecided",
            "open",
            f"Worse than all {n} random groups, but p cannot fall below {style.p_text(p, n)} with "
            f"{style.plural(n, 'control')}, and {among} that leaves q at {style.q_text(q)}. "
            f"It would take at least {needed} controls to decide.",
            # for all: nobody can be left with fewer than were drawn for one before
            (_round(_enough(tests, 1)), max(_round(needed), int(facts.draws.max()))),
        )
    words = (
        f"No evidence that this is a module that the network needs: {as_bad} of {n} random groups "
        "lose as much or more."
    )
    if p <= LEVEL:
        words += f" p alone passes 0.05, but not {among}."
    return Verdict("No evidence", "no", words)


def _enough(tests: int, alike: int) -> int:
    """Controls from which on q can be 0.05, if `alike` of `tests` subclusters beat them all."""
    return int(np.ceil(tests / (LEVEL * alike) - 1e-9)) - 1


def _round(controls: int) -> int:
    return next((number for number in _ROUND if number >= controls), controls)


def _more(facts: Facts) -> str:
    if facts.analysis.status == "running":
        return f"More are drawn, up to {facts.n_controls:,}, until it is clear."
    return f"The analysis ended before more, up to {facts.n_controls:,}, could make it clear."


def _unmeasured(facts: Facts) -> str:
    status = facts.analysis.status
    if status == "running":
        return "Its lesion has not been measured yet."
    if status == "cancelled":
        return "The analysis was cancelled before its lesion was measured."
    return "This analysis has no lesion of it."


def _size_rule(facts: Facts, i: int) -> str:
    units = len(facts.subclusters[i].units)
    if units < 3:
        return f"Not tested: {style.plural(units, 'unit')}; the size rule asks for at least 3."
    return (
        "Not tested: it holds more than 99 % of its layer's live units, so random groups of its "
        "size would be nearly the same set."
    )
