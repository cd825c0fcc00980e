"""The last exercises of the lesson: sentences to judge, and pictures to tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lesson_checks import LEVEL
from lesson_figures import Figure, place_of, side_by_side
from lesson_replies import Reply, listed, not_yet, unanswered
from lesson_tables import with_fewer

from modviz import Analysis

#: The sentences, and what to think about before saying again whether they hold.
SENTENCES = {
    "a": (
        "Without the units of A2 network B is as accurate as with them.",
        "Look at the change itself; p says nothing about its size.",
    ),
    "b": (
        "Most random groups of A2's size and layer cost at least as much as A2.",
        "p is the share of groups that cost as much or more.",
    ),
    "c": (
        "With 19 random groups in place of 999, A1 would have been declared as well.",
        "What is the smallest p of 19 groups, and what does q make of it?",
    ),
    "d": (
        "In network A some lesion silences a class entirely (no image of it is right any more).",
        "Look into a.class_changes() for −1.",
    ),
    "e": (
        "The statistic range finds evidence that lesions of A single out classes (a q ≤ 0.05).",
        "The column is in a.table(). A test can only answer its own question.",
    ),
}


def _truths(a: Analysis, b: Analysis) -> dict[str, bool]:
    """Which of the sentences hold, from what was measured."""
    table = b.table()
    intact = a.lesions.intact
    gone = (a.lesions.lesioned[a.tested] == 0) & (intact > 0)
    return {
        "a": bool(table.loc["A2", "accuracy_change"] >= 0),
        "b": bool(table.loc["A2", "accuracy_p"] > 0.5),
        "c": bool(with_fewer(b, 19).loc["A1", "declared"]),
        "d": bool(gone.any()),
        "e": bool((a.table()["range_q"] <= LEVEL).any()),
    }


def sentences() -> Figure:
    """The sentences, to read."""
    lines = [f"{letter}: {text}" for letter, (text, _) in SENTENCES.items()]
    return Figure("".join(f"<p><b>{line[0]}</b>{line[1:]}</p>" for line in lines), "\n".join(lines))


def check_sentences(a: Analysis, b: Analysis, answers: Mapping[str, Any]) -> Reply:
    """Whether each sentence was judged rightly; names those to think about again."""
    given = [answers.get(letter, ...) for letter in SENTENCES]
    if unanswered(*given):
        return not_yet("Write True or False in place of all the dots.")
    odd = [repr(answer) for answer in given if not isinstance(answer, (bool, np.bool_))]
    if odd:
        return Reply("wrong", f"Only True and False are answers; there is {listed(odd)}.")
    truths = _truths(a, b)
    again = [letter for letter in SENTENCES if bool(answers[letter]) != truths[letter]]
    if not again:
        return Reply("right", "All five.")
    hints = " ".join(f"{letter}: {SENTENCES[letter][1]}" for letter in again)
    return Reply("wrong", f"{len(SENTENCES) - len(again)} of 5. Think again: {hints}")


def _left(analysis: Analysis, name: str) -> bool:
    """Whether the subcluster's own picture stands on the left: as its pixels fall."""
    pixels = np.asarray(analysis.features.images[place_of(analysis, name)])
    return bool(int(np.nan_to_num(255 * pixels).round().sum()) % 2)


def two_pictures(analysis: Analysis, names: Sequence[str]) -> Figure:
    """Optimised pictures of subclusters, each beside that of a random group, in a hidden order."""
    pairs = {}
    for name in names:
        place = place_of(analysis, name)
        own = np.asarray(analysis.features.images[place])
        other = np.asarray(analysis.features.control_images[place])
        pairs[name] = (own, other) if _left(analysis, name) else (other, own)
    return side_by_side(pairs)


def check_pictures(analysis: Analysis, answers: Mapping[str, Any]) -> Reply:
    """How many pictures of subclusters were told from those of random groups."""
    if unanswered(*answers.values()):
        return not_yet("Write 'left' or 'right' in place of all the dots.")
    odd = [repr(answer) for answer in answers.values() if answer not in ("left", "right")]
    if odd:
        return Reply("wrong", f"Only 'left' and 'right' are answers; there is {listed(odd)}.")
    truths = {name: "left" if _left(analysis, name) else "right" for name in answers}
    found = [name for name, answer in answers.items() if answer == truths[name]]
    places = [place_of(analysis, name) for name in answers]
    smallest = np.nanmin(analysis.p_values("score")[places])
    text = (
        f"{len(found)} of {len(truths)}; by guessing it would be {len(truths) / 2:g} on average. "
        f"The subclusters' own are {', '.join(f'{n}: {side}' for n, side in truths.items())}. "
        "Asked how strongly one picture can drive all the units, the smallest of their p is "
        f"{smallest:.2f}."
    )
    everyone = len(found) == len(truths)
    return Reply("right" if everyone else "wrong", text, head="Told apart." if everyone else "So:")
