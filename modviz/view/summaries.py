"""What each panel shows now, in a sentence or two for those who can't see it.

Words never go beyond the evidence: a subcluster stands out by its q alone, "undecided" is said
where random groups are too few to decide, and counts say of how many they are while more is to
come. All come as escaped text without tags, fit for a paragraph and for an attribute.
"""

from __future__ import annotations

from html import escape

import numpy as np

from modviz.view import evidence, style
from modviz.view.classes import FIGURES_FROM
from modviz.view.cluster_summaries import partition, weights
from modviz.view.facts import Facts
from modviz.view.sentences import (
    RULE,
    Standing,
    counted,
    listed,
    progress,
    provisional,
    random_groups,
    standing,
)

__all__ = ["classes", "features", "lesions", "partition", "weights"]

#: Smaller losses would be shown as 0.0 points.
_SMALL = 0.05


def lesions(facts: Facts) -> str:
    """Sentences on the lesion panel, as escaped text: largest loss, declared, undecided."""
    rows = [i for i in facts.rows if facts.measured[i]]
    if not rows:
        return escape(_nothing(facts, "lesions"))
    found = standing(facts, "accuracy", facts.measured)
    many = counted(len(found.declared), "is", "are")
    declared = f"none is declared important at {RULE}"
    if found.declared:
        declared = f"{many} declared important at {RULE}: {listed(found.declared)}"
    parts = [
        f"{progress(facts, facts.measured)}, each against {random_groups(facts)} of equal size",
        _largest_loss(facts, rows),
        declared,
    ]
    if found.undecided:
        names = listed(found.undecided)
        parts.append(f"{len(found.undecided)} undecided, random groups too few to tell: {names}")
    left_out = int((~facts.tested).sum())
    if left_out:
        parts.append(f"{left_out} more outside the size rule and not tested")
    return escape(f"{'; '.join(parts)}.{provisional(facts, facts.measured)}")


def _largest_loss(facts: Facts, rows: list[int]) -> str:
    """The largest loss; with its verdict where that is not that it is important."""
    worst = min(float(facts.change[i]) for i in rows)
    if worst >= 0:
        return "no lesion lowers accuracy"
    alike = [i for i in rows if facts.change[i] == worst]
    who = listed([facts.names[i] for i in alike])
    verdict = evidence.verdict(facts, alike[0]).badge.lower()
    said = "" if verdict == "important" or len(alike) > 1 else f" ({verdict})"
    return f"the largest loss is {who}, {_points(worst)}{said}"


def _points(loss: float) -> str:
    """A change below zero, which rounding must not turn into none."""
    return f"{style.number(loss)} points" if loss <= -_SMALL else "less than 0.1 points"


def classes(facts: Facts) -> str:
    """Sentences on the class panel, as escaped text: who costs which class most."""
    rows = [i for i in facts.rows if facts.measured[i]]
    if not rows:
        return escape(_nothing(facts, "lesions"))
    n_classes = len(facts.class_names)
    of = f"{progress(facts, facts.measured)} and {counted(n_classes, 'class', 'classes')}"
    parts = [of, _most_hit(facts, rows)]
    # as the panel prints its figures: after rounding
    large = int((np.round(facts.class_change[rows]) <= -FIGURES_FROM).sum())
    if large:
        changes = f"{len(rows) * n_classes:,} changes"
        verb = "is a loss" if large == 1 else "are losses"
        parts.append(f"{large:,} of {changes} {verb} of {FIGURES_FROM:g} points or more")
    said = f"{'; '.join(parts)}."
    # with one class there is nothing to be uneven over
    if n_classes > 1:
        found = standing(facts, "range", facts.measured)
        said += f" {_singled_out(found)}{provisional(facts, facts.measured)}"
    return escape(said)


def _most_hit(facts: Facts, rows: list[int]) -> str:
    change = facts.class_change[rows]
    worst = float(change.min())
    if worst >= 0:
        return "no class loses accuracy"
    places = np.argwhere(change == worst)
    pairs = [f"{facts.class_names[c]} without {facts.names[rows[r]]}" for r, c in places]
    return f"the largest loss of a class is {listed(pairs)}, {_points(worst)}"


def _singled_out(found: Standing) -> str:
    """Whose losses are uneven over the classes, as their random groups' are not."""
    names = found.declared
    said = f"None singles out classes more than random groups do ({RULE})"
    if names:
        said = (
            f"{counted(len(names), 'singles', 'single')} out classes more than random groups do "
            f"({RULE}): {listed(names)}"
        )
    return f"{said}{_open(found)}."


def features(facts: Facts) -> str:
    """Sentences on the gallery, as escaped text: whose score or entropy stands out."""
    pictured, topped = facts.tested & facts.pictured, facts.tested & facts.topped
    if not (pictured.any() or topped.any()):
        return escape(_nothing(facts, "feature images"))
    said = []
    if pictured.any():
        groups = style.plural(facts.n_image_controls, "random group")
        said.append(
            f"Feature images: {_lower(progress(facts, pictured))}, each against {groups}; by score "
            f"{_standing_out(standing(facts, 'score', pictured))}; by entropy "
            f"{_standing_out(standing(facts, 'entropy', pictured))}."
        )
    elif facts.analysis.settings.get("features", False):
        said.append(_nothing(facts, "feature images"))
    if topped.any():
        groups = style.plural(facts.controls_of("image_entropy"), "random group")
        said.append(
            f"Top images: {_lower(progress(facts, topped))}, each against {groups}; by the entropy "
            f"of their classes {_standing_out(standing(facts, 'image_entropy', topped))}."
        )
    elif facts.analysis.settings.get("top_images", False):
        said.append(_nothing(facts, "top images"))
    least = topped if not pictured.any() else pictured if not topped.any() else pictured & topped
    return escape(" ".join(said) + provisional(facts, least))


def _standing_out(found: Standing) -> str:
    names = found.declared
    said = f"none stands out at {RULE}"
    if names:
        said = f"{counted(len(names), 'stands', 'stand')} out at {RULE} ({listed(names)})"
    return said + _open(found)


def _open(found: Standing) -> str:
    """Whom a statistic says nothing about, yet or at all."""
    said = ""
    if found.undecided:
        said += f", {len(found.undecided)} undecided ({listed(found.undecided)})"
    if found.undefined:
        said += f", undefined for {listed(found.undefined)}"
    return said


def _nothing(facts: Facts, what: str) -> str:
    words = facts.waiting(what)
    return f"{words[:1].upper()}{words[1:]}."


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
