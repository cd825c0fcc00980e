"""What `modviz.compare` gives: two analyses, the matching of their clusters, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from modviz.core import agreement, comparison_tables, comparison_words, statistics
from modviz.core.analysis import Analysis
from modviz.core.graph import Layer
from modviz.core.partition import cluster_name

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two matched clusters: number `a` of the first analysis is number `b` of the second.

    One of them is -1 where a cluster has no match. ``layer`` is the layer they were matched in
    where clusters are those of one layer each; None = they run through all layers.
    """

    a: int
    b: int
    layer: str | None = None

    @property
    def name(self) -> str:
        """``"A–C"``: A of the first is C of the second; within a layer ``"fc1: A–C"``.

        ``"?"`` stands for no match.
        """
        letters = "–".join(cluster_name(k) if k >= 0 else "?" for k in (self.a, self.b))
        return letters if self.layer is None else f"{self.layer}: {letters}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `modviz.compare` found. L layers in both; a has j clusters, b has k.

    Attributes
    ----------
    a, b : Analysis
    names : tuple of str
        What the two are called in sentences and panels.
    scope : {"global", "local"}
        ``"local"`` if the clusters of either are those of one layer each: then clusters are matched
        within each layer.
    layers_in_both : tuple of Layer
        The layers that are compared, as they stand in a.
    only_a, only_b : tuple of str
        Layers that only one has; they are left out.
    labels_a, labels_b : array of int, shape (n_units,)
        Cluster of every unit of `layers_in_both`; -1 = dead.
    layer_overlaps : array of int, shape (L, j, k)
        Units of each layer that each pair of clusters shares. Units dead in either are in no pair.
    pairs : tuple of Pair
        The matched clusters. Those that share no unit with their match are left without one.
    null_ari, null_stayed : array, shape (n_shuffles,)
        Adjusted Rand index and share of matched units with the labels of b shuffled within layers.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> quick = {"features": False, "n_controls": 19, "progress": False}
    >>> a = modviz.analyze(planted.model, planted.data, n_clusters=2, **quick)
    >>> b = modviz.analyze(planted.model, planted.data, n_clusters=2, seed=1, **quick)
    >>> comparison = modviz.compare(a, b, n_shuffles=99)
    >>> comparison.ari, comparison.p, len(comparison.moved())
    (1.0, 0.01, 0)
    """

    a: Analysis
    b: Analysis
    names: tuple[str, str]
    scope: str
    layers_in_both: tuple[Layer, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    labels_a: Integers = field(repr=False)
    labels_b: Integers = field(repr=False)
    layer_overlaps: Integers = field(repr=False)
    pairs: tuple[Pair, ...]
    null_ari: Floats = field(repr=False)
    null_stayed: Floats = field(repr=False)

    @property
    def overlap(self) -> Integers:
        """Units that each cluster of a (rows) shares with each of b, shape (j, k).

        With clusters of one layer each, shape (L, j, k): the same cluster number in two layers
        means nothing.
        """
        return self.layer_overlaps if self.scope == "local" else self.layer_overlaps.sum(axis=0)

    @cached_property
    def rows(self) -> tuple[Pair, ...]:
        """`pairs`, then every cluster without a match: the rows of `table`."""
        return (*self.pairs, *(Pair(*row) for row in comparison_tables.unmatched(self)))

    @property
    def n_units(self) -> int:
        """Units that live in both."""
        return int(self.layer_overlaps.sum())

    @cached_property
    def status(self) -> NDArray[np.str_]:
        """What became of every unit, shape (n_units,), see `units`."""
        return comparison_tables.status(self)

    @property
    def stayed(self) -> float:
        """Share of the units alive in both that are in matched clusters, 0 .. 1; NaN if none."""
        return self.count("stayed") / self.n_units if self.n_units else float("nan")

    def count(self, status: str) -> int:
        """How many units ``"stayed"``, ``"moved"``, ``"became dead"``, ..., see `units`."""
        return int((self.status == status).sum())

    @cached_property
    def ari(self) -> float:
        """Adjusted Rand index over units alive in both: 1 = the same partition.

        0 is what shuffling all labels gives; `chance` also knows how clusters spread over layers.
        With clusters of one layer each the mean over layers, without layers that are a single
        cluster in both.
        """
        return float(agreement.rand_index(self.layer_overlaps, self.scope))

    @cached_property
    def ami(self) -> float:
        """Adjusted mutual information, 1 = the same; by layers as `ari` where scope is local."""
        both = (self.labels_a >= 0) & (self.labels_b >= 0)
        parts = [both]
        if self.scope == "local":
            sizes = [layer.n_units for layer in self.layers_in_both]
            row = np.repeat(np.arange(len(sizes)), sizes)
            counted = np.flatnonzero(agreement.more_than_one(self.layer_overlaps))
            parts = [both & (row == index) for index in counted]
        found = [
            adjusted_mutual_info_score(self.labels_a[part], self.labels_b[part]) for part in parts
        ]
        return float(np.mean(found)) if found else 1.0

    @property
    def chance(self) -> float:
        """Mean `ari` when the labels of b are shuffled among the units of each layer.

        It is above 0 where clusters keep to layers: then partitions agree because both know the
        layers, whatever they know of the units.
        """
        return float(self.null_ari.mean())

    @property
    def chance_stayed(self) -> float:
        """Mean share of units in matched clusters under the same shuffling."""
        return float(self.null_stayed.mean())

    @cached_property
    def p(self) -> float:
        """Permutation p of the agreement, never below 1 / (n_shuffles + 1).

        The share of shuffles, the unshuffled labels among them, whose `ari` is at least as high.
        Null: which units of a layer are in which cluster of b has nothing to do with a; how many
        units each cluster has in each layer is kept.
        """
        # indices are ratios of counts: equal ones must tie, whatever their last bit says
        return float(
            statistics.permutation_p(round(self.ari, 9), self.null_ari.round(9), tail="high")
        )

    @property
    def differing_settings(self) -> dict[str, tuple[Any, Any]]:
        """The keywords of `modviz.analyze` in which the two differ, as (in a, in b)."""
        a, b = self.a.settings, self.b.settings
        keys = [*a, *(key for key in b if key not in a)]
        return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}

    def table(self) -> pd.DataFrame:
        """A row per matched pair, then per cluster without a match.

        Returns
        -------
        DataFrame
            ``cluster_a``, ``cluster_b`` (letters; missing = no match), ``units_a``, ``units_b`` (of
            those alive in both), ``shared`` and ``jaccard`` (shared over units in either, 0 .. 1).
            With clusters of one layer each, ``layer`` first.
        """
        return comparison_tables.table(self)

    def units(self) -> pd.DataFrame:
        """A row per unit: ``layer``, ``unit``, cluster ``in_a`` and ``in_b``, and its ``status``.

        Status: ``"stayed"``, ``"moved"``, ``"became dead"`` (in b), ``"came alive"`` (in b) or
        ``"dead"`` (in both).
        """
        return comparison_tables.units(self)

    def moved(self) -> pd.DataFrame:
        """A row per unit that left its cluster.

        Returns
        -------
        DataFrame
            ``layer``, ``unit``, ``from`` (cluster of a), ``to`` (cluster of b) and ``to_match``
            (the cluster of a that ``to`` is matched with; missing = none).
        """
        return comparison_tables.moved(self)

    def layers(self) -> pd.DataFrame:
        """A row per layer.

        Returns
        -------
        DataFrame
            Index: layer. ``units`` (alive in both), ``stayed`` (share of them), ``ari`` of the
            layer alone (1 where it is a single cluster in both; NaN without units),
            ``became_dead`` and ``came_alive``.
        """
        return comparison_tables.layers(self)

    def subclusters(self) -> pd.DataFrame:
        """A row per matched pair and layer where either has units, with the verdicts of both.

        Returns
        -------
        DataFrame
            ``layer``, ``pair``, ``name_a``, ``name_b`` (B2; missing = no units there), ``units_a``,
            ``units_b``, ``shared``, and for either analysis ``accuracy_change_``, ``p_``, ``q_``
            (of the accuracy change, as in `Analysis.table`) and ``verdict_``: "important" (q at
            most 0.05), "no evidence", "undecided", "not tested", "not measured" or "no units".
        """
        return comparison_tables.subclusters(self)

    def summary(self) -> str:
        """What there is to say, in plain sentences, one a line."""
        return "\n".join(comparison_words.sentences(self))

    def __repr__(self) -> str:
        first, second = self.names
        return (
            f"Comparison of {first} and {second}: {self.n_units:,} units in "
            f"{len(self.layers_in_both)} layers, {len(self.pairs)} matched clusters, "
            f"{self.count('moved'):,} units moved; adjusted Rand index {self.ari:.3f} "
            f"(chance {self.chance:.3f}, p {self.p:.2g}). "
            ".summary() says it in sentences, modviz.plot(...) shows it"
        )
