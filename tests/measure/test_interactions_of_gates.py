"""Interactions whose sign is known: an OR, an AND, and modules that do not meet."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import modviz


def measured(model, data, partition, **options) -> modviz.Interactions:
    return modviz.interactions(model, data, partition, progress=False, **options)


def two_groups(threshold: float) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """Class 1 where group A (units 0-2) and group B (3-5) give more than `threshold` together.

    Each gives 1 on images of class 1 and 0 on others; group C (6-8) is read by nobody. Behind each
    unit stands one that copies it.
    """
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 2)
    )
    first, copy, out = (m for m in model if isinstance(m, nn.Linear))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        first.weight[:, 0] = 1
        copy.weight[:] = torch.eye(9)
        out.weight[1, :6] = 1 / 3
        out.bias[0] = threshold
    labels = torch.arange(100) % 2
    images = torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
    images[:, 0] = labels
    return model, (images, labels)


def in_groups(model, data, size=3) -> modviz.Partition:
    graph = modviz.weight_graph(model, data[0][:2])
    labels = np.concatenate([np.arange(la.n_units) // size for la in graph.layers])
    return modviz.Partition(labels, int(labels.max()) + 1, graph)


def test_an_or_is_redundant_and_an_and_needs_both():
    for threshold, single, joint, interaction in ((0.5, 0.0, -0.5, -0.5), (1.5, -0.5, -0.5, 0.5)):
        model, data = two_groups(threshold)
        result = measured(model, data, in_groups(model, data), n_controls=3)
        assert result.names == ["A1", "B1", "C1", "A2", "B2", "C2"]
        table = result.table()
        for pair in ("A1 + B1", "A2 + B2", "A1 + B2", "B1 + A2"):
            row = table.loc[pair]
            assert row["first_change"] == row["second_change"] == single
            assert row["joint_change"] == joint
            assert row["interaction"] == interaction
            assert row["second_given_first"] == joint - single
        # a unit and its copy are one mechanism: the second lesion finds nothing left to take
        for pair in ("A1 + A2", "B1 + B2"):
            assert table.loc[pair, "joint_change"] == single
            assert table.loc[pair, "interaction"] == -single
        # nobody reads C
        for pair in ("A1 + C1", "C1 + C2", "B2 + C2", "C1 + A2"):
            assert table.loc[pair, "interaction"] == 0


def test_independent_modules_do_not_interact():
    """Groups of units that serve one class each: costs add up, exactly."""
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 4)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model[3].weight[:] = torch.eye(12)
        for unit in range(12):
            model[1].weight[unit, unit // 3] = 1
        for label in range(1, 4):
            model[5].weight[label, 3 * label : 3 * label + 3] = 1
        model[5].bias[0] = 0.5  # what is left when no group answers
    labels = torch.arange(97) % 4  # classes of unequal size
    data = (nn.functional.one_hot(labels, 4).float(), labels)
    result = measured(model, data, in_groups(model, data), n_controls=5)
    assert result.single.tolist() == [0, -0.25, -0.25, -0.25] * 2
    interaction = result.interaction
    for a in "ABCD":
        for b in "ABCD":
            if a != b:
                assert (interaction.loc[[f"{a}1", f"{a}2"], [f"{b}1", f"{b}2"]] == 0).all(axis=None)
    assert interaction.loc["B1", "B2"] == 0.25  # one mechanism: it can be lost only once
    assert result.joint.loc["B1", "C1"] == -0.5
    assert (result.conditional.loc["B1", ["C1", "D1"]] == -0.25).all()
