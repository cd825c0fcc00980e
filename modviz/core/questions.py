"""What is asked of every subcluster: the four statistics of the method, and one beyond it."""

from __future__ import annotations

from dataclasses import dataclass

from modviz.core.statistics import Tail


@dataclass(frozen=True)
class Statistic:
    """One of the four statistics of the method: its name, what it stands for, what is extreme."""

    name: str
    proxy: str
    tail: Tail
    question: str


#: The four statistics, in the order of the tables.
STATISTICS = (
    Statistic(
        "accuracy", "importance", "low", "Does the network need them more than random units?"
    ),
    Statistic("range", "coherence", "high", "Does their loss single out classes more?"),
    Statistic("score", "importance", "high", "Do their units share an input feature more?"),
    Statistic("entropy", "coherence", "low", "Does that feature mean one class more?"),
)

#: Beyond the paper: the class entropy of the real images that drive a subcluster most.
IMAGE_ENTROPY = Statistic(
    "image_entropy", "coherence", "low", "Do the images that drive them most share a class more?"
)


def tail_of(statistic: str) -> Tail:
    """Which direction of a statistic is extreme."""
    return next(s.tail for s in (*STATISTICS, IMAGE_ENTROPY) if s.name == statistic)
