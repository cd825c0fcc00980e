"""Networks that training, pruning or a strange design leaves behind."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp

WAYS = list(product(("weights", "activations"), ("global", "local")))


def gamma_zero() -> nn.Module:
    """Five channels whose batch norm makes constants of them."""
    model = tiny_cnn()
    model.bn1.weight.data[:5] = 0
    return model


def one_unit() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 1), nn.ReLU(),
        nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 4),
    )  # fmt: skip


def dead_layer() -> nn.Module:
    """No unit of fc3 reads anything."""
    model = tiny_mlp()
    model.fc3.weight.data.zero_()
    return model


def constant_layer() -> nn.Module:
    """fc2 gives the same for all images, but its weights to fc3 are sound."""
    model = tiny_mlp()
    model.fc2.weight.data.zero_()
    return model


def pruned() -> nn.Module:
    model = tiny_mlp()
    generator = torch.Generator().manual_seed(0)
    for layer in (model.fc1, model.fc2, model.fc3):
        layer.weight.data[torch.rand(layer.weight.shape, generator=generator) < 0.9] = 0
    return model


def two_components() -> nn.Module:
    """Two networks side by side that never meet between fc1 and fc3."""
    model = tiny_mlp()
    for layer in (model.fc2, model.fc3):
        out, inner = layer.weight.shape
        layer.weight.data[: out // 2, inner // 2 :] = 0
        layer.weight.data[out // 2 :, : inner // 2] = 0
    return model


@pytest.mark.parametrize(("edges", "scope"), WAYS)
@pytest.mark.parametrize(
    "make", [gamma_zero, one_unit, dead_layer, constant_layer, pruned, two_components]
)
def test_it_is_analysed_without_a_number_that_means_nothing(make, edges, scope):
    model = make()
    with left_alone(model):
        analysis = modviz.analyze(
            model, four_by_four(120), n_clusters=3, n_controls=4, n_image_controls=2,
            edges=edges, scope=scope, progress=False,
        )  # fmt: skip
    assert analysis.status == "complete"
    table = analysis.table()
    assert (table["size"] >= 1).all()
    for name in ("accuracy", "range", "score", "entropy", "image_entropy"):
        p = table.loc[analysis.tested, f"{name}_p"]
        assert p.between(0.19, 1).all(), name
    undefined = table["range"].isna() & analysis.tested
    assert (table.loc[undefined, "range_p"] == 1).all()
    assert table.loc[undefined, "range_effect"].isna().all()
    labels, graph = analysis.partition.labels, analysis.partition.graph
    assert np.array_equal(labels == -1, ~graph.live)


def test_a_channel_with_gamma_zero_has_no_edges_into_it():
    graph = modviz.weight_graph(gamma_zero(), torch.rand(2, 1, 4, 4), include_inputs=True)
    assert graph.blocks[0, 1][:, :5].sum() == 0
    assert (graph.blocks[0, 1][:, 5:] > 0).all()


def test_dead_units_of_activations_are_those_that_never_change():
    graph = modviz.activation_graph(constant_layer(), four_by_four(60))
    where = graph.units["layer"].to_numpy()
    assert not graph.live[where == "fc2"].any()
    assert not graph.live[where == "fc3"].any()  # what reads constants is constant
    assert graph.live[where == "fc1"].all()


def test_components_are_clusters_of_their_own():
    graph = modviz.weight_graph(two_components(), torch.rand(2, 1, 4, 4), layers=["fc2", "fc3"])
    partition = modviz.spectral_partition(graph, 2)
    assert partition.ncut == pytest.approx(0, abs=1e-12)
    assert set(partition.labels[:10]) != set(partition.labels[10:20])


def test_a_network_of_dead_units_is_refused():
    model = dead_layer()
    model.fc2.weight.data.zero_()
    with pytest.raises(ValueError, match="no unit of the graph has an edge: .*choose other layers"):
        modviz.analyze(model, four_by_four(60), n_clusters=3, progress=False)
