"""An analysis as large as that of VGG-16, and the largest bundle that the repository holds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition

ROOT = Path(__file__).parents[2]

#: Channels of the thirteen convolutions of VGG-16: 4,224.
CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
CLUSTERS, CONTROLS, IMAGE_CONTROLS, CLASSES, TOP = 16, 99, 19, 10, 10


def vgg16() -> Analysis:
    """All that is measured of such a network: 208 subclusters, colour pictures of 224 x 224."""
    rng = np.random.default_rng(0)
    layers = [Layer(f"features.{3 * i}", "conv2d", n, number=i + 1) for i, n in enumerate(CHANNELS)]
    blocks = {(i, i + 1): rng.exponential(size=pair) for i, pair in enumerate(pairwise(CHANNELS))}
    labels = np.concatenate([np.arange(n) % CLUSTERS for n in CHANNELS])
    partition = Partition(labels, CLUSTERS, NeuronGraph(layers, blocks))
    s, images = len(partition.subclusters), 1000  # of each class
    right = rng.integers(0, images + 1, (1 + s + s * CONTROLS, CLASSES)) / images
    lesions = LesionResults(
        right[0],
        right[1 : 1 + s],
        right[1 + s :].reshape(s, CONTROLS, CLASSES),
        images * CLASSES,
        rng.random(s) / 100,
    )
    features = FeatureResults(
        10 * rng.random(s),
        rng.random(s),
        10 * rng.random((s, IMAGE_CONTROLS)),
        rng.random((s, IMAGE_CONTROLS)),
        _smooth(rng, (s, 224, 224, 3)),
        _smooth(rng, (s, 224, 224, 3)),
    )
    tops = TopImages(
        rng.random(s),
        rng.random((s, IMAGE_CONTROLS)),
        rng.random((s, TOP)),
        rng.integers(0, images * CLASSES, (s, TOP)),
        rng.integers(0, CLASSES, (s, TOP)),
        _smooth(rng, (s * TOP, 64, 64, 3)).reshape(s, TOP, 64, 64, 3),
        images * CLASSES,
    )
    return Analysis(
        partition,
        size_rule(partition),
        tuple(f"class {c}" for c in range(CLASSES)),
        lesions=lesions,
        features=features,
        top_images=tops,
        model_name="as large as VGG-16",
    )


def _smooth(rng: np.random.Generator, shape: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Pictures like optimised ones: patches of colour with some noise upon them."""
    n, height, width, depth = shape
    patches = rng.random((n, -(-height // 16), -(-width // 16), depth), np.float32)
    coarse = np.repeat(np.repeat(patches, 16, axis=1), 16, axis=2)[:, :height, :width]
    return np.asarray(0.9 * coarse + 0.1 * rng.random(shape, np.float32))


def largest_bundle() -> Path:
    """The largest ``.modviz`` file among those that belong to the repository."""
    found = [*(ROOT / "tests/data/bundles").glob("*.modviz")]
    found += (ROOT / "notebooks/bundles").glob("*.modviz")
    return max(found, key=lambda path: path.stat().st_size)
