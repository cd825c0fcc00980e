"""The authors' numbers for VGG-16 on ImageNet, from the same kernels (arXiv:2103.03386)."""

from __future__ import annotations

import pytest
import torch

import modviz
from modviz.measure.network import Network

K = 12


@pytest.fixture(scope="module")
def network(vgg16_body):
    return Network(vgg16_body, torch.zeros(1, 3, 64, 64))


@pytest.mark.slow
def test_the_recorded_ncut_and_that_of_shuffled_weights(network):
    # nothing reads the last convolution, so it counts as output; the graph has all 13
    graph = modviz.weight_graph(network, kernel_norm="induced", include_outputs=True)
    widths = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [layer.n_units for layer in graph.layers] == widths
    assert graph.n_units == 4224
    test = modviz.clusterability_test(graph, K, n_shuffles=10)
    assert test.ncut == pytest.approx(7.7998, abs=0.03)
    assert test.null.mean() == pytest.approx(8.2127, abs=0.05)  # they: sd .0187
    assert test.null.std(ddof=1) < 0.05
    assert test.z < -5


@pytest.mark.slow
def test_the_ncut_with_the_norm_that_the_text_names(network):
    graph = modviz.weight_graph(network, include_outputs=True)
    assert modviz.spectral_partition(graph, K).ncut == pytest.approx(7.697, abs=0.03)
