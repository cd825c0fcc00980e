"""Open mutated bundles by the thousand: ``python -m tests.core.mutations 20000``.

Each is refused by a BundleError, or gives an analysis that is equal to the whole one (damaged
files) or goes through all views (forged files). The work is done in child processes with bounded
memory, so that also a crash or a hang is found and named by the seed that makes it again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import modviz
from modviz.core.analysis import Analysis
from tests.core.mutants import Mutant, mutant

SAMPLES = sorted((Path(__file__).parents[1] / "data" / "bundles").glob("*.modviz"))

#: Mutants of one child, its address space, and the seconds after which it is ended.
CHUNK, SPACE, PATIENCE = 500, 3 * 2**30, 1800
#: Of the forged ones that open, each so many-th becomes a report, too: that takes most of the time.
REPORTED = 10


@dataclass
class Found:
    """What came of some mutants: counts by kind and outcome, seconds, and seeds that failed."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_seed: int = -1
    peak: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: dict[str, Any]) -> None:
        """Take in what a child found."""
        self.counts.update(other["counts"])
        if other["slowest"] > self.slowest:
            self.slowest, self.slowest_seed = other["slowest"], other["slowest_seed"]
        self.peak = max(self.peak, other["peak"])
        self.failures += other["failures"]


def fingerprint(analysis: Analysis) -> list[Any]:
    """All that can be read of an analysis, for comparison."""
    lesions, partition = analysis.lesions, analysis.partition
    found = [
        analysis.table().to_csv(),
        analysis.class_changes().to_csv(),
        repr(analysis),
        (analysis.settings, analysis.class_names, analysis.status, analysis.provenance),
        (partition.labels.tobytes(), partition.graph.layers, partition.scope, partition.cuts),
        [block.tobytes() for block in partition.graph.blocks.values()],
        analysis.tested.tobytes(),
        None if lesions is None else lesions.controls.tobytes(),
        repr(analysis.support),
    ]
    pictured = [r for r in (analysis.features, analysis.top_images) if r is not None]
    return found + [np.asarray(r.images).tobytes() for r in pictured if r.images is not None]


def views(analysis: Analysis, folder: Path, *, report: bool) -> None:
    """Everything that can be asked of an analysis without a model."""
    analysis.table()
    analysis.summary()
    analysis.class_changes()
    repr(analysis)
    if analysis.support is not None:
        analysis.support.table()
    if report:
        modviz.report(analysis, folder / "report.html")


def judged(made: Mutant, whole: list[Any], folder: Path, *, report: bool) -> tuple[str, float]:
    """What came of a mutant, and the seconds of processor time that opening it took.

    Raises
    ------
    AssertionError, or whatever a fault of modviz raises
    """
    path = folder / "mutant.modviz"
    path.write_bytes(made.data)
    begin = time.process_time()
    analysis, words = None, ""
    try:
        analysis = modviz.load(path)
    except modviz.BundleError as error:
        words = str(error)
    seconds = time.process_time() - begin
    if analysis is None:
        assert "mutant.modviz" in words and len(words) < 2000, words  # noqa: PT018
        return "refused", seconds
    try:
        if not made.forged:
            assert fingerprint(analysis) == whole, "a damaged file opened as another analysis"
            return "equal", seconds
        views(analysis, folder, report=report)
    except modviz.BundleError:  # pictures are decoded late
        assert made.forged
        return "refused when looked at", seconds
    return "opened and reported" if report else "opened", seconds


def of_seeds(seeds: range, *, reported: int = 0) -> Found:
    """Judge the mutants of some seeds in this process."""
    whole = {path: path.read_bytes() for path in SAMPLES}
    prints = {path: fingerprint(modviz.load(path)) for path in SAMPLES}
    found = Found()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", ".*has format version.*")  # a version can be forged, too
        for seed in seeds:
            path = SAMPLES[seed % len(SAMPLES)]
            made = mutant(whole[path], seed)
            report = bool(reported) and seed // len(SAMPLES) % reported == 0
            try:
                outcome, seconds = judged(made, prints[path], Path(folder), report=report)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                outcome, seconds = "FAILED", 0.0
                found.failures.append(
                    f"seed {seed} ({path.stem}, {made.kind}): {type(error).__name__}: {error}"[:400]
                )
            found.counts[f"{made.kind}: {outcome}"] += 1
            if seconds > found.slowest:
                found.slowest, found.slowest_seed = seconds, seed
    found.peak = _peak()
    return found


def _peak() -> int:
    """Most bytes of memory that this process had (what it had as part of its parent set aside)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def in_child(start: int, stop: int, reported: int) -> dict[str, Any]:
    """Judge some seeds in a process of their own."""
    command = [sys.executable, "-m", "tests.core.mutations", "--seeds", str(start), str(stop)]
    limit = (SPACE, SPACE)
    done = subprocess.run(
        [*command, "--reported", str(reported)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
        check=False,
    )
    if done.returncode:
        died = f"seeds {start} .. {stop - 1}: exit {done.returncode}: {done.stderr[-600:]}"
        return {"counts": {}, "slowest": 0.0, "slowest_seed": -1, "peak": 0, "failures": [died]}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Judge as many as are asked for, in children, two at a time; print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.core.mutations", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--seeds", nargs=2, type=int, help="these, in this process")
    parser.add_argument("--reported", type=int, default=REPORTED, help="a report of each so many")
    given = parser.parse_args()
    if given.seeds:
        sys.stdout.write(json.dumps(vars(of_seeds(range(*given.seeds), reported=given.reported))))
        return
    total, begin = Found(), time.monotonic()
    starts = range(0, given.count, CHUNK)
    with ThreadPoolExecutor(2) as pool:
        chunks = [
            pool.submit(in_child, start, min(start + CHUNK, given.count), given.reported)
            for start in starts
        ]
        for chunk in chunks:
            total.add(chunk.result())
    lines = [f"{count:6,}  {name}" for name, count in sorted(total.counts.items())]
    lines.append(
        f"{sum(total.counts.values()):,} in {time.monotonic() - begin:.0f} s; slowest to open "
        f"{total.slowest:.2f} s (seed {total.slowest_seed}); most memory {total.peak / 1e6:.0f} MB"
    )
    sys.stdout.write("\n".join([*lines, *(total.failures or ["no failures"])]) + "\n")
    sys.exit(bool(total.failures))


if __name__ == "__main__":
    main()
