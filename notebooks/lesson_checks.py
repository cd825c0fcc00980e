"""The exercises of the lesson. No answer is written down here: all are worked out when asked.

Every check takes what the student has (an analysis, draws of their own) and what the student
answered, and gives a `Reply`: right, not yet with a hint at what went wrong, or not answered yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from lesson_figures import bars, place_of
from lesson_network import LessonNetwork
from lesson_replies import (
    Reply,
    about_a_number,
    class_of,
    listed,
    names_of,
    near,
    not_yet,
    number,
    unanswered,
    wrong,
)
from numpy.typing import ArrayLike, NDArray

from modviz import Analysis, statistics
from modviz.core.threads import one_blas_thread

Floats = NDArray[np.float64]

LEVEL = 0.05
#: A class counts as hit hard if it loses at least this share of what the worst hit class loses.
HARD = 0.5


def p_value(observed: ArrayLike, controls: ArrayLike) -> float:
    """Share of random groups at least as low as `observed`, which is counted among them."""
    return float(statistics.permutation_p(np.asarray(observed), np.asarray(controls), "low"))


def hit_hard(changes: ArrayLike) -> NDArray[np.bool_]:
    """Which classes a lesion hits hard: those that lose half as much as the worst hit, or more."""
    values = np.asarray(changes, dtype=float)
    return np.asarray((values < 0) & (values <= HARD * values.min()))


def check_prediction(analysis: Analysis, name: str, said: Any) -> Reply:
    """Reveal what the lesion of a subcluster does, once a class was named."""
    if unanswered(said):
        return not_yet(f"Name the class that you think {name} hurts; then it is revealed.")
    named = class_of(analysis, said)
    if named is None:
        return Reply("wrong", f"{said!r} is no class; there are {listed(analysis.class_names)}.")
    changes = analysis.class_changes().loc[name]
    hard = [c for c, yes in zip(changes.index, hit_hard(changes), strict=True) if yes]
    figure = bars(dict(changes), named)
    if named in hard:
        return Reply("right", f"{name} hits {named} hard.", figure, "Predicted.")
    text = f"{named} is not hit hard: {name} hurts {listed(hard)} more than twice as much."
    return Reply("wrong", text, figure, "Not this one.")


def check_p(observed: float, drawn: ArrayLike, p: Any) -> Reply:
    """Whether p is that of `observed` among the groups that were drawn."""
    controls = np.asarray(drawn, dtype=float)
    n, ties = controls.size, int((controls == observed).sum())
    extreme, truth = int((controls <= observed).sum()), p_value(observed, controls)

    def judge(value: float) -> Reply:
        if near(value, truth):
            return Reply(
                "right",
                f"{extreme} of {n} random groups cost as much or more: p = (1 + {extreme}) / "
                f"(1 + {n}) = {truth:.3f}. With another seed it will differ a little.",
            )
        cheaper = near(value, (1 + n - extreme + ties) / (1 + n)) or near(value, 1 - extreme / n)
        return wrong(
            [
                (cheaper, "You counted groups that cost less. Which direction is extreme here?"),
                (
                    near(value, extreme / n),
                    (
                        "That is the share among the random groups alone. The subcluster is one "
                        "more group that could have been drawn: count it in, above and below."
                    ),
                ),
                (
                    near(value, (1 + extreme - ties) / (1 + n)),
                    f"{ties} groups cost exactly as much, and count: at least as extreme.",
                ),
                (not 0 <= value <= 1, f"{value:g} is no share: p lies between 0 and 1."),
            ],
            "p is (1 + groups that cost as much or more) / (1 + groups drawn). A cost is a "
            "negative change, so as much or more means lower or equal.",
        )

    return about_a_number(p, judge)


def check_smallest(answers: Mapping[int, Any]) -> Reply:
    """Whether these are the smallest p that so many controls can give."""

    def judge(value: float, n: int) -> Reply:
        if near(value, 1 / (n + 1), 1e-4):
            return Reply("right", "1 / (R + 1): more than that R random groups cannot say.")
        return wrong(
            [
                (near(value, 0, 1e-9), f"With {n} groups p = 0 would mean: impossible. Is it?"),
                (near(value, 1 / n, 1e-4), f"Not {value:g} for {n}. Count the subcluster in."),
            ],
            f"Not {value:g} for {n}. What is p if no group costs as much as the subcluster?",
        )

    replies = [
        about_a_number(answer, lambda value, n=n: judge(value, n)) for n, answer in answers.items()
    ]
    return next((reply for reply in replies if reply.state != "right"), replies[-1])


def check_cheat(
    network: LessonNetwork, analysis: Analysis, name: str, layer: Any, size: Any, *, n: int = 999
) -> Reply:
    """Whether groups of another layer or size make a subcluster look as if it mattered."""
    if unanswered(layer, size):
        return not_yet()
    subcluster = analysis.subclusters[place_of(analysis, name)]
    own = len(subcluster.units)
    if layer not in network.layers:
        return Reply("wrong", f"layer={layer!r}; choose one of {listed(network.layers)}.")
    live, count = analysis.partition.live_units(layer), number(size)
    if count is None or count != int(count) or not 1 <= count <= len(live):
        return Reply("wrong", f"size={size!r}; choose a whole number from 1 to {len(live)}.")
    p = p_value(
        network.change(subcluster.layer, subcluster.units),
        draws(network, layer, live, int(count), n, seed=0),
    )
    against = f"Against {n} groups of {int(count)} units of {layer} p = {p:.3f}"
    if (layer, int(count)) == (subcluster.layer, own):
        return Reply("wrong", f"{against}, but this is the fair comparison. Cheat.")
    if p > LEVEL:
        return Reply("wrong", f"{against}: no result that way. Which groups are sure to cost less?")
    return Reply(
        "right",
        f"{against}. {name} has {own} units of {subcluster.layer}: this p says that the groups "
        f"are different, not that {name} is anything but random.",
        head="Well cheated.",
    )


def draws(
    network: LessonNetwork, layer: str, live: ArrayLike, size: int, n: int, *, seed: int
) -> Floats:
    """Changes of accuracy by `n` random groups of `size` live units of a layer."""
    rng = np.random.default_rng(seed)
    units = np.asarray(live)
    with one_blas_thread():
        return np.array(
            [network.change(layer, rng.choice(units, size, replace=False)) for _ in range(n)]
        )


def check_share(observed: float, shares: ArrayLike, p: Any) -> Reply:
    """Whether p is that of a share for which *high* is extreme, among those of random groups."""
    drawn = np.asarray(shares, dtype=float)
    truth = float(statistics.permutation_p(observed, drawn, "high"))

    def judge(value: float) -> Reply:
        if near(value, truth):
            return Reply(
                "right",
                f"p = {truth:.2f}: the rule is right for {drawn.mean():.0%} of random groups too. "
                "What drives units says something about what they do, but for any units.",
            )
        turned = near(value, p_value(observed, drawn))
        return wrong(
            [(turned, "Here a high share is extreme, not a low one. Turn the comparison.")],
            "p is (1 + draws whose share is as high or higher) / (1 + draws).",
        )

    return about_a_number(p, judge)


def check_worst(analysis: Analysis, name: str, p: Any) -> Reply:
    """Whether p is that of the worst hit class, when random groups may choose theirs as well."""
    place, lesions = place_of(analysis, name), analysis.lesions
    own = lesions.lesioned[place] - lesions.intact
    controls = lesions.controls[place] - lesions.intact
    worst = int(own.argmin())
    named, truth = p_value(own[worst], controls[:, worst]), p_value(own.min(), controls.min(axis=1))

    def judge(value: float) -> Reply:
        if near(value, truth):
            return Reply(
                "right",
                f"{truth:.3f} instead of {named:.3f}. Nearly every lesion hits some class; that it "
                f"is {analysis.class_names[worst]} was decided after looking.",
            )
        return wrong(
            [
                (
                    near(value, named),
                    (
                        "That is still the class that you chose after looking. Let every random "
                        "group choose too: what does each cost the class it hits worst?"
                    ),
                )
            ],
            "Take the lowest value of each row of `controls` (one row a random group, one column "
            "a class), and see where the lowest value of `own` lies among them.",
        )

    return about_a_number(p, judge)


def check_false_alarms(n_tests: int, answer: Any, level: float = LEVEL) -> Reply:
    """How many of so many tests of nothing come out at or below the level on average."""

    def judge(value: float) -> Reply:
        if near(value, n_tests * level, 0.051):
            return Reply("right", f"{n_tests} × {level:g} = {n_tests * level:.2f} on average.")
        return wrong(
            [
                (near(value, level), "That is the share for one test. How many tests are there?"),
                (near(value, 0), "A p of 0.05 or less happens to random groups too. How often?"),
            ],
            "Among random groups every p is as likely as any other.",
        )

    return about_a_number(answer, judge)


def check_declared(analysis: Analysis, answer: Any) -> Reply:
    """Whether these are the subclusters whose q for accuracy is at most 0.05."""
    if unanswered(answer):
        return not_yet()
    said, table = names_of(answer), analysis.table()
    if said is None:
        return Reply("wrong", f"The answer should be a set of names; this is {answer!r}.")
    declared = set(table.index[table["accuracy_q"] <= LEVEL])
    if said == declared:
        return Reply("right", f"Declared: {listed(declared)}.")
    unknown = said - set(table.index)
    small_p = set(table.index[table["accuracy_p"] <= LEVEL])
    return wrong(
        [
            (bool(unknown), f"There is no subcluster {listed(unknown)}."),
            (said == small_p, "These have p ≤ 0.05, which allows for one test; which column is q?"),
        ],
        "Compare the column accuracy_q with 0.05, row by row.",
    )


def check_needed(n_tests: int, answer: Any, level: float = LEVEL) -> Reply:
    """How many controls let one subcluster be declared if all others are like random groups."""
    # the smallest p, 1 / (R + 1), has to be at most level / n_tests; rounding must not decide
    needed = math.ceil(round(n_tests / level, 6)) - 1

    def judge(value: float) -> Reply:
        if value == needed:
            return Reply("right", f"{n_tests} × 1/{needed + 1} = {n_tests / (needed + 1):.3f}.")
        smallest = 1 / (value + 1) if value > 0 else 1.0
        return wrong(
            [(value > needed, "That is enough, but fewer would do.")],
            f"With {value:g} groups the smallest p is {smallest:.5f}; times {n_tests} tests that "
            f"is {smallest * n_tests:.5f}, more than {level:g}.",
        )

    return about_a_number(answer, judge)
