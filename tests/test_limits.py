"""The bound by operations against sums that can be done by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.operations import Operations
from modviz import examples
from modviz.measure.network import Network


def test_a_lesion_of_the_mlp_leaves_the_layers_behind_it():
    count = Operations(Network(examples.mlp().eval(), torch.rand(2, 1, 28, 28)))
    square, last = 2 * 256 * 256, 2 * 256 * 10
    assert count.whole == 2 * 784 * 256 + 3 * square + last
    assert count.lesion("fc2", 1 / 16) == square / 16 + square + last
    assert count.lesion("fc4", 1 / 16) == last / 16
    assert count.before("fc2") == 2 * 784 * 256
    assert count.bound() == pytest.approx(7.38, abs=0.005)


def test_a_map_of_2_by_2_needs_16_of_36_taps():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)
    ).eval()
    network = Network(model, torch.rand(2, 3, 2, 2))
    every, inside = Operations(network), Operations(network, inside=True)
    assert every.before("3") == 2 * 36 * 3 * 8
    assert inside.before("3") == pytest.approx(2 * 16 * 3 * 8)


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.inner = nn.Linear(8, 8)
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.last(torch.relu(x + self.inner(x)))


def test_a_difference_goes_through_a_sum_where_asked():
    count = Operations(Network(_Residual().eval(), torch.rand(2, 8)))
    assert count.lesion("inner", 1 / 4) == 2 * 8 * 4
    assert count.lesion("inner", 1 / 4, through_sums=True) == 2 * 8 * 4 / 4
    # what the first layer gives is read by both, and the inner layer changes all it reads
    assert count.lesion("first", 1 / 4, through_sums=True) == 2 * 8 * 8 / 4 + 2 * 8 * 4
