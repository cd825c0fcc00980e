"""Kill an analysis again and again, at random moments, and go on until it ends.

``python -m tests.resume.kills 200`` kills 200 times, several times a run, and prints whether every
run ended as one that was never killed.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.resume.scenarios import SCENARIOS, work

#: New processes that have imported everything, but used nothing of torch yet.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tests.resume.scenarios", "modviz.measure.run", "modviz.measure.optimise"]
)


@dataclass
class Tally:
    """What came of the runs: kills, ends that were as expected, and what was recorded at kills."""

    kills: int = 0
    same: int = 0
    runs: int = 0
    pieces: Counter[str] = field(default_factory=Counter)


def started(*given: str | None) -> BaseProcess:
    process = CONTEXT.Process(target=work, args=given)
    process.start()
    return process


def expected(scenario: str) -> tuple[str, float]:
    """The fingerprint of a run that nobody kills and that records nothing, and its seconds."""
    with tempfile.NamedTemporaryFile() as result:
        for _ in range(2):  # the first one in a new process takes longer
            began = time.monotonic()
            process = started(scenario, None, result.name)
            process.join()
            if process.exitcode != 0:
                raise RuntimeError(f"{scenario}: the run failed with {process.exitcode}")
        return Path(result.name).read_text(), time.monotonic() - began


def one_run(
    scenario: str, folder: Path, whole: str, seconds: float, rng: random.Random, tally: Tally
) -> None:
    """Go on with one analysis, killed at random moments, to its end."""
    checkpoint, result = folder / "checkpoint", folder / "result"
    patience = 0.7 * seconds
    while True:
        process = started(scenario, str(checkpoint), str(result))
        process.join(rng.uniform(0.02, patience))
        if process.exitcode is None:
            process.kill()
            process.join()
            tally.kills += 1
            names = {file.stem.split("-")[0] for file in checkpoint.glob("*.piece")}
            tally.pieces.update(names or {"nothing"})
            patience *= 1.05  # a run must end some time
            continue
        if process.exitcode != 0:
            raise RuntimeError(f"{scenario}: the run failed with exit code {process.exitcode}")
        tally.runs += 1
        tally.same += result.read_text() == whole
        return


def main(wanted: int, seed: int = 0) -> Tally:
    rng, tally = random.Random(seed), Tally()
    known = {scenario: expected(scenario) for scenario in SCENARIOS}
    while tally.kills < wanted:
        for scenario, (whole, seconds) in known.items():
            folder = Path(tempfile.mkdtemp())
            one_run(scenario, folder, whole, seconds, rng, tally)
            shutil.rmtree(folder)
            print(
                f"{scenario}: {tally.kills} kills, {tally.runs} runs, {tally.same} ended alike",
                flush=True,
            )
    print("recorded at the kills:", dict(tally.pieces.most_common()))
    return tally


if __name__ == "__main__":
    tally = main(int(sys.argv[1]))
    sys.exit(tally.same != tally.runs)
