"""Data that lie about their length, or give something else when they are gone through again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import modviz
from modviz.core.analysis import Analysis
from tests.sweep.data_forms import N_IMAGES, images_of, labels_of
from tests.sweep.judging import outcome, sweep
from tests.sweep.models import plain_model, unchanged

KINDS: dict[str, dict[str, Any]] = {
    "lesions": {"top_images": False},
    "images": {"top_images": True},
    "by means": {"top_images": False, "lesion": "mean"},
    "activations": {"top_images": True, "edges": "activations"},
    "adaptive": {"top_images": False, "controls": "adaptive", "n_controls": 40},
}


class Lying(Dataset):
    """Says it has `says` images."""

    def __init__(self, says: int) -> None:
        self.images, self.labels, self.says = images_of(0), labels_of(0).tolist(), says

    def __len__(self) -> int:
        return self.says

    def __getitem__(self, index: int) -> Any:
        return self.images[index], self.labels[index]


class Passing(IterableDataset):
    """What `of_pass` makes of images and labels in each pass, from 0."""

    def __init__(self, of_pass: Callable[[int, Any, Any], tuple[Any, Any]]) -> None:
        self.of_pass, self.passes = of_pass, 0

    def __iter__(self) -> Iterator[Any]:
        images, labels = self.of_pass(self.passes, images_of(0), labels_of(0))
        self.passes += 1
        yield from zip(images, labels.tolist(), strict=True)


class Saying(Passing):
    def __init__(self, of_pass: Any, says: int) -> None:
        super().__init__(of_pass)
        self.says = says

    def __len__(self) -> int:
        return self.says


class Once(IterableDataset):
    """One iterator for all passes: what was read is gone."""

    def __init__(self) -> None:
        self.rest = iter(list(zip(images_of(0), labels_of(0).tolist(), strict=True)))

    def __iter__(self) -> Iterator[Any]:
        return self.rest


def _same(_: int, x: Any, y: Any) -> tuple[Any, Any]:
    return x, y


def _later(change: Callable[[Any, Any], tuple[Any, Any]], first: int = 2) -> Any:
    """Otherwise from a pass on; pass 0 looks at an example, pass 1 is the first whole one."""
    return lambda n, x, y: change(x, y) if n >= first else (x, y)


def _shuffled(n: int, x: Any, y: Any) -> tuple[Any, Any]:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(n))
    return x[order], y[order]


@dataclass(frozen=True)
class Source:
    """Data, what is said of them, and whether that needs a second whole pass."""

    name: str
    make: Callable[[], Any]
    refused: str | None = None
    again: bool = False

    def __repr__(self) -> str:
        return self.name


_AGAIN = "gave 24 images at first and .* when gone through again"
SOURCES = [
    Source("says more", lambda: Saying(_same, 99)),
    Source("says fewer", lambda: Saying(_same, 5)),
    Source("says far more", lambda: Saying(_same, 2**39)),
    Source("says beyond all", lambda: Saying(_same, 2**70)),
    Source("too many to be true", lambda: Lying(2**40), "the data say they have 1,099,511,627,776"),
    Source("says less than nothing", lambda: Lying(-1), "the length of the data"),
    Source("says nothing", lambda: Lying(0), "the data set is empty"),
    Source("loader that says more", lambda: DataLoader(Saying(_same, 99), batch_size=5)),
    Source("loader that drops", lambda: DataLoader(Saying(_same, 9), 12, drop_last=True)),
    Source("shuffled in every pass", lambda: Passing(_shuffled)),
    Source("only once", Once, "gave some images at first and 0 when gone through again"),
    Source("fewer later", lambda: Passing(_later(lambda x, y: (x[:9], y[:9]))), _AGAIN, again=True),
    Source("more later", lambda: Passing(_later(lambda x, y: (x.repeat(2, 1, 1, 1), y.repeat(2)))),
           _AGAIN, again=True),
    Source("none later", lambda: Passing(_later(lambda x, y: (x[:0], y[:0]))),
           _AGAIN, again=True),
    Source("larger later", lambda: Passing(_later(lambda x, y: (x.repeat(1, 1, 2, 2), y), 1)),
           "images of shape|images have shape"),
    Source("nan later", lambda: Passing(_later(lambda x, y: (x * torch.nan, y))),
           "images hold NaN", again=True),
    Source("other classes later", lambda: Passing(_later(lambda x, y: (x, y + 7))),
           "labels run from", again=True),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    source: Source
    kind: str
    seed: int
    workers: int


def cases() -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        st.sampled_from(SOURCES),
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 9),
        st.sampled_from([1, 3]),
    )


def analyse(case: Case, model: nn.Module, data: Any) -> Analysis:
    options: dict[str, Any] = {"n_controls": 3, "features": False, "support": False}
    options |= KINDS[case.kind]
    return modviz.analyze(
        model, data, n_clusters=2, seed=case.seed, progress=False, workers=case.workers, **options
    )


@cache
def expected(kind: str, seed: int) -> Analysis:
    pair = images_of(0), labels_of(0)
    return analyse(Case(SOURCES[0], kind, seed, 1), plain_model(3), pair)


def judge(case: Case) -> None:
    refused = [case.source.refused] if case.source.refused is not None else []
    must, perhaps = ([], refused) if case.source.again else (refused, [])
    model = plain_model(3)
    with unchanged(model):
        found = outcome(lambda: analyse(case, model, case.source.make()), must, perhaps)
    if found is not None:
        assert found.lesions.n_images == N_IMAGES
        whole = expected(case.kind, case.seed).table()
        assert (
            found.table()
            .drop(columns="top_image", errors="ignore")
            .equals(whole.drop(columns="top_image", errors="ignore"))
        )


@pytest.mark.filterwarnings("ignore:Length of IterableDataset")
def test_passes():
    sweep("passes", cases(), judge)
