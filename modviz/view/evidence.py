"""The evidence card: what was lost, what random groups lose, and what that allows to say."""

from __future__ import annotations

import json
from html import escape

import numpy as np

from modviz.core.partition import cluster_name
from modviz.view import style, support, top_images
from modviz.view.facts import LEVEL, Facts
from modviz.view.sheets import sheet_of
from modviz.view.verdict import Verdict, verdict

__all__ = ["Verdict", "card", "line", "paragraph", "verdict"]

_WARNING = (
    "Optimised pictures can mislead: they need not show what drives these units on natural images "
    "(arXiv:2010.12606, arXiv:2306.04719). Compare them with the real images, and with the picture "
    "of the random group."
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
    units = style.plural(len(s.units), "unit")
    where = (
        f"cluster {cluster_name(s.cluster)}, layer {s.layer_number} ({escape(s.layer)}), {units}"
    )
    parts = [
        f'<div class="card" style="border-top-color:{facts.colors[i]}">',
        f'<div class="top"><h2 class="name">{s.name}</h2>',
        f'<span class="badge {result.tone}">{result.badge}</span></div>',
        f'<div class="where">{where}</div>',
        f"<p>{escape(paragraph(facts, i))}</p>",
        _actions(facts, i, result),
    ]
    if facts.measured[i] and facts.tested[i]:
        parts += _lesion_lines(facts, i)
    else:
        parts += _support_lines(facts, i)
    if facts.tested[i]:
        parts.append(_featureline(facts, i))
        parts += _top_lines(facts, i)
    return "".join(parts) + "</div>"


def paragraph(facts: Facts, i: int) -> str:
    """The evidence in plain words: what was measured, against what, and what that allows to say."""
    measured = f"{_paragraph(facts, i)} " if facts.measured[i] and facts.tested[i] else ""
    found = measured + verdict(facts, i).words + _coherence(facts, i) + _so_far(facts)
    return f"{found} {support.sentence(facts, i)}".rstrip()


def _actions(facts: Facts, i: int, result: Verdict) -> str:
    """Buttons: more random groups where they are what is missing, and the pictures large."""
    buttons = []
    if result.needed[0] and facts.analysis.status != "running":
        name = facts.names[i]
        for words, names, number in (
            (f"Decide with {result.needed[0]:,} random groups", [name], result.needed[0]),
            (f"{result.needed[1]:,} random groups for all", [], result.needed[1]),
        ):
            given = escape(json.dumps({"names": names, "n_controls": number}))
            buttons.append(
                '<button type="button" class="button kernel" data-command="more_controls" '
                f'data-arguments="{given}">{words}</button>'
            )
    if facts.pictured[i] or facts.topped[i]:
        buttons.append(
            '<button type="button" class="button" data-act="enlarge">Enlarge pictures</button>'
        )
    return f'<div class="actions">{"".join(buttons)}</div>' if buttons else ""


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
        f"Without {these}, accuracy {moves} {change}. Random groups of {units:,} from layer "
        f"{s.layer_number} {verb} {style.number(abs(mean))} points on average "
        f"(changes of {style.signed(-float(cost.max()))} to {style.signed(-float(cost.min()))})."
    )


def _lesion_lines(facts: Facts, i: int) -> list[str]:
    n, tests = int(facts.counts[1][i]), int(facts.measured.sum())
    change = float(facts.change[i])
    beyond = change - float(facts.drawn(i).mean())
    effect = facts.value("accuracy_effect", i)
    ratio = (
        "effect undefined"
        if np.isnan(effect)
        else f"effect {style.number(effect, 2)}; 1 = like them"
    )
    q = facts.q("accuracy", i)
    steps = (
        f", of at most {facts.n_controls:,}" if facts.adaptive else f", steps of {1 / (n + 1):.3g}"
    )
    drawn = facts.n_controls if facts.adaptive else int(facts.draws[i])
    lowest = ", the lowest possible" if facts.worst[i] and n == drawn else ""
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
            "Effect", f"{style.signed(beyond)} points", f"beyond the mean random group<br>({ratio})"
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
        *_support_lines(facts, i),
        line("Class most hit", most, then + "unevenness: " + _p_and_q(facts, "range", i)),
    ]


def _support_lines(facts: Facts, i: int) -> list[str]:
    """Whether it comes back; nothing where the analysis does not know."""
    found = {
        "Stability": support.stability(facts, i),
        "Agreement": support.agreement(facts, i),
    }
    return [line(key, v.value, escape(v.note)) for key, v in found.items() if v is not None]


def _interval(facts: Facts, i: int) -> str:
    """The 95 % interval of the accuracy change, over other images."""
    low, high = (100 * float(limit[i]) for limit in facts.intervals)
    if np.isnan(low):
        return ""
    return f"95 %: {style.signed(low)} to {style.signed(high)}<br>"


def _p_and_q(facts: Facts, statistic: str, i: int) -> str:
    """Give p and q of a statistic in words; "undefined" where it has no value."""
    if np.isnan(facts.value(statistic, i)):
        return "undefined (counts as no evidence)"
    q = facts.q(statistic, i)
    shown = f"<b class='hit'>q {style.q_text(q)}</b>" if q <= LEVEL else f"q {style.q_text(q)}"
    return f"p {facts.p_text(statistic, i)}, {shown}"


def _featureline(facts: Facts, i: int) -> str:
    results = facts.analysis.features
    if results is None or not facts.pictured[i]:
        yet = " yet" if facts.analysis.status == "running" else ""
        return line("Feature image", f"not measured{yet}")
    sheet = sheet_of(results, "features")
    coarse = " coarse" if sheet.coarse else ""
    pair = "".join(
        f'<span class="pic features{coarse}" role="img" aria-label="{words}" data-large '
        f'data-caption="{caption}" style="{sheet.place(tile)}"></span>'
        for words, caption, tile in (
            ("feature image", "optimised for these units", i),
            (
                "feature image of a random group",
                "the same for a random group",
                len(facts.names) + i,
            ),
        )
    )
    figures = "".join(f"{name}: {_p_and_q(facts, name, i)}<br>" for name in ("score", "entropy"))
    return line(
        "Feature image",
        f'<div class="pictures">{pair}</div><div class="note">{figures}</div>',
        f"<details><summary>Optimised pictures can mislead</summary>{_WARNING}</details>",
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
        ("range", "Its losses single out classes more than those of random groups do."),
        ("score", "Its units share an input feature more than random units do."),
        ("entropy", "Its feature image means one class more than those of random groups do."),
        ("image_entropy", "Its top images share a class more than those of random groups do."),
    ):
        if facts.q(statistic, i) <= LEVEL:
            said.append(f" {words}")
    return "".join(said)
