"""Support in an analysis: known answers, nothing else changed, cancels, and where it can't be."""

from __future__ import annotations

import threading
from dataclasses import fields

import numpy as np
import pytest
import torch

import modviz
from modviz.core.support import other_seeds, overlaps
from modviz.examples.planted import planted_mlp
from modviz.measure import support as module
from modviz.measure.support import other_settings
from tests.measure.again import DATA, QUICK, model_of
from tests.measure.small import left_alone

FAST = QUICK | {"features": False, "top_images": False}


def analyzed(**changed) -> modviz.Analysis:
    return modviz.analyze(model_of("mlp"), DATA, **FAST | changed)


@pytest.mark.parametrize("edges", ["weights", "activations"])
def test_planted_modules_are_stable_and_found_by_both_kinds_of_edges(edges):
    # disjoint networks: where a module hears of the others, they rank its units on their images
    planted = planted_mlp(n_modules=4, width=12, noise=0)
    with left_alone(planted.model):
        analysis = modviz.analyze(
            planted.model, planted.data, **FAST | {"n_clusters": 4, "n_controls": 2}, edges=edges
        )
    found = analysis.support
    assert found.names == tuple(s.name for s in analysis.subclusters)
    assert found.n_seeds == 9
    assert found.other_edges == {"weights": "activations", "activations": "weights"}[edges]
    assert (found.stability == 1).all()
    assert found.adjusted_rand == 1
    assert (found.agreement == 1).all()
    assert found.other_adjusted_rand == 1
    for chance in (found.stability_chance, found.agreement_chance):
        assert np.all((chance > 1 / 7) & (chance < 0.4))  # a quarter of each of four groups


@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("edges", ["weights", "activations"])
def test_it_is_what_the_public_functions_give(edges, scope):
    found = analyzed(edges=edges, scope=scope, seed=3)
    model, data = model_of("mlp"), DATA
    graphs = {
        "weights": modviz.weight_graph(model, data[0]),
        "activations": modviz.activation_graph(model, data[0], seed=3),
    }
    own = graphs.pop(edges)
    (other,) = graphs.values()
    seeds = [modviz.spectral_partition(own, 3, scope=scope, seed=seed) for seed in other_seeds(3)]
    theirs = modviz.spectral_partition(other, 3, scope=scope, seed=3)
    stable, agreed = overlaps(found.partition, seeds, 3), overlaps(found.partition, [theirs], 3)
    support = found.support
    assert support.stability.tolist() == stable.best.tolist()
    assert support.stability_chance.tolist() == stable.chance.tolist()
    assert support.adjusted_rand == stable.adjusted_rand
    assert support.agreement.tolist() == agreed.best.tolist()
    assert support.agreement_chance.tolist() == agreed.chance.tolist()
    assert support.other_adjusted_rand == agreed.adjusted_rand


def test_nothing_else_depends_on_it():
    on, off = (
        modviz.analyze(model_of("cnn"), DATA, support=support, **QUICK) for support in (True, False)
    )
    assert on.support is not None
    assert off.support is None
    assert on.table().equals(off.table())
    assert np.array_equal(on.partition.labels, off.partition.labels)
    for name in ("lesions", "features", "top_images"):
        one, two = getattr(on, name), getattr(off, name)
        for f in fields(one):
            x, y = getattr(one, f.name), getattr(two, f.name)
            number = isinstance(x, np.ndarray)
            assert np.array_equal(x, y, equal_nan=True) if number else x == y, f.name
    settings = dict(on.settings)
    assert settings.pop("support") is True
    assert settings == {k: v for k, v in off.settings.items() if k != "support"}


def test_a_partition_of_ones_own_has_none():
    own = analyzed(support=False).partition
    assert analyzed(partition=own).support is None


def test_too_many_units_for_correlations(monkeypatch):
    monkeypatch.setattr(module, "MOST_UNITS", 61)  # there are 62
    found = analyzed().support
    assert not np.isnan(found.stability).any()
    assert found.other_edges is None
    assert np.isnan(found.agreement).all()
    assert found.missing == "correlations of 62 units, more than 61, would take long"
    assert analyzed(edges="activations").support.other_edges == "weights"  # costs nothing


def test_a_graph_that_can_not_be_is_told_and_the_rest_stays():
    found = analyzed(edges="activations", layers=["fc1", "fc3"])
    assert found.status == "complete"
    assert found.support.other_edges is None
    assert "nothing connects the layers ['fc1', 'fc3'] directly" in found.support.missing
    assert not np.isnan(found.support.stability).any()


def test_units_that_never_change_have_no_agreement():
    planted = planted_mlp(n_modules=2, width=6, depth=2)
    model, data = planted.model, planted.data
    with torch.no_grad():  # the second layer sees nothing of the images
        model.fc2.weight.mul_(1e-30)
        model.fc2.bias.fill_(1.0)
    found = modviz.analyze(model, data, **FAST | {"n_clusters": 2}).support
    of_second = np.array([name.endswith("2") for name in found.names])
    assert np.isnan(found.agreement).tolist() == of_second.tolist()
    assert np.isnan(found.agreement_chance).tolist() == of_second.tolist()


@pytest.mark.parametrize(
    ("at", "has"), [("stability", False), ("clusters of", True)], ids=["seeds", "edges"]
)
def test_a_cancel_keeps_what_there_is(at, has):
    cancel, told = threading.Event(), []

    def tell(p):
        told.append(p)
        if p.stage == "support" and p.message.startswith(at):
            cancel.set()

    with left_alone(model_of("mlp")):
        found = analyzed(progress=tell, cancel=cancel)
    assert found.status == "cancelled"
    assert found.measured("accuracy").any()
    assert (found.support is not None) == has
    if has:
        whole = analyzed().support
        assert found.support.stability.tolist() == whole.stability.tolist()
        assert found.support.other_edges is None
    words = list(dict.fromkeys(p.message for p in told if p.stage == "support"))
    assert words == ["stability: 9 more seeds", "clusters of activations"][: 1 + has]


def test_more_controls_leave_it_as_it_is():
    before = analyzed()
    after = modviz.more_controls(before, model_of("mlp"), DATA, n_controls=7, progress=False)
    assert after.support is before.support
    assert after.settings["support"] is True


def test_the_other_settings_differ_in_edges_alone():
    settings = modviz.core.settings.Settings(n_clusters=5, seed=2)
    other = other_settings(settings)
    assert other.edges == "activations"
    assert other_settings(other) == settings
    with pytest.raises(TypeError, match="support='yes'; expected True or False"):
        analyzed(support="yes")
