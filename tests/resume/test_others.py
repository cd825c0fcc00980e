"""Nothing is taken over that another model, other data or another function gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import modviz
from modviz.core.checkpoint import CheckpointError, in_use
from modviz.core.settings import Settings
from modviz.measure.identity import Digests, differences, identity_of
from modviz.measure.inputs import read_inputs
from tests.measure.small import tiny_mlp
from tests.resume.scenarios import DATA, QUICK


def identity(model: nn.Module | None = None, data: Any = DATA, **more: Any) -> dict[str, Any]:
    """What a checkpoint of an analysis is known by."""
    network, labelled = read_inputs(tiny_mlp() if model is None else model, data, None, None)
    return identity_of(network, labelled, Settings(), Digests.of(network, labelled), **more)


class Images(Dataset[Any]):
    """Labelled images, not all of them in memory."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.images[index], self.labels[index]


class Noisy(Images):
    """Other images whenever it is asked, by random numbers that nobody seeds."""

    def __getitem__(self, index: int) -> Any:
        self.images = self.images + 1
        return self.images[index], self.labels[index]


OTHER = DATA[0] * 0.5, DATA[1]


def test_another_dataset_of_as_many_images_is_refused(model: nn.Module, path: Path) -> None:
    """Lesions of one and top images of the other would stand in one table."""
    options = QUICK | {"features": False, "support": False, "top_images": False}
    modviz.analyze(model, Images(*DATA), **options, checkpoint=path)
    with pytest.raises(CheckpointError, match="the data hold other images"):
        modviz.analyze(model, Images(*OTHER), **options, checkpoint=path)
    modviz.analyze(model, Images(*DATA), **options, checkpoint=path)


def test_images_for_activations_are_compared_in_any_form() -> None:
    forms: list[Any] = [None, Images(*DATA), Images(*OTHER), DATA[0], OTHER[0]]
    found = [identity(activation_images=images) for images in forms]
    for k, one in enumerate(found):
        assert differences(one, identity(activation_images=forms[k])) == []
        for other in found[:k]:
            assert differences(other, one) == ["activation_images differ"]


def test_data_that_are_never_the_same_are_told_by_their_number() -> None:
    """They would be refused at every call, and what is counted on them is compared anyway."""
    one, two = identity(data=Noisy(*DATA)), identity(data=Noisy(*OTHER))
    assert one["data"] == {"digest": None, "images": 300, "first": None}
    assert differences(one, two) == []


def test_data_in_memory_are_known_by_their_digest_alone() -> None:
    found = identity()["data"]
    assert found == identity(data=TensorDataset(*DATA))["data"]
    assert found["digest"].startswith("blake2b-sum:")
    assert found["first"] is None


class Scaled(nn.Module):
    """Reads a tensor that is neither a parameter nor a buffer, and keeps one that nobody reads."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.inner, self.scale = tiny_mlp(), torch.full((1, 1, 4, 4), scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x * self.scale)


def test_a_tensor_that_forward_reads_belongs_to_the_model() -> None:
    words = ["the model's modules, their settings or its forward() differ"]
    assert differences(identity(Scaled(1)), identity(Scaled(1))) == []
    assert differences(identity(Scaled(1)), identity(Scaled(2))) == words
    cached = Scaled(1)
    cached.last = torch.rand(3)
    assert differences(identity(Scaled(1)), identity(cached)) == []


def turned(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return -output


def test_a_hook_belongs_to_the_model() -> None:
    model = tiny_mlp()
    before = identity(model)
    handle = model.get_submodule("fc1").register_forward_hook(turned)
    assert differences(before, identity(model)) != []
    assert differences(identity(model), identity(model)) == []
    handle.remove()
    assert differences(before, identity(model)) == []


def normalised(pictures: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    return (pictures - mean) / std


class Centred:
    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures - self.by


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (partial(normalised, mean=0.5, std=1.0), partial(normalised, mean=0.5, std=1.1)),
        (Centred(0.5), Centred(0.4)),
        (lambda pictures: pictures, lambda pictures: pictures.flip(-1)),
    ],
)
def test_functions_of_one_name_are_told_by_what_they_give(
    one: Callable[..., Any], two: Callable[..., Any]
) -> None:
    assert differences(identity(preprocess=one), identity(preprocess=one)) == []
    assert differences(identity(preprocess=one), identity(preprocess=two)) == ["preprocess differs"]


def test_rounding_makes_no_other_function() -> None:
    """Of normalised pictures the mean is nothing but rounding."""
    one = identity(preprocess=Centred(0.5))
    for by in (0.5 + 1e-7, 0.5 - 1e-7):
        assert differences(one, identity(preprocess=Centred(by))) == []


def test_a_warning_that_is_an_error_lets_the_checkpoint_go(
    model: nn.Module, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = QUICK | {"features": False, "support": False, "top_images": False}
    with monkeypatch.context() as patch:
        patch.setattr(modviz, "__version__", "0.0.9")
        modviz.analyze(model, DATA, **options, checkpoint=path)
    with pytest.raises(UserWarning, match=r"modviz 0\.0\.9 -> ") as caught:
        modviz.analyze(model, DATA, **options, checkpoint=path)
    assert not in_use(path), caught.value  # the error has hold of what it went through
