"""Models that cannot be traced, with connections by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network
from modviz.measure.trace import NetworkError
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp
from tests.measure.traced import Steered, analysed, same_graphs

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_connections_by_hand_say_what_tracing_would(kind):
    body = tiny_mlp() if kind == "mlp" else tiny_cnn()
    for module in list(body.named_modules()):
        if kind == "cnn" and isinstance(module[1], nn.BatchNorm2d):  # by hand it is not folded in
            body.set_submodule(module[0], nn.Identity())
    names = [n for n, m in body.named_children() if isinstance(m, (nn.Linear, nn.Conv2d))]
    pairs = [(f"body.{a}", f"body.{b}") for a, b in pairwise(names)]
    steered = Steered(body)
    traced = Network(body, IMAGES)
    by_hand = Network(steered, IMAGES, connections=[("input", f"body.{names[0]}"), *pairs])
    assert same_graphs(
        modviz.weight_graph(by_hand, include_outputs=True),
        modviz.weight_graph(traced, include_outputs=True),
    )
    for lesion in ("zero", "mean", "weights"):
        theirs = analysed(traced, lesion=lesion).lesions
        with left_alone(steered):
            ours = analysed(by_hand, lesion=lesion).lesions
        assert np.array_equal(ours.intact, theirs.intact)
        if lesion != "mean":  # a mean over other positions of the same channel
            assert np.array_equal(ours.lesioned, theirs.lesioned, equal_nan=True)
            assert np.array_equal(ours.controls, theirs.controls, equal_nan=True)


def test_pictures_come_out_of_a_model_with_connections_by_hand():
    body = tiny_mlp()
    pairs = [("body.fc1", "body.fc2"), ("body.fc2", "body.fc3"), ("body.fc3", "body.output")]
    options = {"n_clusters": 3, "n_controls": 2, "n_image_controls": 1, "progress": False}
    data = four_by_four(60)
    ours = modviz.analyze(Steered(body), data, connections=pairs, **options)
    theirs = modviz.analyze(body, data, **options)
    assert np.allclose(ours.features.score, theirs.features.score, rtol=1e-5, equal_nan=True)


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 4, 1)
        self.fc, self.out = nn.Linear(7 * 16, 5), nn.Linear(5, 4)

    def forward(self, x):
        if x.sum() < -1e9:
            return x.flatten(1)[:, :4]
        x = torch.cat([self.a(x), self.b(x)], 1).relu().flatten(1)
        return self.out(self.fc(x).relu())


def test_sources_by_hand_stand_one_behind_the_other():
    model = Joined()
    graph = modviz.weight_graph(
        model, IMAGES, connections=[("a", "fc"), ("b", "fc"), ("fc", "out")]
    )
    weight = model.fc.weight.detach().abs().reshape(5, 7, 16).sum(2).numpy().T
    assert np.allclose(graph.blocks[0, 2], weight[:3])
    assert np.allclose(graph.blocks[1, 2], weight[3:])


@pytest.mark.parametrize(
    ("connections", "error", "match"),
    [
        ([], TypeError, "expected a list of pairs"),
        ([("a", "b", "fc")], TypeError, r"hold \('a', 'b', 'fc'\); expected pairs"),
        ([("a", "nope")], NetworkError, r"'nope', which is no linear.*\['a', 'b', 'fc', 'out'\]"),
        ([("a", "fc")], NetworkError, "with 3 units together, but it reads 112 channels"),
        ([("fc", "a")], NetworkError, "with 5 units together, but it reads 1 channels"),
        ([("out", "fc"), ("b", "fc")], NetworkError, "fc' reads 'out', which runs after it"),
    ],
)
def test_bad_connections_by_hand_are_refused(connections, error, match):
    with pytest.raises(error, match=match):
        Network(Joined(), IMAGES, connections=connections)


def test_a_layer_by_hand_has_to_run_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.out = nn.Linear(16, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.out(self.fc(self.fc(x.flatten(1)).relu()).relu())

    with pytest.raises(NetworkError, match="'fc' runs 2 times"):
        Network(Twice(), IMAGES, connections=[("fc", "out")])
