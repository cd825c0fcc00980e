from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modviz.examples import planted_mlp
from modviz.widgets import explore
from tests.widgets.gates import DATA, Make


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "words"),
    [
        (("model", DATA), {"n_cluster": 4}, TypeError, r"'n_cluster'; did you mean 'n_clusters'\?"),
        (
            ("model", DATA),
            {"qqq": 4},
            TypeError,
            r"unknown keyword 'qqq'; known keywords: la",
        ),
        (("model", DATA), {"progress": True}, TypeError, r"leave out progress=\.\.\."),
        (("model", DATA), {"n_clusters": 1}, ValueError, "n_clusters=1; expected at least 2"),
        (("model", DATA), {"n_controls": 9.5}, TypeError, "n_controls=9.5; expected a whole"),
        (("model", "bad"), {}, ValueError, r"images have shape \(3,\)"),
        (("model",), {}, TypeError, "got a Model and no data; give the labelled images"),
        (("analysis", DATA), {}, TypeError, "got an Analysis and data"),
        (
            ("analysis",),
            {"seed": 1},
            TypeError,
            "got an Analysis and seed; settings belong to a run",
        ),
        (("x.modviz",), {}, TypeError, r"modviz.explore\(modviz.load\('x.modviz'\)\)"),
    ],
)
def test_what_does_not_fit_is_said_in_the_cell(
    runs: Any,
    model: Any,
    make_analysis: Make,
    arguments: tuple[str, ...],
    settings: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    things = {"model": model, "analysis": make_analysis()}
    with pytest.raises(error, match=words):
        explore(*(things.get(name, name) for name in arguments), **settings)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layers": ["fc_2"]}, ValueError, r"no hidden layer 'fc_2'.*did you mean 'fc2'\?"),
        ({"layers": ("fc2", "fc1")}, ValueError, "'fc2' comes after 'fc1'"),
        ({"layers": []}, ValueError, "at least one name"),
        ({"layers": 3}, TypeError, r"layers=3; expected None, a pair \(first, last\)"),
        ({"layers": [1, 2]}, ValueError, "no hidden layer 1"),
        ({"partition": 3}, TypeError, "partition is int; expected a modviz.Partition"),
        ({"activation_images": "cats"}, TypeError, "activation_images: data is str; expected"),
        (
            {"activation_images": np.zeros((4, 3), "float32")},
            ValueError,
            "activation_images: images have shape",
        ),
        ({"workers": 0}, ValueError, "workers=0; expected at least 1"),
        ({"memory_limit": "1 GB"}, TypeError, "memory_limit='1 GB'; expected a whole number"),
        ({"class_names": "abcd"}, TypeError, "class_names='abcd'; expected a list"),
        ({"executor": 4}, TypeError, "executor is int; expected a concurrent.futures.Executor"),
        ({"preprocess": 4}, TypeError, "preprocess=4; expected a function"),
        ({"connections": "fc1"}, TypeError, "connections='fc1'; expected a list of pairs"),
        ({"checkpoint": 4}, TypeError, "checkpoint=4; explore"),
    ],
)
def test_a_choice_that_does_not_fit_the_model_is_refused_in_the_cell(
    settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    planted = planted_mlp(n_modules=2, width=8, depth=2)
    with pytest.raises(error, match=words):
        explore(planted.model, planted.data, **settings)


def test_an_analysis_is_shown_without_anything_to_run(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    assert explorer.status == "complete"
    assert explorer._controls is None
    with pytest.raises(RuntimeError, match="shows a saved analysis and has no model to run"):
        explorer.run()
    assert explore(make_analysis("cancelled")).status == "cancelled"


def test_an_analysis_is_explored_without_torch(make_analysis: Make, tmp_path: Path) -> None:
    make_analysis().save(tmp_path / "a.modviz")
    code = f"""
import sys

class NoTorch:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("torch", "lucent"):
            raise ModuleNotFoundError("no torch here", name=name)

sys.meta_path.insert(0, NoTorch())
import modviz
explorer = modviz.explore(modviz.load({str(tmp_path / "a.modviz")!r}))
explorer.selected = [("fc1", 0)]
assert explorer.page.selected == ("A1",)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
