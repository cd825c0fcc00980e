"""Lesions in rounds: the same lesions as with a fixed number of controls, only fewer of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from modviz.core.analysis import Analysis
from modviz.core.controls import LayerGroups, draw_controls, layer_groups
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.sequential import SequentialRule, rule_for
from modviz.measure.adaptive import measure_adaptively
from modviz.measure.counting import CountCallback, count_right
from modviz.measure.counts import Counts
from modviz.measure.inputs import read_inputs
from modviz.measure.lesion import measure_lesions, results_of

UNITS, CLUSTERS, N = 40, 8, 199
IMAGES = np.array([50, 60, 0, 70])  # of four classes, one of them without images


@pytest.fixture
def partition() -> Partition:
    """Two layers of 40 units, 8 subclusters of 5 each; the last of each is not tested."""
    layers = [Layer(name, "linear", UNITS, number=k) for k, name in enumerate("ab", start=1)]
    labels = np.tile(np.repeat(np.arange(CLUSTERS), UNITS // CLUSTERS), 2)
    return Partition(labels, CLUSTERS, NeuronGraph(layers, {(0, 1): np.ones((UNITS, UNITS))}))


@pytest.fixture
def tested() -> np.ndarray:
    return np.tile(np.arange(CLUSTERS) < CLUSTERS - 1, 2)


@dataclass
class Machine:
    """Answers images as long as what is silenced is worth less than their margin.

    Units are worth random amounts to each class; those of the first two subclusters of layer a are
    worth much to all.
    """

    images: np.ndarray = field(default_factory=lambda: IMAGES)
    stop_after: int | None = None
    rounds: list[list[LayerGroups]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self.worth = {name: rng.gamma(1.0, 0.02, (UNITS, 4)) for name in "ab"}
        self.worth["a"][:10] += 0.2
        self.margins = [np.sort(rng.random(n)) for n in IMAGES]

    def __call__(self, groups: Sequence[LayerGroups], report: CountCallback) -> Counts:
        if self.stop_after == len(self.rounds):
            raise Cancelled
        self.rounds.append(list(groups))
        right = np.concatenate([self.right(some.layer, some.masks) for some in groups])
        report(0, 2 * len(right), None)
        half = Counts(self.images // 2, self.images // 2, right // 2, right // 2)
        report(len(right), 2 * len(right), half)
        return Counts(self.images, self.images, right, right)

    def right(self, layer: str, masks: np.ndarray) -> np.ndarray:
        lost = masks @ self.worth[layer]
        found = [np.searchsorted(m, lost[:, c]) for c, m in enumerate(self.margins)]
        return IMAGES - np.stack(found, axis=1)


@pytest.fixture
def controls(partition) -> dict[str, np.ndarray]:
    return draw_controls(partition, N, seed=0)


@pytest.fixture
def fixed(partition, tested, controls):
    """All lesions with all controls at once."""
    groups = list(layer_groups(partition, tested, controls))
    counts = Machine()(groups, lambda *_: None)
    return results_of(counts, groups, tested, (len(tested), 1 + N))[0]


def test_the_controls_are_the_first_of_those_of_a_fixed_number(partition, tested, controls, fixed):
    machine = Machine()
    results, present = measure_adaptively(partition, tested, controls, rule_for(N), machine)
    assert present.tolist() == [True, True, False, True]
    assert results.rule == rule_for(N)
    assert np.array_equal(results.lesioned, fixed.lesioned, equal_nan=True)
    assert np.array_equal(results.change_error, fixed.change_error, equal_nan=True)
    assert results.intact.tolist() == fixed.intact.tolist()
    assert results.n_images == fixed.n_images == 180
    for i, drawn in enumerate(results.draws):
        assert np.array_equal(results.controls[i, :drawn], fixed.controls[i, :drawn])
        assert np.isnan(results.controls[i, drawn:]).all()
    assert results.measured.tolist() == tested.tolist()
    assert (results.draws[~tested] == 0).all()


def test_each_round_draws_on_only_where_a_verdict_is_open(partition, tested, controls):
    machine = Machine()
    results, _ = measure_adaptively(partition, tested, controls, rule_for(N), machine)
    ends = rule_for(N).ends
    seen: dict[int, list[int]] = {}
    for groups in machine.rounds:
        rows = np.concatenate([some.rows for some in groups])
        for k in np.unique(rows[:, 0]):
            mine = rows[rows[:, 0] == k, 1].tolist()
            assert mine == list(range(mine[0], ends[ends.index(mine[-1])] + 1))
            seen.setdefault(int(k), []).extend(mine)
    for k, numbers in seen.items():  # the subcluster itself once, then every draw once
        assert numbers == list(range(results.draws[k] + 1))
    assert sorted(seen) == np.flatnonzero(tested).tolist()
    assert not results.undecided("accuracy").any()
    assert not results.undecided("range").any()
    made = sum(len(numbers) for numbers in seen.values())
    assert made < 0.6 * tested.sum() * (1 + N)


def test_the_verdicts_are_those_of_all_controls(partition, tested, controls, fixed):
    results, _ = measure_adaptively(partition, tested, controls, rule_for(N), Machine())
    few, all_ = (Analysis(partition, tested, tuple("xyz"), lesions=r) for r in (results, fixed))
    for statistic in ("accuracy", "range"):
        declared = few.table()[f"{statistic}_q"] <= 0.05
        assert declared.tolist() == (all_.table()[f"{statistic}_q"] <= 0.05).tolist()
    assert few.table().loc[["A1", "B1"], "accuracy_q"].max() <= 0.05
    assert few.summary().loc["accuracy", "rejected"] == 2


def test_a_rule_without_early_stops_draws_everything_at_once(partition, tested, controls, fixed):
    machine = Machine()
    never = SequentialRule(N, enough=N + 1)
    results, _ = measure_adaptively(partition, tested, controls, never, machine)
    assert len(machine.rounds) == 1
    assert np.array_equal(results.controls, fixed.controls, equal_nan=True)
    for statistic in ("accuracy", "range"):
        assert results.p_values(statistic) == pytest.approx(fixed.p_values(statistic), nan_ok=True)


def test_what_is_reported_is_whole(partition, tested, controls):
    """After some images of the first round, and at the end of each; counts of work only grow."""
    told = []
    machine = Machine()
    final, _ = measure_adaptively(
        partition, tested, controls, rule_for(N), machine, report=lambda *new: told.append(new)
    )
    done = [one[0] for one in told]
    assert done == sorted(done)
    assert all(one[0] <= one[1] for one in told)
    results = [one[2][0] for one in told if one[2] is not None]
    assert len(results) == 1 + len(machine.rounds)
    assert results[0].n_images == (IMAGES // 2).sum()  # the first round's images so far
    assert {r.n_images for r in results[1:]} == {IMAGES.sum()}
    drawn = [int(r.draws.sum()) for r in results]
    assert drawn[0] == drawn[1] == 39 * tested.sum()
    assert drawn[1:] == sorted(set(drawn[1:]))
    for some in results:  # p is valid from the first round on
        assert (np.isfinite(some.p_values("accuracy")) == tested).all()
    assert np.array_equal(results[-1].controls, final.controls, equal_nan=True)


def test_a_cancel_keeps_the_rounds_before_it(partition, tested, controls):
    told = []
    with pytest.raises(Cancelled):
        measure_adaptively(
            partition,
            tested,
            controls,
            rule_for(N),
            Machine(stop_after=2),
            report=lambda *new: told.append(new[2]),
        )
    kept = [new for new in told if new is not None][-1][0]
    assert kept.draws[tested].min() == 39
    assert kept.draws.max() == 69
    open_ = kept.undecided("accuracy") | kept.undecided("range")
    assert open_.any()
    assert (np.isfinite(kept.p_values("range")) == tested).all()


def test_nothing_tested_gives_an_empty_result_or_says_so(partition, controls):
    """The counter is asked once: the accuracy without a lesion is a result too."""
    asked = []

    def count(groups, report):
        asked.append(groups)
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_adaptively(partition, np.zeros(16, bool), controls, rule_for(N), count)
    assert asked == [[]]


def test_data_that_change_from_round_to_round_are_refused(partition, tested, controls):
    class Changing(Machine):
        def __call__(self, groups, report):
            counts = super().__call__(groups, report)
            counts.intact = counts.intact - 3 * len(self.rounds)
            return counts

    with pytest.raises(ValueError, match=r"other images in another round.*156 of 180.*were 168"):
        measure_adaptively(partition, tested, controls, rule_for(N), Changing())


def test_too_few_draws_are_refused(partition, tested, controls):
    with pytest.raises(ValueError, match="hold 199 draws, but the rule may need 999"):
        measure_adaptively(partition, tested, controls, rule_for(999), Machine())


def test_rounds_on_a_real_network_are_its_lesions(model, data):
    """With the engine: accuracies equal those of all controls at once, draw by draw."""
    network, labelled = read_inputs(model, data, None, None)
    layers = [replace(layer) for layer in network.hidden]
    sizes = [layer.n_units for layer in layers]
    labels = np.concatenate([np.arange(size) % 3 for size in sizes])
    blocks = {(k, k + 1): np.ones((sizes[k], sizes[k + 1])) for k in range(len(sizes) - 1)}
    partition = Partition(labels, 3, NeuronGraph(layers, blocks))
    tested = np.ones(len(partition.subclusters), dtype=bool)
    controls = draw_controls(partition, 99, seed=0)

    def count(groups: Sequence[LayerGroups], report: CountCallback) -> Counts:
        return count_right(network, labelled, groups, report=report)

    whole, _ = measure_lesions(network, labelled, partition, tested, controls)
    rule = SequentialRule(99, looks=(9, 29, 59), level=0.4)  # so that a few verdicts stay open
    rounds, _ = measure_adaptively(partition, tested, controls, rule, count)
    assert np.array_equal(rounds.lesioned, whole.lesioned)
    assert 9 <= rounds.draws.min() < rounds.draws.max() <= 99
    for i, drawn in enumerate(rounds.draws):
        assert np.array_equal(rounds.controls[i, :drawn], whole.controls[i, :drawn])
