"""Images and labels in odd forms and holders give what the clean pair gives, or are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import nn

import modviz
from modviz.measure.data import LabelledData
from tests.sweep.data_forms import (
    HOLDERS,
    IMAGES,
    LABELS,
    N_CLASSES,
    N_IMAGES,
    WRONG_CLASSES,
    Holder,
    images_of,
    labels_of,
)
from tests.sweep.judging import CLEAN, Odd, outcome, sweep
from tests.sweep.models import plain_model, unchanged

#: What a case is given to, and how often.
THROUGH = ["batches"] * 12 + ["weight_graph", "activation_graph", "analyze"]


@dataclass(frozen=True)
class Case:
    """Odd images and labels in a pair, or clean ones in an odd holder."""

    through: str
    seed: int
    size: int
    images: Odd
    labels: Odd
    holder: Holder

    def data(self) -> Any:
        x, y = images_of(self.seed), labels_of(self.seed)
        return self.holder.make(self.images.make(x), self.labels.make(y))

    def refusals(self) -> list[str]:
        graph = self.through in ("weight_graph", "activation_graph")
        holder, labels = self.holder.refused, self.labels.refused
        if graph and self.holder.name in ("array", "tensor"):
            holder = None  # images without labels will do
        if graph and self.labels in WRONG_CLASSES:
            labels = None  # the numbers of the classes are not read
        return [words for words in (self.images.refused, labels, holder) if words is not None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    images, labels, holder = CLEAN, CLEAN, HOLDERS[0]
    if draw(st.booleans()):
        images = draw(st.sampled_from([CLEAN, *IMAGES]))
        labels = draw(st.sampled_from([CLEAN] * 9 + LABELS + WRONG_CLASSES))
    else:
        holder = draw(st.sampled_from(HOLDERS))
        labels = draw(st.sampled_from([CLEAN] * 12 + WRONG_CLASSES))
    through, seed = draw(st.sampled_from(THROUGH)), draw(st.integers(0, 999))
    return Case(through, seed, draw(st.sampled_from([1, 5, 24, 1000])), images, labels, holder)


def rows(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> list[list[float]]:
    """Labels and pixels of all images, in an order that does not depend on theirs."""
    return sorted([float(k), *x.ravel().tolist()] for xs, ks in batches
                  for x, k in zip(xs, ks, strict=True))  # fmt: skip


def all_of(data: Any, size: int) -> list[list[float]]:
    labelled = LabelledData(data)
    first = labelled.first(3)
    assert first.dtype == torch.float32
    assert first.shape[1:] == (1, 2, 2)
    found = rows(list(labelled.batches(size, N_CLASSES, seed=4)))
    again = list(labelled.batches(size, N_CLASSES, seed=None))
    assert rows(again) == found
    assert all(len(x) == len(y) <= size for x, y in again)
    assert labelled.n_images in (None, N_IMAGES)
    low, high = labelled.channel_limits()
    assert float(low) == min(min(row[1:]) for row in found)
    assert float(high) == max(max(row[1:]) for row in found)
    return found


def through(case: Case, model: nn.Module, data: Any) -> Any:
    if case.through == "weight_graph":
        return modviz.weight_graph(model, data)
    if case.through == "activation_graph":
        return modviz.activation_graph(model, data, seed=case.seed)
    options: Any = {"support": False, "features": False, "top_images": False, "progress": False}
    return modviz.analyze(model, data, n_clusters=2, n_controls=3, workers=1, **options)


def same(found: Any, expected: Any) -> bool:
    if isinstance(found, modviz.NeuronGraph):
        return (found.adjacency != expected.adjacency).nnz == 0
    return bool(found.table().equals(expected.table()))


def judge(case: Case) -> None:
    clean = images_of(case.seed), labels_of(case.seed)
    refused = case.refusals()
    if case.through == "batches":
        found = outcome(lambda: all_of(case.data(), case.size), refused)
        assert found is None or found == rows([clean])
        return
    model = plain_model(case.seed)
    with unchanged(model):
        found = outcome(lambda: through(case, model, case.data()), refused)
    assert found is None or same(found, through(case, model, clean))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore:.*quantiz")
def test_data():
    sweep("data", cases(), judge)
