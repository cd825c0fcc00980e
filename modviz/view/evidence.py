"""The evidence card: what was lost, what random sets lose, and what that allows to say.

A subcluster is declared only on its q-value. Where even the smallest p that the controls allow
cannot bring q to 0.05, the card says so instead of taking a side: the resolution of a p-value is
part of the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import style, top_images
from modviz.view.facts import LEVEL, Facts
from modviz.view.pictures import png

#: Background and ink of a badge.
_TONES = {
    "yes": ("#d9eee5", "#0b5540"),
    "open": ("#f6ead2", "#6b4a10"),
    "no": (style.BAND, style.TEXT),
}


@dataclass(frozen=True)
class Verdict:
    """What the evidence allows to say about a subcluster's importance."""

    badge: str
    tone: str
    words: str


def verdict(facts: Facts, i: int) -> Verdict:
    """Declare on q only; "Undecided" where the number of controls forbids a decision."""
    s = facts.subclusters[i]
    if not facts.tested[i]:
        return Verdict("Not tested", "no", _size_rule(facts, i))
    if not facts.measured[i]:
        return Verdict("Not measured", "no", _unmeasured(facts))
    tests = int(facts.measured.sum())
    p, q = facts.p("accuracy", i), facts.q("accuracy", i)
    as_bad, n = (int(counts[i]) for counts in facts.counts)
    among = f"over {style.plural(tests, 'subcluster')}"
    if q <= LEVEL:
        return Verdict(
            "Important",
            "yes",
            f"The network needs it more than random units of layer {s.layer_number}: "
            f"q {style.q_text(q)} {among}.",
        )
    if facts.undecided[i]:
        return Verdict(
            "Undecided",
            "open",
            f"So far {as_bad} of {style.plural(n, 'random set')} lose as much or more: too few to "
            f"say. {_more(facts)}",
        )
    if facts.worst[i]:
        alike = int(facts.worst.sum())
        needed = int(np.ceil(tests / (LEVEL * alike) - 1e-9)) - 1
        return Verdict(
            "Undecided",
            "open",
            f"Worse than all {n} random sets, but p cannot fall below {style.p_text(p, n)} with "
            f"{style.plural(n, 'control')}, and {among} that leaves q at {style.q_text(q)}. "
            f"It would take at least {needed} controls to decide.",
        )
    words = f"No evidence of importance: {as_bad} of {n} random sets lose as much or more."
    if p <= LEVEL:
        words += f" p alone passes 0.05, but not {among}."
    return Verdict("No evidence", "no", words)


def _more(facts: Facts) -> str:
    if facts.analysis.status == "running":
        return f"More are drawn, up to {facts.n_controls:,}, until it is clear."
    return f"The analysis ended before more, up to {facts.n_controls:,}, could make it clear."


def _unmeasured(facts: Facts) -> str:
    status = facts.analysis.status
    if status == "running":
        return "Its lesion has not been measured yet."
    if status == "cancelled":
        return "The analysis was cancelled before its lesion was measured."
    return "This analysis has no lesion of it."


def _size_rule(facts: Facts, i: int) -> str:
    units = len(facts.subclusters[i].units)
    if units < 3:
        return f"Not tested: {style.plural(units, 'unit')}; the size rule asks for at least 3."
    return (
        "Not tested: it holds more than 99 % of its layer's live units, so random sets of its size "
        "would be nearly the same set."
    )


def line(key: str, value: str, note: str = "") -> str:
    """A row of a card: what it is, its value, a note below; all HTML."""
    note = f'<div class="note">{note}</div>' if note else ""
    cells = f'<div class="key">{key}</div><div class="value">{value}{note}</div>'
    return f'<div class="line">{cells}</div>'


def card(facts: Facts, i: int) -> str:
    """HTML of the card of one subcluster."""
    s = facts.subclusters[i]
    result = verdict(facts, i)
    back, ink = _TONES[result.tone]
    units = style.plural(len(s.units), "unit")
    where = (
        f"cluster {cluster_name(s.cluster)}, layer {s.layer_number} ({escape(s.layer)}), {units}"
    )
    badge = f'<span class="badge" style="background:{back};color:{ink}">{result.badge}</span>'
    parts = [
        f'<div class="card" style="border-top-color:{facts.colors[i]}">',
        f'<div class="top"><span class="name">{s.name}</span>{badge}</div>',
        f'<div class="where">{where}</div>',
    ]
    if facts.measured[i] and facts.tested[i]:
        parts.append(f"<p>{_paragraph(facts, i)}</p>")
        parts += _lesion_lines(facts, i)
    if facts.tested[i]:
        parts.append(_featureline(facts, i))
        parts += _top_lines(facts, i)
    parts.append(line("Verdict", result.words + _coherence(facts, i) + _so_far(facts)))
    return "".join(parts) + "</div>"


def _paragraph(facts: Facts, i: int) -> str:
    s, lesions = facts.subclusters[i], facts.analysis.lesions
    if lesions is None:
        return ""
    before, after = float(lesions.intact.mean()), float(lesions.lesioned[i].mean())
    cost = -facts.drawn(i)
    units = len(s.units)
    these = "this unit" if units == 1 else f"these {units:,} units"
    moves = "falls" if after < before else "rises" if after > before else "stays"
    change = f"from {style.percent(before)} to {style.percent(after)}"
    if moves == "stays":
        change = f"at {style.percent(before)}"
    mean = float(cost.mean())
    verb = "cost" if round(mean, 1) >= 0 else "add"
    return (
        f"Without {these}, accuracy {moves} {change}. Random sets of {units:,} from layer "
        f"{s.layer_number} {verb} {style.number(abs(mean))} points on average "
        f"(changes of {style.signed(-float(cost.max()))} to {style.signed(-float(cost.min()))})."
    )


def _lesion_lines(facts: Facts, i: int) -> list[str]:
    n, tests = int(facts.counts[1][i]), int(facts.measured.sum())
    change = float(facts.change[i])
    beyond = change - float(facts.drawn(i).mean())
    effect = float(facts.table["accuracy_effect"].iloc[i])
    ratio = (
        "effect undefined"
        if np.isnan(effect)
        else f"effect {style.number(effect, 2)}; 1 = like them"
    )
    q = facts.q("accuracy", i)
    steps = (
        f", of at most {facts.n_controls:,}" if facts.adaptive else f", steps of {1 / (n + 1):.3g}"
    )
    lowest = ", the lowest possible" if facts.worst[i] and n == facts.n_controls else ""
    q_value = style.q_text(q)
    order = np.argsort(facts.class_change[i], kind="stable")
    points = facts.class_change[i][order]
    most, then = "none", ""
    if points[0] < 0:
        most = f"{escape(facts.class_names[order[0]])}, {style.number(points[0], 0)} points"
        if len(order) > 1 and points[1] < 0:
            then = f"then {escape(facts.class_names[order[1]])}, {style.number(points[1], 0)}<br>"
    return [
        line(
            "Importance",
            f"{style.signed(change)} points",
            f"{_interval(facts, i)}rank {facts.rank[i]} of {tests}",
        ),
        line(
            "Effect", f"{style.signed(beyond)} points", f"beyond the mean random set<br>({ratio})"
        ),
        line(
            "p",
            facts.p_text("accuracy", i),
            f"{style.plural(n, 'control')}{steps}{lowest}",
        ),
        line(
            "q",
            f"<b class='hit'>{q_value}</b>" if q <= LEVEL else q_value,
            f"corrected for {style.plural(tests, 'subcluster')}",
        ),
        line("Class most hit", most, then + "unevenness: " + _p_and_q(facts, "range", i)),
    ]


def _interval(facts: Facts, i: int) -> str:
    """The 95 % interval of the accuracy change, over other images."""
    low, high = (100 * float(limit[i]) for limit in facts.analysis.change_interval())
    if np.isnan(low):
        return ""
    return f"95 %: {style.signed(low)} to {style.signed(high)}<br>"


def _p_and_q(facts: Facts, statistic: str, i: int) -> str:
    """Give p and q of a statistic in words; "undefined" where it has no value."""
    if np.isnan(facts.table[statistic].iloc[i]):
        return "undefined (counts as no evidence)"
    q = facts.q(statistic, i)
    shown = f"<b class='hit'>q {style.q_text(q)}</b>" if q <= LEVEL else f"q {style.q_text(q)}"
    return f"p {facts.p_text(statistic, i)}, {shown}"


def _featureline(facts: Facts, i: int) -> str:
    results = facts.analysis.features
    if results is None or not facts.pictured[i]:
        yet = " yet" if facts.analysis.status == "running" else ""
        return line("Feature image", f"not measured{yet}")
    picture = f'<img src="{png(results.images[i])}" alt="feature image">'
    figures = "".join(
        f"{name}<br>{_p_and_q(facts, name, i).replace(', ', '<br>')}<br>"
        for name in ("score", "entropy")
    )
    return line(
        "Feature image", f'<div class="pictures">{picture}<div class="note">{figures}</div></div>'
    )


def _top_lines(facts: Facts, i: int) -> list[str]:
    """The real images that drive it most; nothing where they were not asked for."""
    if facts.awaited("top_images"):
        return [line("Top images", "not measured yet")]
    if not facts.topped[i]:
        return []
    note = f"{top_images.spread(facts, i)}<br>{_p_and_q(facts, 'image_entropy', i)}"
    return [line("Top images", top_images.commonest(facts, i), note), top_images.sheet(facts, i)]


def _so_far(facts: Facts) -> str:
    """While subclusters are missing q can still change: it corrects for those that are there."""
    done, tests = int(facts.measured.sum()), int(facts.tested.sum())
    if done in (0, tests):
        return ""
    return f" This is after {done} of {style.plural(tests, 'subcluster')}."


def _coherence(facts: Facts, i: int) -> str:
    """One more sentence for each other statistic that is declared."""
    said = []
    for statistic, words in (
        ("range", "Its losses single out classes more than those of random sets do."),
        ("score", "Its units share an input feature more than random units do."),
        ("entropy", "Its feature image means one class more than those of random sets do."),
        ("image_entropy", "Its top images share a class more than those of random sets do."),
    ):
        if facts.q(statistic, i) <= LEVEL:
            said.append(f" {words}")
    return "".join(said)
