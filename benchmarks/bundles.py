"""How quick and how small bundles are: ``python -m benchmarks.bundles``.

Saves an analysis of VGG-16's size, opens it in processes of their own, and prints size, times and
memory. ``python -m benchmarks.bundles FILE`` only writes the file, for who wants to look at it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from scipy.ndimage import gaussian_filter

import modviz
from benchmarks.sizes import CLASSES, CONTROLS, VGG16, sized
from modviz.core.analysis import Analysis

#: Images of each class behind the accuracies, as in CIFAR-10's test set.
IMAGES = 1000
#: Sides of optimised pictures and of top images.
PICTURE, TOP_IMAGE = 224, 64

#: Run in a fresh process: what a user waits for, and the most memory that it took.
OPEN = """
import json, sys, time
start = time.perf_counter()
import modviz
analysis = modviz.load(sys.argv[1])
seconds, cpu = time.perf_counter() - start, time.process_time()
status = open("/proc/self/status").read()  # getrusage would tell of the parent's memory, too
peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
start = time.perf_counter()
analysis.table()
print(json.dumps({
    "seconds": seconds, "cpu": cpu, "bytes": peak,
    "table": time.perf_counter() - start, "torch": "torch" in sys.modules,
}))
"""


def vgg16_analysis() -> Analysis:
    """4,224 units, 208 subclusters, 99 controls, pictures of 224 x 224 of smooth noise."""
    rng = np.random.default_rng(0)
    small = sized(VGG16, (8, 8, 3), "VGG-16 in size")
    lesions, features, tops = small.lesions, small.features, small.top_images
    assert lesions is not None and features is not None and tops is not None  # noqa: S101, PT018
    counted = {
        name: np.rint(np.clip(getattr(lesions, name), 0, 1) * IMAGES) / IMAGES
        for name in ("intact", "lesioned", "controls")
    }
    n = len(small.subclusters)
    numbers = rng.integers(0, 4 * n, tops.numbers.shape)  # some images drive many subclusters
    pool = smooth(rng, 4 * n, TOP_IMAGE, 1.5)
    return replace(
        small,
        lesions=replace(lesions, **counted, class_images=np.full(CLASSES, IMAGES)),
        features=replace(
            features,
            images=smooth(rng, n, PICTURE, 3),
            control_images=smooth(rng, n, PICTURE, 3),
        ),
        top_images=replace(tops, numbers=numbers, labels=numbers % CLASSES, images=pool[numbers]),
    )


def smooth(rng: np.random.Generator, n: int, side: int, blur: float) -> np.ndarray:
    """Colour pictures of noise that is smooth over some pixels, as optimised pictures are."""
    pictures = np.empty((n, side, side, 3), dtype=np.float32)
    for place in range(n):
        noise = rng.normal(size=(side, side, 3)) + rng.normal(size=(side, side, 1))
        soft = gaussian_filter(noise, (blur, blur, 0))
        pictures[place] = (soft - soft.min()) / np.ptp(soft)
    return pictures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundles", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="write the bundle there and stop")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    analysis = vgg16_analysis()
    if given.file is not None:
        analysis.save(given.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, exact in (("rounded graph", False), ("exact graph", True)):
            path = Path(folder) / f"{exact}.modviz"
            begin = time.perf_counter()
            analysis.save(path, exact_graph=exact)
            saved = time.perf_counter() - begin
            print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, saved in {saved:.1f} s")
            print_opening(path, given.rounds)
        print_errors(analysis, modviz.load(Path(folder) / "False.modviz"))
    print(f"{CONTROLS} controls; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")


def print_opening(path: Path, rounds: int) -> None:
    """Open a file in fresh processes."""
    found = [
        json.loads(subprocess.check_output([sys.executable, "-c", OPEN, str(path)]))  # noqa: S603
        for _ in range(rounds)
    ]
    seconds, cpu, peak, table = (
        median(one[name] for one in found) for name in ("seconds", "cpu", "bytes", "table")
    )
    print(
        f"  opened in {seconds:.2f} s with imports ({min(one['seconds'] for one in found):.2f} at "
        f"best; {cpu:.2f} s of processor time with Python's own start), peak {peak / 1e6:.0f} MB; "
        f"table() {table:.2f} s more; torch loaded: {any(one['torch'] for one in found)}"
    )


def print_errors(before: Analysis, after: Analysis) -> None:
    """What rounding changed."""
    for name in ("features", "top_images"):
        first, second = (np.asarray(getattr(one, name).images) for one in (before, after))
        error = 255 * np.abs(first - second)
        print(
            f"{name}: mean error {error.mean():.2f} of 255, 99 % below "
            f"{np.percentile(error, 99):.1f}, largest {error.max():.1f}"
        )
    edges = [
        np.concatenate([b.ravel() for b in one.partition.graph.blocks.values()])
        for one in (before, after)
    ]
    there = edges[0] > 0
    ratio = np.abs(edges[1][there] / edges[0][there] - 1)
    print(
        f"weights: mean error {ratio.mean():.2%}, 99.9 % below {np.percentile(ratio, 99.9):.2%} of "
        f"{there.sum():,}; the rest is below a millionth of its block's largest"
    )


if __name__ == "__main__":
    main()
