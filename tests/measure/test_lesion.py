"""The lesion engine against the plain way: a hook or changed weights, and a full pass each."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import modviz
from modviz.core import statistics
from modviz.core.analysis import size_rule
from modviz.core.controls import draw_controls, masks
from modviz.core.progress import Cancelled
from modviz.measure.data import LabelledData
from modviz.measure.lesion import measure_lesions
from modviz.measure.network import Network
from tests.measure.architectures import made
from tests.measure.plain import READ_AT as PLACES
from tests.measure.plain import InBlocks, accuracy_under, means_at
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp, trained

#: Where a lesion of each layer acts in the small networks: the module whose output readers read.
READ_AT = {"fc1": "drop1", "fc2": "relu2", "fc3": "relu3", "conv1": "relu1", "conv2": "pool"}
IN_BLOCKS = PLACES["InBlocks"]
READ_AT_CNN = READ_AT | {"fc1": "relu3"}


def class_accuracy(model: nn.Module, data) -> np.ndarray:
    with torch.no_grad():
        right = (model.eval()(data[0]).argmax(1) == data[1]).numpy()
    return np.array([right[data[1].numpy() == c].mean() for c in range(4)])


def plain_zero(model: nn.Module, layer: str, mask: np.ndarray, data) -> np.ndarray:
    places = READ_AT_CNN if hasattr(model, "conv1") else READ_AT

    def silence(module, inputs, output):
        output = output.clone()
        output[:, mask] = 0
        return output

    handle = model.get_submodule(places[layer]).register_forward_hook(silence)
    try:
        return class_accuracy(model, data)
    finally:
        handle.remove()


def plain_weights(model: nn.Module, layer: str, mask: np.ndarray, data) -> np.ndarray:
    lesioned = copy.deepcopy(model)
    module = lesioned.get_submodule(layer)
    module.weight.data[mask] = 0
    module.bias.data[mask] = 0
    return class_accuracy(lesioned, data)


def measured(model, data, *, lesion="zero", n_controls=4, **options):
    network = Network(model, four_by_four(8)[0])
    partition = modviz.spectral_partition(modviz.weight_graph(network), 3)
    tested = size_rule(partition)
    controls = draw_controls(partition, n_controls, seed=1)
    results, present = measure_lesions(
        network, LabelledData(data), partition, tested, controls, lesion=lesion, **options
    )
    assert present.all()
    return partition, tested, controls, results


@pytest.mark.parametrize("lesion", ["zero", "weights"])
def test_equal_to_the_plain_way(model, data, lesion):
    partition, tested, controls, results = measured(model, data, lesion=lesion)
    plain = {"zero": plain_zero, "weights": plain_weights}[lesion]
    assert tested.sum() >= 3
    assert np.array_equal(results.intact, class_accuracy(model, data))
    for k in np.flatnonzero(tested):
        layer = partition.subclusters[k].layer
        chosen = masks(partition, k, controls)
        assert np.array_equal(results.lesioned[k], plain(model, layer, chosen[0], data))
        for r, mask in enumerate(chosen[1:]):
            assert np.array_equal(results.controls[k, r], plain(model, layer, mask, data))
    assert np.isnan(results.lesioned[~tested]).all()
    assert np.isnan(results.change_error[~tested]).all()
    assert results.n_images == len(data[0])


def test_the_error_of_a_change_counts_the_images_that_turned(data):
    model = trained(tiny_mlp(), data, steps=60)
    partition, tested, _, results = measured(model, data)
    k = np.flatnonzero(tested)[0]
    chosen = partition.subclusters[k]

    def silence(module, inputs, output):
        output = output.clone()
        output[:, chosen.units] = 0
        return output

    with torch.no_grad():
        before = (model.eval()(data[0]).argmax(1) == data[1]).numpy()
        handle = model.get_submodule(READ_AT[chosen.layer]).register_forward_hook(silence)
        after = (model(data[0]).argmax(1) == data[1]).numpy()
        handle.remove()
    classes = (data[1].numpy()[:, None] == np.arange(4)).astype(int)
    lost = (before & ~after) @ classes
    gained = (~before & after) @ classes
    expected = statistics.paired_error(lost, gained, classes.sum(axis=0))
    assert lost.sum() > 0
    assert results.change_error[k] == pytest.approx(expected)


def test_a_lesion_of_weights_leaves_the_constant_of_a_batch_norm(data):
    """The two lesions differ exactly where batch norm follows the layer."""
    model = trained(tiny_cnn(), data)
    by_zero = measured(model, data, lesion="zero")[3]
    by_weights = measured(model, data, lesion="weights")[3]
    assert not np.array_equal(by_zero.controls, by_weights.controls, equal_nan=True)


def test_workers_forms_of_data_and_batches_change_nothing(model, data):
    reference = measured(model, data, workers=1)[3]
    for given in (
        TensorDataset(*data),
        DataLoader(TensorDataset(*data), batch_size=7, shuffle=True),
        (data[0].numpy(), data[1].tolist()),
        (data[0].double(), data[1].to(torch.int16)),
    ):
        results = measured(model, given, workers=2)[3]
        assert np.array_equal(results.controls, reference.controls, equal_nan=True)
        assert np.array_equal(results.lesioned, reference.lesioned, equal_nan=True)
        assert np.array_equal(results.intact, reference.intact)


def test_a_model_that_fixes_its_batch_size_is_lesioned_one_at_a_time(data):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.fc1, self.fc2, self.out = nn.Linear(16, 9), nn.Linear(9, 8), nn.Linear(8, 4)

        def forward(self, x):
            n = x.shape[0]  # known before the lesion: two stacked lesions would be mixed up here
            x = self.fc2(self.fc1(x.flatten(1)).relu()).relu()
            return self.out(x.reshape(n, 8))

    model = Fixed()
    partition, tested, controls, results = measured(model, data)
    hooks = {"fc1": model.fc1, "fc2": model.fc2}
    for k in np.flatnonzero(tested):
        mask = masks(partition, k, controls)[0]

        def silence(module, inputs, output, mask=mask):
            return output.masked_fill(torch.from_numpy(mask), 0)  # relu(0) = 0: the same value

        handle = hooks[partition.subclusters[k].layer].register_forward_hook(silence)
        assert np.array_equal(results.lesioned[k], class_accuracy(model, data))
        handle.remove()


def test_a_dead_cluster_of_units_changes_nothing_and_is_undefined(data):
    """Units that nobody reads: accuracy does not change, the range over classes is 0 / 0."""
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 4)
    )
    model[5].weight.data[:, :6] = 0  # no class reads the first six units of the second layer
    graph = modviz.weight_graph(model, data[0])
    labels = np.repeat([0, 1, 0, 1], 6)
    partition = modviz.Partition(labels, 2, graph)
    analysis = modviz.analyze(
        model, data, partition=partition, n_controls=9, features=False, progress=False
    )
    row = analysis.table().loc["A2"]
    assert row["accuracy_change"] == 0
    assert np.isnan(row["range"])
    assert row["range_p"] == 1
    assert np.isnan(row["range_effect"])
    assert analysis.summary().loc["range", "undefined"] >= 1


def test_results_refine_by_batches_and_a_cancel_keeps_them(model, data):
    import threading

    seen = []
    stop = threading.Event()

    def report(done, total, results):
        if results is not None:
            seen.append(results[0].n_images)
            if len(seen) == 2:
                stop.set()

    with left_alone(model), pytest.raises(Cancelled):
        measured(model, data, report=report, cancel=stop)
    assert seen == sorted(set(seen))
    assert 0 < seen[-1] < len(data[0])


def test_an_error_in_the_middle_leaves_the_model_alone(model, data):
    class Breaking(TensorDataset):
        def __getitem__(self, index):
            if index == 150:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    broken = Breaking(*data)
    with left_alone(model), pytest.raises(OSError, match="the disk is gone"):
        measured(model, broken)


def places_of(model: nn.Module) -> dict[str, str]:
    return PLACES["tiny_cnn" if hasattr(model, "conv1") else "tiny_mlp"]


def test_a_mean_lesion_is_equal_to_hooks_that_put_the_mean(model, data):
    partition, tested, controls, results = measured(model, data, lesion="mean")
    places = places_of(model)
    means = means_at(model, places.values(), data)
    for k in np.flatnonzero(tested):
        place = places[partition.subclusters[k].layer]
        for r, mask in enumerate(masks(partition, k, controls)):
            plain = accuracy_under(model, {place: mask}, data, means)
            own = results.lesioned[k] if r == 0 else results.controls[k, r - 1]
            assert np.array_equal(own, plain), (place, r)
    by_zero = measured(model, data, lesion="zero")[3]
    assert not np.array_equal(results.controls, by_zero.controls, equal_nan=True)


@pytest.mark.parametrize("lesion", ["zero", "mean", "weights"])
def test_through_a_sum_only_the_contribution_goes(lesion, data):
    """Residual blocks, with and without a projection: what the other path brings stays."""
    model = trained(made(InBlocks), data, steps=40).eval()
    network = Network(model, data[0])
    graph = modviz.weight_graph(network)
    labels = np.concatenate([np.arange(la.n_units) % 2 for la in graph.layers])
    partition = modviz.Partition(labels, 2, graph)
    controls = draw_controls(partition, 2, seed=0)
    tested = size_rule(partition)
    results, _ = measure_lesions(
        network, LabelledData(data), partition, tested, controls, lesion=lesion
    )
    places = IN_BLOCKS if lesion != "weights" else {layer: layer for layer in IN_BLOCKS}
    means = means_at(model, places.values(), data) if lesion == "mean" else None
    assert {s.layer for s in partition.subclusters} == set(places)
    for k in np.flatnonzero(tested):
        place = places[partition.subclusters[k].layer]
        mask = masks(partition, k, controls)[0]
        assert np.array_equal(
            results.lesioned[k], accuracy_under(model, {place: mask}, data, means)
        ), place


def test_units_that_never_vary_are_nothing_to_a_mean_lesion(data):
    """A lesion by 0 takes their constant away; one by the mean leaves it, and so all accuracies."""
    model = trained(tiny_mlp(), data, steps=60)
    constant = np.arange(20) < 10
    model.fc2.weight.data[constant] = 0
    model.fc2.bias.data[constant] = 3
    graph = modviz.weight_graph(model, data[0][:2])
    labels = np.concatenate([np.arange(24) % 2, np.where(constant, 0, 1), np.arange(18) % 2])
    partition = modviz.Partition(labels, 2, graph)
    changes = {}
    for lesion in ("zero", "mean"):
        analysis = modviz.analyze(
            model,
            DataLoader(TensorDataset(*data), batch_size=9, shuffle=True),
            partition=partition,
            lesion=lesion,
            n_controls=3,
            features=False,
            progress=False,
        )
        changes[lesion] = analysis.table().loc["A2", "accuracy_change"]
        assert analysis.settings["lesion"] == lesion
    assert changes["mean"] == 0
    assert changes["zero"] != 0


def test_progress_and_cancel_cover_the_pass_for_the_means(model, data):
    import threading

    told = []
    partition = measured(
        model, data, lesion="mean", report=lambda done, total, _: told.append((done, total))
    )[0]
    n_lesions = int(size_rule(partition).sum()) * 5
    done = [d for d, _ in told]
    assert {total for _, total in told} == {(1 + n_lesions) * len(data[0])}
    assert done == sorted(done)
    assert done[0] < len(data[0]) in done
    assert done[-1] == told[0][1]
    stop = threading.Event()
    with left_alone(model), pytest.raises(Cancelled):
        measured(model, data, lesion="mean", report=lambda *_: stop.set(), cancel=stop)


def test_unknown_lesion_is_refused(model, data):
    with pytest.raises(ValueError, match="lesion='average'; expected one of"):
        measured(model, data, lesion="average")
