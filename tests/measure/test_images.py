"""Top images: planted detectors, a plain loop over images, ties, and the null."""

from __future__ import annotations

import threading
from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import modviz
from modviz.core.analysis import TopImages, size_rule
from modviz.core.controls import draw_controls, masks
from modviz.core.progress import Cancelled
from modviz.measure import images as top_images
from modviz.measure.data import LabelledData
from modviz.measure.images import measure_top_images
from modviz.measure.network import Network
from tests.measure.small import four_by_four, left_alone, tiny_cnn, tiny_mlp
from tests.measure.tops import topped

#: Where the value before the activation is given; elsewhere by the layer itself.
NORMED = {"conv1": "bn1"}


def same(a: TopImages, b: TopImages) -> None:
    for f in fields(TopImages):
        left, right = np.asarray(getattr(a, f.name)), np.asarray(getattr(b, f.name))
        np.testing.assert_array_equal(left, right, err_msg=f.name)


def detectors() -> nn.Sequential:
    """Two layers of 16 units; unit u of both looks at the quadrant u % 4 alone."""
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    quadrant = (torch.arange(4)[:, None] // 2 * 2 + torch.arange(4)[None] // 2).flatten()
    units = torch.arange(16) % 4
    with torch.no_grad():
        model[1].weight[:] = (units[:, None] == quadrant[None]).float()
        model[3].weight[:] = (units[:, None] == units[None]).float()
        model[5].weight[:] = (torch.arange(4)[:, None] == units[None]).float()
        for layer in (model[1], model[3], model[5]):
            layer.bias.zero_()
    return model


def test_units_that_detect_a_class_have_top_images_of_it_alone():
    images, labels = four_by_four(200, seed=2)
    partition, tested, _, found = topped(
        detectors(), (images, labels), labels=np.tile(np.arange(16) % 4, 2), n_controls=19
    )
    assert tested.all()
    assert found.entropy.tolist() == [0.0] * 8
    for row, s in enumerate(partition.subclusters):
        assert found.labels[row].tolist() == [s.cluster] * 10
        # the images are those whose own quadrant is brightest, the brightest first
        row_of, column_of = divmod(s.cluster, 2)
        light = images[:, 0, 2 * row_of : 2 * row_of + 2, 2 * column_of : 2 * column_of + 2]
        brightest = np.argsort(-light.sum(dim=(1, 2)).numpy(), kind="stable")[:10]
        assert set(found.numbers[row]) == set(brightest)
    assert (found.entropy_controls > 0).mean() > 0.5  # random units look everywhere


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_drives_are_those_of_a_plain_loop_over_images(make):
    """One image at a time through the model itself, a hook, a sum; then a sort."""
    images, labels = four_by_four(70, seed=3)
    images = images.double() - 0.5
    model = make().double().eval()
    partition, tested, controls, found = topped(model, (images, labels))
    assert found.n_images == 70
    values = {}
    for layer in {s.layer for s in partition.subclusters}:
        kept = []
        place = model.get_submodule(NORMED.get(layer, layer))
        # a copy: the activation that follows may overwrite it
        handle = place.register_forward_hook(lambda m, i, o, kept=kept: kept.append(o.clone()))
        with torch.no_grad():
            for image in images:
                model(image[None])
        handle.remove()
        values[layer] = [v[0].reshape(len(v[0]), -1).mean(1).abs().numpy() for v in kept]
    for k in np.flatnonzero(tested):
        spread = []
        for number, mask in enumerate(masks(partition, k, controls)):
            drives = [float(v[mask].sum()) for v in values[partition.subclusters[k].layer]]
            order = sorted(range(70), key=lambda n, drives=drives: (-drives[n], n))[:10]
            spread.append(stats.entropy(np.bincount(labels[order].numpy()) / 10))
            if number == 0:
                assert found.numbers[k].tolist() == order
                assert found.labels[k].tolist() == labels[order].tolist()
                assert found.drives[k] == pytest.approx(np.sort(drives)[::-1][:10], rel=2**-16)
                shown = (images[order, 0] - images.min()) / (images.max() - images.min())
                assert found.images[k, ..., 0] == pytest.approx(shown.numpy(), abs=1e-6)
        assert [found.entropy[k], *found.entropy_controls[k]] == pytest.approx(spread, abs=1e-12)
    for untested in np.flatnonzero(~tested):
        assert np.isnan(found.entropy[untested])
        assert np.isnan(found.images[untested]).all()
        assert (found.numbers[untested] == -1).all()


class Pairs(Dataset):
    """The plainest data set there is."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], int(self.labels[index])


def test_neither_batches_nor_the_form_of_the_data_matter(model, data, monkeypatch):
    first = topped(model, data)[-1]
    same(topped(model, Pairs(*data))[-1], first)
    same(topped(model, DataLoader(TensorDataset(*data), batch_size=33))[-1], first)
    for size in (1, 7, 64):
        monkeypatch.setattr(top_images, "_MOST_IMAGES", size)
        same(topped(model, data)[-1], first)


def test_the_order_of_the_data_does_not_matter(model, data):
    first = topped(model, data)[-1]
    order = np.random.default_rng(4).permutation(len(data[0]))
    moved = topped(model, (data[0][order], data[1][order]))[-1]
    known = first.numbers >= 0
    assert np.array_equal(order[moved.numbers[known]], first.numbers[known])
    shuffled = topped(model, DataLoader(TensorDataset(*data), batch_size=16, shuffle=True))[-1]
    for other in (moved, shuffled):
        for name in ("entropy", "entropy_controls", "drives", "labels", "images"):
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))


def test_of_equal_images_the_first_in_the_data_comes_first(model, data, monkeypatch):
    images, labels = data[0][:60], data[1][:60]
    once = topped(model, (images, labels))[-1]
    for size in (512, 50):  # copies in one batch, and in different ones
        monkeypatch.setattr(top_images, "_MOST_IMAGES", size)
        _, tested, _, thrice = topped(model, (images.repeat(3, 1, 1, 1), labels.repeat(3)))
        for numbers, alone in zip(thrice.numbers[tested], once.numbers[tested], strict=True):
            copies = [n + shift for n in alone for shift in (0, 60, 120)]
            assert numbers.tolist() == copies[:10]


def test_images_that_all_are_the_same_are_no_evidence(model):
    labels = torch.arange(30) % 4
    _, tested, _, found = topped(model, (torch.full((30, 1, 4, 4), 0.3), labels))
    assert (found.numbers[tested] == np.arange(10)).all()
    assert (found.entropy_controls[tested] == found.entropy[tested, None]).all()
    assert found.entropy[tested][0] == pytest.approx(stats.entropy([3, 3, 2, 2]))


def test_random_partitions_are_calibrated():
    """Labels drawn at random: p <= .05 in no more than that share, ties broken: uniform."""
    data = four_by_four(120, seed=5)
    model = tiny_mlp()
    labelled = LabelledData(data)
    network = Network(model, labelled.first())
    graph = modviz.weight_graph(network)
    rng = np.random.default_rng(7)
    p, randomised = [], []
    for seed in range(100):
        partition = modviz.Partition(rng.integers(3, size=graph.n_units), 3, graph)
        tested, controls = size_rule(partition), draw_controls(partition, 19, seed)
        found = measure_top_images(network, labelled, partition, tested, controls)
        own, controls = found.entropy[tested], found.entropy_controls[tested]
        p += modviz.statistics.permutation_p(own, controls, tail="low").tolist()
        below, tied = controls < own[:, None], controls == own[:, None]
        place = below.sum(axis=1) + rng.uniform(0, tied.sum(axis=1) + 1)
        randomised += (place / 20).tolist()
    assert len(p) > 800
    assert np.mean(np.array(p) <= 0.05) <= 0.06
    assert stats.kstest(randomised, "uniform").pvalue > 0.01


def test_with_few_images_all_of_them_are_the_top(model, data):
    _, tested, _, found = topped(model, (data[0][:6], data[1][:6]))
    assert found.n_images == 6
    assert (np.sort(found.numbers[tested], axis=1) == np.arange(6)).all()
    assert (found.entropy_controls[tested] == found.entropy[tested, None]).all()


def test_labels_count_the_classes_that_have_images(model, data):
    kept = data[1] != 1
    images, labels = data[0][kept], data[1][kept]
    _, tested, _, found = topped(model, (images, labels))
    place = np.array([0, -1, 1, 2])[labels.numpy()]
    assert np.array_equal(found.labels[tested], place[found.numbers[tested]])


def test_images_that_give_nan_are_refused():
    model = tiny_mlp()
    with torch.no_grad():
        model.fc1.weight[0, :2] = torch.tensor([3e38, -3e38])
    images, labels = four_by_four(20)
    images[7] = 10.0
    with pytest.raises(ValueError, match="gives NaN for some images, so they can't be ranked"):
        topped(model, (images, labels))


def test_the_model_is_left_alone_and_a_cancel_gives_nothing(model, data):
    model.train()
    stop, told = threading.Event(), []

    def report(done, total):
        told.append((done, total))
        stop.set()

    with left_alone(model):
        topped(model, data)
    with left_alone(model), pytest.raises(Cancelled):
        topped(model, (data[0].repeat(3, 1, 1, 1), data[1].repeat(3)), report=report, cancel=stop)
    assert told == [(360, 720)]  # two equal batches


def test_analyze_measures_them_with_the_controls_of_the_lesions(data):
    options = {"n_clusters": 3, "n_controls": 12, "features": False, "progress": False}
    analysis = modviz.analyze(tiny_mlp(), data, **options)
    tops, table = analysis.top_images, analysis.table()
    assert tops.entropy_controls.shape == (len(table), 12)
    assert table["image_entropy"].notna().tolist() == analysis.tested.tolist()
    p = modviz.statistics.permutation_p(
        tops.entropy[analysis.tested], tops.entropy_controls[analysis.tested], tail="low"
    )
    assert table.loc[analysis.tested, "image_entropy_p"].tolist() == p.tolist()
    assert analysis.summary().loc["image_entropy", "n"] == analysis.tested.sum()
    # one at a time, in the network itself, for one of them
    row = int(np.flatnonzero(analysis.tested)[0])
    assert np.array_equal(tops.labels[row], data[1].numpy()[tops.numbers[row]])
    off = modviz.analyze(tiny_mlp(), data, top_images=False, **options)
    assert off.top_images is None
    assert off.table()["image_entropy_p"].isna().all()
    with pytest.raises(TypeError, match="top_images='yes'; expected True or False"):
        modviz.analyze(tiny_mlp(), data, top_images="yes", **options)


def test_a_cancel_while_looking_keeps_the_lesions(data):
    stop = threading.Event()

    def progress(p):
        if p.stage == "images":
            stop.set()

    analysis = modviz.analyze(
        tiny_mlp(), data, n_clusters=3, n_controls=3, cancel=stop, progress=progress
    )
    assert analysis.status == "cancelled"
    assert analysis.lesions is not None
    assert analysis.top_images is None
