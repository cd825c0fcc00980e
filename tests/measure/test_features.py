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
from modviz.core.controls import draw_controls, masks
from modviz.measure.features import measure_features, picture_shape
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.optimise import Batch, noise, optimise
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


_LUCENT_ITSELF = """
import sys, torch
try:
    import torchvision
except RuntimeError:  # one for CUDA beside torch for the CPU misses these two names
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


@pytest.mark.parametrize("layer", ["fc1", "fc3"])
def test_quick_matrix_products_give_the_pictures_of_the_plain_ones(layer):
    model = modviz.examples.mlp((1, 16, 16), width=128, depth=3).eval()
    network = Network(model, torch.rand(2, 1, 16, 16))
    masks = (torch.rand(160, 128, generator=torch.Generator().manual_seed(0)) < 0.1).float()
    rows = np.stack([np.arange(160), np.zeros(160, dtype=int)], axis=1)
    made = []
    for shortcuts in (True, False):
        batch = Batch(layer, rows, masks, *noise((1, 16, 16), 160, seed=0), at_once=160)
        with left_alone(model), evaluating(model):
            made.append(optimise(network, batch, identity, shortcuts=shortcuts))
    quick, plain = made
    differs = (quick.pictures - plain.pictures).abs().flatten(1).amax(dim=1)
    # rounding may carry a picture over a ReLU's corner, with either kind of product
    assert (differs < 1e-5).double().mean() > 0.9
    assert plain.pictures.std() > 0.1
    assert np.allclose(quick.score, plain.score, rtol=1e-2)
