"""Planted modules: are they where the labels say, and do lesions cost what they should?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modviz import examples


def weight_of(planted: examples.PlantedMLP, name: str) -> np.ndarray:
    return dict(planted.model.named_parameters())[f"{name}.weight"].detach().numpy()


def hidden_labels(planted: examples.PlantedMLP, depth: int = 3) -> list[np.ndarray]:
    return np.split(planted.labels, depth)


def class_accuracy(planted, silenced=None, layer: int = 2) -> np.ndarray:
    x = planted.data.images
    with torch.no_grad():
        for name, module in planted.model.named_children():
            x = module(x)
            if silenced is not None and name == f"relu{layer}":
                x[:, torch.as_tensor(silenced)] = 0
    right = (x.argmax(dim=1) == planted.data.labels).float()
    return np.array([float(right[planted.data.labels == c].mean()) for c in range(8)])


def test_shapes_and_labels():
    planted = examples.planted_mlp(n_modules=3, width=5, depth=2, classes_per_module=4)
    assert [w.shape for n, w in planted.model.named_parameters() if n.endswith("weight")] == [
        (15, 81), (15, 15), (12, 15),
    ]  # fmt: skip
    assert planted.labels.shape == (30,)
    for layer in hidden_labels(planted, 2):
        assert np.bincount(layer).tolist() == [5, 5, 5]
    assert np.bincount(planted.input_labels).tolist() == [27, 27, 27]
    assert planted.class_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert planted.data.images.shape == (600, 1, 9, 9)
    assert 0 <= float(planted.data.images.min()) <= float(planted.data.images.max()) <= 1
    assert len(planted.data.classes) == 12
    assert len(set(planted.data.classes)) == 12
    assert not planted.model.training


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_weights_between_modules_are_noise_times_those_inside(noise):
    planted = examples.planted_mlp(noise=noise)
    ends = [planted.input_labels, *hidden_labels(planted), planted.class_labels]
    for name, before, after in zip(
        ("fc1", "fc2", "fc3", "output"), ends[:-1], ends[1:], strict=True
    ):
        size = np.abs(weight_of(planted, name))
        inside = after[:, None] == before
        ratio = size[~inside].mean() / size[inside].mean()
        # the readout is solved, not drawn: its shape is another, its mean square the same
        assert ratio == pytest.approx(noise, rel=0.1 if name != "output" else 0.25)


def test_units_are_scattered_unless_told_otherwise():
    assert (np.diff(hidden_labels(examples.planted_mlp())[0]) < 0).any()
    side_by_side = examples.planted_mlp(shuffle=False)
    assert hidden_labels(side_by_side)[1].tolist() == np.repeat(np.arange(4), 32).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_silencing_a_module_costs_its_own_classes_and_no_others(seed):
    planted = examples.planted_mlp(seed=seed)
    assert examples.accuracy(planted.model, planted.data) > 0.98
    for layer, labels in enumerate(hidden_labels(planted), start=1):
        for module in range(4):
            after = class_accuracy(planted, labels == module, layer)
            own = planted.class_labels == module
            assert after[own].mean() < 0.3
            assert after[~own].min() > 0.9


def test_silencing_as_many_random_units_costs_less():
    planted = examples.planted_mlp()
    labels = hidden_labels(planted)[1]
    rng = np.random.default_rng(0)
    module = class_accuracy(planted, labels == 0).mean()
    random = [class_accuracy(planted, rng.permutation(labels) == 0).mean() for _ in range(20)]
    assert module < min(random)


def test_seed_decides_everything_and_global_numbers_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, same, other = (examples.planted_mlp(seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert np.array_equal(weight_of(first, "fc2"), weight_of(same, "fc2"))
    assert np.array_equal(first.labels, same.labels)
    assert torch.equal(first.data.images, same.data.images)
    assert not np.array_equal(weight_of(first, "fc2"), weight_of(other, "fc2"))


@pytest.mark.parametrize("bad", [{"n_modules": 1}, {"width": 0}, {"depth": 0}, {"noise": -0.1}])
def test_bad_sizes_are_refused(bad):
    with pytest.raises(ValueError, match="expected at least 2 modules"):
        examples.planted_mlp(**bad)
