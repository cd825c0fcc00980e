"""What this machine can do: products, convolutions and reading, by one worker and by two."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.timing import interleaved
from modviz import examples
from modviz.core.threads import one_blas_thread
from modviz.measure.guard import worker_pool

GIGA = 1e9
#: Repetitions of which the best counts: what else runs on a machine only slows it.
BEST_OF = 7


def rate(work: Callable[[], object], each: float, workers: int) -> float:
    """The best rate seen, in `each` a second, of workers with a thread each.

    One worker is timed by its own core's seconds, several by the clock.
    """
    clock = time.thread_time if workers == 1 else time.perf_counter
    work()
    begin = time.perf_counter()
    work()
    turns = max(1, int(0.1 / (time.perf_counter() - begin)))

    def many() -> float:
        begin = clock()
        with torch.no_grad():
            for _ in range(turns):
                work()
        return clock() - begin

    best = math.inf
    with worker_pool(torch.device("cpu"), workers) as (pool, _), one_blas_thread():
        for _ in range(BEST_OF):
            futures = [pool.submit(many) for _ in range(workers)]
            best = min(best, max(future.result() for future in futures))
    return each * turns * workers / best


def kernels() -> dict[str, tuple[Callable[[], object], float]]:
    """Ways to multiply, and operations (or bytes) of each."""
    one_dnn = torch.ops.mkldnn
    single = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    big, half = torch.rand(2048, 2048), torch.rand(4096, 256)
    double, tall = np.random.default_rng(0).random((1024, 1024)), np.ones((8192, 4096), np.float32)
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
        "the same by numpy (OpenBLAS)": (lambda: single @ single, 2.0 * 2048**3),
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
        "1024 x 1024 x 1024 in double by numpy": (lambda: double @ double, 2.0 * 1024**3),
        "GB/s read by matrix times vector (134 MB)": (lambda: tall @ vector, tall.nbytes),
    }


def rates() -> dict[str, tuple[float, float]]:
    """G a second of every kernel: with one worker, and with two at once."""
    return {
        name: (rate(work, each, 1) / GIGA, rate(work, each, 2) / GIGA)
        for name, (work, each) in kernels().items()
    }


def threads() -> Iterator[str]:
    """Passes of 2,000 images through the MLP with one and with two threads in every operation."""
    model, images = examples.mlp().eval(), torch.rand(2000, 1, 28, 28)

    def passes(n: int, size: int) -> Callable[[], None]:
        def run() -> None:
            torch.set_num_threads(n)
            with torch.no_grad():
                for some in images.split(size):
                    model(some)

        return run

    before = torch.get_num_threads()
    for size in (32, 1000):
        times = interleaved({str(n): passes(n, size) for n in (1, 2)})
        for n in (1, 2):
            yield f"| {size} images at once, {n} | {1000 * times.median(str(n)):.0f} ms |"
    torch.set_num_threads(before)


if __name__ == "__main__":
    print(f"load {os.getloadavg()[0]:.1f}\n\n| threads | median of 5 |\n|---|--:|")
    for line in threads():
        print(line)
