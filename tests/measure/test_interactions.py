"""Double lesions: known answers, and the engine against hooks and full passes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import modviz
from modviz.core.controls import draw_controls, masks
from modviz.measure.reporter import Reporter
from tests.measure.architectures import made
from tests.measure.plain import READ_AT, InBlocks, Twice, accuracy_under, class_accuracy, means_at
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp, trained

MODELS = {"tiny_mlp": tiny_mlp, "tiny_cnn": tiny_cnn, "InBlocks": InBlocks, "Twice": Twice}


def network_of(name: str, data) -> nn.Module:
    if name in ("InBlocks", "Twice"):
        return trained(made(MODELS[name]), data, steps=40).eval()
    return trained(MODELS[name](), data, steps=60)


def random_partition(model, data, n_clusters=2, seed=0) -> modviz.Partition:
    graph = modviz.weight_graph(model.eval(), data[0][:2])
    rng = np.random.default_rng(seed)
    labels = [rng.permutation(la.n_units) % n_clusters for la in graph.layers]
    return modviz.Partition(np.concatenate(labels), n_clusters, graph)


def measured(model, data, partition, **options) -> modviz.Interactions:
    return modviz.interactions(model, data, partition, **{"progress": False} | options)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lesion", ["zero", "mean", "weights"])
def test_equal_to_hooks_and_full_passes(name, lesion, data):
    model = network_of(name, data)
    # three groups: two would leave nothing of a layer, and nothing to tell right from wrong by
    partition = random_partition(model, data, n_clusters=2 if name == "InBlocks" else 3)
    with left_alone(model):
        result = measured(model, data, partition, lesion=lesion, n_controls=2, seed=3)
    # without incoming weights and bias, what the layer itself gives is 0
    places = READ_AT[name] if lesion != "weights" else {layer: layer for layer in READ_AT[name]}
    means = means_at(model, places.values(), data) if lesion == "mean" else None
    intact = class_accuracy(model, data)
    controls = draw_controls(partition, 2, seed=3)
    groups = [masks(partition, k, controls) for k in result.members]
    layers = [s.layer for s in result.subclusters]
    assert set(layers) == set(places)
    everyone = np.concatenate([result.paired[..., None], result.paired_controls], axis=2)
    changed = 0
    for i, a in enumerate(layers):
        for j, b in enumerate(layers[: i + 1]):
            for r in range(3):
                silenced = {places[a]: groups[i][r]}
                silenced[places[b]] = groups[j][r] | silenced.get(places[b], False)
                plain = (accuracy_under(model, silenced, data, means) - intact).mean()
                assert everyone[i, j, r] == pytest.approx(plain, abs=1e-12), (a, b, r)
                assert everyone[j, i, r] == everyone[i, j, r]
                changed += plain != 0
    assert changed > len(layers)
    assert np.array_equal(result.single, np.diag(result.paired))
    assert np.array_equal(
        result.single_controls, everyone[range(len(layers)), range(len(layers)), 1:]
    )
    assert result.accuracy == pytest.approx(intact.mean())
    assert result.n_images == len(data[0])


def test_batches_workers_and_forms_of_data_change_nothing(data):
    model = network_of("tiny_cnn", data)
    partition = random_partition(model, data)
    for lesion in ("zero", "mean"):
        options = {"lesion": lesion, "n_controls": 3}
        reference = measured(model, data, partition, workers=1, **options)
        loader = DataLoader(TensorDataset(*data), batch_size=7, shuffle=True)
        for given in (loader, (data[0].numpy(), data[1].tolist())):
            again = measured(model, given, partition, workers=2, **options)
            assert np.array_equal(again.paired, reference.paired)
            assert np.array_equal(again.paired_controls, reference.paired_controls)


def test_only_those_that_were_named(data):
    model = network_of("tiny_mlp", data)
    partition = random_partition(model, data)
    everything = measured(model, data, partition, n_controls=2)
    some = measured(model, data, partition, n_controls=2, subclusters=["B3", ("fc1", 0), "A2"])
    assert some.names == ["A1", "A2", "B3"]
    assert some.joint.equals(everything.joint.loc[some.names, some.names])
    where = [everything.names.index(name) for name in some.names]
    assert np.array_equal(some.paired_controls, everything.paired_controls[np.ix_(where, where)])


def test_a_model_that_fixes_its_batch_size_is_lesioned_one_at_a_time(data):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.relu1 = nn.Linear(16, 9), nn.ReLU()
            self.fc2, self.relu2 = nn.Linear(9, 8), nn.ReLU()
            self.out = nn.Linear(8, 4)

        def forward(self, x):
            n = x.shape[0]  # known before the lesion: stacked lesions would be mixed up here
            return self.out(self.relu2(self.fc2(self.relu1(self.fc1(x.flatten(1))))).reshape(n, 8))

    torch.manual_seed(0)
    model = trained(Fixed(), data, steps=40)
    partition = random_partition(model, data)
    result = measured(model, data, partition, n_controls=2)
    controls = draw_controls(partition, 2, seed=0)
    intact = class_accuracy(model, data)
    for i, j in result.pairs:
        a, b = result.subclusters[i], result.subclusters[j]
        if a.layer != b.layer:
            groups = [masks(partition, result.members[k], controls)[2] for k in (i, j)]
            silenced = {"relu1": groups[0], "relu2": groups[1]}
            plain = (accuracy_under(model, silenced, data) - intact).mean()
            assert result.paired_controls[i, j, 1] == pytest.approx(plain, abs=1e-12)


def test_random_partitions_give_uniform_p(data):
    """Under the null 5 % of the p-values are 0.05 or less; dependence widens the margin."""
    model = network_of("tiny_mlp", data)
    small = four_by_four(60, seed=1)
    p, joint = [], []
    for seed in range(60):
        partition = random_partition(model, data, n_clusters=3, seed=seed)
        result = measured(model, small, partition, seed=seed, workers=1)
        p.append(result.p_values)
        joint.append(result.joint_p)
    share = (np.concatenate(p) <= 0.05).mean()
    assert 0.01 < share <= 0.065
    assert np.mean(np.array(joint) <= 0.05) <= 0.14  # 60 draws of 5 %: 8 or fewer, 99 % of times
    assert 0.35 < np.mean(joint) < 0.7


class Countdown(threading.Event):
    """Set after the main thread has asked a number of times: once a task that is done."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.left = asked

    def is_set(self) -> bool:
        self.left -= threading.current_thread() is threading.main_thread()
        return self.left < 0


def test_a_cancel_keeps_whole_batches(data):
    model = network_of("tiny_mlp", data)
    partition = random_partition(model, data)
    seen = []
    options = {"n_controls": 2, "workers": 1, "seed": 1}
    with left_alone(model):
        result = measured(
            model, data, partition, cancel=Countdown(9), progress=seen.append, **options
        )
    assert result.status == "cancelled"
    assert 0 < result.n_images < len(data[0])
    assert result.measured.all()
    order = np.random.default_rng(1).permutation(len(data[0]))[: result.n_images]
    part = (data[0][order], data[1][order])
    assert np.allclose(
        result.paired, measured(model, part, partition, **options).paired, atol=1e-12
    )
    assert "15 pairs, 63 lesions on 240 images" in seen[1].message
    assert seen[1].stage == "interactions"
    assert seen[-1].stage == "finished"


def test_a_cancel_in_the_first_batch_keeps_the_pairs_there_are(data):
    model = network_of("tiny_mlp", data)
    partition = random_partition(model, data)
    result = measured(model, data, partition, cancel=Countdown(3), n_controls=2, workers=1)
    assert result.status == "cancelled"
    assert result.measured.sum() == 3  # a task is a subcluster, alone and with all later ones
    assert np.array_equal(result.table()["p"].isna(), ~result.measured)
    assert np.array_equal(
        np.isnan(result.interaction.to_numpy()).sum(), 6 + 2 * (~result.measured).sum()
    )
    nothing = measured(model, data, partition, cancel=Countdown(1), lesion="mean")
    assert nothing.n_images == 0
    assert not nothing.measured.any()
    assert np.isnan(nothing.joint_p)
    assert np.isnan(nothing.accuracy)


def test_bad_input_is_refused_with_the_way_out(data):
    model = network_of("tiny_mlp", data)
    partition = random_partition(model, data)
    with pytest.raises(ValueError, match="no subcluster 'Z9'; those that can be paired: A1, B1"):
        measured(model, data, partition, subclusters=["A1", "Z9"])
    with pytest.raises(ValueError, match="1 subcluster.* expected at least two"):
        measured(model, data, partition, subclusters=["A1"])
    with pytest.raises(ValueError, match="names one twice"):
        measured(model, data, partition, subclusters=["A1", ("fc1", 0)])
    with pytest.raises(TypeError, match="list of names"):
        measured(model, data, partition, subclusters="A1")
    with pytest.raises(TypeError, match="subcluster 3; expected a name"):
        measured(model, data, partition, subclusters=["A1", 3])
    tiny = modviz.Partition(np.arange(62) % 31, 31, partition.graph)
    with pytest.raises(ValueError, match="'A1' has 1 units; expected at least 3"):
        measured(model, data, tiny, subclusters=["A1", "B1"])
    with pytest.raises(ValueError, match="0 subcluster.* expected at least two"):
        measured(model, data, tiny)
    with pytest.raises(ValueError, match="give a partition of this model's graph"):
        measured(network_of("tiny_cnn", data), data, partition)
    with pytest.raises(TypeError, match="expected a modviz.Partition"):
        measured(model, data, partition.labels)
    with pytest.raises(TypeError, match="unknown keyword 'controls'; did you mean 'n_controls'"):
        measured(model, data, partition, controls=5)
    with pytest.raises(ValueError, match="lesion='average'"):
        measured(model, data, partition, lesion="average")


def test_the_progress_bar_of_a_finished_run_is_full(capsys):
    reporter = Reporter(progress=True)
    with reporter:
        reporter.start("interactions", "double lesions")
        reporter.advance(3, 10)
        reporter.advance(10, 10)  # sooner than a bar is drawn again
    assert "100%" in capsys.readouterr().err
