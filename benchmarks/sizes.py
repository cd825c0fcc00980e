"""Analyses as large as real ones, made of random numbers: they are shown, not believed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition

#: Channels of VGG-16's convolutions.
VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
CLUSTERS, CONTROLS, IMAGE_CONTROLS, CLASSES = 16, 99, 19, 10


def vgg_sized() -> Analysis:
    """4,224 units in 13 layers, 208 subclusters, pictures of 32 x 32 in colour."""
    return sized(VGG16, (32, 32, 3), "VGG-16 in size")


def mlp_sized() -> Analysis:
    """1,024 units in four layers, 64 subclusters, grey pictures of 28 x 28."""
    return sized((256,) * 4, (28, 28, 1), "MLP 4x256 in size")


def sized(widths: tuple[int, ...], image: tuple[int, int, int], name: str) -> Analysis:
    """Layers of these widths with 16 clusters in each; everything is measured."""
    rng = np.random.default_rng(0)
    layers = [Layer(f"layer{k}", "linear", n, number=k) for k, n in enumerate(widths, 1)]
    labels = [np.sort(np.arange(n) % CLUSTERS) for n in widths]
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
        _pictures(rng, n, image),
        _pictures(rng, n, image),
    )
    numbers = rng.integers(0, 10_000, (n, 10))
    tops = TopImages(
        rng.uniform(0, 2, n),
        rng.uniform(0, 2, (n, IMAGE_CONTROLS)),
        -np.sort(-rng.gamma(5, 2, (n, 10))).astype(np.float16),
        numbers,
        numbers % CLASSES,
        _pictures(rng, 10 * n, image).reshape(n, 10, *image),
        n_images=10_000,
    )
    classes = tuple(f"class {k}" for k in range(CLASSES))
    settings = {"n_clusters": CLUSTERS, "n_controls": CONTROLS, "seed": 0}
    return Analysis(
        partition,
        size_rule(partition),
        classes,
        lesions,
        features,
        top_images=tops,
        settings=settings,
        model_name=name,
    )


def _pictures(rng: np.random.Generator, n: int, image: tuple[int, int, int]) -> np.ndarray:
    """Soft waves with a little noise: they pack about as well as photos."""
    height, width, depth = image
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    fx, fy, phase = rng.uniform(0.5, 4, (3, n, 1, 1, depth))
    waves = np.sin(2 * np.pi * (fx * x[..., None] + fy * y[..., None] + phase))
    noise = rng.normal(0, 0.03, waves.shape)
    return np.clip(0.5 + 0.3 * waves + noise, 0, 1).astype(np.float32)
