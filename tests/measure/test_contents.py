"""Whatever changes about a model or its data, the next run does not take it for the one before."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn
from torch.utils.data import TensorDataset

import modviz
from modviz.measure.kept import Kept
from tests.measure.again import DATA, QUICK, STAGES, model_of, run, same, stepped
from tests.measure.small import four_by_four, tiny_cnn, tiny_mlp, trained


def behind_torch(model: nn.Module, data) -> None:
    model.get_parameter("output.weight").data[0] *= -1


def statistics_of_batch_norm(model: nn.Module, data) -> None:
    next(iter(model.buffers())).add_(0.7)


def another_module(model: nn.Module, data) -> None:
    model.relu3 = nn.Tanh()


def another_number(model: nn.Module, data) -> None:
    model.bn2.eps = 3.0


def a_hook(model: nn.Module, data) -> None:
    model.relu3.register_forward_hook(lambda _module, _inputs, output: output.flip(-1))


def other_images(model: nn.Module, data) -> None:
    data[0][:30] = data[0][30:].clone()


def other_labels(model: nn.Module, data) -> None:
    data[1][:10] = 3 - data[1][:10]


@pytest.mark.parametrize(
    "changes",
    [
        stepped,
        behind_torch,
        statistics_of_batch_norm,
        another_module,
        another_number,
        a_hook,
        other_images,
        other_labels,
    ],
)
def test_changes_of_model_and_data_are_seen(changes):
    data = four_by_four(60)
    model, kept = trained(tiny_cnn(), data, steps=60), Kept()
    quick = {"features": False, "n_clusters": 4}
    before, _ = run(kept, model, data, **quick)
    changes(model, data)
    after, done = run(kept, model, data, **quick)
    assert {"reading", "graph", "partition", "lesions", "images", "support"} == done
    assert not after.table().equals(before.table())
    same(after, modviz.analyze(model, data, **QUICK | quick))


def test_arrays_tensor_data_sets_and_networks_are_known_again_by_what_they_hold():
    model, kept = model_of("mlp"), Kept()
    quick = {"features": False}
    before, _ = run(kept, model, (DATA[0].numpy(), DATA[1].tolist()), **quick)
    assert run(kept, model, (DATA[0].numpy().copy(), DATA[1].tolist()), **quick)[1] == set()
    images = DATA[0].numpy().copy()
    images[0] = 0.5
    assert "reading" in run(kept, model, (images, DATA[1].tolist()), **quick)[1]
    images[0] = DATA[0][0].numpy()
    assert "reading" in run(kept, model, (images, DATA[1].tolist()), **quick)[1]
    named = TensorDataset(*DATA)
    named.classes = list("abcd")
    assert "reading" in run(kept, model, named, **quick)[1]
    after, done = run(kept, model, named, **quick)
    assert not done
    assert after.class_names == ("a", "b", "c", "d")
    assert np.array_equal(after.lesions.controls, before.lesions.controls, equal_nan=True)
    network = modviz.Network(model, DATA[0][:2])
    assert "reading" in run(kept, network, **quick)[1]
    assert run(kept, network, **quick)[1] == set()


def test_changes_that_torch_counts_are_planned_for_without_a_checksum():
    model, kept = trained(tiny_mlp(), DATA, steps=5), Kept()
    run(kept, model, features=False)
    assert kept.planned(QUICK | {"features": False}) == ()
    stepped(model, DATA)
    expected = tuple(stage for stage in STAGES if stage != "features")
    assert kept.planned(QUICK | {"features": False}) == expected
    assert kept.planned({**QUICK, "features": False, "head": 1}) == expected
