"""What an analysis makes of data: loaders, unknown lengths, classes without images or names."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

import modviz
from tests.measure.small import tiny_mlp, trained

QUICK = {"n_clusters": 3, "n_controls": 9, "progress": False}


@pytest.fixture
def mlp(data) -> nn.Module:
    return trained(tiny_mlp(), data, steps=60)


def test_class_names_come_from_the_data_or_the_user(mlp, data):
    dataset = TensorDataset(*data)
    dataset.classes = ["a", "b", "c", "d"]
    quick = QUICK | {"features": False}
    assert list(modviz.analyze(mlp, dataset, **quick).class_changes()) == ["a", "b", "c", "d"]
    loader = DataLoader(dataset, batch_size=32)
    assert modviz.analyze(mlp, loader, **quick).class_names == ("a", "b", "c", "d")
    assert modviz.analyze(mlp, data, **quick).class_names == ("0", "1", "2", "3")
    named = modviz.analyze(mlp, data, class_names=list("wxyz"), **quick)
    assert named.class_names == ("w", "x", "y", "z")
    with pytest.raises(ValueError, match="class_names has 2 names, but the model tells 4 classes"):
        modviz.analyze(mlp, data, class_names=["a", "b"], **quick)


def test_a_class_without_images_is_left_out(mlp, data):
    kept = data[1] != 2
    analysis = modviz.analyze(mlp, (data[0][kept], data[1][kept]), features=False, **QUICK)
    assert analysis.class_names == ("0", "1", "3")
    assert analysis.lesions.intact.shape == (3,)


def test_data_of_unknown_length_are_measured_to_their_end(mlp, data):
    class Stream(IterableDataset):
        def __iter__(self):
            yield from zip(data[0], data[1].tolist(), strict=True)

    told = []
    quick = QUICK | {"features": False, "progress": told.append}
    streamed = modviz.analyze(mlp, Stream(), **quick)
    assert streamed.lesions.n_images == len(data[0])
    assert streamed.table().equals(modviz.analyze(mlp, data, **quick).table())
    assert any("on all images" in p.message for p in told)


def test_a_missing_class_does_not_hold_back_results(mlp, data):
    kept = data[1] != 2
    told = []
    modviz.analyze(
        mlp, (data[0][kept], data[1][kept]), **QUICK | {"progress": told.append, "features": False}
    )
    seen = [p.analysis for p in told if p.stage == "lesions" and p.analysis is not None]
    assert len(seen) > 2
    assert all(len(a.class_names) == len(a.lesions.intact) == 3 for a in seen)


def test_a_loader_decides_neither_results_nor_random_numbers(mlp, data):
    images = data[0] * 4 - 1  # pictures are stretched to the range of all images
    plain = modviz.analyze(mlp, (images, data[1]), **QUICK)
    state = torch.get_rng_state()
    for options in ({"batch_size": 9}, {"batch_size": 50, "shuffle": True}):
        loader = DataLoader(TensorDataset(images, data[1]), **options)
        assert modviz.analyze(mlp, loader, **QUICK).table().equals(plain.table())
    assert torch.equal(torch.get_rng_state(), state)

    class Noisy(TensorDataset):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image + torch.randn(image.shape), label

    noisy = [modviz.analyze(mlp, Noisy(*data), **QUICK).table() for _ in range(2)]
    assert noisy[0].equals(noisy[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_loader_tells_how_many_images_it_gives(mlp, data):
    told = []
    quick = QUICK | {"features": False, "progress": told.append}
    sampler = SubsetRandomSampler(range(100))
    loader = DataLoader(TensorDataset(*data), batch_size=30, sampler=sampler, drop_last=True)
    analysis = modviz.analyze(mlp, loader, **quick)
    assert analysis.lesions.n_images == 90
    assert any("on 90 images" in p.message for p in told)
    assert max(p.done / p.total for p in told if p.total) == 1
