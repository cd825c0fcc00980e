"""An analysis as large as that of VGG-16, made of random numbers: it is shown, not believed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition

#: Channels of VGG-16's convolutions: 4,224 units.
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
CLUSTERS, CONTROLS, IMAGE_CONTROLS, CLASSES, SIDE = 16, 99, 19, 10, 32


def vgg_sized() -> Analysis:
    """13 layers with 16 clusters in each, which are 208 subclusters; everything is measured."""
    rng = np.random.default_rng(0)
    layers = [Layer(f"conv{k}", "conv2d", n, number=k) for k, n in enumerate(WIDTHS, 1)]
    labels = [np.sort(np.arange(n) % CLUSTERS) for n in WIDTHS]
    blocks = {}
    for k, (before, after) in enumerate(pairwise(labels)):
        inside = before[:, None] == after
        blocks[k, k + 1] = rng.gamma(1.0, 0.1, inside.shape) * np.where(inside, 3.0, 1.0)
    partition = Partition(np.concatenate(labels), CLUSTERS, NeuronGraph(layers, blocks))
    n = len(partition.subclusters)
    intact = rng.uniform(0.8, 0.98, CLASSES)
    lesions = LesionResults(
        intact,
        intact - rng.gamma(1.0, 0.05, (n, CLASSES)),
        intact - rng.gamma(1.0, 0.03, (n, CONTROLS, CLASSES)),
        10_000,
    )
    features = FeatureResults(
        rng.gamma(5, 2, n),
        rng.uniform(0, 2, n),
        rng.gamma(5, 1.5, (n, IMAGE_CONTROLS)),
        rng.uniform(0.2, 2.2, (n, IMAGE_CONTROLS)),
        _pictures(rng, n),
        _pictures(rng, n),
    )
    numbers = rng.integers(0, 10_000, (n, 10))
    tops = TopImages(
        rng.uniform(0, 2, n),
        rng.uniform(0, 2, (n, IMAGE_CONTROLS)),
        -np.sort(-rng.gamma(5, 2, (n, 10))).astype(np.float16),
        numbers,
        numbers % CLASSES,
        _pictures(rng, 10 * n).reshape(n, 10, SIDE, SIDE, 3),
        n_images=10_000,
    )
    names = tuple(f"class {k}" for k in range(CLASSES))
    settings = {"n_clusters": CLUSTERS, "n_controls": CONTROLS, "seed": 0}
    return Analysis(
        partition,
        size_rule(partition),
        names,
        lesions,
        features,
        top_images=tops,
        settings=settings,
        model_name="VGG-16 in size",
    )


def _pictures(rng: np.random.Generator, n: int) -> np.ndarray:
    """Colour pictures of soft waves with a little noise: they pack about as well as photos."""
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    fx, fy, phase = rng.uniform(0.5, 4, (3, n, 1, 1, 3))
    waves = np.sin(2 * np.pi * (fx * x[..., None] + fy * y[..., None] + phase))
    noise = rng.normal(0, 0.03, waves.shape)
    return np.clip(0.5 + 0.3 * waves + noise, 0, 1).astype(np.float32)
