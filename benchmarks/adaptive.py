"""Adaptive controls: the verdicts of 999 fixed ones, and how much sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

import modviz
from benchmarks import networks
from benchmarks.table import Row
from benchmarks.timing import interleaved
from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.controls import LayerGroups, draw_controls, layer_groups
from modviz.core.sequential import rule_for
from modviz.measure.adaptive import measure_adaptively
from modviz.measure.counting import CountCallback, count_right
from modviz.measure.counts import Counts
from modviz.measure.data import LabelledData
from modviz.measure.lesion import measure_lesions
from modviz.measure.network import Network

CONTROLS, SEEDS, IMAGES = 999, 20, 1024
LEVEL = 0.05


@dataclass(frozen=True)
class _Case:
    network: Network
    data: LabelledData
    partition: modviz.Partition
    tested: np.ndarray
    controls: dict[str, np.ndarray]

    def fixed(self) -> LesionResults:
        """All controls."""
        measured = (self.network, self.data, self.partition, self.tested, self.controls)
        return measure_lesions(*measured)[0]

    def adaptive(self) -> LesionResults:
        """As many as the verdicts need."""

        def count(groups: Sequence[LayerGroups], told: CountCallback) -> Counts:
            return count_right(self.network, self.data, groups, report=told)

        rule = rule_for(CONTROLS)
        measured = (self.partition, self.tested, self.controls, rule, count)
        return measure_adaptively(*measured)[0]


def _verdicts(
    partition: modviz.Partition, tested: np.ndarray, results: LesionResults
) -> np.ndarray:
    """Which subclusters the two statistics of lesions declare, shape (2, tested)."""
    n_classes = results.lesioned.shape[1]
    names = tuple(map(str, range(n_classes)))
    table = Analysis(partition, tested, class_names=names, lesions=results).table()[tested]
    return np.stack([table[f"{name}_q"] <= LEVEL for name in ("accuracy", "range")])


def _reordered(counts: Counts, rows: np.ndarray, n_draws: int, seed: int) -> Callable[..., Counts]:
    """A count that looks up what was counted, with the draws of all controls in another order."""
    place = {(int(k), int(r)): number for number, (k, r) in enumerate(rows)}
    order = np.random.default_rng(seed).permutation(n_draws) + 1

    def count(groups: Sequence[LayerGroups], _told: CountCallback) -> Counts:
        places = []
        for some in groups:
            drawn = some.rows[:, 1]
            old = np.where(drawn == 0, 0, order[np.maximum(drawn, 1) - 1])
            places += [place[int(k), int(r)] for k, r in zip(some.rows[:, 0], old, strict=True)]
        return Counts(counts.images, counts.intact, counts.right[places], counts.still[places])

    return count


def full_rows(rounds: int) -> list[Row]:
    """One row: how much sooner, and how many verdicts differ."""
    model, images = networks.trained("mlp", dropout=0.5, epochs=3)
    data = LabelledData((images[0][:IMAGES], images[1][:IMAGES]))
    network = Network(model, images[0][:2])
    partition = modviz.spectral_partition(modviz.weight_graph(network), 16)
    tested = size_rule(partition)
    n_tested = int(tested.sum())
    work = _Case(network, data, partition, tested, draw_controls(partition, CONTROLS, 0))
    times = interleaved({"fixed": work.fixed, "adaptive": work.adaptive}, min(rounds, 2))
    groups = list(layer_groups(partition, tested, work.controls))
    counts = count_right(network, data, groups)
    rows = np.concatenate([some.rows for some in groups])
    differ = declared = total = 0
    drawn = []
    fixed = _verdicts(partition, tested, work.fixed())
    for seed in range(SEEDS):
        count = _reordered(counts, rows, CONTROLS, seed)
        results, _ = measure_adaptively(partition, tested, work.controls, rule_for(CONTROLS), count)
        found = _verdicts(partition, tested, results)
        differ, total = differ + int((found != fixed).sum()), total + found.size
        declared += int(found.sum())
        drawn.append(float((~np.isnan(results.controls[tested][..., 0])).sum(axis=1).mean()))
    return [
        Row(
            f"adaptive controls, MLP with dropout: {n_tested} subclusters, {IMAGES:,} images",
            f"{CONTROLS} fixed controls",
            times.ratio("fixed", "adaptive"),
            times.median("fixed"),
            times.median("adaptive"),
            5,
            f"{differ} of {total:,} verdicts differ in {SEEDS} orders of the draws "
            f"({int(fixed.sum())} declared); {np.mean(drawn):.0f} draws on average",
        )
    ]


if __name__ == "__main__":
    torch.manual_seed(0)
    for row in full_rows(3):
        print(row.text)
