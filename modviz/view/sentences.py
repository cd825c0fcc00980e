"""The parts that summaries share: lists of names, how far a run came, who stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modviz.view import style
from modviz.view.facts import LEVEL, Facts

#: Longer lists of names end in a count.
MOST_NAMES = 12
#: The rule by which anything is declared.
RULE = f"q ≤ {LEVEL:g}"

Mask = NDArray[np.bool_]


def listed(names: Sequence[str]) -> str:
    """Names after each other, many of them cut short: "A1, B2 and 20 more"."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"


def counted(count: int, one: str, many: str) -> str:
    """A count and the words that go with it."""
    return f"{count:,} {one if count == 1 else many}"


def random_groups(facts: Facts) -> str:
    """How many random groups the lesions that were measured are compared with."""
    drawn = facts.draws[facts.measured]
    low, high = int(drawn.min()), int(drawn.max())
    return (
        style.plural(high, "random group") if low == high else f"{low:,} to {high:,} random groups"
    )


def progress(facts: Facts, measured: Mask) -> str:
    """How many subclusters are measured, of how many where some are missing."""
    done, tests = int((facts.tested & measured).sum()), int(facts.tested.sum())
    if done == tests:
        return style.plural(tests, "subcluster")
    part = f"{done:,} of {style.plural(tests, 'subcluster')}"
    words = {"running": f"So far {part}", "cancelled": f"Cancelled after {part}"}
    return words.get(facts.analysis.status, f"{part} measured")


def provisional(facts: Facts, measured: Mask) -> str:
    """What has to be said as long as more subclusters can come: q corrects for all of them."""
    running = facts.analysis.status == "running"
    missing = bool((facts.tested & ~measured).any())
    return " While more are measured, q can still change." if running and missing else ""


@dataclass(frozen=True)
class Standing:
    """Names of subclusters by what a statistic says of them.

    Attributes
    ----------
    declared : list of str
        Those with q at most 0.05.
    undecided : list of str
        Those with too few random groups: none of theirs is as extreme and q is above 0.05 all the
        same, or drawing ended before it was clear.
    undefined : list of str
        Those for which the statistic has no value.
    """

    declared: list[str]
    undecided: list[str]
    undefined: list[str]


def standing(facts: Facts, statistic: str, measured: Mask) -> Standing:
    """Sort the measured subclusters by what a statistic says of them, in the order of `rows`."""
    known = ~np.isnan(facts.table[_VALUES.get(statistic, statistic)].to_numpy(dtype=float))
    declared = known & (facts.table[f"{statistic}_q"].to_numpy(dtype=float) <= LEVEL)
    extreme = facts.analysis.counts(statistic)[0]
    waiting = (facts.analysis.undecided(statistic) | (extreme == 0)) & known & ~declared

    def names(which: Mask) -> list[str]:
        return [facts.names[i] for i in facts.rows if measured[i] and which[i]]

    return Standing(names(declared), names(waiting), names(~known))


#: Where the table keeps a statistic under another name.
_VALUES = {"accuracy": "accuracy_change"}
