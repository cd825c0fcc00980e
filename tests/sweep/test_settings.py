"""Keywords of an analysis in odd types and sizes, all at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from modviz.core.settings import CHOICES, Settings
from tests.sweep import oddities
from tests.sweep.judging import Odd, arguments, outcome, refusals, sweep

CLEAN: dict[str, Any] = {
    "n_clusters": 4,
    "n_controls": 20,
    "n_image_controls": 5,
    "seed": 3,
    **{name: choices[-1] for name, choices in CHOICES.items()},
    "features": True,
    "top_images": False,
    "support": True,
    "include_inputs": False,
    "include_outputs": True,
}
TABLE: dict[str, list[Odd]] = {
    "n_clusters": [*oddities.whole(2), Odd("huge", lambda n: 10**30)],
    "n_controls": oddities.whole(1),
    "n_image_controls": [
        *oddities.whole(1, optional=True),
        Odd("more than controls", lambda n: 21, "NAME=21 is more than n_controls"),
    ],
    "seed": [*oddities.whole(0), Odd("huge", lambda n: 2**64, "NAME=.*; expected at most")],
    **{name: oddities.choice() for name in CHOICES},
    **{name: oddities.flag() for name, value in CLEAN.items() if isinstance(value, bool)},
}


def cases() -> st.SearchStrategy[dict[str, Odd]]:
    return arguments(TABLE, clean=200)


def judge(case: dict[str, Odd]) -> None:
    given = {name: odd.make(CLEAN[name]) for name, odd in case.items()}
    found = outcome(lambda: Settings(**given), refusals(case))
    if found is None:
        return
    values = found.as_dict()
    for name, value in CLEAN.items():
        expected = 10**30 if case[name].name == "huge" else value
        assert (type(values[name]), values[name]) == (type(expected), expected), name
    assert 1 <= found.image_controls <= found.n_controls


def test_settings():
    sweep("settings", cases(), judge)
