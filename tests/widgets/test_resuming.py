"""What an explorer offers that has nothing to show yet: runs to go on with, runs to open."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import modviz
from modviz.widgets.recording import EarlierRun
from modviz.widgets.resuming import in_words
from modviz.widgets.shelf import Extent
from tests.measure.small import Data, four_by_four
from tests.widgets.gates import ended
from tests.widgets.recorded import (
    CHANGED,
    FULL,
    QUICK,
    buttons,
    earlier_run,
    explored,
    offered,
    stopped,
    subject,
    whole,
)


@pytest.fixture
def given() -> tuple[Any, Data]:
    return subject()


@pytest.fixture
def plain(given: tuple[Any, Data]) -> modviz.Analysis:
    """The analysis of a run of one piece, without a widget."""
    return modviz.analyze(*given, **QUICK, progress=False)


# ------------------------------------------------------------------ the words


LESIONS = (
    "An earlier run with 12 clusters, edges of weights, 99 controls, seed 0 stopped at 63 % of the "
    "lesions, 22 November 2021 14:03."
)
FINISHED = (
    "A run of 22 November 2021 14:03 is finished, but was not saved: 12 clusters, edges of "
    "activations, each layer by itself, 99 controls, no feature images, seed 7."
)
ROUNDS = (
    "An earlier run with 12 clusters, edges of weights, layers fc1 to fc3, up to 1,999 controls, "
    "seed 0 stopped at round 3 of the lesions, 22 November 2021 14:03."
)
OTHERWISE = {"edges": "activations", "scope": "local", "features": False, "seed": 7}
ADAPTIVE = {"controls": "adaptive", "n_controls": 1999, "layers": ("fc1", "fc3")}


@pytest.mark.parametrize(
    ("extent", "settings", "words"),
    [
        (Extent(FULL, frozenset(), lesions=0.634), {}, LESIONS),
        (Extent(FULL, frozenset(FULL)), OTHERWISE, FINISHED),
        (Extent(FULL, frozenset(), rounds=3), ADAPTIVE, ROUNDS),
    ],
)
def test_an_earlier_run_is_told_by_its_settings_and_how_far_it_came(
    extent: Extent, settings: dict[str, Any], words: str
) -> None:
    assert in_words(earlier_run(extent, **settings)) == words


def test_others_and_other_versions_are_said() -> None:
    newest = earlier_run(Extent(FULL, frozenset()))
    assert in_words(newest, others=1).endswith(" There is 1 other.")
    assert in_words(newest, others=2).endswith(" There are 2 others.")
    older = EarlierRun(newest.path, newest.settings, newest.extent, CHANGED, ("torch 2.5 -> 2.6",))
    assert in_words(older).endswith(
        " Begun with other versions (torch 2.5 -> 2.6): last digits may differ."
    )


# ------------------------------------------------------------------ going on


def test_a_run_that_stopped_is_offered_and_ends_as_one_of_one_piece(
    given: tuple[Any, Data], plain: modviz.Analysis
) -> None:
    stopped(*given, seed=5, edges="activations")
    stopped(*given)
    model, data = copy.deepcopy(given)  # equal, as after a restart of the kernel
    explorer = explored(model, data, n_clusters=7, n_controls=4, n_image_controls=1, seed=1)
    assert (
        "with 3 clusters, edges of weights, 19 controls, no feature images, seed 0 stopped at "
        in (offered(explorer))
    )
    assert " % of the lesions, " in offered(explorer)
    assert offered(explorer).endswith(" There is 1 other.")
    assert buttons(explorer) == ["Resume", "Discard"]
    assert explorer.status == "empty"
    assert explorer.settings()["n_clusters"] == 7  # until one wants it otherwise

    explorer._desk.offer.resume.click()
    assert ended(explorer).status == "complete"
    assert offered(explorer) == ""
    assert explorer.analysis.table().equals(plain.table())
    assert explorer.analysis.settings == plain.settings
    assert {k: v for k, v in explorer.settings().items() if k in QUICK} == QUICK
    assert explorer.stale is False


def test_another_one_can_be_chosen(given: tuple[Any, Data]) -> None:
    stopped(*given, seed=5, controls="adaptive", n_controls=99)
    whole(*given)
    explorer = explored(*given)
    offer = explorer._desk.offer
    assert offered(explorer).startswith("A run of ")
    assert buttons(explorer) == ["Open", "Discard"]
    labels = [label for label, _ in offer.which.options]
    assert "3 clusters, finished, " in labels[0]
    assert "3 clusters, round 1 of the lesions, " in labels[1]
    assert offer.which.layout.display == ""
    offer.which.index = 1
    assert "seed 5 stopped at round 1 of the lesions" in offered(explorer)
    assert buttons(explorer) == ["Resume", "Discard"]
    offer.resume.click()
    assert ended(explorer).status == "complete"
    assert explorer.settings()["seed"] == 5
    assert explorer.settings()["controls"] == "adaptive"


def test_a_finished_run_is_opened_without_measuring(
    given: tuple[Any, Data], plain: modviz.Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(*given)
    explorer = explored(*given, n_clusters=5)
    assert offered(explorer).startswith("A run of ")
    assert buttons(explorer)[0] == "Open"
    assert explorer._desk.offer.which.layout.display == "none"

    def measured(*_: object, **__: object) -> None:
        raise AssertionError("a lesion was measured")

    monkeypatch.setattr("modviz.measure.lesion_stage.LesionStage.all", measured)
    explorer._desk.offer.resume.click()
    assert ended(explorer).status == "complete", explorer.error
    assert explorer.analysis.table().equals(plain.table())


def test_what_has_no_control_is_taken_over_too(given: tuple[Any, Data]) -> None:
    stopped(*given, lesion="mean", layers=("fc1", "fc2"), kernel_norm="l2", n_controls=29)
    explorer = explored(*given, features=True)
    assert "layers fc1 to fc2" in offered(explorer)
    explorer._desk.offer.resume.click()
    assert ended(explorer).status == "complete", explorer.error
    settings = explorer.settings()
    assert (settings["lesion"], settings["layers"]) == ("mean", ("fc1", "fc2"))
    assert (settings["kernel_norm"], settings["n_controls"]) == ("l2", 29)
    assert 'lesion="mean"' in explorer.code()
    assert explorer._commands._recorder.left() == ""  # it went on in the same folder


@pytest.mark.parametrize(
    "other",
    [
        {"class_names": ["a", "b", "c", "d"]},
        {"preprocess": torch.sigmoid},
        {"layers": ["fc1", "fc3"]},
    ],
)
def test_what_these_controls_cannot_stand_for_is_not_offered(
    given: tuple[Any, Data], other: dict[str, Any]
) -> None:
    stopped(*given)
    assert offered(explored(*given, **other)) == ""
    assert offered(explored(*given)) != ""


def test_layers_with_gaps_are_offered_to_an_explorer_of_the_same(given: tuple[Any, Data]) -> None:
    gaps = {"layers": ["fc1", "fc3"], "edges": "activations"}
    stopped(*given, **gaps)
    assert offered(explored(*given)) == ""
    assert "layers fc1, fc3" in offered(explored(*given, **gaps))


def test_images_for_activations_matter_where_they_are_used(given: tuple[Any, Data]) -> None:
    images = four_by_four(60, 8)[0]
    stopped(*given, edges="activations", activation_images=images)
    assert offered(explored(*given)) == ""
    assert "edges of activations" in offered(explored(*given, activation_images=images.clone()))
    stopped(*given)
    offer = offered(explored(*given, edges="activations", activation_images=images))
    assert "edges of weights" in offer
    assert offer.endswith("There is 1 other.")


def test_another_model_or_other_data_are_offered_nothing(given: tuple[Any, Data]) -> None:
    model, data = given
    stopped(model, data)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.fc2.bias[0] += 1
    assert offered(explored(other, data)) == ""
    assert offered(explored(model, four_by_four(120, 1))) == ""
    assert offered(explored(model, four_by_four(119))) == ""
    assert offered(explored(copy.deepcopy(model), [part.clone() for part in data])) != ""
