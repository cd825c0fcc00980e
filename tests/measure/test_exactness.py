"""One table, however the work is cut: batches, workers, memory, kernels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.core import machine
from modviz.core.controls import LayerGroups, draw_controls, layer_groups
from modviz.measure import answers, kernels, memory, referee, steps
from modviz.measure.affine import Affine
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from tests.measure.architectures import made
from tests.measure.plain import InBlocks, Twice
from tests.measure.small import left_alone, tiny_cnn, tiny_mlp, trained

MODELS = {
    "mlp": tiny_mlp,
    "cnn": tiny_cnn,
    "blocks": lambda: made(InBlocks),
    "twice": lambda: made(Twice),
}


def groups_of(network: Network, n_controls: int = 5) -> list[LayerGroups]:
    graph = modviz.weight_graph(network)
    labels = np.concatenate([np.arange(la.n_units) % 3 for la in graph.layers])
    partition = modviz.Partition(labels, 3, graph)
    tested = np.ones(len(partition.subclusters), dtype=bool)
    return list(layer_groups(partition, tested, draw_controls(partition, n_controls, seed=0)))


def counted(model: nn.Module, data, **options):
    network = Network(model, data[0][:2])
    return count_right(network, LabelledData(data), groups_of(network), **options)


def same(a, b) -> None:
    for name in ("images", "intact", "right", "still"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("name", MODELS)
def test_batches_workers_and_memory_change_nothing(name, data):
    model = trained(MODELS[name](), data, steps=40)
    reference = counted(model, data, workers=1)
    assert reference.right.std() > 0
    with left_alone(model):
        for options in ({"workers": 2}, {"workers": 4}, {"memory_limit": memory.LEAST}):
            same(reference, counted(model, data, **options))


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_any_size_of_a_batch_gives_the_same_counts(size, data, monkeypatch):
    model = trained(tiny_cnn(), data, steps=40)
    reference = counted(model, data)
    monkeypatch.setattr("modviz.measure.silencing.Engine.batch_size", lambda *_: size)
    same(reference, counted(model, data))


@pytest.mark.parametrize("cache", [1, 10_000, 10**9])
def test_any_number_of_images_at_once_gives_the_same_counts(cache, data, monkeypatch):
    model = trained(tiny_cnn(), data, steps=40)
    reference = counted(model, data)
    monkeypatch.setattr(steps, "CACHE_BYTES", cache)
    same(reference, counted(model, data))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lesion", ["zero", "mean", "weights"])
def test_every_form_of_a_layer_gives_the_same_counts(name, lesion, data, monkeypatch):
    """Whichever kernels the timing chooses, and without prepared suffixes at all."""
    model = trained(MODELS[name](), data, steps=40)
    monkeypatch.setattr(answers.Answers, "prepare", lambda self, batch: _unprepared(self))
    reference = counted(model, data, lesion=lesion)
    monkeypatch.undo()
    for number in range(4):
        monkeypatch.setattr(
            kernels, "_quickest", lambda candidates, *_, k=number: min(k, len(candidates) - 1)
        )
        same(reference, counted(model, data, lesion=lesion))


def _unprepared(given: answers.Answers) -> None:
    given._suffixes = [None] * len(given._suffixes)


def test_all_layers_of_the_small_networks_are_prepared(data):
    """The tests above compare something only if suffixes are in use."""
    for name, make in MODELS.items():
        network = Network(trained(make(), data, steps=5), data[0][:2])
        engine = answers.Engine(network, groups_of(network), "zero")
        prepared = answers.Answers(engine)
        with evaluating(network.model):
            prepared.prepare(engine.intact(*data))
        assert all(suffix is not None for suffix in prepared._suffixes), name
        stages = [stage for suffix in prepared._suffixes for stage in suffix.stages]
        assert any(step.takes_difference for stage in stages for step in stage.steps), name
        assert len(stages) > len(prepared._suffixes), name  # some are cut


def test_a_suffix_that_is_wrong_is_not_used(data, monkeypatch):
    model = trained(tiny_mlp(), data)
    reference = counted(model, data)
    monkeypatch.setattr(
        Affine,
        "response_to",
        lambda self, columns: Affine(self.weight[:, columns] * 3, None, self.options, self.relu),
    )
    same(reference, counted(model, data))


# ---- near ties -----------------------------------------------------------------------------------


class Torn(nn.Module):
    """Two classes whose scores hardly differ: rounding decides."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2 = nn.Linear(16, 60), nn.Linear(60, 60)
        self.out = nn.Linear(60, 4, bias=False)
        self.out.weight.data[1] = self.out.weight.data[0] * (1 + 2e-7)
        self.out.weight.data[2:] = -10

    def forward(self, x):
        return self.out(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


def test_near_ties_are_counted_and_decided_in_double_precision(data):
    model = Torn()
    network = Network(model, data[0][:2])
    groups = groups_of(network, n_controls=2)
    counts = counted_of(network, data, groups)
    double = Torn()
    double.load_state_dict(model.state_dict())
    double = double.double().eval()
    lesions = [(some.layer, mask) for some in groups for mask in some.masks]
    for row, (layer, mask) in enumerate(lesions):
        with torch.no_grad():
            hidden = data[0].double().flatten(1)
            for name in ("fc1", "fc2"):
                hidden = double.get_submodule(name)(hidden).relu()
                if name == layer:
                    hidden[:, torch.from_numpy(mask)] = 0
            right = (double.out(hidden).argmax(1) == data[1]).numpy()
        expected = [int(right[data[1].numpy() == c].sum()) for c in range(4)]
        assert counts.right[row].tolist() == expected
    assert counts.near_ties >= len(data[0])


def counted_of(network, data, groups):
    return count_right(network, LabelledData(data), groups)


def test_what_a_near_tie_is():
    scores = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0 - 1e-6], [100.0, 99.999], [0.0, 0.0]])
    assert referee.near_ties(scores).tolist() == [False, True, True, True, True]
    assert not referee.near_ties(scores.double()).any()  # there is nothing finer to ask
    dead = torch.zeros(20, 3)
    assert not referee.near_ties(dead).any()  # the first class wins, however it is computed
    dead[:3, 1] = 1  # some images get through
    assert referee.near_ties(dead)[3:].all()
    assert referee.near_ties(torch.zeros(3, 1)).tolist() == [False] * 3


def test_a_model_that_can_not_run_in_double_precision_keeps_its_answers(data):
    class Single(Torn):
        def forward(self, x):
            return self.out(self.fc2(self.fc1(x.flatten(1).to(torch.float32)).relu()).relu())

    model = Single()
    with left_alone(model):
        counts = counted(model, data)
    assert counts.near_ties > 0
    assert (counts.right <= counts.images).all()


# ---- memory --------------------------------------------------------------------------------------


def test_batches_fit_the_memory(data):
    network = Network(trained(tiny_cnn(), data, steps=5), data[0][:2])
    small, large = (
        answers.Engine(network, groups_of(network), "zero", memory_limit=limit)
        for limit in (33 * 2**20, 2**30)
    )
    assert 1 <= small.batch_size(10_000) < large.batch_size(10_000)
    assert small.memory_limit == 33 * 2**20


def test_the_default_is_a_part_of_what_is_free(tmp_path, monkeypatch):
    here = torch.device("cpu")
    assert memory.LEAST < memory.default_limit(here) <= 2 * 2**30
    monkeypatch.setattr(machine, "_of_container", lambda: 400)
    assert memory.free_bytes(here) == 400
    assert memory.default_limit(here) == 100


#: A network whose values are large, measured in a process of its own: how far its memory rises
#: above what it holds when the lesions begin, in MiB.
_PEAK = """
import sys, torch
from pathlib import Path
from torch import nn
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.network import Network
from tests.measure.test_exactness import groups_of

def held(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024

model = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1),
    nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(48 * 24 * 24, 10))
images, labels = torch.rand(120, 3, 96, 96), torch.arange(120) % 10
network, data = Network(model, images[:2]), LabelledData((images, labels))
groups = groups_of(network, n_controls=1)
before = held("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
count_right(network, data, groups, memory_limit=int(sys.argv[1]) * 2**20)
print(held("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the highest mark is read from /proc")
@pytest.mark.parametrize("megabytes", [256, 512])
def test_peak_memory_stays_under_the_limit(megabytes):
    command = [sys.executable, "-c", _PEAK, str(megabytes)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.1 * megabytes < float(found.stdout) < megabytes
