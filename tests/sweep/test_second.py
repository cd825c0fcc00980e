"""What follows an analysis: more controls, double lesions and comparisons with odd arguments."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import modviz
from modviz.core.analysis import Analysis
from tests.sweep import oddities
from tests.sweep.data_forms import images_of, labels_of
from tests.sweep.judging import CLEAN, Odd, arguments, outcome, refusals, sweep
from tests.sweep.models import plain_model, unchanged

QUICK: dict[str, Any] = {"features": False, "support": False, "progress": False}


@cache
def analysed(seed: int = 0, n_controls: int = 3) -> Analysis:
    model, data = plain_model(seed), (images_of(0), labels_of(0))
    return modviz.analyze(model, data, n_clusters=2, n_controls=n_controls, **QUICK)


def _refusing(name: str, value: Any, words: str) -> Odd:
    return Odd(name, lambda _: value, words)


_NAMES = "subcluster"
SUBCLUSTERS = [
    Odd("pairs", lambda names: [s.key for s in analysed().subclusters if s.name in names]),
    Odd("lists", lambda names: [list(s.key) for s in analysed().subclusters if s.name in names]),
    Odd("numpy texts", lambda names: [np.str_(name) for name in names]),
    Odd("tuple", tuple),
    *(
        _refusing(str(value), value, _NAMES)
        for value in ("A1", 3, [], ["Z9"], [3], [None], [("1", "A")], [("1", 0, 0)], [["1", [0]]],
                      {"A1"}, {"A1": 1}, [("1", 0.0)], [(1, 0)], [("9", 0)], [object()], [[]])
    ),
]  # fmt: skip
COMMON: dict[str, list[Odd]] = {
    "workers": [*oddities.whole(1, optional=True), Odd("many", lambda _: 1000)],
    "progress": [Odd("callback", lambda _: str), _refusing("None", None, "progress=")],
    "cancel": [
        Odd("event", lambda _: threading.Event()),
        _refusing("class", threading.Event, "cancel is type"),
        _refusing("True", True, "cancel is bool"),
    ],
    "model": [
        Odd("network", lambda model: modviz.Network(model, images_of(0))),
        _refusing("None", None, "model is NoneType"),
        Odd("class", type, "model is type"),
        Odd("other layers", lambda model: model[:3].append(model[5]), "the partition has a layer"),
        Odd("wider", lambda model: plain_model(0, 9), "the partition has a layer"),
    ],
    "data": [
        Odd("lists", lambda data: [values.tolist() for values in data]),
        Odd("fewer labels", lambda data: (data[0], data[1][:-1]), "labels have shape"),
        Odd("other classes", lambda data: (data[0], data[1] + 1), "labels run from"),
        Odd("larger", lambda data: (data[0].repeat(1, 1, 2, 2), data[1]), "images? "),
        _refusing("None", None, "data is NoneType"),
    ],
    "head": [_refusing(str(value), value, "head") for value in (True, [0], 1.5, "x")],
    "connections": [_refusing(str(value), value, "connections") for value in (3, "ab", [("1",)])],
    "zzz": [_refusing("unknown", 1, "unknown keyword 'zzz'")],
}
TABLES: dict[str, dict[str, list[Odd]]] = {
    "interactions": {
        **COMMON,
        "partition": [
            Odd("labels", lambda partition: partition.labels, "partition is ndarray"),
            Odd("graph", lambda partition: partition.graph, "partition is NeuronGraph"),
            _refusing("None", None, "partition is NoneType"),
        ],
        "subclusters": [Odd("None", lambda names: None), *SUBCLUSTERS],
        "lesion": oddities.choice(),
        "n_controls": oddities.whole(1),
        "seed": oddities.whole(0),
    },
    "more_controls": {
        **COMMON,
        "analysis": [
            Odd("table", Analysis.table, "analysis is DataFrame"),
            Odd("partition", lambda analysis: analysis.partition, "analysis is Partition"),
            Odd("no lesions", lambda a: replace(a, lesions=None), "analysis was stopped before"),
            Odd("no settings", lambda a: replace(a, settings={}), "settings of the analysis"),
        ],
        "subclusters": SUBCLUSTERS,
        "n_controls": [
            *oddities.whole(1, words=r"n_controls=.*(expected|there are 3|has 3 controls)"),
            _refusing("as many", 3, "n_controls=3, but"),
        ],
        "memory_limit": [_refusing("a byte", 1, "NAME=1; expected"), Odd("None", lambda _: None)],
        "kept": [_refusing("True", True, "kept is bool")],
        "preprocess": [_refusing("number", 3, "preprocess=3")],
        "executor": [_refusing("class", Odd, "executor is type")],
    },
    "compare": {
        "a": [
            Odd("table", Analysis.table, "a is a DataFrame"),
            _refusing("None", None, "a is a No"),
        ],
        "b": [
            Odd("path", lambda _: "b.modviz", "b is a str"),
            Odd("number", lambda _: 3, "b is a i"),
        ],
        "names": [
            Odd("list", list),
            Odd("iterator of names", iter, "names="),
            *(
                _refusing(str(value), value, "names=")
                for value in (
                    "ab",
                    "abc",
                    3,
                    None,
                    [],
                    ["a"],
                    ["a", "a"],
                    ["a", "b", "c"],
                    [1, 2],
                    {"a", "b"},
                    {"a": 1, "b": 2},
                    [None, "b"],
                    np.array(3),
                )
            ),
        ],
        "n_shuffles": oddities.whole(1),
        "seed": oddities.whole(0),
    },
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, dict[str, Odd]]:
    name = draw(st.sampled_from(sorted(TABLES)))
    return name, draw(arguments(TABLES[name], clean=80))


def clean_values(name: str) -> dict[str, Any]:
    analysis = analysed()
    names = [s.name for s, m in zip(analysis.subclusters, analysis.tested, strict=True) if m]
    values = {
        "interactions": {
            "partition": analysis.partition,
            "subclusters": names[:2],
            "lesion": "mean",
            "n_controls": 2,
            "seed": 4,
        },
        "more_controls": {"analysis": analysis, "subclusters": None, "n_controls": 5},
        "compare": {
            "a": analysis,
            "b": analysed(1),
            "names": ("one", "two"),
            "n_shuffles": 5,
            "seed": 3,
        },
    }[name]
    if name != "compare":
        data = images_of(0), labels_of(0)
        values |= {"model": plain_model(0), "data": data, "progress": False, "workers": 1}
    return values


def call(name: str, given: dict[str, Any]) -> Any:
    first = {"interactions": 3, "more_controls": 3, "compare": 2}[name]
    order = {
        "interactions": ["model", "data", "partition"],
        "more_controls": ["analysis", "model", "data"],
        "compare": ["a", "b"],
    }[name][:first]
    rest = {key: value for key, value in given.items() if key not in order}
    return getattr(modviz, name)(*(given[key] for key in order), **rest)


def judge(case: tuple[str, dict[str, Odd]]) -> None:
    name, drawn = case
    clean = clean_values(name)
    if name == "more_controls" and drawn["subclusters"] in SUBCLUSTERS[:4]:
        drawn = drawn | {"subclusters": CLEAN}  # which of them may have more is not known here
    given = clean | {
        key: odd.make(clean.get(key)) for key, odd in drawn.items() if odd is not CLEAN
    }
    refused = refusals(drawn)
    perhaps = []
    if isinstance(given.get("model"), modviz.Network):
        perhaps = ["head and connections belong"]
    with unchanged(clean.get("model")):
        found = outcome(lambda: call(name, given), refused, perhaps)
    if found is not None:
        require_right(name, found, clean)


@cache
def _expected(name: str) -> Any:
    return call(name, clean_values(name))


def require_right(name: str, found: Any, clean: dict[str, Any]) -> None:
    if name == "more_controls":
        # the same as so many from the start
        assert found.table().equals(analysed(0, 5).table())
    elif name == "interactions":
        if len(found.members) == 2:
            assert found.table().equals(_expected(name).table())
        assert ((found.p_values > 0) & (found.p_values <= 1)).all()
    else:
        assert found.names == ("one", "two")
        assert (found.ari, found.p) == (_expected(name).ari, _expected(name).p)
        assert 0 < found.p <= 1


@pytest.mark.filterwarnings("ignore:interrupted")
def test_second_measurements():
    for name in TABLES:  # what is imported at first may draw from Python's random numbers
        _expected(name)
    sweep("second measurements", cases(), judge)
