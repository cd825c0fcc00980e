"""Top images of a small network under a partition at random or of one's own."""

from __future__ import annotations

import numpy as np

import modviz
from modviz.core.analysis import size_rule
from modviz.core.controls import draw_controls
from modviz.measure.data import LabelledData
from modviz.measure.images import measure_top_images
from modviz.measure.network import Network


def topped(model, data, *, labels=None, n_controls=5, **options):
    labelled = LabelledData(data, dtype=next(model.parameters()).dtype)
    network = Network(model, labelled.first())
    graph = modviz.weight_graph(network)
    if labels is None:
        labels = np.random.default_rng(0).integers(3, size=graph.n_units)
    partition = modviz.Partition(labels, int(labels.max()) + 1, graph)
    tested = size_rule(partition)
    controls = draw_controls(partition, n_controls, seed=1)
    results = measure_top_images(network, labelled, partition, tested, controls, **options)
    return partition, tested, controls, results
