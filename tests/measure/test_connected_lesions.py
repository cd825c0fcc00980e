"""Lesions of every kind of architecture are those of the plain way, and analyses run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.core.analysis import size_rule
from modviz.core.controls import draw_controls, masks
from modviz.measure.data import LabelledData
from modviz.measure.lesion import measure_lesions
from modviz.measure.network import Network
from tests.measure.architectures import (
    ARCHITECTURES,
    ChannelsLast,
    Dense,
    Residual,
    Reused,
    Shuffled,
    made,
)
from tests.measure.small import left_alone

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))

#: Where each layer's units are silenced: the modules whose outputs are read.
PLACES = {
    Residual: {
        "stem": None,
        "a1": None,
        "a2": "a2_bn",
        "b1": None,
        "b2": "b2_bn",
        "short": "short",
    },
    ChannelsLast: {"stem": "stem", "wide": None, "narrow": "narrow", "last": None},
    Reused: {"again": "again", "first": "first"},
    Dense: {"one": "one", "two": "two", "three": "three"},  # and see below for what `two` reads
    Shuffled: {"stem": "stem", "depthwise": "depthwise", "grouped": "grouped", "side": "side"},
}


@pytest.mark.parametrize("kind", PLACES)
def test_lesions_are_equal_to_the_plain_way(kind):
    """A hook on the last module of the chain; relu(0) = 0, so before or after it is the same."""
    model = made(kind)
    network = Network(model, IMAGES)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(150, 1, 4, 4, generator=generator)
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:40] = torch.arange(40) % 4
    graph = modviz.weight_graph(network)
    rng = np.random.default_rng(0)
    partition = modviz.Partition(rng.integers(2, size=graph.n_units), 2, graph)
    tested = size_rule(partition)
    controls = draw_controls(partition, 3, seed=1)
    with left_alone(model):
        results, _ = measure_lesions(
            network, LabelledData((images, labels)), partition, tested, controls
        )
    compared = 0
    for k in np.flatnonzero(tested):
        layer = partition.subclusters[k].layer
        place = PLACES[kind].get(layer)
        if place is None:
            continue
        for r, mask in enumerate(masks(partition, k, controls)):
            dimension = -1 if isinstance(model.get_submodule(layer), nn.Linear) else 1

            def silence(module, inputs, output, mask=mask, dimension=dimension):
                output = output.movedim(dimension, -1).clone()
                output[..., mask] = 0
                return output.movedim(-1, dimension)

            handle = model.get_submodule(place).register_forward_hook(silence)
            if (kind, layer) == (Dense, "one"):
                # `two` reads them through a batch norm of its own, after which they are 0 too
                before = model.two.register_forward_pre_hook(
                    lambda module, inputs, silence=silence: silence(module, None, inputs[0])
                )
            with torch.no_grad():
                right = (model(images).argmax(1) == labels).numpy()
            handle.remove()
            if (kind, layer) == (Dense, "one"):
                before.remove()
            plain = [right[labels.numpy() == c].mean() for c in range(4)]
            measured = results.lesioned[k] if r == 0 else results.controls[k, r - 1]
            assert np.array_equal(measured, plain), (layer, r)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_whole_analysis_runs_on_every_kind(kind):
    model = made(kind)
    labels = torch.arange(60) % 4
    images = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    with left_alone(model):
        analysis = modviz.analyze(
            model, (images, labels), n_clusters=3, n_controls=3, progress=False
        )
    assert analysis.status == "complete"
    assert np.isfinite(analysis.features.score[analysis.tested]).all()
