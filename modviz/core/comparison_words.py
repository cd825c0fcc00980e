"""A comparison in plain sentences that claim no more than was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modviz.core.analysis import Analysis
from modviz.core.choice import LEVEL
from modviz.core.partition import cluster_name

if TYPE_CHECKING:
    from modviz.core.comparison import Comparison


#: An index that is less than this above chance is very little agreement, however sure.
_LITTLE = 0.1


def sentences(found: Comparison) -> list[str]:
    """What there is to say, in the order of worth."""
    said = [moved(found), agreement(found), clusters(found), important(found)]
    return [sentence for sentence in (*said, *caveats(found)) if sentence]


def moved(found: Comparison) -> str:
    """How many units are where they were."""
    layers = _plural(len(found.layers_in_both), "layer")
    if not found.n_units:
        return f"No unit of the {layers} in both lives in both: there is nothing to compare."
    return (
        f"Of {_plural(found.n_units, 'unit')} in {layers}, {found.count('stayed'):,} "
        f"({_percent(found.stayed)}) are in matched clusters and {found.count('moved'):,} moved."
    )


def agreement(found: Comparison) -> str:
    """How far the partitions agree, and how far chance does."""
    if not found.n_units:
        return ""
    n = len(found.null_ari)
    if found.p <= LEVEL:
        verdict = "they agree more than chance"
        if found.ari - found.chance < _LITTLE:
            verdict += ", but very little"
    elif 1 / (n + 1) > LEVEL:
        verdict = f"undecided, {_plural(n, 'shuffle')} cannot give a p of {LEVEL:g}"
    else:
        verdict = "no evidence that they agree more than chance"
    digits = max(3, len(str(n + 1)) - 1)
    return (
        f"Adjusted Rand index {_number(found.ari)} (1 = the same), adjusted mutual information "
        f"{_number(found.ami)}; with labels shuffled within layers the index is "
        f"{_number(found.chance)} on average and {_percent(found.chance_stayed)} of the units "
        f"match: {verdict} (p {found.p:.{digits}f})."
    )


def clusters(found: Comparison) -> str:
    """Which clusters have no match."""
    words = []
    for side, name in zip("ab", found.names, strict=True):
        alone = [(pair.layer, getattr(pair, side)) for pair in found.rows[len(found.pairs) :]]
        letters = [
            cluster_name(cluster) if layer is None else f"{cluster_name(cluster)} in {layer}"
            for layer, cluster in alone
            if cluster >= 0
        ]
        if letters:
            words.append(f"{_listed(letters)} of {name}")
    where = " within layers" if found.scope == "local" else ""
    rest = "none is left without a match" if not words else f"without a match: {'; '.join(words)}"
    return f"{_plural(len(found.pairs), 'cluster')} matched{where}, {rest}."


def important(found: Comparison) -> str:
    """Whether the same modules matter in both."""
    table = found.subclusters()
    decided = ("important", "no evidence", "undecided")
    both = table[table["verdict_a"].isin(decided) & table["verdict_b"].isin(decided)]
    if both.empty:
        return "No matched subcluster was tested by lesions in both."
    a, b = both["verdict_a"] == "important", both["verdict_b"] == "important"
    unsure = both["verdict_a"].eq("undecided") | both["verdict_b"].eq("undecided")
    note = f", with {int(unsure.sum())} undecided in one or both" if unsure.any() else ""
    first, second = found.names
    return (
        f"Matched subclusters tested by lesions in both: {len(both)}. Important (q at most "
        f"{LEVEL:g}) in both: {int((a & b).sum())}, in {first} alone: {int((a & ~b).sum())}, in "
        f"{second} alone: {int((~a & b).sum())}, in neither: {int((~a & ~b).sum())}{note}."
    )


def caveats(found: Comparison) -> list[str]:
    """What was left out, and what differs in how the two were made."""
    first, second = found.names
    said = []
    died, rose, dead = (found.count(word) for word in ("became dead", "came alive", "dead"))
    if died or rose:
        said.append(
            f"Units alive in {first} and dead in {second}: {died:,}; dead in {first} and alive in "
            f"{second}: {rose:,}. They enter no agreement."
        )
    if dead:
        said.append(f"{_plural(dead, 'unit')} dead in both.")
    for name, missing in ((first, found.only_a), (second, found.only_b)):
        if missing:
            said.append(f"Left out, because only {name} has them: {_listed(list(missing))}.")
    if found.differing_settings:
        words = [
            f"{key} ({_value(x)} against {_value(y)})"
            for key, (x, y) in found.differing_settings.items()
        ]
        said.append(f"Their settings differ in {', '.join(words)}.")
    if found.a.partition.scope != found.b.partition.scope:
        said.append("The clusters of one are those of one layer each: matched within layers.")
    return [*said, *_measured(found)]


def _measured(found: Comparison) -> list[str]:
    """Whether lesions were measured alike: p and q of unlike ones do not compare as they stand."""
    said = []
    a, b = (_how(analysis) for analysis in (found.a, found.b))
    if a and b and a != b:
        first, second = found.names
        said.append(
            f"Lesions were measured {a} in {first} and {b} in {second}: their p and q are not "
            "equally fine."
        )
    for name, analysis in zip(found.names, (found.a, found.b), strict=True):
        if analysis.status != "complete":
            said.append(f"The analysis {name} is {analysis.status}: some of it is missing.")
    return said


def _how(analysis: Analysis) -> str:
    """On how many images and with how many controls lesions were measured; "" if they were not."""
    lesions = analysis.lesions
    if lesions is None:
        return ""
    most = lesions.controls.shape[1] if lesions.rule is None else lesions.rule.n_controls
    most_of = "" if lesions.rule is None else "up to "
    images = _plural(lesions.n_images, "image")
    return f"on {images} with {most_of}{_plural(most, 'control')}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _number(value: float) -> str:
    text = f"{value:.3f}"
    return text.replace("-", "−") if float(text) else "0.000"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _listed(names: list[str]) -> str:
    """Names with commas; of many the first and how many more."""
    return ", ".join(names if len(names) <= 12 else [*names[:10], f"and {len(names) - 10} more"])


def _value(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
