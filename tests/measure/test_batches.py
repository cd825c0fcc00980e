"""Sizes of batches of pictures, and the memory that they really take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from modviz.core.controls import LayerGroups
from modviz.measure.batches import batch_sizes, batches_of
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.optimise import optimise
from tests.measure.small import tiny_mlp, trained


def identity(pictures):
    return pictures


def test_less_memory_means_smaller_batches_and_then_fewer_workers(data):
    network = Network(trained(tiny_mlp(), data, steps=1), data[0])
    layers = {"fc1": 500, "fc2": 500}

    def sizes(memory_limit, workers=2):
        with evaluating(network.model):
            return batch_sizes(network, layers, identity, memory_limit, workers)

    assert sizes(None) == sizes(2**30)
    assert sizes(None).batch == sizes(None, workers=5).batch
    less = sizes(100_000)
    assert less.workers == 2
    assert 1 < less.batch["fc2"] < less.batch["fc1"] < sizes(None).batch["fc1"]
    assert sizes(1).batch == {"fc1": 1, "fc2": 1}
    assert sizes(1).workers == 1


def peak_of_one_batch(model, layer, limit):
    """Bytes at the worst moment by torch's own book of what it allocates; of its own thread only,
    so that the batch is worked on here.
    """
    network = Network(model, torch.rand(4, 1, 32, 32))
    units = next(la.n_units for la in network.layers if la.name == layer)
    rows = np.stack([np.arange(500), np.zeros(500, dtype=np.int64)], axis=1)
    group = LayerGroups(layer, rows, np.random.default_rng(0).random((500, units)) < 0.3)
    with evaluating(model):
        sizes = batch_sizes(network, {layer: 500}, identity, limit, 1)
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile:
            batch = next(batches_of(network, [group], 0, sizes))
            optimise(network, batch, identity)
    events = profile.profiler.kineto_results.events()
    steps = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return int(np.cumsum([size for _, size in steps]).max())


@pytest.mark.parametrize("layer", ["0", "2", "5"])
def test_peak_memory_stays_under_its_limit(layer):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3))
    model.extend([nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3), nn.ReLU()])
    model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)])
    low, high = (peak_of_one_batch(model, layer, limit * 2**20) for limit in (2, 6))
    assert 0.3 * 2 * 2**20 < low < 2 * 2**20  # kept, and used
    assert 0.3 * 6 * 2**20 < high < 6 * 2**20
