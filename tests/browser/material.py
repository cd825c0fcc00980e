"""Small analyses to show: planted clusters, results drawn at random, no torch."""

from __future__ import annotations

import numpy as np

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.spectral import spectral_partition


def small_analysis() -> Analysis:
    """Three layers of 30 units in three clusters of ten each, lesions but no images."""
    rng = np.random.default_rng(0)
    layers = [Layer(f"fc{i}", "linear", 30, number=i) for i in (1, 2, 3)]
    blocks = {(i, i + 1): np.kron(np.eye(3), np.ones((10, 10))) for i in (0, 1)}
    graph = NeuronGraph(layers, {k: b + 0.1 * rng.random(b.shape) for k, b in blocks.items()})
    partition = spectral_partition(graph, 3)
    n = len(partition.subclusters)
    lesions = LesionResults(
        np.full(4, 0.9), rng.uniform(0.2, 0.9, (n, 4)), rng.uniform(0.5, 0.9, (n, 19, 4)), 100
    )
    names = ("ant", "bee", "cat", "dog")
    return Analysis(partition, size_rule(partition), names, lesions, model_name="Small")


def full_analysis() -> Analysis:
    """Two layers of 24 units in clusters of 12, 8 and 4, with everything that can be measured."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [12, 8, 4])
    block = rng.random((24, 24)) * np.where(labels[:, None] == labels, 3.0, 1.0)
    layers = [Layer(f"fc{k}", "linear", 24, number=k) for k in (1, 2)]
    partition = Partition(np.tile(labels, 2), 3, NeuronGraph(layers, {(0, 1): block}))
    intact = np.full(4, 0.9)
    lesions = LesionResults(
        intact, intact - rng.random((6, 4)) / 2, intact - rng.random((6, 19, 4)) / 4, 400
    )
    noise = rng.random((2, 6, 8, 8, 1)).astype(np.float32)
    features = FeatureResults(
        rng.random(6), rng.random(6), rng.random((6, 19)), rng.random((6, 19)), *noise
    )
    names = ("cat", "dog", "<b>owl</b>", "fox")
    tops = TopImages(
        np.linspace(0, 1, 6),
        rng.random((6, 19)),
        np.ones((6, 10)),
        np.arange(60).reshape(6, 10),
        np.arange(60).reshape(6, 10) % 4,
        rng.random((6, 10, 20, 20, 3)).astype(np.float32),
        n_images=400,
    )
    return Analysis(
        partition,
        size_rule(partition),
        names,
        lesions=lesions,
        features=features,
        top_images=tops,
        model_name="Full",
    )


def many_analysis() -> Analysis:
    """Five layers of 48 units in 16 clusters of three: 80 subclusters, more than a page holds.

    The feature image of subcluster i is of one grey, i / 100, its top images are of (i + 1) / 100.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(16), 3)
    layers = [Layer(f"fc{k}", "linear", 48, number=k) for k in range(1, 6)]
    blocks = {
        (k, k + 1): rng.random((48, 48)) * np.where(labels[:, None] == labels, 3.0, 1.0)
        for k in range(4)
    }
    partition = Partition(np.tile(labels, 5), 16, NeuronGraph(layers, blocks))
    s, intact = 80, np.full(4, 0.9)
    lesions = LesionResults(
        intact, intact - rng.random((s, 4)) / 2, intact - rng.random((s, 19, 4)) / 4, 400
    )
    grey = (np.arange(s) / 100).astype(np.float32)[:, None, None, None]
    pictures = np.broadcast_to(grey, (s, 8, 8, 1)).copy()
    drawn = rng.random((3, s, 19))
    features = FeatureResults(rng.random(s), rng.random(s), drawn[0], drawn[1], pictures, pictures)
    tops = TopImages(
        rng.random(s),
        drawn[2],
        np.ones((s, 10)),
        np.arange(10 * s).reshape(s, 10),
        np.arange(10 * s).reshape(s, 10) % 4,
        np.broadcast_to(pictures[:, None] + np.float32(0.01), (s, 10, 8, 8, 1)).copy(),
        n_images=800,
    )
    return Analysis(
        partition,
        size_rule(partition),
        ("cat", "dog", "owl", "fox"),
        lesions=lesions,
        features=features,
        top_images=tops,
        model_name="Many",
    )
