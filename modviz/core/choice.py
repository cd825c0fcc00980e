"""How many clusters? Eigengap, normalised cut against chance, and stability, by number.

Often no number stands out, and then nothing is suggested: a network need not consist of modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The largest eigengap stands out if it is this many times the next.
CLEAR = 1.5
#: Mean adjusted Rand index between seeds from which a partition counts as stable.
STABLE = 0.8
#: The level at which p declares something.
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class ClusterChoice:
    """What speaks for each number of clusters k of one graph. K numbers, R shuffled graphs.

    Attributes
    ----------
    candidates : array of int, shape (K,)
        Ascending.
    eigengap : array, shape (K,)
        Eigenvalue k minus eigenvalue k + 1 of the normalised adjacency matrix: large where k
        clusters hold together and none of them falls into two.
    ncut : array, shape (K,)
        Normalised cut: lower = more modular, but it grows with k by itself.
    stability : array, shape (K,)
        Mean adjusted Rand index between partitions with different seeds: 1 = always the same.
    null_eigengap, null_ncut : array, shape (R, K)
        The same of graphs with shuffled edges.
    edges : str
        What an edge of the graph means.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> choice = modviz.choose_n_clusters(graph, [2, 3, 4])
    >>> choice.suggested
    2
    """

    candidates: Ints
    eigengap: Floats
    ncut: Floats
    stability: Floats
    null_eigengap: Floats = field(repr=False)
    null_ncut: Floats = field(repr=False)
    edges: str = "weights"

    @property
    def z(self) -> Floats:
        """(ncut - mean of shuffled) / sd of shuffled, shape (K,): negative = below chance."""
        spread = self.null_ncut.std(axis=0, ddof=1)
        spread = np.where(spread > 1e-12 * np.abs(self.null_ncut).max(axis=0), spread, np.nan)
        return np.asarray((self.ncut - self.null_ncut.mean(axis=0)) / spread)

    @property
    def p(self) -> Floats:
        """Left-tailed permutation p of each ncut, ties counted, shape (K,)."""
        lower = (self.null_ncut <= self.ncut).sum(axis=0)
        return np.asarray((1 + lower) / (1 + len(self.null_ncut)))

    @property
    def gap_p(self) -> float:
        """Permutation p of the largest eigengap, against the largest gap of each shuffled graph.

        Each shuffled graph may put its largest gap anywhere, so that having looked at many numbers
        of clusters is paid for.
        """
        largest, null = (_known(gaps).max(axis=-1) for gaps in (self.eigengap, self.null_eigengap))
        higher = int((null >= largest).sum())
        return (1 + higher) / (1 + len(self.null_eigengap))

    @property
    def suggested(self) -> int | None:
        """The number of clusters that stands out; None if none does. `reason` says why."""
        return self._verdict[0]

    @property
    def reason(self) -> str:
        """Why a number is suggested, or why none is, in words."""
        return self._verdict[1]

    @cached_property
    def _verdict(self) -> tuple[int | None, str]:
        gaps = _known(self.eigengap)
        order = np.argsort(-gaps, kind="stable")
        best = int(order[0])
        k, gap = int(self.candidates[best]), float(gaps[best])
        p, resolution = float(self.p[best]), 1 / (1 + len(self.null_ncut))
        if resolution > LEVEL:
            return None, (
                f"{len(self.null_ncut)} shuffled graphs can't give a p of {LEVEL:g}: take at least "
                f"{round(1 / LEVEL) - 1}."
            )
        if self.gap_p > LEVEL:
            return None, (
                f"No number stands out: the largest eigengap ({gap:.3f}, after {k} clusters) is no "
                f"larger than those of shuffled {self.edges} (p {self.gap_p:.2g})."
            )
        close = [int(self.candidates[i]) for i in order[1:] if gap < CLEAR * gaps[i]]
        if close:
            return None, (
                f"No number stands out: the eigengaps after {_listed([k, *close[:4]])} clusters "
                f"are of similar size (the largest is less than {CLEAR:g} times the others)."
            )
        if p > LEVEL:
            return None, (
                f"No number stands out: the largest eigengap is after {k} clusters, but their "
                f"normalised cut is not below that of shuffled {self.edges} (p {p:.2g})."
            )
        stable = float(self.stability[best])
        if stable < STABLE:
            return None, (
                f"No number stands out: the largest eigengap is after {k} clusters, but they "
                f"change with the seed (mean adjusted Rand index {stable:.2f}, below {STABLE:g})."
            )
        return k, (
            f"{k} clusters stand out: the eigengap after {k} ({gap:.3f}) is the largest by far "
            f"and larger than in shuffled {self.edges} (p {self.gap_p:.2g}), the normalised cut is "
            f"below chance (z {self.z[best]:.1f}, p {p:.2g}), and the clusters hardly change with "
            f"the seed (mean adjusted Rand index {stable:.2f})."
        )

    def table(self) -> pd.DataFrame:
        """A row per number of clusters.

        Returns
        -------
        DataFrame
            Index ``n_clusters``. ``eigengap`` (larger = stands out), ``ncut`` (0 .. k), ``z`` and
            ``p`` of ncut against shuffled graphs (negative z = more modular than chance; p is not
            corrected for the number of rows), ``stability`` (up to 1 = the seed does not matter).
        """
        columns = {
            "eigengap": self.eigengap,
            "ncut": self.ncut,
            "z": self.z,
            "p": self.p,
            "stability": self.stability,
        }
        return pd.DataFrame(columns, index=pd.Index(self.candidates, name="n_clusters"))

    def __repr__(self) -> str:
        return (
            f"ClusterChoice({self.candidates[0]} to {self.candidates[-1]} clusters, suggested "
            f"{self.suggested}): {self.reason}"
        )


def _known(gaps: Floats) -> Floats:
    known: Floats = np.where(np.isnan(gaps), -np.inf, gaps)
    return known


def _listed(numbers: list[int]) -> str:
    words = [str(number) for number in sorted(numbers)]
    return f"{', '.join(words[:-1])} and {words[-1]}"
