"""What the selection can be asked beyond a run: pairs, more controls; bounds and words for it."""

from __future__ import annotations

from collections.abc import Sequence

from modviz.core.analysis import Analysis
from modviz.view.style import plural

#: Bounds of what Measure pairs does: S subclusters are S (S + 1) / 2 lesions a draw.
MOST_PAIRED, STRONGEST, PAIR_CONTROLS = 12, 8, 19
#: Numbers of controls that are offered, one after the other.
_STEPS = (19, 99, 999, 9999)


def to_pair(analysis: Analysis | None, selected: Sequence[str]) -> list[str]:
    """The subclusters that Measure pairs is about: those selected, or those that cost most."""
    if analysis is None:
        return []
    tested = [s.name for s, yes in zip(analysis.subclusters, analysis.tested, strict=True) if yes]
    chosen = [name for name in tested if name in set(selected)]
    if len(chosen) >= 2:
        return chosen[:MOST_PAIRED]
    change = analysis.table()["accuracy_change"].loc[tested]
    strongest = set(change.sort_values(kind="stable").index[:STRONGEST])
    return [name for name in tested if name in strongest]


def next_controls(analysis: Analysis) -> int:
    """More controls than any subcluster has: the next of 19, 99, 999, 9999."""
    most = 0 if analysis.lesions is None else int(analysis.lesions.draws.max(initial=0))
    return next((n for n in _STEPS if n > most), 10 * most)


def to_draw(analysis: Analysis | None, selected: Sequence[str]) -> list[str] | None:
    """The subclusters that More controls is about: [] = all, None = there is nothing to draw."""
    if analysis is None or analysis.lesions is None or analysis.lesions.rule is not None:
        return None  # adaptive controls are drawn as far as they are worth it
    if not (analysis.lesions.measured | ~analysis.tested).all():
        return None
    if not selected:
        return []
    going_on = analysis.lesions.unsurpassed
    named = [s.name for s, yes in zip(analysis.subclusters, going_on, strict=True) if yes]
    return [name for name in selected if name in named] or None


def more_in_words(analysis: Analysis | None, selected: Sequence[str]) -> str:
    """What More controls would do; empty if there is nothing to do."""
    chosen = to_draw(analysis, selected)
    if analysis is None or chosen is None:
        return ""
    about = ", ".join(chosen) or "all subclusters"
    return f"More controls: {next_controls(analysis):,} for {about}."


def pairs_in_words(members: Sequence[str]) -> str:
    """What Measure pairs would do; empty if there is nothing to pair."""
    if len(members) < 2:
        return ""
    n_pairs = len(members) * (len(members) - 1) // 2
    n_lesions = (n_pairs + len(members)) * (1 + PAIR_CONTROLS)
    return (
        f"Pairs: {plural(n_pairs, 'pair')} of {', '.join(members)}, {n_lesions:,} lesions with "
        f"{PAIR_CONTROLS} controls each."
    )
