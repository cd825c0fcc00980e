"""Scripts and settings, run for real: the same numbers, and the same controls."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ipywidgets import Widget

import modviz
from modviz.widgets import explore
from modviz.widgets.script import Beyond, Recipe, script
from tests.measure.small import four_by_four, tiny_cnn, tiny_mlp, trained
from tests.widgets.gates import ended, problem

SMALL = {"n_clusters": 2, "n_controls": 4, "n_image_controls": 2, "seed": 3}


def keywords(code: str, function: str) -> dict[str, Any]:
    """Keywords of the first call of a function, as they stand in the code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"modviz.{function}":
            return {k.arg: ast.unparse(k.value) for k in node.keywords}
    raise AssertionError(f"no call of {function} in\n{code}")


def executed(code: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a script leaves in a fresh namespace."""
    namespace = dict(variables)
    exec(compile(code, "script", "exec"), namespace)
    return namespace


@pytest.fixture
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scripts write files beside them."""
    monkeypatch.chdir(tmp_path)


# ------------------------------------------------------------------ the words


def test_only_what_is_not_at_its_default_is_written() -> None:
    settings = {"n_clusters": 16, "layers": ("fc1", "fc2"), "seed": 0, "head": None, "workers": 2}
    code = script(Recipe(settings), model_name="MLP", stem="mlp")
    assert keywords(code, "analyze") == {"layers": "('fc1', 'fc2')", "workers": "2"}
    assert 'analysis.save("mlp.modviz")' in code
    assert "a MLP" in code


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({"n_controls": 99, "n_image_controls": 19}, {}),
        ({"n_controls": 9, "n_image_controls": 9}, {"n_controls": "9"}),
        ({"n_controls": 9, "n_image_controls": None}, {"n_controls": "9"}),
        ({"n_controls": 99, "n_image_controls": 99}, {"n_image_controls": "99"}),
    ],
)
def test_the_default_of_image_controls_follows_the_controls(
    settings: dict[str, Any], written: dict[str, str]
) -> None:
    code = script(Recipe(settings), model_name="MLP", stem="mlp")
    assert keywords(code, "analyze") == written


def test_what_is_no_literal_is_a_variable_to_define() -> None:
    given = {
        "activation_images": np.zeros((2, 2)),
        "preprocess": len,
        "executor": ThreadPoolExecutor,
        "class_names": ["it's", 'a "b"'],
        "connections": [("a", "b")],
    }
    recipe = Recipe(given, [{"subclusters": ["B2"], "n_controls": 99}])
    code = script(recipe, model_name="MLP", stem="mlp")
    found = keywords(code, "analyze")
    assert {name for name, value in found.items() if name == value} == {
        "activation_images",
        "preprocess",
        "executor",
    }
    assert ast.literal_eval(found["class_names"]) == ["it's", 'a "b"']
    for name in ("activation_images", "preprocess", "executor"):
        assert f"\n#   {name}: " in code
    assert "#   class_names" not in code
    more = keywords(code, "more_controls")
    assert more["n_controls"] == "99"
    assert (more["executor"], more["preprocess"]) == ("executor", "preprocess")
    assert "activation_images" not in more


def test_what_was_measured_beside_it_is_measured_again() -> None:
    pairs = {"subclusters": ["A1", "B1"], "lesion": "mean", "n_controls": 19, "seed": 0}
    code = script(Recipe({}), model_name="MLP", stem="mlp", beyond=Beyond(0, pairs))
    assert keywords(code, "choose_n_clusters") == {}
    assert keywords(code, "interactions") == {"subclusters": "['A1', 'B1']", "lesion": "'mean'"}
    assert keywords(code, "report") == {"choice": "choice", "interactions": "pairs"}


# ------------------------------------------------------------------ the same numbers


@pytest.mark.slow
@pytest.mark.usefixtures("own_folder")
def test_the_script_gives_the_numbers_of_the_explorer(monkeypatch: pytest.MonkeyPatch) -> None:
    data = four_by_four()
    model = trained(tiny_mlp(), data)
    explorer = explore(model, data, **SMALL)
    before = explorer.code()
    explorer.run()
    assert ended(explorer).status == "complete"
    assert explorer.code() == before  # what Run would do is what it did
    explorer._controls.n_clusters.value = 3
    explorer.run()  # keeps the reading and the graph
    ended(explorer)
    explorer.more_controls(n_controls=9)
    assert ended(explorer).status == "complete", problem(explorer)
    names = [s.name for s in explorer.analysis.subclusters]
    going_on = explorer.analysis.lesions.unsurpassed
    chosen = [name for name, yes in zip(names, going_on, strict=True) if yes]
    assert chosen  # or the script would not be tested with controls of some
    explorer.more_controls(chosen[:1], n_controls=19)
    assert ended(explorer).status == "complete", problem(explorer)
    explorer.measure_pairs(names[:2])
    ended(explorer)
    assert not explorer.stale

    code = explorer.code()
    assert keywords(code, "more_controls") == {"subclusters": repr(chosen[:1]), "n_controls": "19"}
    left = executed(code, {"model": model, "data": data})
    table = left["analysis"].table()
    pd.testing.assert_frame_equal(table, explorer.analysis.table(), check_exact=True)
    pd.testing.assert_frame_equal(
        left["pairs"].table(), explorer.interactions.table(), check_exact=True
    )
    saved = modviz.load("sequential.modviz")
    pd.testing.assert_frame_equal(saved.table(), table, check_exact=True)
    assert Path("sequential.html").stat().st_size > 10_000

    monkeypatch.setattr(modviz, "report", lambda analysis, path: path)  # one was written already
    again = explore(saved)  # the file tells as much
    pd.testing.assert_frame_equal(
        executed(again.code(), {"model": model, "data": data})["analysis"].table(),
        table,
        check_exact=True,
    )


@pytest.mark.usefixtures("own_folder")
def test_a_script_with_variables_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modviz, "report", lambda analysis, path: path)
    data = four_by_four()
    model = trained(tiny_cnn(), data)
    given = {
        "edges": "activations",
        "activation_images": data[0][:50],
        "preprocess": torch.square,
        "kernel_norm": "l2",
        "layers": ["conv2", "fc1"],
        "lesion": "mean",
        "top_images": False,
    }
    explorer = explore(model, data, **SMALL, **given)
    explorer.run()
    assert ended(explorer).status == "complete", problem(explorer)
    code = explorer.code()
    variables = {name: given[name] for name in ("activation_images", "preprocess")}
    left = executed(code, {"model": model, "data": data, **variables})
    pd.testing.assert_frame_equal(
        left["analysis"].table(), explorer.analysis.table(), check_exact=True
    )
    with pytest.raises(NameError, match="'activation_images' is not defined"):
        executed(code, {"model": model, "data": data})


# ------------------------------------------------------------------ the same controls


def test_settings_make_the_same_explorer() -> None:
    data = four_by_four()
    given = {
        "layers": ("conv1", "conv2"),
        "kernel_norm": "induced",
        "activation_images": data[0][:9],
        "class_names": list("abcd"),
        "memory_limit": 2**28,
        "n_image_controls": 7,
        "controls": "adaptive",
        "include_outputs": True,
    }
    first = explore(tiny_cnn(), data, **given)
    controls = first._controls
    controls.n_clusters.value, controls.seed.value = 5, 11
    controls.scope.value, controls.features.value = "local", False
    controls.layers.index = (1, 1)
    settings = first.settings()
    assert settings["layers"] == ("conv2", "conv2")
    assert settings["activation_images"] is given["activation_images"]
    second = explore(tiny_cnn(), data, **settings)
    assert second.settings() == settings
    for name, control in vars(controls).items():
        if isinstance(control, Widget) and hasattr(control, "value"):
            other = getattr(second._controls, name)
            assert control.value == other.value, name
    assert second._controls.settings() == controls.settings()


def test_settings_of_a_saved_analysis_are_its_own(make_analysis: Any) -> None:
    analysis = make_analysis()
    analysis.settings["more_controls"] = [{"subclusters": ["A1"], "n_controls": 9}]
    settings = explore(analysis).settings()
    assert settings == {"n_clusters": 2, "n_controls": 3, "seed": 5, "lesion": "zero"}


# ------------------------------------------------------------------ the button


def test_the_button_unfolds_a_script_that_follows(runs: Any, explorer: Any) -> None:
    files = explorer._files
    files.code.click()
    assert "n_clusters=2" in files.script.value
    assert "<textarea readonly" in files.script.value
    assert "<label>" in files.script.value
    assert files.script.layout.display == ""
    settings = {**explorer.analysis.settings, "n_clusters": 7}
    explorer.analysis = replace(explorer.analysis, settings=settings)
    assert "n_clusters=7" in files.script.value
    files.code.click()
    assert files.script.layout.display == "none"


def test_the_script_of_an_unfinished_analysis_says_so(make_analysis: Any) -> None:
    code = explore(make_analysis("cancelled")).code()
    assert "# The analysis shown is not complete; this script goes to the end." in code
