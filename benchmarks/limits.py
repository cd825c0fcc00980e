"""How near modviz comes to what operations and machine allow: ``python -m benchmarks.limits``.

Prints the tables of docs/performance.md about limits. All is done by one thread, seconds are those
of its core, and the peak is that of one core, so that other work on the machine matters little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

import modviz
from benchmarks import lesions, networks, partition
from benchmarks.features import Case, Work
from benchmarks.operations import Operations, bounds
from benchmarks.peaks import BEST_OF, GIGA, rates
from benchmarks.timing import machine
from modviz import examples
from modviz.core import kmeans, spectrum
from modviz.core.clusterability import shuffle_blocks
from modviz.core.controls import draw_controls
from modviz.core.correlation import centred_ranks, squared_spearman
from modviz.core.graph import NeuronGraph
from modviz.core.threads import one_blas_thread
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.images import measure_top_images
from modviz.measure.network import Network
from modviz.measure.optimise import STEPS

#: Times that a stage is measured; the median counts.
ROUNDS = 3
#: Gflop a second that lesions are taken to reach on a GPU in float32: an assumption.
GPU_FLOPS = 30e3
#: Of every table of work.
HEAD = "| work | Gflop left | core seconds | Gflop/s a core | of the peak |\n|---|--:|--:|--:|--:|"


def seconds(work: Callable[[], object]) -> float:
    """Median of a stage's time on the processor."""
    work()
    found = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return median(found)


def of_lesions(peak: float, reached: list[float]) -> Iterator[str]:
    """Lesions of the benchmark's cases; adds to `reached` the Gflop a second of a core."""
    for case in chain(lesions.cases(), lesions.full_cases()):
        network, n = Network(case.model, case.images[0][:2]), len(case.images[0])
        count, data = Operations(network), LabelledData(case.images)
        left = [count.lesion(layer, float(mask.mean())) for layer, mask in case.lesions]
        begin = time.process_time()  # once, as a user does it
        count_right(network, data, case.groups)
        took = time.process_time() - begin
        flop = n * (sum(left) + count.whole)
        reached.append(flop / took / GIGA)
        yield _line(f"{len(left):,} lesions, {case.name}, {n:,} images", flop, took, peak)


def of_pictures(peak: float) -> Iterator[str]:
    """Pictures: each step a pass up to the layer and back, without gradients of weights."""
    shape = (1, 28, 28)
    for name, model, names, k in (
        ("MLP 4x256", examples.mlp(), ("fc1", "fc2", "fc3", "fc4"), 16),
        ("CNN 3x64 + 128", examples.cnn(), ("conv1", "conv2", "conv3", "fc1"), 4),
    ):
        work = Work(Case(name, model.eval(), shape, {n: n for n in names}, k))
        count = Operations(work.network)
        pictures = work.case.pictures
        each = [
            # the layer itself as a mean: a product with one position in place of all
            STEPS * 2 * (count.before(n) + 2.0 * work.network.weight(n).numel()) + count.whole
            for n in names
        ]
        took = seconds(lambda: work.modviz(names))  # noqa: B023
        yield _line(f"{pictures * len(names)} pictures, {name}", pictures * sum(each), took, peak)


def of_top_images(peak: float) -> Iterator[str]:
    """Top images: one pass, and a product of drives and groups."""
    images = networks.images_like((1, 28, 28), 5000)
    for name, model in (("MLP 4x256", examples.mlp()), ("CNN 3x64 + 128", examples.cnn())):
        network = Network(model.eval(), images[0][:2])
        graph = modviz.weight_graph(network)
        cut = modviz.Partition(np.arange(graph.n_units) % 16, 16, graph)
        controls, tested = draw_controls(cut, 19, 0), np.ones(len(cut.subclusters), dtype=bool)
        groups = 320 * sum(2.0 * layer.n_units for layer in network.hidden)
        took = seconds(
            lambda: measure_top_images(network, LabelledData(images), cut, tested, controls)  # noqa: B023
        )
        left = 5000 * (Operations(network).whole + groups)
        yield _line(f"top images of 5,000, 320 groups a layer, {name}", left, took, peak)


def of_spearman(peak: float) -> Iterator[str]:
    """Rank correlations of 2,048 units on 5,000 samples, one thread."""
    values = np.random.default_rng(0).normal(size=(5000, 2048)).astype(np.float32)
    ranks = centred_ranks(values)
    with one_blas_thread():
        took = seconds(lambda: squared_spearman(ranks))
    sorting = seconds(lambda: centred_ranks(values))
    yield f"| ranks of 5,000 samples, 2,048 units | | {sorting:.3f} | | |"
    yield _line("their products in double, by half", 5000.0 * 2048**2, took, peak)


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Operations and seconds of the parts of a partition, and how often a graph is multiplied."""
    found = dict.fromkeys(("products", "in products", "in k-means", "k-means flop"), 0.0)
    leading, step = spectrum.leading, kmeans._Search._step  # noqa: SLF001 - to be counted

    def seen_leading(single: Callable, double: Callable, n: int, k: int) -> tuple:  # type: ignore[type-arg]
        def product(vector: np.ndarray) -> np.ndarray:
            begin = time.thread_time()
            result = single(vector)
            found["in products"] += time.thread_time() - begin
            found["products"] += 1
            return result

        return leading(product, double, n, k)

    def seen_step(self: object, centres: np.ndarray) -> tuple:  # type: ignore[type-arg]
        begin = time.thread_time()
        result = step(self, centres)
        found["in k-means"] += time.thread_time() - begin
        found["k-means flop"] += 4.0 * centres.size * result[1].shape[1]
        return result

    with (
        patch.object(spectrum, "leading", seen_leading),
        patch.object(kmeans._Search, "_step", seen_step),  # noqa: SLF001
    ):
        yield found


def of_partition(name: str, graph: NeuronGraph, peak: float) -> Iterator[str]:
    """A partition into 16 clusters by one thread, part by part."""
    entries = sum(block.size for block in graph.blocks.values())
    with counted() as found, one_blas_thread():
        begin = time.thread_time()
        modviz.spectral_partition(NeuronGraph(graph.layers, graph.blocks), 16)
        took = time.thread_time() - begin
    n = int(found["products"])
    yield _line(
        f"{n} products with the graph, {name}", 4.0 * entries * n, found["in products"], peak
    )
    yield _line(f"k-means steps, {name}", found["k-means flop"], found["in k-means"], peak)
    rest = took - found["in products"] - found["in k-means"]
    yield f"| all else of its {took:.2f} s, {name} | | {rest:.2f} | | |"


def of_shuffles(graph: NeuronGraph) -> Iterator[str]:
    """A shuffled graph: sorting random numbers, without operations to count."""
    entries = sum(block.size for block in graph.blocks.values())
    rng = np.random.default_rng(0)
    took = seconds(lambda: shuffle_blocks(graph, rng))
    yield f"| shuffling {entries:,} edges of the MLP | | {took:.4f} | | |"


def _line(name: str, operations: float, took: float, peak: float) -> str:
    reached = operations / took / GIGA
    return (
        f"| {name} | {operations / GIGA:,.1f} | {took:.3g} | {reached:.0f} | {reached / peak:.0%} |"
    )


def billion(reached: float, read: float, products: float) -> Iterator[str]:
    """By calculation: 1e9 parameters, k=16, 19 controls, 50,000 images.

    Parameters
    ----------
    reached : float
        Gflop a second that lesions reach on two cores.
    read : float
        GB a second of a matrix times a vector, by one thread.
    products : float
        Products with the graph that a partition takes.
    """
    # five dense layers of 15,811: four products, of which a lesion leaves 3, 2, 1, 0 or none whole
    # and the first as a difference; and 40 residual blocks of 1,768 -> 7,071 -> 1,768, the inner
    # layers silenced, each at 256 positions
    whole = np.array([2e9, 2e9 * 256])
    left = whole * np.array([(6 + 4 / 16) / 5 / 4, (sum(range(40)) + 40 / 32) / 40 / 40])
    n_lesions = np.array([5 * 320, 40 * 320])
    total = left * n_lesions * 50_000 / GIGA
    # a layer behind a residual sum reads every block before it
    edges = np.array([1e9, (40 * 41 / 2) * 1768 * 7071])
    for name, values, unit in (
        ("an image, intact", whole / GIGA, "Gflop"),
        ("lesions", n_lesions, ""),
        ("left for each lesion of an image", left / GIGA, "Gflop"),
        (f"all lesions at {reached:,.0f} Gflop/s, as here", total / reached / 86400, "days"),
        (f"all lesions at {GPU_FLOPS:,.0f} Gflop/s, assumed", total / GPU_FLOPS / 86400, "days"),
        ("edges of the graph, billions", edges / 1e9, ""),
        ("graph in double, and in single for the solver", 12 * edges / GIGA, "GB"),
        (f"{products:.0f} products at {read:.0f} GB/s", products * 8 * edges / GIGA / read, "s"),
    ):
        shown = [f"{v:,.0f} {unit}" if v >= 1000 else f"{v:.3g} {unit}" for v in values]
        yield f"| {name} | {' | '.join(shown)} |".replace("  ", " ")


def main() -> None:
    """Print all tables."""
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start")
    torch.set_num_threads(1)  # the rate of one core is asked for
    show("The bound by operations", bounds())
    print(f"\n| G a second, best of {BEST_OF} | one worker | two |\n|---|--:|--:|")
    found = rates()
    for name, (one, two) in found.items():
        print(f"| {name} | {one:.0f} | {two:.0f} |")
    single = [one for name, (one, _) in found.items() if "double" not in name]
    peak, double = max(single), next(one for name, (one, _) in found.items() if "double" in name)
    reads = next(one for name, (one, _) in found.items() if name.startswith("GB"))
    reached: list[float] = []
    show("Lesions", [HEAD], of_lesions(peak, reached))
    show("Pictures", [HEAD], of_pictures(peak))
    show("Top images", [HEAD], of_top_images(peak))
    mlp, (vgg, _) = partition.mlp_graph(), partition.vgg_graph()
    several = (of_partition("MLP", mlp, peak), of_partition("VGG-16", vgg, peak))
    show("Partition", [HEAD], *several, of_shuffles(mlp), of_spearman(double))
    head = "| a billion parameters | dense, 5 x 15,811 units | 40 residual blocks |\n|---|--:|--:|"
    show("By calculation", [head], billion(2 * median(reached), reads, 100))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def show(title: str, *tables: Iterable[str]) -> None:
    """Print the lines of some tables as they come."""
    print(f"\n{title}\n")
    for lines in tables:
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
