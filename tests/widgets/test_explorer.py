from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError

from modviz.core.analysis import Analysis
from modviz.core.bundle import load
from modviz.core.progress import Cancelled, Progress
from modviz.core.settings import CHOICES
from modviz.widgets import Explorer, explore
from modviz.widgets import explorer as explorer_module
from modviz.widgets.controls import EDGES, NORMS, SCOPES
from tests.widgets.conftest import HIDDEN

Make = Callable[..., Analysis]
DATA = "images and labels"


def report(stage: Any, done: int, total: int, analysis: Analysis | None = None) -> Progress:
    return Progress(stage, done, total, f"{stage}: {done} of {total}", 12.4, analysis)


class Gate:
    """A run that shows `partial`, waits to be let through, and then ends as told."""

    def __init__(self, partial: Analysis | None, end: Callable[[], Analysis]) -> None:
        self.partial, self.end = partial, end
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, progress: Any, cancel: threading.Event) -> Analysis:
        progress(report("lesions", 3, 12, self.partial))
        self.reached.set()
        assert self.opened.wait(20)
        if cancel.is_set() and self.partial is None:
            raise Cancelled
        return self.end()


def ended(explorer: Explorer) -> Explorer:
    assert explorer.wait(20)
    return explorer


def describe(explorer: Explorer) -> str:
    return str(explorer._panels.announcement)


# ------------------------------------------------------------------ runs


def test_a_run_goes_from_empty_through_running_to_complete(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(make_analysis("running", lesions=False), make_analysis)
    explorer = explore(model, DATA, n_clusters=2, n_controls=3, lesion="weights")
    controls = explorer._controls
    assert (explorer.status, explorer.analysis) == ("empty", None)
    assert describe(explorer) == "modviz: empty · nothing selected"
    assert (controls.run.disabled, controls.cancel.disabled) == (False, True)

    controls.run.click()  # returns although the run does not
    assert gate.reached.wait(20)
    assert explorer.status == "running"
    assert not explorer.wait(0)
    assert explorer.analysis.lesions is None  # the partition is there before the lesions
    assert (controls.run.disabled, controls.cancel.disabled) == (True, False)
    assert controls.bar.value == 0.25
    assert controls.message.value == "lesions: 3 of 12 · about 12 s left"

    gate.opened.set()
    ended(explorer)
    assert explorer.status == "complete"
    assert explorer.analysis.lesions is not None
    assert explorer.page.shown[-1] is explorer.analysis
    assert (controls.run.disabled, controls.cancel.disabled) == (False, True)
    assert controls.message.value.startswith("Finished: 4 of 4 subclusters on 500 images in ")
    assert runs.calls == [
        {
            "layers": None,
            "n_clusters": 2,
            "edges": "weights",
            "scope": "global",
            "n_controls": 3,
            "n_image_controls": 3,
            "controls": "fixed",
            "lesion": "weights",
            "features": True,
            "seed": 0,
        }
    ]


def test_a_second_run_while_one_works_is_refused(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.run()
    assert gate.reached.wait(20)
    with pytest.raises(RuntimeError, match=r"a run is working already; cancel\(\) it or wait\(\)"):
        explorer.run()
    gate.opened.set()
    ended(explorer)
    explorer.run()
    assert ended(explorer).status == "complete"


def test_a_cancel_keeps_what_was_finished(runs: Any, model: Any, make_analysis: Make) -> None:
    partial = make_analysis("running")
    runs.body = gate = Gate(partial, lambda: make_analysis("cancelled"))
    explorer = explore(model, DATA)
    explorer.run()
    assert gate.reached.wait(20)
    explorer._controls.cancel.click()
    assert explorer._controls.message.value == "Stopping"
    gate.opened.set()
    assert ended(explorer).status == "cancelled"
    assert explorer.analysis.status == "cancelled"
    assert (
        explorer._controls.message.value == "Cancelled: 4 of 4 subclusters on 500 images are kept"
    )


def test_a_cancel_before_there_are_results_leaves_the_page_empty(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.cancel()  # nothing runs: nothing happens
    explorer.run()
    explorer.cancel()
    gate.opened.set()
    assert ended(explorer).status == "cancelled"
    assert explorer.analysis is None
    assert explorer._controls.message.value == "Cancelled before there were results"


def test_a_failed_run_keeps_the_analysis_before_it(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    def broken() -> Analysis:
        raise ValueError("weights of <fc2> are NaN")

    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA)
    explorer.run()
    before = ended(explorer).analysis
    runs.body = gate = Gate(make_analysis("running", n_clusters=3), broken)
    explorer.run()
    assert gate.reached.wait(20)
    assert explorer.analysis is not before
    gate.opened.set()
    assert ended(explorer).status == "failed"
    assert explorer.analysis is before
    assert explorer.page.shown[-1] is before
    assert str(explorer.error) == "weights of <fc2> are NaN"
    shown = explorer._problem.block.value
    assert "The run failed; the panels show the analysis before it." in shown
    assert "weights of &lt;fc2&gt; are NaN</div><details>" in shown
    assert "<fc2>" not in shown
    assert not explorer._controls.run.disabled

    runs.body = lambda progress, cancel: make_analysis()
    explorer.run()
    assert ended(explorer).status == "complete"
    assert explorer.error is None
    assert explorer._problem.block.value == ""


def test_a_first_run_that_fails_keeps_its_own_partial_results(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    def broken() -> Analysis:
        raise ValueError("out of luck")

    runs.body = gate = Gate(make_analysis("running"), broken)
    explorer = explore(model, DATA)
    explorer.run()
    gate.opened.set()
    assert ended(explorer).status == "failed"
    assert explorer.analysis.status == "cancelled"


def test_settings_follow_the_controls(runs: Any, model: Any, make_analysis: Make) -> None:
    explorer = explore(model, DATA, layers=("fc1", "fc1"), n_controls=50, seed=3)
    controls = explorer._controls
    assert controls.layers.index == (0, 0)
    assert "layer fc1 · 8 units" in controls.layer_names.value
    controls.layers.index = (0, 1)
    controls.n_clusters.value = 5
    controls.edges.value, controls.scope.value = "activations", "local"
    controls.n_controls.value = 10  # image controls never exceed it
    controls.controls.value = "adaptive"
    controls.features.value = False
    settings = controls.settings()
    assert settings == {
        "layers": None,
        "n_clusters": 5,
        "edges": "activations",
        "scope": "local",
        "n_controls": 10,
        "n_image_controls": 10,
        "controls": "adaptive",
        "features": False,
        "seed": 3,
    }
    assert controls.n_image_controls.disabled


def test_edges_scope_and_norm_start_as_given(
    runs: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"edges": "activations", "scope": "local", "activation_images": "train"}
    controls = explore(model, DATA, **given)._controls
    assert given.items() <= controls.settings().items()
    assert "kernel_norm" not in controls.settings()  # linear layers have no kernels
    controls.edges.value = "weights"
    assert "activation_images" not in controls.settings()
    controls.set_busy(busy=True)
    assert controls.edges.disabled
    assert controls.scope.disabled

    layers = tuple(replace(layer, kind="conv2d") for layer in HIDDEN)
    monkeypatch.setattr(runs.module, "hidden_layers", lambda *_, **__: layers)
    controls = explore(model, DATA, kernel_norm="induced")._controls
    assert controls.settings()["kernel_norm"] == "induced"
    assert controls.kernel_norm in controls.choices[0].children


def test_every_choice_has_words() -> None:
    words = {"edges": EDGES, "scope": SCOPES, "kernel_norm": NORMS}
    assert {name: tuple(shown) for name, shown in words.items()} == {
        name: CHOICES[name] for name in words
    }


# ------------------------------------------------------------------ selection


def test_writing_selected_highlights_and_announces(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer.selected = (("fc2", 1), ("fc1", 0), ("fc2", 1))
    assert explorer.selected == (("fc2", 1), ("fc1", 0))
    assert explorer.page.selected == ("B2", "A1")
    assert describe(explorer) == "modviz: complete · selected B2, A1"
    explorer.selected = ["B1"]  # a short name, and a list
    assert explorer.selected == (("fc1", 1),)
    explorer.selected = ()
    assert explorer.page.selected == ()


def test_a_click_is_seen_by_observers(make_analysis: Make, sent: list[Any]) -> None:
    explorer = explore(make_analysis())
    seen: list[Any] = []
    explorer.observe(lambda change: seen.append(change.new), "selected")
    explorer._live._handle_custom_msg({"client": "one", "kind": "open"}, [])
    click = {"client": "one", "kind": "select", "names": ["B2", "Z9"], "sequence": 1}
    explorer._live._handle_custom_msg(click, [])
    assert seen == [(("fc2", 1),)]
    assert describe(explorer) == "modviz: complete · selected B2"
    assert sent[-1][0]["names"] == ["B2"]  # Z9 is of some earlier page
    explorer._live._handle_custom_msg(click | {"sequence": 2}, [])
    assert len(seen) == 1  # the same again changes nothing


@pytest.mark.parametrize("wrong", [("fc9", 0), ("fc1", 7), "Q7", 3, ("fc1",), None])
def test_an_unknown_subcluster_is_refused_with_those_that_exist(
    make_analysis: Make, wrong: Any
) -> None:
    explorer = explore(make_analysis())
    with pytest.raises(TraitError, match=r"no subcluster; .* 'fc1': 0, 1; 'fc2': 0, 1"):
        explorer.selected = [wrong]
    assert explorer.selected == ()


def test_nothing_can_be_selected_before_there_is_an_analysis(runs: Any, model: Any) -> None:
    with pytest.raises(TraitError, match=r"there is no analysis yet to select in; run\(\) first"):
        explore(model, DATA).selected = [("fc1", 0)]


def test_new_results_keep_what_still_exists_selected(make_analysis: Make) -> None:
    explorer = explore(make_analysis(n_clusters=3))
    explorer.selected = ["C1", "A2"]
    explorer.analysis = make_analysis(n_clusters=2)
    assert explorer.selected == (("fc2", 0),)
    assert explorer.page.shown[-1] is explorer.analysis
    with pytest.raises(TraitError, match="an explorer can't be emptied"):
        explorer.analysis = None
    with pytest.raises(TraitError, match="analysis is str; expected an Analysis"):
        explorer.analysis = "results"


def test_results_cannot_be_swapped_under_a_run(runs: Any, model: Any, make_analysis: Make) -> None:
    runs.body = gate = Gate(None, make_analysis)
    explorer = explore(model, DATA)
    explorer.run()
    with pytest.raises(TraitError, match="a run is working and shows its own results"):
        explorer.analysis = make_analysis()
    gate.opened.set()
    ended(explorer)


# ------------------------------------------------------------------ what explore() takes


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


def test_layers_with_gaps_are_kept_as_given(runs: Any, model: Any) -> None:
    explorer = explore(model, DATA, layers=["fc2"])
    assert explorer._controls.layers.index == (1, 1)
    assert explorer._controls.settings()["layers"] == ("fc2", "fc2")


def test_a_given_partition_has_no_choice_of_layers(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    partition = make_analysis().partition
    controls = explore(model, DATA, partition=partition)._controls
    assert controls.layers is None
    assert controls.layer_names.value == "your own partition: 2 clusters"
    assert controls.settings()["partition"] is partition


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


# ------------------------------------------------------------------ files and fallback


def test_save_never_overwrites_from_the_button(
    make_analysis: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    explorer = explore(make_analysis())
    assert explorer._files.name.value == "small"
    explorer._files.save.click()
    explorer._files.save.click()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small-2.modviz", "small.modviz"]
    assert load(tmp_path / "small-2.modviz").model_name == "Small"
    shown = explorer._files.message.value
    assert "<b>small-2.modviz</b>" in shown
    assert str(tmp_path) in shown


def test_a_report_is_written_under_the_given_name(
    make_analysis: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(analysis: Analysis, path: Path) -> Path:
        path.write_text(analysis.model_name)
        return path

    monkeypatch.setattr(explorer_module, "write_report", write)
    explorer = explore(make_analysis())
    explorer._files.name.value = str(tmp_path / "my report.html")
    explorer._files.report.click()
    assert (tmp_path / "my report.html").read_text() == "Small"


def test_a_file_that_cannot_be_written_is_explained_under_the_button(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer._files.name.value = "/no/such/<folder>/x"
    explorer._files.save.click()
    shown = explorer._problem.block.value
    assert "Save did not work." in shown
    assert "there is no folder &#x27;/no/such/&lt;folder&gt;&#x27;" in shown


def test_without_results_there_is_nothing_to_save(runs: Any, model: Any, tmp_path: Path) -> None:
    explorer = explore(model, DATA)
    assert explorer._files.save.disabled
    with pytest.raises(RuntimeError, match=r"there is no analysis yet; run\(\) first"):
        explorer.save(tmp_path / "x.modviz")


def test_a_notebook_without_its_kernel_still_says_what_was_there(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer.selected = ["A1"]
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "2 clusters of 16 units" in bundle["text/plain"]
    assert bundle["text/plain"].endswith("selected A1")


def test_image_controls_come_back_when_there_are_enough_controls_again(
    runs: Any, model: Any
) -> None:
    explorer = explore(model, DATA, n_controls=99, n_image_controls=19)
    controls = explorer._controls
    controls.n_controls.value = 9
    assert controls.settings()["n_image_controls"] == 9
    controls.n_controls.value = 50
    assert controls.settings()["n_image_controls"] == 19
    controls.n_image_controls.value = 12
    controls.n_controls.value = 99
    assert controls.settings()["n_image_controls"] == 12
