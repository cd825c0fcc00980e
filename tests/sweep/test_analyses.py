"""Whole analyses of small networks: odd keywords, odd surroundings, odd models."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from torch import nn

import modviz
from modviz.core.analysis import Analysis
from tests.sweep import oddities
from tests.sweep.data_forms import images_of, labels_of
from tests.sweep.judging import CLEAN, Odd, arguments, outcome, refusals, sweep
from tests.sweep.models import unchanged
from tests.sweep.odd_models import GOOD, OddModel
from tests.sweep.test_networks import SURROUNDINGS

QUICK: dict[str, Any] = {"n_clusters": 2, "n_controls": 3, "progress": False, "workers": 1}
KINDS: dict[str, dict[str, Any]] = {
    "lesions": {"features": False, "top_images": False, "support": False},
    "by means": {"features": False, "top_images": False, "support": False, "lesion": "mean"},
    "by weights": {"features": False, "top_images": False, "support": False, "lesion": "weights"},
    "local": {"features": False, "top_images": False, "support": False, "scope": "local"},
    "activations": {"features": False, "support": False, "edges": "activations"},
    "images": {"features": False, "support": False},
    "pictures": {"support": False, "n_image_controls": 1, "top_images": False},
    "support": {"features": False, "top_images": False},
}


def _refusing(name: str, value: Any, words: str) -> Odd:
    return Odd(name, lambda _: value, words)


_CLASSES = "class_names(=| has)"
_PICTURES = "preprocess(=| gives| turns)"
TABLE: dict[str, list[Odd]] = {
    "n_clusters": [
        *oddities.whole(2),
        _refusing("huge", 10**20, "NAME=.* is more than"),
        _refusing("more than units", 15, "NAME=15 is more than"),
    ],
    "n_controls": oddities.whole(1),
    "seed": [*oddities.whole(0), _refusing("huge", 2**64, "NAME=.*; expected at most")],
    "workers": [*oddities.whole(1, optional=True), Odd("many", lambda _: 1000)],
    "memory_limit": [
        *(odd for odd in oddities.whole(64 * 2**20, optional=True) if "int8" not in odd.name),
        _refusing("a byte", 1, "NAME=1; expected at least"),
    ],
    "class_names": [
        Odd("tuple", tuple),
        Odd("array", np.array),
        Odd("iterator", iter),
        Odd("dict", dict.fromkeys),
        Odd("numbers", lambda names: [0, 1, 2]),
        Odd("the same", lambda names: ["x"] * 3),
        _refusing("text", "abc", _CLASSES),
        _refusing("number", 3, _CLASSES),
        _refusing("two", ["a", "b"], _CLASSES),
        _refusing("none", [], _CLASSES),
    ],
    "progress": [
        Odd("callback", lambda _: str),
        _refusing("None", None, "progress="),
        _refusing("number", 1, "progress="),
        _refusing("text", "bar", "progress="),
    ],
    "cancel": [
        Odd("event", lambda _: threading.Event()),
        _refusing("True", True, "cancel is bool"),
        _refusing("class", threading.Event, "cancel is type"),
        _refusing("function", print, "cancel is builtin"),
    ],
    "preprocess": [
        Odd("function", lambda _: lambda x: x),
        _refusing("number", 3, _PICTURES),
        *(
            Odd(name, lambda _, made=made: made, _PICTURES)
            for name, made in {
                "none": lambda x: None,
                "nan": lambda x: x * np.nan,
                "one for all": lambda x: x[:1],
                "larger": lambda x: x.repeat(1, 1, 2, 2),
            }.items()
        ),
        _refusing("text", "imagenet", _PICTURES),
    ],
    "executor": [_refusing("number", 3, "executor is int"), _refusing("class", Odd, "executor is")],
    "partition": [
        _refusing("labels", [0, 1], "partition is list; expected"),
        _refusing("table", np.zeros(14), "partition is ndarray; expected"),
    ],
    "kept": [_refusing("True", True, "kept is bool"), _refusing("dict", {}, "kept is dict")],
    "n_cluster": [_refusing("misspelt", 3, "did you mean 'n_clusters'")],
}
#: What an argument is where it is clean; the others are then left out.
VALUES: dict[str, Any] = {
    "n_clusters": 2,
    "n_controls": 3,
    "seed": 0,
    "workers": 1,
    "memory_limit": 100 * 2**20,
    "class_names": ["a", "b", "c"],
}


@dataclass(frozen=True)
class Case:
    kind: str
    model: OddModel
    around: str
    data_seed: int
    odd: dict[str, Odd]


def cases() -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        st.sampled_from(sorted(KINDS)),
        st.sampled_from(GOOD),
        st.sampled_from(sorted(SURROUNDINGS)),
        st.integers(0, 3),
        arguments(TABLE, clean=120),
    )


def analyse(case: Case, model: nn.Module, **options: Any) -> Analysis:
    given = QUICK | KINDS[case.kind] | dict(case.model.options) | options
    return modviz.analyze(model, (images_of(case.data_seed), labels_of(case.data_seed)), **given)


@cache
def _expected(name: str, kind: str, data_seed: int) -> Analysis:
    model = next(model for model in GOOD if model.name == name)
    return analyse(Case(kind, model, "nothing", data_seed, {}), model.make())


def judge(case: Case) -> None:
    model, drawn = case.model.make(), dict(case.odd)
    if case.kind != "pictures" and callable(drawn["preprocess"].make(None)):
        drawn["preprocess"] = CLEAN  # what it gives is not looked at
    given = {name: o.make(VALUES.get(name)) for name, o in drawn.items() if o is not CLEAN}
    with SURROUNDINGS[case.around](), unchanged(model):
        found = outcome(lambda: analyse(case, model, **given), refusals(drawn))
    if found is not None:
        require_right(found)
        if "seed" not in given:
            same(found, _expected(case.model.name, case.kind, case.data_seed))


def require_right(found: Analysis) -> None:
    """What holds of every analysis."""
    assert found.status == "complete"
    table = found.table()
    for name in [column for column in table if str(column).endswith(("_p", "_q"))]:
        values = table[name].dropna()
        assert ((values > 0) & (values <= 1)).all(), name
    assert ((table["accuracy"].dropna() >= 0) & (table["accuracy"].dropna() <= 1)).all()
    assert found.lesions is not None
    assert found.lesions.n_images == 24


def same(found: Analysis, expected: Analysis) -> None:
    assert found.partition.labels.tolist() == expected.partition.labels.tolist()
    assert found.table().equals(expected.table())


@pytest.mark.filterwarnings("ignore:interrupted")
def test_analyses():
    sweep("analyses", cases(), judge)
