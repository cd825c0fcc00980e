"""Analyses that are begun, killed and gone on with, and a fingerprint of all that they give."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import modviz
from modviz.core import checkpoint, files
from tests.measure.small import four_by_four, tiny_cnn, tiny_mlp, trained

COMMON: dict[str, Any] = {"n_clusters": 3, "workers": 2, "progress": False}


#: For tests in this process.
DATA = four_by_four(300)
QUICK: dict[str, Any] = COMMON | {"n_controls": 9, "n_image_controls": 3}


class Stopped(Exception):
    pass


def stop_at(stage: str, share: float = 0.5) -> Any:
    """A progress callback that ends the run in a stage."""

    def look(progress: modviz.Progress) -> None:
        if progress.stage == stage and progress.done >= share * max(progress.total, 1):
            raise Stopped

    return look


def mlp(n: int = 600, **more: Any) -> modviz.Analysis:
    data = four_by_four(n)
    return modviz.analyze(trained(tiny_mlp(), data), data, **COMMON | {"n_controls": 29} | more)


def adaptive(**more: Any) -> modviz.Analysis:
    return mlp(controls="adaptive", **{"n_controls": 199, "features": False} | more)


def activations(**more: Any) -> modviz.Analysis:
    data = four_by_four(400)
    options = {"n_controls": 19, "edges": "activations", "scope": "local", "lesion": "mean"}
    return modviz.analyze(trained(tiny_cnn(), data), data, **COMMON | options | more)


def loader(**more: Any) -> modviz.Analysis:
    """The order is drawn from torch's global generator, which modviz sets for a pass."""
    data = four_by_four(500)
    batches = DataLoader(TensorDataset(*data), batch_size=64, shuffle=True)
    options = {"n_controls": 29, "features": False}
    return modviz.analyze(trained(tiny_mlp(), data), batches, **COMMON | options | more)


SCENARIOS: dict[str, Callable[..., modviz.Analysis]] = {
    "mlp": mlp,
    "adaptive": adaptive,
    "activations": activations,
    "loader": loader,
}


def fingerprint(analysis: modviz.Analysis) -> str:
    """Of everything in an analysis but the count of near ties, to the last bit."""
    found = hashlib.sha256(repr(analysis.settings).encode())
    found.update(repr((analysis.status, analysis.class_names, analysis.provenance)).encode())
    found.update(analysis.partition.labels.tobytes())
    for (i, j), block in analysis.partition.graph.blocks.items():
        found.update(f"{i}-{j}".encode() + block.tobytes())
    for name in ("lesions", "features", "top_images", "support"):
        results = getattr(analysis, name)
        for field in fields(results) if results is not None else ():
            value = getattr(results, field.name)
            if field.name != "near_ties":
                exact = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
                found.update(name.encode() + field.name.encode() + exact)
    table = analysis.table()
    found.update(repr((list(table.columns), list(table.index))).encode())
    found.update(table.select_dtypes("number").to_numpy(np.float64).tobytes())
    return found.hexdigest()


def often() -> None:
    """Record as soon as there is anything, at any price."""
    checkpoint.EVERY, checkpoint._TAKEN = 0.0, 1e9


def work(scenario: str, folder: str | None, result: str) -> None:
    """In a process of its own: go on with an analysis and write its fingerprint."""
    torch.set_num_threads(1)
    often()
    analysis = SCENARIOS[scenario](checkpoint=folder)
    Path(result).write_text(fingerprint(analysis))


def work_until(scenario: str, folder: str, result: str, nth: int, when: str) -> None:
    """The same, killed at the nth file that is put in place: just before it is, or just after."""
    put, n = files.os.replace, 0

    def replace(*paths: Any) -> None:
        nonlocal n
        n += 1
        if n == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        put(*paths)
        if n == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    files.os.replace = replace
    work(scenario, folder, result)
