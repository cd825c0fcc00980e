"""What all parts of the comparison's panel share: the colour, key and name of every row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from modviz.core.comparison import Comparison, Pair
from modviz.core.partition import cluster_name
from modviz.view import style

#: Clusters of b without a match have no colour of their own: grey, and hatched as those of a.
UNMATCHED: Final = "#c3c9d0"
HATCH: Final = {
    "fill_alpha": 0.0,
    "line_color": style.MUTED,
    "hatch_pattern": "/",
    "hatch_color": style.WHITE,
    "hatch_scale": 9,
}


@dataclass(frozen=True)
class Entry:
    """A row of `Comparison.table` as the parts draw it.

    Attributes
    ----------
    pair : Pair
    key : str
        Links the parts; without spaces.
    words : str
        For people: "A–C", or "A of weights, no match".
    color, edge : str
        That of the cluster of a; the edge can be seen on white.
    """

    pair: Pair
    key: str
    words: str
    color: str
    edge: str

    @property
    def matched(self) -> bool:
        """Whether there are clusters of both."""
        return min(self.pair.a, self.pair.b) >= 0

    @property
    def letters(self) -> str:
        """The same without the layer: "A–C", or "A" alone."""
        return "–".join(cluster_name(k) for k in (self.pair.a, self.pair.b) if k >= 0)


class CompareFacts:
    """A comparison as the parts of its panel read it."""

    def __init__(self, found: Comparison) -> None:
        self.found = found
        self.entries = [self._entry(i, pair) for i, pair in enumerate(found.rows)]
        self._of_a = {(e.pair.layer, e.pair.a): e for e in self.entries if e.pair.a >= 0}
        self._of_b = {(e.pair.layer, e.pair.b): e for e in self.entries if e.pair.b >= 0}

    def _entry(self, i: int, pair: Pair) -> Entry:
        where = "" if pair.layer is None else f"{pair.layer}: "
        words, color, edge = pair.name, UNMATCHED, style.MUTED
        if pair.a >= 0:
            color, edge = style.cluster_color(pair.a), style.edge_color(pair.a)
        if min(pair.a, pair.b) < 0:
            side, cluster = (0, pair.a) if pair.a >= 0 else (1, pair.b)
            words = f"{where}{cluster_name(cluster)} of {self.found.names[side]}, no match"
        return Entry(pair, f"row-{i}", words, color, edge)

    def place(self, layer: str) -> str | None:
        """The layer that clusters in `layer` are matched in; None = they run through all."""
        return layer if self.found.scope == "local" else None

    def of_a(self, layer: str | None, cluster: int) -> Entry:
        """The row of a cluster of a."""
        return self._of_a[layer, cluster]

    def of_b(self, layer: str | None, cluster: int) -> Entry:
        """The row of a cluster of b."""
        return self._of_b[layer, cluster]

    def within(self, layer: str | None) -> list[Entry]:
        """The rows whose clusters are matched there."""
        return [entry for entry in self.entries if entry.pair.layer == layer]

    @cached_property
    def table(self) -> pd.DataFrame:
        """`Comparison.table`, a row per entry."""
        return self.found.table()

    @cached_property
    def subclusters(self) -> pd.DataFrame:
        """`Comparison.subclusters`, with the ``key`` of each row's pair."""
        keys = {entry.pair.name: entry.key for entry in self.entries}
        rows = self.found.subclusters()
        return rows.assign(key=[keys[name] for name in rows["pair"]])

    @cached_property
    def deaths(self) -> bool:
        """Whether a unit is dead in one and not in the other."""
        return bool(np.isin(self.found.status, ("became dead", "came alive")).any())


def verdict(a: str, b: str, names: tuple[str, str]) -> str:
    """Where a matched subcluster is important, in a word or two."""
    if a == b == "important":
        return "both"
    for own, name in zip((a, b), names, strict=True):
        if own == "important":
            return name
    if "undecided" in (a, b):
        return "undecided"
    return "neither" if a == b == "no evidence" else "not tested"
