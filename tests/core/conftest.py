"""Graphs and analyses whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The graphs here are small: threads cost more than they bring, above all on a busy machine."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def official(data_folder: Path) -> dict[str, Any]:
    """Inputs and outputs of the authors' functions; see tests/data/README.md."""
    return json.loads((data_folder / "official.json").read_text())


def chain_of(sizes: list[int], weights: Callable[[int, int], Any]) -> NeuronGraph:
    layers = [Layer(f"fc{i}", "linear", size, number=i) for i, size in enumerate(sizes, start=1)]
    blocks = {(i, i + 1): weights(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)}
    return NeuronGraph(layers, blocks)


@pytest.fixture(scope="session")
def chain() -> Callable[..., NeuronGraph]:
    """chain(sizes, weights): hidden layers in a row, weights(m, n) gives each block."""
    return chain_of


@pytest.fixture(scope="session")
def planted_graph() -> Callable[..., tuple[NeuronGraph, Any]]:
    """planted_graph(seed): 4 blocks of 32 units in 3 layers, 10 % noise weights; true labels."""

    def make(seed: int, n_modules: int = 4, width: int = 32, depth: int = 3, noise: float = 0.1):
        rng = np.random.default_rng(seed)
        modules = [rng.permutation(np.repeat(np.arange(n_modules), width)) for _ in range(depth)]
        pairs = iter(pairwise(modules))

        def weights(m: int, n: int):
            before, after = next(pairs)
            size = np.abs(rng.normal(size=(m, n)))
            return np.where(before[:, None] == after, size, noise * size)

        return chain_of([n_modules * width] * depth, weights), np.concatenate(modules)

    return make


@pytest.fixture
def small_analysis(chain) -> Analysis:
    """Two layers of 8 units, two clusters, so A1, B1, A2, B2; 19 controls, 3 classes.

    Silencing A1 is worse than all its controls and costs class x alone; B1 changes nothing at all,
    and neither do its controls; the others do what their controls do on average.
    """
    partition = Partition(
        np.tile([0] * 5 + [1] * 3, 2), 2, chain([8, 8], lambda m, n: np.ones((m, n)))
    )
    rng = np.random.default_rng(0)
    intact = np.array([0.9, 0.8, 0.7])
    controls = intact - rng.uniform(0.01, 0.03, (4, 19, 3))
    lesioned = controls.mean(axis=1)
    lesioned[0] = intact - [0.6, 0.0, 0.0]
    lesioned[1], controls[1] = intact, intact
    score_controls = rng.uniform(1, 2, (4, 19))
    entropy_controls = rng.uniform(1, 2, (4, 19))
    pictures = rng.random((4, 6, 5, 1)).astype(np.float32)
    return Analysis(
        partition,
        size_rule(partition),
        class_names=("x", "y", "z"),
        lesions=LesionResults(intact, lesioned, controls, n_images=300),
        features=FeatureResults(
            score=np.array([5.0, 1.5, 0.5, 1.5]),
            entropy=np.array([0.1, 1.5, 1.5, 3.0]),
            score_controls=score_controls,
            entropy_controls=entropy_controls,
            images=pictures,
            control_images=1 - pictures,
        ),
        top_images=TopImages(
            entropy=np.array([0.0, 1.0, 0.5, 2.0]),
            entropy_controls=np.tile(np.r_[0.5, np.ones(18)], (4, 1)),
            drives=np.tile([3.0, 2.0], (4, 1)),
            numbers=np.arange(8).reshape(4, 2),
            labels=np.arange(8).reshape(4, 2) % 3,
            images=rng.random((4, 2, 6, 5, 1)).astype(np.float32),
            n_images=300,
        ),
        settings={"n_clusters": 2, "seed": 0, "layers": None},
        model_name="two layers",
    )
