from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modviz.core.settings import CHOICES
from modviz.widgets import explore
from modviz.widgets.controls import EDGES, NORMS, SCOPES
from tests.widgets.conftest import HIDDEN
from tests.widgets.gates import DATA, Make


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
        "lesion": "zero",
        "kernel_norm": "l1",
        "top_images": True,
        "support": True,
        "include_inputs": False,
        "include_outputs": False,
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
    assert controls.kernel_norm not in controls.partition.children  # linear layers have no kernels
    controls.edges.value = "weights"
    assert "activation_images" not in controls.settings()
    controls.set_busy(busy=True)
    assert controls.edges.disabled
    assert controls.scope.disabled

    layers = tuple(replace(layer, kind="conv2d") for layer in HIDDEN)
    monkeypatch.setattr(runs.module, "hidden_layers", lambda *_, **__: layers)
    controls = explore(model, DATA, kernel_norm="induced")._controls
    assert controls.settings()["kernel_norm"] == "induced"
    assert controls.kernel_norm in controls.partition.children


def test_every_choice_has_words() -> None:
    words = {"edges": EDGES, "scope": SCOPES, "kernel_norm": NORMS}
    assert {name: tuple(shown) for name, shown in words.items()} == {
        name: CHOICES[name] for name in words
    }


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
