"""What `modviz.more_controls` was asked for, checked: who can get more controls, and who can't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.analysis import Analysis, LesionResults
from modviz.core.settings import Settings


def lesions_of(analysis: Analysis) -> LesionResults:
    """The lesions of an analysis that more controls can be added to."""
    if not isinstance(analysis, Analysis):
        raise TypeError(f"analysis is {type(analysis).__name__}; expected a modviz.Analysis")
    lesions = analysis.lesions
    if lesions is None or not (lesions.measured | ~analysis.tested).all():
        raise ValueError(
            "the analysis was stopped before its lesions were finished; run modviz.analyze to the "
            "end, then more controls can be added"
        )
    if lesions.rule is not None:
        raise ValueError(
            "the analysis has controls='adaptive': its p are made for at most n_controls="
            f"{lesions.rule.n_controls} draws and would not hold with more; run modviz.analyze "
            "with a larger n_controls, which draws them only where the verdict needs them"
        )
    if not {"seed", "lesion", "n_controls"} <= analysis.settings.keys():
        raise ValueError(
            "the settings of the analysis do not tell the seed of its controls, so that no more of "
            "the same can be drawn; expected an analysis of modviz.analyze"
        )
    return lesions


def settings_with(analysis: Analysis, n_controls: int) -> Settings:
    """The settings of an analysis with another number of controls."""
    names = {f.name for f in fields(Settings)}
    known = {name: value for name, value in analysis.settings.items() if name in names}
    return Settings(**known | {"n_controls": n_controls})


def rows_of(
    analysis: Analysis,
    subclusters: Sequence[str | tuple[str, int]] | None,
    n_controls: int,
) -> NDArray[np.bool_]:
    """Which subclusters get more controls, shape (S,).

    Raises
    ------
    TypeError, ValueError
        If one is unknown, was not measured, has as many already, or has an exceedance in both
        statistics.
    """
    lesions = lesions_of(analysis)
    most = int(lesions.draws.max(initial=0))
    if subclusters is None:
        if n_controls < most or n_controls <= lesions.common_draws:
            raise ValueError(
                f"n_controls={n_controls}, but there are {most} already; give a larger number, or "
                "name the subclusters that should get more"
            )
        return np.asarray(analysis.tested, dtype=bool)
    given: Any = subclusters  # what a user gives need not be what the signature says
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) == 0:
        raise TypeError(
            f"subclusters={subclusters!r}; expected a list of names such as ['A1', 'B2'] or of "
            "pairs (layer, cluster), or None for all"
        )
    places: dict[Any, int] = {}
    for k, s in enumerate(analysis.subclusters):
        places[s.name] = places[s.key] = k
    rows = np.zeros(len(analysis.subclusters), dtype=bool)
    for wanted in given:
        key = tuple(wanted) if isinstance(wanted, list) else wanted
        if not _is_key(key) or key not in places:
            there = ", ".join(
                s.name for s, m in zip(analysis.subclusters, lesions.measured, strict=True) if m
            )
            raise ValueError(f"there is no subcluster {wanted!r}; those with lesions: {there}")
        rows[places[key]] = True
    for k in np.flatnonzero(rows).tolist():
        _refuse(analysis, lesions, k, n_controls)
    return rows


def _is_key(key: object) -> bool:
    """Whether this can be a short name or a pair (layer, cluster)."""
    if isinstance(key, tuple):
        return len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], (int, np.integer))
    return isinstance(key, str)


def _refuse(analysis: Analysis, lesions: LesionResults, k: int, n_controls: int) -> None:
    name, drawn = analysis.subclusters[k].name, int(lesions.draws[k])
    if not lesions.measured[k]:
        raise ValueError(
            f"subcluster {name!r} has no lesion: {len(analysis.subclusters[k].units)} units; the "
            "size rule asks for at least 3 and at most 99 % of the layer's live units"
        )
    if n_controls <= drawn:
        raise ValueError(
            f"n_controls={n_controls}, but {name!r} has {drawn} controls; give a larger number"
        )
    if not lesions.unsurpassed[k]:
        of_accuracy, of_range = (int(lesions.counts(s)[0][k]) for s in ("accuracy", "range"))
        raise ValueError(
            f"subcluster {name!r} has {drawn} controls, and {of_accuracy} are as extreme in "
            f"accuracy, {of_range} in range. More for it alone would make its p too small: only "
            "those go on that no control has equalled (analysis.lesions.unsurpassed). Leave it "
            "out, or draw more for all subclusters (subclusters=None)"
        )
