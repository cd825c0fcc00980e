"""What work is left for any exact method, what this machine can do, and how near modviz comes.

``python -m benchmarks.limits`` prints the tables of docs/performance.md. Work is counted in
floating-point operations (a multiplication and an addition are two) of layers as they are defined:
minimal filtering (Winograd) gets by with fewer multiplications.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import fx, nn

import modviz
from benchmarks import lesions, networks, partition
from benchmarks.features import Case, Work
from benchmarks.timing import interleaved, machine
from modviz import examples
from modviz.core import kmeans, spectrum
from modviz.core.clusterability import shuffle_blocks
from modviz.core.controls import draw_controls
from modviz.core.correlation import centred_ranks, squared_spearman
from modviz.core.graph import NeuronGraph
from modviz.core.threads import one_blas_thread
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.guard import worker_pool
from modviz.measure.images import measure_top_images
from modviz.measure.network import Network
from modviz.measure.optimise import STEPS

GIGA = 1e9
#: Repetitions: of a measured rate, of which the best counts, and of a stage, of which the median.
BEST_OF, ROUNDS = 7, 3


# ---- the work that is left -----------------------------------------------------------------------


class Operations:
    """Floating-point operations of a network's layers for one image.

    What has no weights counts nothing, and is taken to act on every channel alone: so it is in the
    networks here.

    Parameters
    ----------
    network : Network
    inside : bool
        Leave out products with the zeros that pad an image.
    """

    def __init__(self, network: Network, *, inside: bool = False) -> None:
        self.network = network
        self.of: dict[fx.Node, float] = {}
        for layer in network.layers:
            for node in network.layer_nodes(layer.name):
                positions = math.prod(network.shapes[node][1:]) // layer.n_units
                share = self._inside(node) if inside else 1.0
                self.of[node] = 2.0 * network.weight(layer.name).numel() * positions * share

    def _inside(self, node: fx.Node) -> float:
        """Share of the taps of a convolution that fall into the image."""
        conv = self.network.replay.module(node)
        if not isinstance(conv, nn.Conv2d):
            return 1.0
        size, kernel = self.network.shapes[node.all_input_nodes[0]][2:], conv.kernel_size
        seen = F.conv2d(
            torch.ones(1, 1, *size),
            torch.ones(1, 1, *kernel),
            None,
            conv.stride,
            conv.padding,
            conv.dilation,
        )
        return float(seen.mean()) / math.prod(kernel)

    @property
    def whole(self) -> float:
        """Of a pass of the whole network."""
        return sum(self.of.values())

    def before(self, layer: str) -> float:
        """Of all layers that a layer needs, without itself."""
        (node, *_) = self.network.layer_nodes(layer)
        needed = self.network.replay.before([node])
        return sum(self.of.get(n, 0.0) for n in needed if n is not node)

    def lesion(self, layer: str, share: float, *, through_sums: bool = False) -> float:
        """Of what follows a lesion of a share of a layer's units; their readers as differences.

        Parameters
        ----------
        layer : str
        share : float
        through_sums : bool
            Whether a difference is also taken where changed channels pass a sum or an activation
            before the next layer reads them, as behind a residual block.
        """
        cuts = self.network.lesion_nodes(layer)
        changed = dict.fromkeys(cuts, share)
        total = 0.0
        for node in self.network.replay.after(cuts):
            own = max(changed.get(n, 0.0) for n in node.all_input_nodes)
            direct = any(n in cuts for n in node.all_input_nodes)
            if node in self.of:
                total += self.of[node] * (own if direct or through_sums else 1.0)
                own = 1.0
            changed[node] = max(own, changed.get(node, 0.0))
        return total

    def bound(self, share: float = 1 / 16, *, through_sums: bool = False) -> float:
        """A full pass, as a multiple of the mean lesion: as many lesions in every layer."""
        layers = [layer.name for layer in self.network.hidden]
        each = [self.lesion(layer, share, through_sums=through_sums) for layer in layers]
        return self.whole / float(np.mean(each))


def bounds() -> Iterator[str]:
    """The bound by operations of the benchmark's networks."""
    yield "| network | Mflop a pass | bound | without padding | differences through sums |"
    yield "|---|--:|--:|--:|--:|"
    for name, model, shape in (
        ("MLP 4x256", examples.mlp(), (1, 28, 28)),
        ("CNN 3x64 + 128", examples.cnn(), (1, 28, 28)),
        ("VGG16-BN, 32 px", networks.vgg16_bn(), (3, 32, 32)),
        ("ResNet-20", networks.resnet20(), (3, 32, 32)),
    ):
        network = Network(model.eval(), torch.rand(2, *shape))
        every, inside = Operations(network), Operations(network, inside=True)
        yield (
            f"| {name} | {every.whole / 1e6:.3g} | {every.bound():.2f}x "
            f"| {inside.bound():.2f}x, pass {inside.whole / every.whole:.0%} "
            f"| {every.bound(through_sums=True):.2f}x |"
        )


# ---- what the machine can do ---------------------------------------------------------------------


def rate(work: Callable[[], object], each: float, workers: int) -> float:
    """The best rate seen, in `each` a second, of workers with a thread each."""
    begin = time.perf_counter()
    work()
    turns = max(1, int(0.1 / (time.perf_counter() - begin)))

    def many() -> None:
        with torch.no_grad():
            for _ in range(turns):
                work()

    best = math.inf
    with worker_pool(torch.device("cpu"), workers) as (pool, _), one_blas_thread():
        for _ in range(BEST_OF):
            begin = time.perf_counter()
            for future in [pool.submit(many) for _ in range(workers)]:
                future.result()
            best = min(best, time.perf_counter() - begin)
    return each * turns * workers / best


def kernels() -> dict[str, tuple[Callable[[], object], float]]:
    """Ways to multiply, and operations (or bytes) of each."""
    one_dnn = torch.ops.mkldnn
    big, half = torch.rand(2048, 2048), torch.rand(4096, 256)
    double, tall = torch.rand(1024, 1024, dtype=torch.float64), np.ones((8192, 4096), np.float32)
    image = torch.rand(16, 256, 34, 34).contiguous(memory_format=torch.channels_last)
    kernel = torch.rand(256, 256, 3, 3).contiguous(memory_format=torch.channels_last)
    square, batch = torch.rand(256, 256), torch.rand(1000, 256)
    options = ([0, 0], [1, 1], [1, 1], 1, "none", [], "")
    vector = np.ones(4096, np.float32)
    return {
        "product 2048 x 2048 x 2048 by torch (MKL)": (lambda: big @ big, 2.0 * 2048**3),
        "the same by oneDNN": (
            lambda: one_dnn._linear_pointwise(big, big, None, "none", [], ""),  # noqa: SLF001
            2.0 * 2048**3,
        ),
        "oneDNN, 4096 x 256 by 256 x 256": (
            lambda: one_dnn._linear_pointwise(half, square, None, "none", [], ""),  # noqa: SLF001
            2.0 * 4096 * 256**2,
        ),
        "oneDNN, 1000 x 256 by 256 x 256 (MLP)": (
            lambda: one_dnn._linear_pointwise(batch, square, None, "relu", [], ""),  # noqa: SLF001
            2.0 * 1000 * 256**2,
        ),
        "convolution 3 x 3, 256 channels, oneDNN": (
            lambda: one_dnn._convolution_pointwise(image, kernel, None, *options),  # noqa: SLF001
            2.0 * 16 * 32**2 * 9 * 256**2,
        ),
        "product 1024 x 1024 x 1024 in double": (lambda: double @ double, 2.0 * 1024**3),
        "GB/s read by matrix times vector (134 MB)": (lambda: tall @ vector, tall.nbytes),
    }


def rates() -> dict[str, tuple[float, float]]:
    """G a second of every kernel: with one worker, and with two at once."""
    return {
        name: (rate(work, each, 1) / GIGA, rate(work, each, 2) / GIGA)
        for name, (work, each) in kernels().items()
    }


# ---- how near modviz comes -----------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    """Median time of a stage."""
    return interleaved({"": work}, ROUNDS).median("")


def of_lesions(peak: float) -> Iterator[str]:
    """Lesions of the benchmark's cases."""
    for case in (*lesions.cases(), *lesions.full_cases()):
        network, n = Network(case.model, case.images[0][:2]), len(case.images[0])
        count, data = Operations(network), LabelledData(case.images)
        left = [count.lesion(layer, float(mask.mean())) for layer, mask in case.lesions]
        took = seconds(lambda: count_right(network, data, case.groups))  # noqa: B023
        yield _line(f"{len(left):,} lesions, {case.name}", n * (sum(left) + count.whole), took, peak)


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
    yield f"| ranks of 5,000 samples, 2,048 units | | {seconds(lambda: centred_ranks(values)):.3f} | | |"
    yield _line("their products in double (half would do)", 2.0 * 5000 * 2048**2, took, peak)


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Operations and seconds of the parts of a partition, and how often a graph is multiplied."""
    found = dict.fromkeys(("products", "in products", "in k-means", "k-means flop"), 0.0)
    leading, step = spectrum.leading, kmeans._Search._step  # noqa: SLF001 - to be counted

    def seen_leading(single: Callable, double: Callable, n: int, k: int) -> tuple:  # type: ignore[type-arg]
        def product(vector: np.ndarray) -> np.ndarray:
            begin = time.perf_counter()
            result = single(vector)
            found["in products"] += time.perf_counter() - begin
            found["products"] += 1
            return result

        return leading(product, double, n, k)

    def seen_step(self: object, centres: np.ndarray) -> tuple:  # type: ignore[type-arg]
        begin = time.perf_counter()
        result = step(self, centres)
        found["in k-means"] += time.perf_counter() - begin
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
        begin = time.perf_counter()
        modviz.spectral_partition(NeuronGraph(graph.layers, graph.blocks), 16)
        took = time.perf_counter() - begin
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
    yield f"| shuffling {entries:,} edges of the MLP ({entries / took / 1e6:.0f} M a second) "
    f"| | {took:.3f} | | |"


def _line(name: str, operations: float, took: float, peak: float) -> str:
    reached = operations / took / GIGA
    return (
        f"| {name} | {operations / GIGA:,.1f} | {took:.3g} | {reached:.0f} | {reached / peak:.0%} |"
    )


# ---- a billion parameters ------------------------------------------------------------------------

#: Gflop a second that lesions are taken to reach on a GPU in float32: an assumption.
GPU_FLOPS = 30e3


def billion(reached: float, read: float, products: float) -> Iterator[str]:
    """By calculation: 1e9 parameters, k=16, 19 controls, 50,000 images.

    Parameters
    ----------
    reached : float
        Gflop a second that lesions reach on this machine.
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
        (f"all lesions at {reached:,.0f} Gflop/s, as measured here", total / reached / 86400, "d"),
        (f"all lesions at {GPU_FLOPS:,.0f} Gflop/s, a GPU", total / GPU_FLOPS / 86400, "d"),
        ("edges of the graph", edges / 1e9, "1e9"),
        ("graph in double, and in single for the solver", 12 * edges / GIGA, "GB"),
        (f"{products:.0f} products at {read:.0f} GB/s", products * 8 * edges / GIGA / read, "s"),
    ):
        yield f"| {name} | " + " | ".join(f"{v:,.3g} {unit}".strip() for v in values) + " |"


def main() -> None:
    """Print all tables."""
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start\n")
    show("The bound by operations", bounds())
    print("| G a second, best of", BEST_OF, "| one worker | two |\n|---|--:|--:|")
    found = rates()
    for name, (one, two) in found.items():
        print(f"| {name} | {one:.0f} | {two:.0f} |")
    single = max(one for name, (one, _) in found.items() if "double" not in name)
    both = max(two for name, (_, two) in found.items() if "double" not in name)
    head = ["| work | Gflop left | seconds | Gflop/s | share of the peak |", "|---|--:|--:|--:|--:|"]
    show("Lesions, two workers", [*head, *of_lesions(both)])
    show("Pictures, two workers", [*head, *of_pictures(both)])
    show("Top images", [*head, *of_top_images(both)])
    mlp, (vgg, _) = partition.mlp_graph(), partition.vgg_graph()
    parts = [*of_partition("MLP", mlp, single), *of_partition("VGG-16", vgg, single)]
    show("Partition, one thread", [*head, *parts, *of_shuffles(mlp), *of_spearman(found)])
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def show(title: str, lines: Iterable[str]) -> None:
    """Print a table as its lines come."""
    print(f"\n{title}\n")
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
