from __future__ import annotations

from typing import Any

import pytest

from modviz.widgets import explore
from modviz.widgets.stale import differences, plan
from tests.widgets.conftest import HIDDEN
from tests.widgets.gates import DATA, Gate, Make, banner, describe, ended, problem

ALL = {"n_clusters": 8, "n_controls": 99, "n_image_controls": 19, "features": True, "seed": 0}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, []),
        ({"n_clusters": 12}, ["12 clusters instead of 8"]),
        ({"seed": 3, "n_controls": 19}, ["19 controls instead of 99", "seed 3 instead of 0"]),
        ({"features": False, "n_image_controls": 5}, ["feature images off instead of on"]),
        ({"n_image_controls": None}, []),  # stands for 19
        ({"n_image_controls": 9}, ["9 image controls instead of 19"]),
        ({"unknown": 1}, []),
    ],
)
def test_differences_are_said_in_words(wanted: dict[str, Any], words: list[str]) -> None:
    assert differences(ALL | wanted, ALL, HIDDEN) == words


@pytest.mark.parametrize(
    ("wanted", "shown", "words"),
    [
        ({"edges": "activations"}, {"edges": "weights"}, "edges of activations instead of weights"),
        (
            {"scope": "local"},
            {"scope": "global"},
            "each layer by itself instead of all layers together",
        ),
        ({"kernel_norm": "l2"}, {"kernel_norm": "l1"}, "norm L2 instead of L1: sum"),
        (
            {"controls": "adaptive"},
            {"controls": "fixed"},
            "as many controls as a verdict needs instead of all controls",
        ),
        ({"layers": None}, {"layers": ("fc1", "fc1")}, "all layers instead of layer fc1"),
        ({"layers": ["fc2"]}, {"layers": ["fc1", "fc2"]}, "layer fc2 instead of all layers"),
        ({"layers": None}, {"layers": ["conv9"]}, "all layers instead of layers conv9"),
    ],
)
def test_choices_are_said_as_the_controls_say_them(
    wanted: dict[str, Any], shown: dict[str, Any], words: str
) -> None:
    assert differences(wanted, shown, HIDDEN) == [words]
    assert differences(wanted, wanted, HIDDEN) == []


def test_the_same_layers_can_be_named_in_several_ways() -> None:
    for layers in (("fc1", "fc2"), ["fc1", "fc2"]):
        assert differences({"layers": None}, {"layers": layers}, HIDDEN) == []


def test_a_partition_of_the_users_own_leaves_nothing_to_choose(make_analysis: Make) -> None:
    own = {"partition": make_analysis().partition, "n_clusters": 16, "layers": None, "seed": 1}
    shown = {"n_clusters": 2, "layers": ("fc1", "fc1"), "seed": 0}
    assert differences(own, shown, HIDDEN) == ["seed 1 instead of 0"]


def test_the_plan_says_what_is_done_and_what_is_kept() -> None:
    behind = ("partition", "lesions", "images", "features", "support")
    assert plan(behind, {"edges": "activations"}) == (
        "Run computes the partition, the lesions, the top images, the feature images and the "
        "stability anew; the model's structure and the activations are kept."
    )
    assert plan(("features",), {"top_images": False}) == (
        "Run computes the feature images anew; the model's structure, the graph, the partition, "
        "the lesions and the stability are kept."
    )
    everything = ("reading", "graph", *behind)
    assert plan(everything, {}).endswith("the feature images and the stability anew.")
    assert plan((), {}) == "Run has nothing to compute anew: all of it is kept."
    own = {"partition": "mine", "features": False, "top_images": False}
    assert plan(("lesions",), own) == (
        "Run computes the lesions anew; the model's structure is kept."
    )


def test_a_changed_control_marks_the_page_stale_until_it_is_turned_back(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA, n_clusters=2, n_controls=3)
    explorer._controls.n_clusters.value = 4
    assert (explorer.stale, banner(explorer)) == (False, "")  # nothing is shown that could be
    explorer._controls.n_clusters.value = 2
    explorer.run()
    ended(explorer)
    seen: list[bool] = []
    explorer.observe(lambda change: seen.append(change.new), "stale")
    run = explorer._desk.bar.run
    assert (explorer.stale, banner(explorer)) == (False, "")
    assert "modviz-due" not in run._dom_classes

    kept = runs.calls[0]["kept"]
    kept.planned_stages = ("partition", "lesions", "images", "features", "support")
    explorer._controls.n_clusters.value = 5
    assert explorer.stale
    assert banner(explorer) == (
        "Settings changed: 5 clusters instead of 2. Run computes the partition, the lesions, the "
        "top images, the feature images and the stability anew; the model&#x27;s structure and the "
        "graph are kept."
    )
    assert kept.asked[-1]["n_clusters"] == 5
    assert "modviz-due" in run._dom_classes
    assert run.tooltip == "The settings have changed: analyse the model with these"
    assert describe(explorer) == "modviz: complete · nothing selected"  # the banner speaks itself
    explorer.selected = ["B2"]  # the panels go on
    assert explorer.page.selected == ("B2",)
    assert explorer.status == "complete"

    explorer._controls.n_clusters.value = 2
    assert (explorer.stale, banner(explorer)) == (False, "")
    assert "modviz-due" not in run._dom_classes
    assert describe(explorer) == "modviz: complete · selected B2"
    assert seen == [True, False]


def test_a_run_replaces_the_stale_page_with_its_first_results(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA, n_clusters=2)
    explorer.run()
    ended(explorer)
    explorer._controls.n_clusters.value = 3
    first = Gate(None, make_analysis)
    runs.body = first
    explorer.run()
    assert first.reached.wait(20)
    assert explorer.stale
    assert banner(explorer) == "The panels show the analysis before until this run has a partition."
    explorer.cancel()
    first.opened.set()
    ended(explorer)
    assert "3 clusters instead of 2" in banner(explorer)  # still the analysis before
    assert explorer._desk.bar.message.value == "Cancelled: the panels show the analysis before"

    runs.body = second = Gate(make_analysis("running", n_clusters=3), make_analysis)
    explorer.run()
    assert second.reached.wait(20)
    assert (explorer.stale, banner(explorer)) == (False, "")
    second.opened.set()
    assert not ended(explorer).stale


def test_after_a_failure_the_page_is_that_of_the_settings_before(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    def broken() -> Any:
        raise ValueError("out of luck")

    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA, n_clusters=2)
    explorer.run()
    ended(explorer)
    explorer._controls.n_clusters.value = 3
    runs.body = gate = Gate(make_analysis("running", n_clusters=3), broken)
    explorer.run()
    assert gate.reached.wait(20)
    assert not explorer.stale
    gate.opened.set()
    assert ended(explorer).status == "failed"
    assert explorer.stale
    assert "3 clusters instead of 2" in banner(explorer)
    explorer._controls.n_clusters.value = 2
    assert not explorer.stale


def test_another_analysis_that_is_put_in_is_compared_by_its_own_settings(
    runs: Any, model: Any, make_analysis: Make
) -> None:
    explorer = explore(model, DATA, n_clusters=2, n_controls=3, seed=5)
    explorer.analysis = make_analysis()
    assert not explorer.stale
    explorer.analysis = make_analysis(n_clusters=3)
    assert "2 clusters instead of 3" in banner(explorer)


def test_what_goes_wrong_while_comparing_is_said_and_stops_nothing(
    runs: Any, model: Any, make_analysis: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.body = lambda progress, cancel: make_analysis()
    explorer = explore(model, DATA, n_clusters=2)
    explorer.run()
    ended(explorer)

    def planned(settings: Any) -> Any:
        raise OSError("the images are gone")

    monkeypatch.setattr(runs.calls[0]["kept"], "planned", planned)
    explorer._controls.n_clusters.value = 3
    assert "the images are gone" in problem(explorer)
    explorer._desk.bar.run.click()
    assert ended(explorer).status == "complete"
    assert problem(explorer) == ""


def test_a_saved_analysis_is_never_stale(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    assert (explorer.stale, banner(explorer)) == (False, "")
