"""Estimates add up and grow with what there is to do; the clock is ours, the model left alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils.data import Dataset, IterableDataset

import modviz
from modviz.core.analysis import size_rule
from modviz.core.estimates import STAGES, Estimate
from modviz.core.settings import Settings
from modviz.measure.estimate import estimate
from modviz.measure.workload import Workload, workload_of
from tests.measure.architectures import Asking, made
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp
from tests.measure.traced import Steered


class Clock:
    """Goes on by a step every time that it is asked."""

    def __init__(self, step: float = 0.05) -> None:
        self.step, self.now, self.asked = step, 0.0, 0

    def __call__(self) -> float:
        self.now += self.step
        self.asked += 1
        return self.now


def estimated(model, data, *, step=0.05, **options) -> Estimate:
    options = {"n_clusters": 3, "workers": 1} | options
    return estimate(model, data, clock=Clock(step), **options)


def workload(model, **options) -> Workload:
    network = modviz.Network(model, four_by_four(4)[0])
    return workload_of(network, Settings(**options), n_images=100, workers=1, memory_limit=2**30)


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_stages_add_up_and_all_take_time(make, data):
    found = estimated(make(), data)
    assert tuple(found.stages) == STAGES
    assert all(seconds > 0 for seconds in found.stages.values())
    assert found.seconds == pytest.approx(sum(found.stages.values()))
    assert found.memory > data[0].nbytes


def test_stages_that_are_not_asked_for_take_none(data):
    found = estimated(tiny_mlp(), data, features=False, top_images=False)
    assert found.stages["features"] == found.stages["images"] == 0
    assert found.stages["lesions"] > 0


def test_stages_that_are_not_planned_take_none(data):
    everything = estimated(tiny_cnn(), data)
    some = estimated(tiny_cnn(), data, planned=("lesions", "images"))
    assert some.stages["lesions"] == pytest.approx(everything.stages["lesions"])
    assert some.stages["images"] == pytest.approx(everything.stages["images"])
    assert some.seconds == pytest.approx(some.stages["lesions"] + some.stages["images"])
    assert some.memory <= everything.memory


def test_nothing_is_timed_where_nothing_is_left_to_do(data):
    clock = Clock()
    nothing = estimate(tiny_cnn(), data, planned=(), n_clusters=3, clock=clock)
    assert nothing.seconds == 0
    assert clock.asked <= 2  # before and after the model was read


def test_twice_the_controls_take_about_twice_as_long(data):
    once, twice = (estimated(tiny_cnn(), data, n_controls=n) for n in (99, 199))
    assert twice.stages["lesions"] == pytest.approx(2 * once.stages["lesions"], rel=0.05)
    assert twice.stages["features"] == once.stages["features"]  # 19 controls, both
    more = estimated(tiny_cnn(), data, n_controls=199, n_image_controls=199)
    # a larger batch takes no longer by this clock, but there is a limit to batches
    assert twice.stages["features"] < more.stages["features"] <= 10 * twice.stages["features"]


def test_twice_the_images_take_about_twice_as_long():
    once, twice = (estimated(tiny_cnn(), four_by_four(n)) for n in (1000, 2000))
    for stage in ("lesions", "images"):
        assert twice.stages[stage] == pytest.approx(2 * once.stages[stage], rel=0.05)
    assert twice.stages["features"] == once.stages["features"]
    assert twice.memory > once.memory


def test_twice_the_subclusters_take_about_twice_as_long(data):
    options = {"edges": "activations", "features": False}
    once, twice = (estimated(tiny_cnn(), data, n_subclusters=n, **options) for n in (6, 12))
    # the layer behind each is half as much of a difference
    assert 1.5 * once.stages["lesions"] < twice.stages["lesions"] <= 2 * once.stages["lesions"]


def test_a_machine_half_as_quick_takes_twice_as_long(data):
    quick, slow = (estimated(tiny_cnn(), data, step=step) for step in (0.05, 0.1))
    for stage in ("reading", "lesions", "images", "features"):
        assert slow.stages[stage] == pytest.approx(2 * quick.stages[stage], rel=0.05)
    assert slow.memory == quick.memory


def test_two_workers_share_lesions_and_pictures(data):
    one, two = (estimated(tiny_cnn(), data, workers=n) for n in (1, 2))
    assert two.stages["lesions"] == pytest.approx(one.stages["lesions"] / 2, rel=0.1)
    assert two.stages["features"] < one.stages["features"]
    assert two.stages["images"] == one.stages["images"]  # one loop


def test_what_is_asked_for_costs_more(data):
    plain = estimated(tiny_cnn(), data)
    assert estimated(tiny_cnn(), data, lesion="mean").stages["lesions"] > plain.stages["lesions"]
    by_activations = estimated(tiny_cnn(), data, edges="activations")
    assert by_activations.stages["graph"] > plain.stages["graph"]
    local = estimated(tiny_cnn(), data, scope="local")
    assert local.stages["partition"] > plain.stages["partition"]


def test_fewer_controls_are_expected_if_they_adapt():
    draws = [
        workload(tiny_mlp(), controls="adaptive", n_clusters=3, n_controls=n).draws
        for n in (9, 39, 99, 999, 9999)
    ]
    assert draws[:2] == [9, 39]
    assert draws == sorted(draws)
    assert 39 < draws[2] < 99
    assert 157 / 1.5 < draws[3] < 157 * 1.5  # counted: docs of `modviz.measure.workload`


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
@pytest.mark.parametrize("scope", ["global", "local"])
def test_subclusters_of_a_cheap_partition_are_counted(make, scope, data):
    model, options = make(), {"n_clusters": 3, "scope": scope, "seed": 2}
    analysis = modviz.analyze(
        model, data, **options, n_controls=1, features=False, top_images=False, progress=False
    )
    found = workload(model, **options)
    assert sum(found.tested.values()) == analysis.tested.sum() > 0
    graph = analysis.partition.graph
    assert found.n_units == graph.n_units
    assert found.n_edges == sum(block.size for block in graph.blocks.values())


def test_of_others_no_more_are_expected_than_there_can_be():
    found = workload(tiny_mlp(), edges="activations", n_clusters=7)
    # layers of 24, 20 and 18 units: 7, 6 and 6 clusters of at least 3 units each
    assert 0 < found.tested["fc2"] == found.tested["fc3"] < 6 < 7 > found.tested["fc1"]
    assert found.n_edges == 62 * 63 / 2


def test_a_partition_of_ones_own_is_counted_and_not_made(data):
    graph = modviz.weight_graph(tiny_mlp(), data)
    mine = modviz.spectral_partition(graph, 4)
    found = estimated(tiny_mlp(), data, partition=mine)
    assert found.stages["graph"] == found.stages["partition"] == 0
    same = estimated(tiny_mlp(), data, n_clusters=4, n_subclusters=int(size_rule(mine).sum()))
    assert found.stages["lesions"] == pytest.approx(same.stages["lesions"])


def test_a_network_need_not_be_read(data):
    network = modviz.Network(tiny_mlp(), data[0][:2])
    assert estimated(network, data).stages["reading"] == 0


def test_the_model_is_left_alone(model, data):
    model.train()
    with left_alone(model):
        estimate(model, data, n_clusters=3)


class Slow(Dataset):
    """Takes a minute by our clock to give an image."""

    def __init__(self, clock: Clock, data) -> None:
        self.clock, self.data = clock, data

    def __len__(self) -> int:
        return len(self.data[0])

    def __getitem__(self, k: int):
        self.clock.now += 60
        return self.data[0][k], self.data[1][k]


def test_reading_the_data_counts_once_a_pass(data):
    clock = Clock(1e-6)
    found = estimate(tiny_mlp(), Slow(clock, data), n_clusters=3, n_controls=1, clock=clock)
    of_one_pass = 60 * len(data[0])
    assert found.stages["lesions"] == pytest.approx(of_one_pass, rel=0.01)
    assert found.stages["images"] == pytest.approx(of_one_pass, rel=0.01)
    adaptive = {"controls": "adaptive", "n_controls": 99, "features": False}  # 39, 69, 99
    found = estimate(tiny_mlp(), Slow(clock, data), n_clusters=3, clock=clock, **adaptive)
    assert found.stages["lesions"] == pytest.approx(3 * of_one_pass, rel=0.01)


class Unknown(IterableDataset):
    def __init__(self, data) -> None:
        self.data = data

    def __iter__(self):
        return iter(zip(*self.data, strict=True))


def test_data_that_do_not_tell_their_length_leave_the_time_unknown(data):
    loader = torch.utils.data.DataLoader(Unknown(data), batch_size=16)
    found = estimated(tiny_mlp(), loader)
    assert math.isnan(found.seconds)
    assert math.isnan(found.stages["lesions"])
    assert found.stages["features"] > 0
    assert found.memory > 0
    assert str(found).startswith("time unknown")


def test_models_of_other_forms(data):
    body = tiny_mlp()
    pairs = [("body.fc1", "body.fc2"), ("body.fc2", "body.fc3"), ("body.fc3", "body.output")]
    for model, options in (
        (Steered(body), {"connections": pairs}),  # runs whole
        (made(Asking), {}),
        (tiny_cnn().double(), {}),
        (tiny_mlp(), {"layers": ["fc2"], "edges": "activations"}),
    ):
        found = estimated(model, data, **options)
        assert 0 < found.stages["lesions"] < math.inf
        assert 0 < found.stages["features"] < math.inf


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_control": 9}, TypeError, "did you mean 'n_controls'"),
        ({"n_controls": 0}, ValueError, "expected at least 1"),
        ({"planned": ("lesion",)}, ValueError, r"\['lesion'\]; expected some of"),
        ({"n_subclusters": -1}, ValueError, "n_subclusters=-1; expected at least 0"),
        ({"workers": 0}, ValueError, "workers=0; expected at least 1"),
        ({"layers": ["fc9"]}, ValueError, "no hidden layer 'fc9'"),
    ],
)
def test_what_is_refused(options, error, match, data):
    with pytest.raises(error, match=match):
        estimated(tiny_mlp(), data, **options)


def test_what_is_no_model_is_refused(data):
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        estimate("model", data)
