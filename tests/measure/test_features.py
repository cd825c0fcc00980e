"""Feature visualizations: the objective recomputed from the pictures, and the null by design."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

import modviz
from modviz.core.analysis import size_rule
from modviz.core.controls import LayerGroups, draw_controls, masks
from modviz.measure.batches import batch_sizes, batches_of
from modviz.measure.drives import Means
from modviz.measure.features import measure_features, picture_shape
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.optimise import noise, optimise
from tests.measure.small import left_alone, tiny_mlp, trained


def identity(pictures):
    return pictures


def pictured(model, images, *, preprocess=identity, n_controls=3, controls=None, **options):
    network = Network(model, images)
    partition = modviz.spectral_partition(modviz.weight_graph(network), 3)
    tested = size_rule(partition)
    controls = controls or draw_controls(partition, n_controls, seed=1)
    results = measure_features(
        network, partition, tested, controls, preprocess=preprocess, **options
    )
    return partition, tested, controls, results


def pre_activation(model, layer, inputs):
    kept = []
    place = {"conv1": "bn1"}.get(layer, layer)  # its batch norm stands before its activation
    handle = model.get_submodule(place).register_forward_hook(
        lambda m, i, o: kept.append(o.clone())
    )
    with torch.no_grad():
        output = model.eval()(inputs)
    handle.remove()
    value = kept[0]
    return (value.flatten(2).mean(2) if value.ndim > 2 else value).numpy(), output.numpy()


def test_score_and_entropy_are_those_of_the_pictures_shown(model, data):
    partition, tested, controls, results = pictured(model, data[0])
    assert results.images.shape == (len(tested), 4, 4, 1)
    for k in np.flatnonzero(tested):
        chosen = masks(partition, k, controls)
        cases = [
            (results.images[k], results.score[k], results.entropy[k], chosen[0]),
            (
                results.control_images[k],
                results.score_controls[k, 0],
                results.entropy_controls[k, 0],
                chosen[1],
            ),
        ]
        for picture, score, spread, mask in cases:
            inputs = torch.from_numpy(picture.transpose(2, 0, 1)[None])
            value, logits = pre_activation(model, partition.subclusters[k].layer, inputs)
            assert score == pytest.approx(np.abs(value[0, mask]).sum(), rel=1e-4)
            p = torch.softmax(torch.from_numpy(logits[0]).double(), 0).numpy()
            assert spread == pytest.approx(entropy(p), abs=1e-5)
    assert np.isnan(results.score[~tested]).all()
    assert np.isnan(results.images[~tested]).all()


def test_the_pictures_drive_their_units_more_than_data_do(model, data):
    partition, tested, _, results = pictured(model, data[0])
    for k in np.flatnonzero(tested):
        s = partition.subclusters[k]
        value, _ = pre_activation(model, s.layer, data[0])
        assert results.score[k] > np.abs(value[:, s.units]).sum(axis=1).mean()


def test_equal_units_give_equal_pictures_so_only_the_units_matter(model, data):
    """A control with the very units of the subcluster gives its score, whatever its row."""
    network = Network(model, data[0])
    partition = modviz.spectral_partition(modviz.weight_graph(network), 3)
    same = {
        layer.name: np.tile(partition.labels[partition.graph.layer_slice(i)], (2, 1))
        for i, layer in enumerate(partition.graph.layers)
    }
    _, tested, _, results = pictured(model, data[0], controls=same)
    assert np.allclose(results.score_controls[tested], results.score[tested, None], rtol=1e-4)


def test_workers_change_nothing_and_seeds_do(model, data):
    first = pictured(model, data[0], seed=3)[3]
    again = pictured(model, data[0], seed=3, workers=2)[3]
    other = pictured(model, data[0], seed=4)[3]
    assert np.array_equal(first.images, again.images, equal_nan=True)
    assert np.array_equal(first.entropy_controls, again.entropy_controls, equal_nan=True)
    assert not np.array_equal(first.images, other.images, equal_nan=True)


def test_entropy_is_taken_on_the_preprocessed_picture(data):
    """A network of normalised images is shown pictures normalised in the same way."""
    torch.manual_seed(0)
    raw = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU())
    raw.append(nn.Linear(12, 4))
    normalised = nn.Sequential(*raw)
    inner = nn.Linear(16, 12)
    inner.weight.data = (
        raw[1].weight.data / 4
    )  # reads 4 x - 2, gives what the first one gives for x
    inner.bias.data = raw[1].bias.data + inner.weight.data.sum(1) * 2
    normalised[1] = inner
    images = data[0].clamp(0, 1)
    images[0], images[1] = 0, 1
    options = {"n_clusters": 3, "n_controls": 5, "progress": False}
    plain = modviz.analyze(raw, (images, data[1]), **options)
    partition = plain.partition
    stretched = modviz.analyze(
        normalised, (images * 4 - 2, data[1]), partition=partition, **options
    )
    given = modviz.analyze(
        normalised,
        (images * 4 - 2, data[1]),
        partition=partition,
        preprocess=lambda x: 4 * x - 2,
        **options,
    )
    for other in (stretched, given):
        assert np.allclose(other.features.score, plain.features.score, rtol=1e-3, equal_nan=True)
        assert np.allclose(
            other.features.entropy, plain.features.entropy, atol=1e-3, equal_nan=True
        )


@pytest.mark.parametrize("last", [nn.LogSoftmax(1), nn.Softmax(1)])
def test_entropy_does_not_depend_on_the_form_of_the_output(data, last):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU())
    model.append(nn.Linear(12, 4))
    logits = pictured(model, data[0])[3]
    other = pictured(nn.Sequential(*model, last), data[0])[3]
    assert np.allclose(other.entropy, logits.entropy, atol=1e-5, equal_nan=True)


def test_colour_and_flat_inputs_have_pictures():
    assert picture_shape((3, 32, 30)) == (32, 30, 3)
    assert picture_shape((5, 8, 8)) == (8, 8, 1)
    assert picture_shape((784,)) == (28, 28, 1)
    assert picture_shape((10,)) == (3, 4, 1)
    with pytest.raises(ValueError, match=r"inputs have shape \(4, 5\).*features=False"):
        picture_shape((4, 5))
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Linear(10, 9), nn.ReLU(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 3))
    _, tested, _, results = pictured(flat, torch.rand(4, 10))
    shown = results.images[tested]
    assert np.isfinite(shown.reshape(len(shown), -1)[:, :10]).all()
    assert np.isnan(shown.reshape(len(shown), -1)[:, 10:]).all()
    colour = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    colour.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)])
    _, tested, _, results = pictured(colour, torch.rand(4, 3, 9, 7))
    assert results.images.shape[1:] == (9, 7, 3)
    assert np.isfinite(results.images[tested]).all()


def test_the_model_is_left_alone(model, data):
    model.train()
    model.get_submodule("fc1").weight.grad = torch.ones_like(model.get_submodule("fc1").weight)
    with left_alone(model):
        pictured(model, data[0])


def test_a_failure_leaves_no_hooks_and_no_gradients(model, data):
    calls = 0

    def failing(pictures):
        nonlocal calls
        calls += 1
        if calls > 9:
            raise ArithmeticError("in the middle")
        return pictures

    with left_alone(model), pytest.raises(ArithmeticError, match="in the middle"):
        pictured(model, data[0], preprocess=failing, workers=2)
    assert calls > 9
    assert all(parameter.grad is None for parameter in model.parameters())


CONVOLUTIONS = {
    "plain": nn.Conv2d(4, 6, 3),
    "same": nn.Conv2d(4, 6, 3, padding="same"),
    "same, even kernel": nn.Conv2d(4, 6, (2, 4), padding="same", dilation=(1, 2)),
    "stride": nn.Conv2d(4, 6, 3, stride=(2, 3), padding=(1, 0)),
    "no bias": nn.Conv2d(4, 6, 1, stride=2, bias=False),
    "dilation": nn.Conv2d(4, 6, 3, dilation=(2, 1), padding=2),
    "groups": nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": nn.Conv2d(4, 8, 3, groups=4, padding=1),
    "reflect": nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="reflect"),
    "circular": nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular"),
    "replicate, stride": nn.Conv2d(4, 6, 3, padding=2, padding_mode="replicate", stride=2),
}


def chain(conv, norm=None):
    """A convolution, `conv`, something that is no part of either, and a classifier."""
    torch.manual_seed(0)
    units = conv.out_channels
    parts = [nn.Conv2d(1, conv.in_channels, 3, padding=1), nn.Tanh(), conv]
    parts += [norm] if norm else []
    parts += [nn.ReLU(), nn.Conv2d(units, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for part in parts:
        if isinstance(part, nn.Conv2d):
            part.reset_parameters()
    return nn.Sequential(*parts).double().eval()


def means_and_gradients(network, layer, images, **options):
    images = images.clone().requires_grad_()
    with evaluating(network.model):
        means = Means(network, layer, **options)
        drives = means(images)
        (drives.abs() * torch.linspace(0.5, 2, drives.shape[1])).sum().backward()
    return means, drives.detach(), images.grad


def assert_means_agree(model, layer, images, *, closed):
    network = Network(model, images)
    quick, *values = means_and_gradients(network, layer, images)
    plain, *expected = means_and_gradients(network, layer, images, shortcuts=False)
    assert quick.in_closed_form == closed
    assert not plain.in_closed_form
    for value, known in zip(values, expected, strict=True):
        assert value.abs().max() > 1e-3
        assert torch.allclose(value, known, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_mean_of_a_convolution_in_closed_form_is_that_of_its_outputs(name):
    images = torch.rand(3, 1, 11, 9, dtype=torch.float64)
    assert_means_agree(chain(CONVOLUTIONS[name]), "2", images, closed=True)


def test_batch_norm_may_follow_the_mean_and_other_dimensions_are_no_different():
    images = torch.rand(3, 1, 9, 8, dtype=torch.float64)
    norm = nn.BatchNorm2d(6)
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.uniform_(norm.running_mean, -1, 1)
    nn.init.uniform_(norm.running_var, 0.3, 2)
    assert_means_agree(chain(nn.Conv2d(4, 6, 3, stride=2), norm), "2", images, closed=True)
    line = [nn.Conv1d(2, 5, 4, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(50, 3)]
    images = torch.rand(3, 2, 10, dtype=torch.float64)
    assert_means_agree(nn.Sequential(*line).double(), "0", images, closed=True)
    space = [nn.Conv3d(2, 5, (3, 2, 1), stride=(1, 2, 1), padding=1), nn.ReLU(), nn.Flatten()]
    images = torch.rand(3, 2, 4, 5, 3, dtype=torch.float64)
    space.append(nn.Linear(5 * 4 * 3 * 5, 3))
    assert_means_agree(nn.Sequential(*space).double(), "0", images, closed=True)


class Doubled(nn.Conv2d):
    """Says that it is a convolution, and does more."""

    def forward(self, value):
        return super().forward(value).square()


def test_what_does_more_than_a_convolution_runs_as_it_is():
    images = torch.rand(3, 1, 9, 8, dtype=torch.float64)
    assert_means_agree(chain(Doubled(4, 6, 3)), "2", images, closed=False)
    hooked = chain(nn.Conv2d(4, 6, 3))
    hooked[2].register_forward_hook(lambda module, given, value: value**3)
    assert_means_agree(hooked, "2", images, closed=False)
    normed = chain(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6))
    normed[3].register_forward_hook(lambda module, given, value: value**3)
    assert_means_agree(normed, "2", images, closed=False)


class Viewed(nn.Module):
    """Says .view() where only one layout in memory will do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(8 * 12 * 12, 12), nn.Linear(12, 3)

    def forward(self, value):
        value = torch.relu(self.conv2(torch.relu(self.conv1(value))))
        return self.fc2(torch.relu(self.fc1(value.view(value.size(0), -1))))


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_another_layout_in_memory_changes_rounding_only(layer):
    images = torch.rand(5, 1, 12, 12)
    network = Network(Viewed(), images)
    _, *quick = means_and_gradients(network, layer, images)
    _, *plain = means_and_gradients(network, layer, images, shortcuts=False)
    for value, known in zip(quick, plain, strict=True):
        assert torch.allclose(value, known, rtol=1e-4, atol=1e-6)


def test_one_picture_starts_as_many_do():
    for shape in [(1, 5, 5), (3, 6, 5), (7,)]:
        one, _ = noise(shape, 1, seed=5)
        many, _ = noise(shape, 4, seed=5)
        assert all(torch.equal(start.expand_as(m), m) for start, m in zip(one, many, strict=True))
        assert one[0].std() > 0


def test_a_memory_limit_changes_rounding_only(model, data):
    unlimited = pictured(model.double(), data[0].double())[3]
    limited = pictured(model, data[0].double(), memory_limit=20_000, workers=2)[3]
    assert np.allclose(limited.images, unlimited.images, atol=1e-4, equal_nan=True)
    assert np.allclose(limited.score, unlimited.score, rtol=1e-4, equal_nan=True)
    with pytest.raises(ValueError, match="memory_limit=0; expected a number of bytes"):
        pictured(model, data[0].double(), memory_limit=0)


def test_less_memory_means_smaller_batches_and_then_fewer_workers(data):
    network = Network(trained(tiny_mlp(), data, steps=1), data[0])
    layers = {"fc1": 500, "fc2": 500}

    def sizes(memory_limit, workers=2):
        with evaluating(network.model):
            return batch_sizes(network, layers, identity, memory_limit, workers)

    assert sizes(None) == sizes(2**30)
    assert sizes(None).batch == sizes(None, workers=5).batch
    less = sizes(100_000)
    assert less.workers == 2
    assert 1 < less.batch["fc2"] < less.batch["fc1"] < sizes(None).batch["fc1"]
    assert sizes(1).batch == {"fc1": 1, "fc2": 1}
    assert sizes(1).workers == 1


def peak_of_one_batch(model, layer, limit):
    """Bytes at the worst moment by torch's own book of what it allocates; of its own thread only,
    so that the batch is worked on here.
    """
    network = Network(model, torch.rand(4, 1, 32, 32))
    units = next(la.n_units for la in network.layers if la.name == layer)
    rows = np.stack([np.arange(500), np.zeros(500, dtype=np.int64)], axis=1)
    group = LayerGroups(layer, rows, np.random.default_rng(0).random((500, units)) < 0.3)
    with evaluating(model):
        sizes = batch_sizes(network, {layer: 500}, identity, limit, 1)
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile:
            batch = next(batches_of(network, [group], 0, sizes))
            optimise(network, batch, identity)
    events = profile.profiler.kineto_results.events()
    steps = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return int(np.cumsum([size for _, size in steps]).max())


@pytest.mark.parametrize("layer", ["0", "2", "5"])
def test_peak_memory_stays_under_its_limit(layer):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3))
    model.extend([nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3), nn.ReLU()])
    model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)])
    low, high = (peak_of_one_batch(model, layer, limit * 2**20) for limit in (2, 6))
    assert 0.3 * 2 * 2**20 < low < 2 * 2**20  # kept, and used
    assert 0.3 * 6 * 2**20 < high < 6 * 2**20


_LUCENT_ITSELF = """
import sys, torch
# beside a CPU build of torch, torchvision can't be imported without these two names
mend = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    mend.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from lucent.optvis import objectives, param, render
from tests.measure.small import four_by_four, tiny_mlp, trained

model = trained(tiny_mlp(), four_by_four(), steps=60).eval()
units = [int(unit) for unit in sys.argv[1].split()]

def start():
    torch.manual_seed(0)
    return param.image(4, channels=1, batch=1)

picture = render.render_vis(
    model, objectives.Objective(lambda T: -T("fc2")[:, units].abs().sum()), start, transforms=[],
    preprocess=False, fixed_image_size=4, show_image=False, progress=False, thresholds=(64,),
)[0]
print(" ".join(str(value) for value in picture.ravel()))
"""


def test_a_picture_is_the_one_that_lucent_renders_by_itself(data):
    model = trained(tiny_mlp(), data, steps=60)
    partition, tested, _, results = pictured(model, data[0])
    rows = [k for k in np.flatnonzero(tested) if partition.subclusters[k].layer == "fc2"]
    chosen = partition.subclusters[rows[0]]
    units = " ".join(str(unit) for unit in chosen.units)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LUCENT_ITSELF, units],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rendered = np.array(done.stdout.split(), dtype=float).reshape(4, 4, 1)
    # alone or in a batch: float32 products round differently, and 64 steps of Adam add that up
    assert np.abs(rendered - results.images[rows[0]]).max() < 0.02
