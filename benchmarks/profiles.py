"""Where the time goes, stage by stage: ``python -m benchmarks.profiles``.

Stages that run in torch are done by one worker, and what every operation took by itself is added up
by kind; what is left of the time is Python and waiting. Partitions run in numpy and scipy, so there
the functions of modviz are the kinds. A profiler makes all a little slower, small calls most.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

import torch
from torch.profiler import ProfilerActivity, profile

import modviz
from benchmarks import lesions, partition
from benchmarks.features import Case, Work
from benchmarks.timing import machine
from modviz import examples
from modviz.core.graph import NeuronGraph
from modviz.core.threads import one_blas_thread
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.network import Network

#: Kinds of torch's operations by parts of their names; the first that fits counts.
KINDS = {
    "convolutions": ("conv",),
    "matrix products": ("linear", "mm", "matmul", "einsum", "mkldnn_rnn"),
    "Fourier transforms": ("fft",),
    "pooling": ("pool",),
    "copies and layout": (
        "copy",
        "clone",
        "contiguous",
        "cat",
        "stack",
        "index",
        "gather",
        "pad",
        "fill",
        "zero",
        "repeat",
        "to_mkldnn",
        "reorder",
        "nonzero",
        "empty",
    ),
    "answers: largest score, near ties": ("argmax", "amax", "topk", "aten::ge", "aten::gt"),
}
#: All other operations: sums, activations, sigmoid, Adam.
OTHER = "sums, activations and the like"

#: Functions of modviz (or scipy) by file and name; what they call counts for them.
PARTS = {
    "products with the graph": ("spectrum.py", "product"),
    "check in double precision": ("eigen.py", "_refined"),
    "eigensolver with its products": ("eigen.py", "_search"),
    "normalising the graph": ("spectrum.py", "_single"),
    "components of the graph": ("spectrum.py", "components"),
    "k-means: first centres": ("kmeans.py", "_spread"),
    "k-means: steps": ("kmeans.py", "_step"),
    "degrees of units": ("graph.py", "degrees"),
    "checking the graph's blocks": ("graph.py", "_checked"),
    "normalised cut": ("partition.py", "normalized_cut"),
    "shuffling": ("clusterability.py", "shuffle_blocks"),
}


def by_operation(work: Callable[[], object]) -> Iterator[str]:
    """Seconds of some work of torch by kind of operation."""
    begin = time.perf_counter()
    work()
    alone = time.perf_counter() - begin
    # workers are threads of their own
    threads = torch._C._profiler._ExperimentalConfig(profile_all_threads=True)  # noqa: SLF001
    with profile(activities=[ProfilerActivity.CPU], experimental_config=threads) as seen:
        begin = time.perf_counter()
        work()
        whole = time.perf_counter() - begin
    spent: dict[str, float] = {}
    calls = 0
    for event in seen.key_averages():
        spent[_kind(event.key)] = spent.get(_kind(event.key), 0.0) + event.self_cpu_time_total / 1e6
        calls += event.count
    spent["Python, profiler and waiting"] = max(0.0, whole - sum(spent.values()))
    yield f"{alone:.3g} s by one worker; {whole:.3g} s profiled, {calls:,} operations"
    yield from _shares(spent, whole)


def _kind(name: str) -> str:
    for kind, parts in KINDS.items():
        if any(part in name for part in parts):
            return kind
    return OTHER


def by_function(work: Callable[[], object]) -> Iterator[str]:
    """Seconds of some work of numpy and scipy by function of modviz; they may hold each other."""
    with one_blas_thread():
        begin = time.perf_counter()
        work()
        alone = time.perf_counter() - begin
        seen = cProfile.Profile()
        begin = time.perf_counter()
        seen.runcall(work)
        whole = time.perf_counter() - begin
    spent = dict.fromkeys(PARTS, 0.0)
    calls = dict.fromkeys(PARTS, 0)
    stats = pstats.Stats(seen).stats  # type: ignore[attr-defined] - typeshed leaves it out
    for (file, _, function), (_, count, _, cumulative, _) in stats.items():
        for part, (ending, name) in PARTS.items():
            if function == name and f"modviz/core/{ending}" in file.replace(os.sep, "/"):
                spent[part] += cumulative
                calls[part] += count
    yield f"{alone:.3g} s by one thread; {whole:.3g} s profiled"
    named = {f"{part}, {calls[part]:,} calls": took for part, took in spent.items() if took}
    yield from _shares(named, whole)


def _shares(spent: dict[str, float], whole: float) -> Iterator[str]:
    for name, took in sorted(spent.items(), key=lambda pair: -pair[1]):
        if took >= 0.005 * whole:
            yield f"| {name} | {took:.3f} | {took / whole:.0%} |"


def stages() -> Iterator[tuple[str, Iterator[str]]]:
    """What is profiled, and the lines of its profile."""
    for case in chain(lesions.cases(), lesions.full_cases()):
        network, data = Network(case.model, case.images[0][:2]), LabelledData(case.images)
        some = [replace(g, rows=g.rows[::4], masks=g.masks[::4]) for g in case.groups]
        n = sum(len(groups.rows) for groups in some)
        yield (
            f"{n:,} lesions, {case.name}, {len(case.images[0]):,} images",
            by_operation(lambda: count_right(network, data, some, workers=1)),  # noqa: B023
        )
    shape = (1, 28, 28)
    for name, model, names, k in (
        ("MLP 4x256", examples.mlp(), ("fc1", "fc2", "fc3", "fc4"), 16),
        ("CNN 3x64 + 128", examples.cnn(), ("conv1", "conv2", "conv3", "fc1"), 4),
    ):
        work = Work(Case(name, model.eval(), shape, {n: n for n in names}, k))
        yield (
            f"{work.case.pictures * len(names):,} pictures, {name}",
            by_operation(lambda: work.modviz(names)),  # noqa: B023
        )
    mlp = partition.mlp_graph()
    for name, graph in (("MLP", mlp), ("VGG-16", partition.vgg_graph()[0])):
        yield (
            f"partition, {name}: {graph.n_units:,} units, k=16",
            by_function(
                lambda: modviz.spectral_partition(NeuronGraph(graph.layers, graph.blocks), 16)  # noqa: B023
            ),
        )
    yield (
        "10 shuffles, MLP, k=12",
        by_function(lambda: modviz.clusterability_test(mlp, 12, n_shuffles=10, workers=1)),
    )


def main() -> None:
    """Print a table for each stage."""
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start")
    torch.set_num_threads(1)
    for name, lines in stages():
        print(f"\n{name}: {next(lines)}\n\n| kind | seconds | share |\n|---|--:|--:|", flush=True)
        for line in lines:
            print(line, flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
