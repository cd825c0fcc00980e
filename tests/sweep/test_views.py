"""Odd arguments of what shows and writes results are refused before the long work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import modviz
from modviz.core.files import replacing
from tests.sweep import oddities
from tests.sweep.data_forms import images_of, labels_of
from tests.sweep.judging import Odd, outcome, refusals, sweep
from tests.sweep.models import plain_model, unchanged
from tests.sweep.test_second import analysed


def _refusing(name: str, value: Any, words: str) -> Odd:
    return Odd(name, lambda _: value, words)


_PATH = "path(=| is )"
PATHS = [
    Odd("text", str),
    Odd("numpy text", np.str_),
    _refusing("None", None, _PATH),
    _refusing("number", 3, _PATH),
    _refusing("bytes", b"x.html", _PATH),
    _refusing("list", ["x.html"], _PATH),
    _refusing("empty", "", _PATH),
    Odd("zero byte", lambda path: f"{path}\0", _PATH),
]
NOT_RESULTS = [
    _refusing(type(value).__name__, value, "there is no plot of a|analysis is a")
    for value in (None, 3, "x.modviz", int, [1], {}, np.zeros(3), object(), len)
] + [
    Odd("table", lambda analysis: analysis.table(), "there is no plot of a|analysis is a"),
    Odd("partition", lambda analysis: analysis.partition, "there is no plot of a|analysis is a"),
]
_EXPLORE = r"explore\(\)"
SETTINGS: dict[str, list[Odd]] = {
    name: [odd for odd in odd_values if odd.refused is not None]
    for name, odd_values in {
        "n_clusters": oddities.whole(2),
        "n_controls": oddities.whole(1),
        "seed": oddities.whole(0),
        "edges": oddities.choice(),
        "scope": oddities.choice(),
        "lesion": oddities.choice(),
        "features": oddities.flag(),
        "support": oddities.flag(),
        "zzz": [_refusing("unknown", 1, f"{_EXPLORE} got an unknown keyword 'zzz'")],
        "progress": [_refusing("given", 1, f"{_EXPLORE} shows progress")],
        "cancel": [_refusing("given", 1, f"{_EXPLORE} shows progress")],
        "head": [_refusing("x", "x", "head='x'"), _refusing("list", [0], "head=.0.")],
        "connections": [
            _refusing("number", 3, "connections=3"),
            _refusing("texts", ["ab"], "'ab'"),
        ],
        "data": [
            _refusing("None", None, f"{_EXPLORE} got a .* and no data"),
            _refusing("number", 3, "data is int"),
            Odd("fewer labels", lambda data: (data[0], data[1][:3]), "labels have shape"),
            Odd("nan", lambda data: (data[0] * np.nan, data[1]), "images hold NaN"),
        ],
        "model": [
            _refusing("text", "resnet", f"{_EXPLORE} got the path"),
            _refusing("number", 3, "model is int"),
            _refusing("class", type, "model is type"),
            Odd("analysis", lambda _: analysed(), f"{_EXPLORE} got an Analysis and data"),
        ],
    }.items()
}


@dataclass(frozen=True)
class Case:
    what: str
    odd: dict[str, Odd]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    what = draw(st.sampled_from(["explore"] * 22 + ["plot", "report", "file"]))
    if what != "explore":
        return Case(what, {"": draw(st.sampled_from(PATHS if what == "file" else NOT_RESULTS))})
    names = draw(st.lists(st.sampled_from(sorted(SETTINGS)), min_size=2, max_size=4, unique=True))
    return Case(what, {name: draw(st.sampled_from(SETTINGS[name])) for name in names})


def write(path: Any) -> bytes:
    with replacing(path) as file:
        file.write(b"whole")
    return Path(path).read_bytes()


def call_of(case: Case, folder: Path) -> Callable[[], Any]:
    made = next(iter(case.odd.values())).make
    if case.what == "plot":
        return lambda: modviz.plot(made(analysed()))
    if case.what == "report":
        return lambda: modviz.report(made(analysed()), folder / "x.html")
    if case.what == "file":
        return lambda: write(made(folder / "x.html"))
    values: dict[str, Any] = {"model": plain_model(), "data": (images_of(0), labels_of(0))}
    clean = values | {"edges": "weights", "scope": "global", "lesion": "zero"}
    values |= {name: odd.make(clean.get(name, 3)) for name, odd in case.odd.items()}
    model, data = values.pop("model"), values.pop("data")
    return lambda: modviz.explore(model, data, **values)


def test_views(tmp_path: Path):
    def judge(case: Case) -> None:
        call = call_of(case, tmp_path)
        with unchanged(None):
            found = outcome(call, refusals(case.odd))
        assert found in (None, b"whole")
        assert {file.name for file in tmp_path.iterdir()} <= {"x.html"}

    analysed()  # and what is imported at first, which may draw random numbers
    assert all(callable(part) for part in (modviz.Explorer, modviz.plot, modviz.report))
    sweep("views", cases(), judge)


@pytest.mark.parametrize(
    ("path", "error", "match"),
    [
        ("", ValueError, "names no file"),
        (".", IsADirectoryError, "'.' is a folder; give the name of a file in it"),
        ("no/x.html", FileNotFoundError, "there is no folder 'no'"),
    ],
)
def test_a_file_can_not_be_written_anywhere(path, error, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=match):
        write(path)
    assert list(tmp_path.iterdir()) == []
