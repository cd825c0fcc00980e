"""One small network written in the ways people write networks: modviz sees the same in all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network
from tests.measure.small import left_alone
from tests.networks.styles import STYLES, Plain

IMAGES = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def analysed(model: nn.Module, labels: torch.Tensor) -> modviz.Analysis:
    return modviz.analyze(
        model, (IMAGES, labels), n_clusters=2, n_controls=5, features=False, progress=False
    )


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    model = Plain().eval()
    with torch.no_grad():
        labels = model(IMAGES).argmax(1)
    labels[:8] = torch.arange(8) % 4
    return model, labels, analysed(model, labels)


@pytest.mark.parametrize("style", STYLES)
def test_a_network_in_another_style_is_the_same_network(style, plain):
    same, labels, expected = plain
    model = style().eval()
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), same.parameters(), strict=True):
            parameter.copy_(value)
    network = Network(model, IMAGES)
    assert network.unfollowed() == ""
    assert [layer.n_units for layer in network.layers] == [8, 9, 4]
    assert [layer.role for layer in network.layers] == ["hidden", "hidden", "output"]
    names = [layer.name for layer in network.layers]
    read = {(c.source, c.target) for c in network.connections}
    assert read == {("input", names[0]), (names[0], names[1]), (names[1], names[2])}
    graph = modviz.weight_graph(model, IMAGES, include_outputs=True)
    for between, block_ in modviz.weight_graph(same, IMAGES, include_outputs=True).blocks.items():
        assert np.array_equal(graph.blocks[between], block_)
    with left_alone(model):
        analysis = analysed(model, labels)
    assert np.array_equal(analysis.partition.labels, expected.partition.labels)
    for found, wanted in (
        (analysis.lesions.lesioned, expected.lesions.lesioned),
        (analysis.lesions.controls, expected.lesions.controls),
    ):
        assert np.array_equal(found, wanted, equal_nan=True)
