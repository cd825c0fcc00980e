from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
        (("model", DATA), {"layers": ["fc3"]}, ValueError, "'fc3', which is no hidden layer"),
        (("model", DATA), {"layers": ("fc2", "fc1")}, ValueError, "run backwards"),
        (("model", DATA), {"layers": []}, ValueError, "layers is empty"),
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
