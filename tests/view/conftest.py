"""A synthetic analysis: planted graph, real partition, random results of the real shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.spectral import spectral_partition

CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Boot",
)


def synthetic(
    *,
    n_clusters: int = 6,
    n_layers: int = 4,
    units: int = 64,
    n_controls: int = 19,
    class_names: tuple[str, ...] = CLASSES,
    layer_name: str = "fc{}",
    model_name: str = "MLP 4 × 64",
    image: tuple[int, int, int] = (28, 28, 1),
    inputs: int = 0,
    stage: str = "complete",
    seed: int = 0,
) -> Analysis:
    """An analysis with `n_clusters` planted modules; `stage` is how far it came.

    Stages: "partition", "lesions" (half of them), "features" (all lesions, no images), "complete".
    """
    rng = np.random.default_rng(seed)
    layers = [
        Layer(layer_name.format(k + 1), "linear", units, number=k + 1) for k in range(n_layers)
    ]
    if inputs:
        layers.insert(0, Layer("input", "input", inputs, role="input"))
    # the biggest module takes the most units: uneven clusters are what real partitions look like
    share = np.arange(n_clusters, 0, -1) ** 1.3
    modules = [rng.choice(n_clusters, la.n_units, p=share / share.sum()) for la in layers]
    blocks = {}
    pairs = [(k, k + 1) for k in range(len(layers) - 1)] or [(0, 0)]
    for i, j in pairs:
        same = modules[i][:, None] == modules[j][None, :]
        block = np.abs(rng.normal(0, 0.05, same.shape)) * np.where(same, 3.0, 1.0)
        if i == j:
            block = np.triu(block, 1) + np.triu(block, 1).T
        if j == len(layers) - 1 and i != j:
            block[:, -1] = 0  # one dead unit in the last layer
        blocks[i, j] = block
    partition = spectral_partition(NeuronGraph(layers, blocks), n_clusters, seed=seed)
    analysis = Analysis(
        partition,
        size_rule(partition),
        class_names,
        settings={"n_clusters": n_clusters, "n_controls": n_controls, "seed": seed},
        model_name=model_name,
        status="complete" if stage == "complete" else "running",
    )
    if stage == "partition":
        return analysis
    lesions = _lesions(analysis, n_controls, max(len(class_names), 2), rng)
    if stage == "lesions":
        half = len(analysis.subclusters) // 2
        lesions.lesioned[half:] = np.nan
        lesions.controls[half:] = np.nan
    if stage in ("lesions", "features"):
        return replace(analysis, lesions=lesions)
    return replace(analysis, lesions=lesions, features=_features(analysis, n_controls, image, rng))


def _lesions(
    analysis: Analysis, n_controls: int, n_classes: int, rng: np.random.Generator
) -> LesionResults:
    """Accuracies as counts of right answers, lower for larger sets, in a few classes each."""
    per_class = 200
    intact = rng.integers(160, 196, n_classes)
    sizes = np.array([len(s.units) for s in analysis.subclusters])
    loss = 20 * (sizes / sizes.max()) ** 1.5
    controls = rng.poisson(
        loss[:, None, None] * rng.gamma(1.0, 1.0, (len(sizes), n_controls, n_classes))
    )
    lesioned = rng.poisson(1.6 * loss[:, None] * rng.gamma(0.3, 3.0, (len(sizes), n_classes)))
    results = LesionResults(
        intact / per_class,
        np.clip(intact - lesioned + rng.integers(0, 4, lesioned.shape), 0, per_class) / per_class,
        np.clip(intact - controls + rng.integers(0, 4, controls.shape), 0, per_class) / per_class,
        per_class * n_classes,
    )
    results.lesioned[~analysis.tested] = np.nan
    results.controls[~analysis.tested] = np.nan
    return results


def _features(
    analysis: Analysis, n_controls: int, shape: tuple[int, int, int], rng: np.random.Generator
) -> FeatureResults:
    n, (h, w, d) = len(analysis.subclusters), shape

    def blobs() -> np.ndarray:
        y, x = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
        waves = np.zeros((n, h, w, d))
        for _ in range(5):
            fx, fy, phase = rng.uniform(1, 4, (3, n, 1, 1, d))
            waves += np.sin(2 * np.pi * (fx * x[..., None] + fy * y[..., None] + phase))
        pictures = np.clip(0.4 + waves / 4, 0, 1).astype(np.float32)
        pictures[~analysis.tested] = np.nan
        return pictures

    results = FeatureResults(
        rng.gamma(5, 2, n),
        rng.uniform(0, 2, n),
        rng.gamma(5, 1.5, (n, n_controls)),
        rng.uniform(0.2, 2.2, (n, n_controls)),
        blobs(),
        blobs(),
    )
    for values in (
        results.score,
        results.entropy,
        results.score_controls,
        results.entropy_controls,
    ):
        values[~analysis.tested] = np.nan
    return results


@pytest.fixture(scope="session")
def make_analysis() -> Callable[..., Analysis]:
    """The builder itself, for tests that need a particular analysis."""
    return synthetic


@pytest.fixture(scope="session")
def analysis() -> Analysis:
    """A complete analysis of 4 layers of 64 units."""
    return synthetic()
