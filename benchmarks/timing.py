"""Time several ways of the same work in turn, and say what machine it was."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

#: Rounds unless told otherwise: medians of fewer are too easily moved by a busy machine.
ROUNDS = 5


@dataclass(frozen=True)
class Times:
    """Seconds of each way, a number a round."""

    seconds: Mapping[str, list[float]]

    def median(self, way: str) -> float:
        """Median time of a way in seconds."""
        return median(self.seconds[way])

    def ratio(self, slow: str, fast: str) -> float:
        """Median over rounds of how many times as long `slow` takes as `fast` in the same round."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return median(s / f for s, f in pairs)


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Run every way once a round, after one round to warm up, so that all see the same machine."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, work in ways.items():
            begin = time.perf_counter()
            work()
            if turn:
                seconds[way].append(time.perf_counter() - begin)
    return Times(seconds)


def machine() -> str:
    """One line that says what the figures were measured on."""
    name = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        lines = about.read_text(encoding="utf-8").splitlines()
        name = next((li.split(":", 1)[1].strip() for li in lines if li.startswith("model n")), name)
    return (
        f"{name}, {os.cpu_count()} processors, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}"
    )
