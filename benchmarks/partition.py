"""Partitions, shuffled graphs and correlations against scikit-learn and scipy."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch
from scipy import stats
from sklearn.cluster import SpectralClustering
from threadpoolctl import threadpool_limits
from torch import nn

import modviz
from benchmarks import networks
from benchmarks.table import Row
from benchmarks.timing import interleaved
from modviz.core.clusterability import shuffle_blocks
from modviz.core.correlation import centred_ranks, squared_spearman
from modviz.core.graph import NeuronGraph
from tests.networks import fetch, zoo

#: Seeds whose mean normalised cuts are compared.
SEEDS = 10
#: Shuffled graphs that are timed; 200 take that many times as long.
SHUFFLES = 10


def mlp_graph() -> NeuronGraph:
    """Inputs, hidden units and outputs of the trained MLP: 1,818 units."""
    model, (images, _) = networks.trained("mlp")
    return modviz.weight_graph(model, images[:2], include_inputs=True, include_outputs=True)


def vgg_graph() -> tuple[NeuronGraph, str]:
    """The 4,224 channels of VGG-16, and which weights: ImageNet's after `make fetch`, or random."""
    features = zoo.torchvision().models.vgg16(weights=None).features
    file = fetch.FOLDER / fetch.VGG16
    if file.exists():
        import onnx

        stored = {}
        for initializer in onnx.load(file).graph.initializer:
            layer = re.search(r"/(block\d_conv\d)_", initializer.name)
            if layer and len(initializer.dims) == 4:
                stored[layer[1]] = onnx.numpy_helper.to_array(initializer).copy()
        convolutions = [module for module in features if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            for module, kernel in zip(convolutions, sorted(stored), strict=True):
                module.weight.copy_(torch.from_numpy(stored[kernel]))
    model = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    graph = modviz.weight_graph(model, torch.zeros(1, 3, 64, 64), include_outputs=True)
    return graph, "ImageNet" if file.exists() else "random"


def official(adjacency: sp.csr_array, n_clusters: int, seed: int) -> np.ndarray:
    """Labels in the authors' manner, with one thread: two take longer, ten times on a busy day."""
    with threadpool_limits(1):
        return SpectralClustering(
            n_clusters,
            affinity="precomputed",
            eigen_solver="arpack",
            assign_labels="kmeans",
            n_init=25 if adjacency.shape[0] <= 2000 else 100,
            random_state=seed,
        ).fit_predict(adjacency)


def partition_row(name: str, graph: NeuronGraph, n_clusters: int, rounds: int) -> Row:
    """Time of a partition, and the mean normalised cut over seeds."""
    adjacency = graph.adjacency

    def ours(seed: int) -> np.ndarray:
        fresh = NeuronGraph(graph.layers, graph.blocks)  # nothing kept from the seed before
        return modviz.spectral_partition(fresh, n_clusters, seed=seed).labels

    times = interleaved(
        {"official": lambda: official(adjacency, n_clusters, 0), "modviz": lambda: ours(0)}, rounds
    )
    cuts = {
        way: np.mean([modviz.normalized_cut(graph, labels(seed)) for seed in range(SEEDS)])
        for way, labels in (
            ("modviz", ours),
            ("official", lambda seed: official(adjacency, n_clusters, seed)),
        )
    }
    more = cuts["modviz"] / cuts["official"] - 1
    return Row(
        f"partition, {name}: {graph.n_units:,} units, k={n_clusters}",
        "official",
        times.ratio("official", "modviz"),
        times.median("official"),
        times.median("modviz"),
        8,
        f"mean n-cut over {SEEDS} seeds {cuts['modviz']:.4f}, official {cuts['official']:.4f} "
        f"({more:+.2%}; at most +0.2 % asked)",
    )


def shuffles_row(graph: NeuronGraph, rounds: int) -> Row:
    """Shuffled graphs; modviz's time also holds the partition of the graph itself."""
    kept: dict[str, np.ndarray] = {}

    def ours() -> None:
        kept["modviz"] = modviz.clusterability_test(graph, 12, n_shuffles=SHUFFLES).null

    def theirs() -> None:
        cuts = []
        for seed in range(SHUFFLES):
            shuffled = shuffle_blocks(graph, np.random.default_rng(seed))
            labels = official(shuffled.adjacency, 12, seed)
            cuts.append(modviz.normalized_cut(shuffled.adjacency, labels))
        kept["official"] = np.array(cuts)

    times = interleaved({"official": theirs, "modviz": ours}, rounds)
    share = 200 / SHUFFLES
    means = {way: f"{cuts.mean():.3f} ± {cuts.std(ddof=1):.3f}" for way, cuts in kept.items()}
    return Row(
        f"200 shuffles, MLP: {graph.n_units:,} units, k=12",
        "official",
        times.ratio("official", "modviz"),
        times.median("official") * share,
        times.median("modviz") * share,
        6,
        f"null {means['modviz']}, official {means['official']}; timed on {SHUFFLES}",
    )


def spearman_row(n_units: int, n_samples: int, rounds: int) -> Row:
    """Squared rank correlations of values without structure, an eighth of them with ties."""
    values = np.random.default_rng(0).normal(size=(n_samples, n_units)).astype(np.float32)
    values[:, ::8] = values[:, ::8].round(1)
    kept: dict[str, np.ndarray] = {}

    def keep(way: str, work: Callable[[], np.ndarray]) -> Callable[[], None]:
        return lambda: kept.__setitem__(way, work())

    times = interleaved(
        {
            "scipy": keep("scipy", lambda: stats.spearmanr(values).statistic ** 2),
            "modviz": keep("modviz", lambda: squared_spearman(centred_ranks(values))),
        },
        rounds,
    )
    np.fill_diagonal(kept["scipy"], 0)
    return Row(
        f"Spearman: {n_units:,} units, {n_samples:,} samples",
        "scipy.stats.spearmanr",
        times.ratio("scipy", "modviz"),
        times.median("scipy"),
        times.median("modviz"),
        4,
        f"largest difference {np.abs(kept['scipy'] - kept['modviz']).max():.0e}",
    )


def resnet_row(rounds: int) -> Row:
    """ResNet-50's channels in a fresh process each time, with the peak of its memory."""
    command = [sys.executable, "-m", "benchmarks.partition"]
    told = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
        for _ in range(rounds)
    ]
    seconds = float(np.median([float(line[0]) for line in told]))
    peak = max(float(line[1]) for line in told)
    return Row(
        "partition, ResNet-50: 26,560 units, k=16",
        "limit of 15 s and 4 GB",
        15 / seconds,
        15,
        seconds,
        1,
        f"peak {peak:.2f} GB with torch and the model; scikit-learn runs out of memory (not run)",
    )


def resnet() -> None:
    """Print seconds of one partition of ResNet-50's graph, and this process's peak in GB."""
    model = zoo.Architecture("torchvision", "resnet50").made()
    graph = modviz.weight_graph(model, torch.zeros(1, 3, 64, 64))
    begin = time.perf_counter()
    modviz.spectral_partition(graph, 16)
    seconds = time.perf_counter() - begin
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)


def rows(rounds: int = 5) -> list[Row]:
    """The rows of `make bench`."""
    graph = mlp_graph()
    return [partition_row("MLP", graph, k, rounds) for k in (12, 16)]


def full_rows(rounds: int = 5) -> list[Row]:
    """The rows of `make bench-full`."""
    graph, weights = vgg_graph()
    return [
        *(partition_row(f"VGG-16 ({weights} weights)", graph, k, rounds) for k in (12, 16)),
        shuffles_row(mlp_graph(), rounds),
        resnet_row(rounds),
        spearman_row(4224, 5000, rounds),
    ]


if __name__ == "__main__":
    resnet()
