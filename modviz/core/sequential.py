"""p-values from as few random controls as the verdict needs, valid however the drawing stops.

Controls are drawn in rounds. At the end of each a subcluster's state is how many of its controls
so far are at least as extreme as itself. Under the null the observation is one of so many equals,
and the states follow a Polya urn: after g exceedances in t draws the next is one with probability
(g + 1) / (t + 2). So for any order of the states, from most to least evidence, the chance that the
draws ever pass through one that ranks as high as a given one can be computed exactly; that chance
is the p-value. It counts all looks that were possible, so the drawing may stop at any of them, for
whatever reason: a cancel, or what the other subclusters show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modviz.core.statistics import benjamini_hochberg

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Draws after which a subcluster's verdict is looked at; each round of lesions ends at one. The
#: first are common to all subclusters, and joint tests rest on them: 39 let those reach 1/40.
LOOKS = (39, 69, 99, 149, 199, 299, 399, 499, 699, 999, 1499, 1999, 2999, 4999, 6999)

#: Rounding that must not tell equal ranks apart.
_TIE = 1e-12


@dataclass(frozen=True)
class SequentialRule:
    """When the drawing of controls may stop, and what p it then has.

    Three kinds of state have a p, and rank by the tail probability that they speak for (smaller =
    more evidence):

    - ``enough`` exceedances, reached at draw l: ``enough / l``, as Besag and Clifford have it.
      There the drawing ends: the p-value is fine enough for what is no evidence.
    - g exceedances in all ``n_controls`` draws: ``(g + 1) / (n_controls + 1)``, as ever.
    - g exceedances at one of the ``looks``: the upper confidence limit of the tail probability.
      That makes an early state rank behind almost all that it can grow into, so that early stops
      hardly cost the later ones anything.

    Attributes
    ----------
    n_controls : int
        The most draws, at least 1.
    looks : tuple of int
        Numbers of draws, rising, below ``n_controls``, at which the drawing may stop.
    enough : int
        Exceedances after which it stops. More than `n_controls` = never.
    confidence : float
        Of the limits at the looks, above 0.5 and below 1.
    level : float
        The q at which a subcluster is declared.

    Raises
    ------
    ValueError
        If a value is out of its range.

    Notes
    -----
    The stop at `enough` is that of Besag and Clifford (1991), doi:10.1093/biomet/78.2.301; without
    looks their p-value results, and without either the plain permutation p-value.

    `enough` = 20 and `confidence` = 0.9 come from simulations of 50 subclusters with 999 controls:
    with fewer exceedances verdicts near the level differ more from those of all controls, with
    more confidence it takes longer to declare.
    """

    n_controls: int
    looks: tuple[int, ...] = ()
    enough: int = 20
    confidence: float = 0.9
    level: float = 0.05

    def __post_init__(self) -> None:
        if self.n_controls < 1 or self.enough < 1:
            raise ValueError(
                f"n_controls={self.n_controls}, enough={self.enough}; expected at least 1 of each"
            )
        ends = [0, *self.looks, self.n_controls]
        if any(later <= former for former, later in pairwise(ends)):
            raise ValueError(
                f"looks={self.looks}; expected rising numbers of draws between 1 and "
                f"{self.n_controls - 1} (n_controls - 1)"
            )
        if not 0.5 < self.confidence < 1 or not 0 < self.level < 1:
            raise ValueError(
                f"confidence={self.confidence}, level={self.level}; expected a confidence between "
                "0.5 and 1 and a level between 0 and 1"
            )

    @property
    def ends(self) -> tuple[int, ...]:
        """Draws at the end of each round: the looks, and all controls."""
        return (*self.looks, self.n_controls)

    def stop(self, extreme: ArrayLike) -> tuple[int, int]:
        """Exceedances and draws behind the p of one subcluster.

        Parameters
        ----------
        extreme : array_like of bool, shape (draws,)
            Which of its controls are at least as extreme as itself, in the order of the draws.

        Returns
        -------
        tuple of int
            Exceedances and draws; those after the exceedance that is `enough` do not count.
        """
        reached = np.flatnonzero(np.asarray(extreme, dtype=bool))
        if len(reached) >= self.enough:
            return self.enough, int(reached[self.enough - 1]) + 1
        return len(reached), int(np.size(extreme))

    def finished(self, exceedances: int, draws: int) -> bool:
        """Whether no more controls can be drawn from this state."""
        return exceedances >= self.enough or draws >= self.n_controls

    def rank(self, exceedances: int, draws: int) -> float:
        """The tail probability that a state speaks for: smaller = more evidence. Not yet a p.

        Raises
        ------
        ValueError
            If the drawing can't stop there.
        """
        if not 0 <= exceedances <= min(self.enough, draws) or draws > self.n_controls:
            raise ValueError(
                f"{exceedances} exceedances in {draws} draws; the rule has at most {self.enough} "
                f"in at most {self.n_controls}: give what SequentialRule.stop returns"
            )
        if exceedances == self.enough:
            return self.enough / draws
        if draws not in self.ends:
            raise ValueError(
                f"{draws} draws with {exceedances} exceedances is no place to stop; expected one "
                f"of {self.ends}, or {self.enough} exceedances"
            )
        if draws == self.n_controls:
            return (exceedances + 1) / (draws + 1)
        return float(_limits(self, draws)[exceedances])

    def least(self, exceedances: int, draws: int) -> float:
        """Lower confidence limit of the p that more draws would lead to; p itself when finished."""
        if self.finished(exceedances, draws):
            return self.p(exceedances, draws)
        if exceedances == 0:
            return 0.0
        from scipy import stats  # here: it takes a second to load, opening a file does without

        return float(stats.beta.ppf(1 - self.confidence, exceedances, draws - exceedances + 1))

    def p(self, exceedances: int, draws: int) -> float:
        """The p-value of a state: the chance under the null to pass one that ranks as high.

        Parameters
        ----------
        exceedances, draws : int
            As `stop` returns them.

        Returns
        -------
        float
            For any way to stop, P(p <= a) <= a under the null for all a, exactly.
        """
        return _chance(self, exceedances, draws)

    def ranking(self, score: float) -> list[tuple[int, int]]:
        """What ranks at least as high as `score`: (draws, most exceedances there), in order."""
        region = [
            (look, int((_limits(self, look) <= score + _TIE).sum()) - 1) for look in self.looks
        ]
        if score * self.n_controls < self.enough - _TIE:
            most = floor(score * (self.n_controls + 1) + 1e-9) - 1
            return [*region, (self.n_controls, most)]
        # `enough` exceedances at draw l or later: that is, fewer than `enough` before draw l
        before = ceil(self.enough / score - 1e-9) - 1
        return [*((t, most) for t, most in region if t < before), (before, self.enough - 1)]


def rule_for(n_controls: int) -> SequentialRule:
    """The rule that ``controls="adaptive"`` uses for at most `n_controls` draws."""
    return SequentialRule(n_controls, tuple(look for look in LOOKS if look < n_controls))


def undecided(rule: SequentialRule, exceedances: ArrayLike, draws: ArrayLike) -> NDArray[np.bool_]:
    """Which subclusters need more draws for their verdict at the level of the rule.

    Those that Benjamini and Hochberg's procedure declares with the least p that they may come to
    but not with the p that they have. All of them count towards each other's verdicts.

    Parameters
    ----------
    rule : SequentialRule
    exceedances, draws : array_like of int, shape (m,)
        The state of each, as `SequentialRule.stop` gives it.

    Returns
    -------
    array of bool, shape (m,)
        A subcluster that was decided may become undecided as others go on: its draws go on then.
    """
    states = list(zip(np.ravel(exceedances).tolist(), np.ravel(draws).tolist(), strict=True))
    going = np.array([not rule.finished(*state) for state in states], dtype=bool)
    if not going.any():
        return going
    best = benjamini_hochberg([rule.least(*state) for state in states], rule.level).rejected
    now = benjamini_hochberg([rule.p(*state) for state in states], rule.level).rejected
    return np.asarray(going & best & ~now)


@lru_cache(maxsize=2**14)
def _chance(rule: SequentialRule, exceedances: int, draws: int) -> float:
    """The chance that the urn ever passes a state that ranks at least as high as this one."""
    passed, at = 0.0, 0
    never = np.zeros(rule.enough)  # by exceedances: the chance to be there without having passed
    never[0] = 1.0
    for end, most in rule.ranking(rule.rank(exceedances, draws)):
        never = never @ _urn(at, end, rule.enough)
        passed += float(never[: most + 1].sum())
        never[: most + 1] = 0.0
        at = end
    return round(min(passed, 1.0), 12)  # equal to (g + 1) / (n + 1) where it should be


@lru_cache(maxsize=256)
def _limits(rule: SequentialRule, look: int) -> Floats:
    """Upper confidence limits of the tail probability after `look` draws, by exceedances."""
    from scipy import stats

    counts = np.arange(min(rule.enough, look + 1))
    limits = stats.beta.ppf(rule.confidence, counts + 1, np.maximum(look - counts, 1))
    return np.where(counts < look, limits, 1.0)


@lru_cache(maxsize=256)
def _urn(start: int, end: int, enough: int) -> Floats:
    """Chances to go from g exceedances after `start` draws to g' after `end`, both below `enough`.

    The urn with g + 1 balls of one kind and start - g + 1 of the other gives the number of new
    exceedances a beta-binomial distribution.
    """
    from scipy import stats

    before = np.arange(min(start, enough - 1) + 1)[:, None]
    steps = np.zeros((enough, enough))
    more = np.arange(enough) - before
    steps[: len(before)] = stats.betabinom.pmf(more, end - start, before + 1, start - before + 1)
    return steps
