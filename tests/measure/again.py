"""Runs of modviz.analyze one after the other, and what has to be the same about them."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import numpy as np
import torch
from torch import nn

import modviz
from modviz.measure.kept import Kept
from tests.measure.small import four_by_four, tiny_cnn, tiny_mlp, trained

QUICK = {"n_clusters": 3, "n_controls": 5, "n_image_controls": 2, "progress": False}
STAGES = ("reading", "graph", "partition", "lesions", "images", "features", "support")
DATA = four_by_four(60)


def same(a: modviz.Analysis, b: modviz.Analysis) -> None:
    """Everything but the count of near ties, which is one of lesions that were run."""
    for name in ("status", "settings", "class_names", "model_name"):
        assert getattr(a, name) == getattr(b, name), name
    assert np.array_equal(a.partition.labels, b.partition.labels)
    assert a.partition.scope == b.partition.scope
    assert (a.partition.graph.adjacency != b.partition.graph.adjacency).nnz == 0
    for name in ("lesions", "features", "top_images", "support"):
        one, two = getattr(a, name), getattr(b, name)
        assert (one is None) == (two is None), name
        for f in fields(one) if one is not None else ():
            if f.name != "near_ties":
                x, y = getattr(one, f.name), getattr(two, f.name)
                number = isinstance(x, (np.ndarray, float))
                assert np.array_equal(x, y, equal_nan=True) if number else x == y, f.name
    assert a.table().equals(b.table())


@cache
def model_of(kind: str) -> nn.Module:
    return trained({"mlp": tiny_mlp, "cnn": tiny_cnn}[kind](), DATA, steps=60)


@cache
def fresh(kind: str, chosen: tuple) -> modviz.Analysis:
    return modviz.analyze(model_of(kind), DATA, **QUICK | dict(thawed(chosen)))


def frozen(chosen: dict) -> tuple:
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(chosen.items()))


def thawed(chosen: tuple) -> list:
    return [(k, list(v) if isinstance(v, tuple) else v) for k, v in chosen]


def stages_done(told: list) -> set[str]:
    """The stages that a run did not take over, by what it said."""
    words = {p.message: p.stage for p in told}
    done = {stage for words, stage in words.items() if "kept from" not in words}
    done |= {"lesions" for text in words if "more on" in text}
    done -= {"finished", "partition", "reading"}
    if not any(text.startswith("model: kept") for text in words):
        done.add("reading")
    if not any(text.startswith("partition: ") for text in words):
        done.add("partition")
        if not any(text.startswith(("graph: kept", "activations: kept")) for text in words):
            done.add("graph")
    return done


def run(kept: Kept, model=None, data=DATA, **changed):
    told = []
    analysis = modviz.analyze(
        model_of("mlp") if model is None else model,
        data,
        kept=kept,
        **QUICK | changed | {"progress": told.append},
    )
    return analysis, stages_done(told)


def stepped(model: nn.Module, data) -> None:
    """One step of training that changes all weights."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    nn.functional.cross_entropy(model(data[0]), data[1]).backward()
    optimizer.step()
