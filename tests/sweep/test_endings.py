"""Analyses that end before their end: whatever stops them, nothing of the model is changed.

What the user's own code raises comes out as it was, with a note that says where modviz was; a
cancel gives what was finished; and the next analysis of the same model gives what it always gave.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset

import modviz
from modviz.core.analysis import Analysis
from modviz.core.progress import Cancelled
from modviz.measure.trace import NetworkError
from tests.sweep.data_forms import images_of, labels_of
from tests.sweep.judging import sweep
from tests.sweep.models import drawn, unchanged

KINDS: dict[str, dict[str, Any]] = {
    "lesions": {"features": False, "top_images": False, "support": False},
    "by means": {"features": False, "top_images": False, "support": False, "lesion": "mean"},
    "activations": {"features": False, "edges": "activations"},
    "pictures": {"support": False, "n_image_controls": 1},
}


class Mine(Exception):
    """An error of the user's own."""


class Stop:
    """Does something in the k-th call of something, from whatever thread."""

    def __init__(self, k: int, act: Callable[[], None]) -> None:
        self.left, self.act, self.lock = k, act, threading.Lock()
        self.acted = False

    def __call__(self) -> None:
        with self.lock:
            self.left -= 1
            now = self.left == 0
        if now:
            self.acted = True
            self.act()


class Leaf(nn.Linear):
    """A layer that asks `stop` in every call."""

    stop: Any = None

    def forward(self, x):
        if Leaf.stop is not None:
            Leaf.stop()
        return super().forward(x)


class Images(Dataset):
    def __init__(self, stop: Stop | None = None) -> None:
        self.images, self.labels, self.stop = images_of(0), labels_of(0), stop

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        if self.stop is not None:
            self.stop()
        return self.images[index], int(self.labels[index])


def made() -> nn.Module:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 7), nn.ReLU(), Leaf(7, 7), nn.ReLU(), nn.Linear(7, 3)
    )
    return drawn(model, torch.Generator().manual_seed(2)).train()


@dataclass(frozen=True)
class Case:
    """Where something happens, in which of its calls, and what."""

    kind: str
    where: str
    what: str
    k: int
    workers: int
    loader: bool


def cases() -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        st.sampled_from(sorted(KINDS)),
        st.sampled_from(["progress", "data", "layer", "preprocess"]),
        st.sampled_from(["raise", "raise", "cancel", "interrupt"]),
        st.integers(1, 60),
        st.sampled_from([1, 3]),
        st.booleans(),
    )


def run(case: Case, model: nn.Module, stop: Stop | None, cancel: threading.Event) -> Analysis:
    where = {case.where: stop}
    data: Any = Images(where.get("data"))
    if case.loader:
        data = DataLoader(data, batch_size=5)
    Leaf.stop = where.get("layer")

    def told(_: object) -> None:
        if "progress" in where and stop is not None:
            stop()

    def prepared(pictures: torch.Tensor) -> torch.Tensor:
        if "preprocess" in where and stop is not None:
            stop()
        return pictures

    options = KINDS[case.kind] | {"preprocess": prepared, "progress": told, "cancel": cancel}
    try:
        return modviz.analyze(
            model, data, n_clusters=2, n_controls=3, workers=case.workers, **options
        )
    finally:
        Leaf.stop = None


@cache
def expected(kind: str) -> Analysis:
    return run(Case(kind, "", "", 0, 1, loader=False), made(), None, threading.Event())


def judge(case: Case) -> None:
    model, cancel, mine = made(), threading.Event(), Mine("of my own")

    def act() -> None:
        if case.what == "cancel":
            cancel.set()
        else:
            raise mine if case.what == "raise" else KeyboardInterrupt

    stop = Stop(case.k, act)
    try:
        with unchanged(model), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="interrupted")
            found = run(case, model, stop, cancel)
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
        require_explained(case, error, mine)
    except KeyboardInterrupt:
        assert case.what == "interrupt"  # before there was anything to keep
    else:
        require_kept(case, found, stop)
    again = run(replace(case, kind="lesions"), model, None, threading.Event())
    assert again.table().equals(expected("lesions").table())


def require_explained(case: Case, error: Exception, mine: Mine) -> None:
    if isinstance(error, Cancelled):
        assert case.what == "cancel"
        return
    assert case.what == "raise", f"{error!r}"
    if error is not mine:  # raised while the model was read: in the words of an error of ours
        assert isinstance(error, NetworkError)
        assert "of my own" in str(error)
        return
    notes = " ".join(getattr(error, "__notes__", []))
    if case.where == "data":
        assert "batch" in notes
    elif case.where == "layer":
        assert "modviz was running 3 of the model" in notes
    if (partial := getattr(error, "analysis", None)) is not None:
        assert ".analysis" in notes
        require_part(case, partial)


def require_kept(case: Case, found: Analysis, stop: Stop) -> None:
    if not stop.acted:
        assert found.status == "complete"
    if found.status == "complete":
        assert found.table().equals(expected(case.kind).table())
    else:
        assert case.what in ("cancel", "interrupt")
        require_part(case, found)


def require_part(case: Case, found: Analysis) -> None:
    """What was finished is what a whole analysis has, too."""
    whole = expected(case.kind)
    assert found.status == "cancelled"
    assert found.partition.labels.tolist() == whole.partition.labels.tolist()
    found.table(), found.summary(), repr(found)
    if found.lesions is not None and found.lesions.n_images == 24:
        done = found.lesions.measured
        changes = found.lesions.lesioned[done] - whole.lesions.lesioned[done]
        assert not changes.any()


def test_endings():
    sweep("endings", cases(), judge)
