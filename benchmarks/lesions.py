"""Lesions: a full pass of all images for each, in two manners, against modviz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import modviz
from benchmarks import networks
from benchmarks.table import Row
from benchmarks.timing import interleaved
from modviz.core.controls import LayerGroups, draw_controls, layer_groups
from modviz.measure.answers import Answers
from modviz.measure.counting import count_right
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating
from modviz.measure.network import Network
from modviz.measure.referee import NEAR
from modviz.measure.silencing import Engine

Images = tuple[torch.Tensor, torch.Tensor]
#: A lesion: the name of the layer, and which of its units are silenced.
Lesion = tuple[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network, its images, all lesions for modviz and some of them for the slow manners."""

    name: str
    model: nn.Module
    images: Images
    groups: list[LayerGroups]
    n_plain: int  # lesions that the plain manners do
    targets: tuple[float, float]  # against the official manner, and against the generous one

    @property
    def lesions(self) -> list[Lesion]:
        """All lesions, in the order in which modviz counts them."""
        return [(some.layer, mask) for some in self.groups for mask in some.masks]

    @property
    def sample(self) -> list[int]:
        """Numbers of lesions spread over all layers."""
        n = len(self.lesions)
        return np.unique(np.linspace(0, n - 1, min(n, self.n_plain)).astype(int)).tolist()


def case(
    name: str,
    model: nn.Module,
    images: Images,
    *,
    n_controls: int,
    n_plain: int,
    targets: tuple[float, float],
    subclusters: int | None = None,
) -> Case:
    """Sixteen clusters of random units in every layer; their lesions and their controls'.

    Time depends on how many units a group has, hardly on which.
    """
    graph = modviz.weight_graph(model, images[0][:2])
    rng = np.random.default_rng(0)
    labels = np.concatenate([rng.permutation(np.arange(la.n_units) % 16) for la in graph.layers])
    partition = modviz.Partition(labels, 16, graph)
    tested = np.array([len(s.units) >= 1 for s in partition.subclusters])
    if subclusters is not None:
        tested &= np.array([s.cluster < subclusters for s in partition.subclusters])
    groups = list(layer_groups(partition, tested, draw_controls(partition, n_controls, 0)))
    return Case(name, model, images, groups, n_plain, targets)


# ---- the plain manners ---------------------------------------------------------------------------


def _norm_of(model: nn.Module, layer: str) -> nn.Module | None:
    """The batch norm right behind a layer in these networks."""
    modules = list(model.named_modules())
    place = next(k for k, (name, _) in enumerate(modules) if name == layer)
    module = modules[place + 1][1] if place + 1 < len(modules) else None
    if isinstance(module, nn.BatchNorm2d):
        return module
    parent, _, last = layer.rpartition(".")  # named conv1 and bn1, or in a row
    return dict(modules).get(f"{parent}.bn{last[-1]}") if last.startswith("conv") else None  # type: ignore[return-value]


def _parameters(model: nn.Module, layer: str) -> list[torch.Tensor]:
    """What has to be 0 so that units of a layer give 0: weights, bias, those of the batch norm."""
    found = [model.get_submodule(layer), _norm_of(model, layer)]
    return [p for module in found if module is not None for p in module.parameters()]


def official(model: nn.Module, lesion: Lesion, images: Images) -> torch.Tensor:
    """As the authors' code does: all weights copied and set, batches of 32, one pass a lesion."""
    layer, mask = lesion
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in _parameters(model, layer):
            parameter[torch.from_numpy(mask)] = 0
        answers = [model(some).argmax(dim=1) for some in images[0].split(32)]
    model.load_state_dict(before)
    return torch.cat(answers)


def generous(model: nn.Module, lesion: Lesion, images: Images) -> torch.Tensor:
    """The same in place, and in batches of 1,024."""
    layer, mask = lesion
    silenced = torch.from_numpy(mask)
    with torch.no_grad():
        parameters = _parameters(model, layer)
        before = [parameter[silenced] for parameter in parameters]
        for parameter in parameters:
            parameter[silenced] = 0
        answers = [model(some).argmax(dim=1) for some in images[0].split(1024)]
        for parameter, rows in zip(parameters, before, strict=True):
            parameter[silenced] = rows
    return torch.cat(answers)


# ---- comparing -----------------------------------------------------------------------------------


def predictions(work: Case) -> Iterator[torch.Tensor]:
    """What modviz's engine answers under each lesion, in order, each of shape (images,)."""
    network = Network(work.model, work.images[0][:2])
    engine = Engine(network, work.groups, "zero")
    answers = Answers(engine)
    data = LabelledData(work.images)
    parts = []
    with evaluating(work.model), torch.no_grad():
        for images, labels in data.batches(engine.batch_size(None), network.n_classes, seed=None):
            batch = engine.intact(images, labels)
            answers.prepare(batch)
            found = []
            for index, plan in enumerate(engine.plans):
                given, near = answers.answers(index, batch, slice(0, len(plan.rows)))
                ties = near.nonzero()
                settled = answers.settle(index, batch, ties)
                if settled is not None:
                    given[ties[:, 0], ties[:, 1]] = settled
                found.append(given)
            parts.append(torch.cat(found))
    yield from torch.cat(parts, dim=1)


def compared(work: Case) -> str:
    """How many answers differ between the plain manner and modviz, and how many are float ties."""
    ours = list(predictions(work))
    differ = ties = total = 0
    for k in work.sample:
        layer, mask = work.lesions[k]
        plain = generous(work.model, (layer, mask), work.images)
        places = (plain != ours[k]).nonzero()[:, 0]
        total += len(plain)
        differ += len(places)
        if len(places):
            ties += _near(work, (layer, mask), places)
    return f"{differ} of {total:,} answers differ" + (f", {ties} float ties" if differ else "")


def _near(work: Case, lesion: Lesion, places: torch.Tensor) -> int:
    """How many images at some places have two largest scores that float32 can't tell apart."""
    silenced = torch.from_numpy(lesion[1])
    parameters = _parameters(work.model, lesion[0])
    with torch.no_grad():
        before = [parameter[silenced] for parameter in parameters]
        for parameter in parameters:
            parameter[silenced] = 0
        scores = work.model(work.images[0][places])
        for parameter, rows in zip(parameters, before, strict=True):
            parameter[silenced] = rows
    first, second = scores.topk(2, dim=1).values.unbind(dim=1)
    return int((first - second <= NEAR * scores.abs().amax(dim=1)).sum())


def measured(work: Case, rounds: int) -> list[Row]:
    """Both comparisons of a case."""
    lesions = work.lesions
    plain = [lesions[k] for k in work.sample]
    network = Network(work.model, work.images[0][:2])
    data = LabelledData(work.images)
    times = interleaved(
        {
            "official": lambda: [official(work.model, lesion, work.images) for lesion in plain],
            "generous": lambda: [generous(work.model, lesion, work.images) for lesion in plain],
            "modviz": lambda: count_right(network, data, work.groups),
        },
        rounds,
    )
    check = compared(work)
    share = len(lesions) / len(plain)
    size = f"{work.name}: {len(lesions):,} lesions on {len(work.images[0]):,} images"
    return [
        Row(
            size,
            manner,
            times.ratio(manner, "modviz") * share,
            times.median(manner) * share,
            times.median("modviz"),
            target,
            f"{check}; {manner} timed on {len(plain)}",
        )
        for manner, target in zip(("official", "generous"), work.targets, strict=True)
    ]


def cases() -> Iterator[Case]:
    """What `make bench` measures."""
    model, images = networks.trained("mlp")
    yield case("MLP 4x256", model, images, n_controls=19, n_plain=24, targets=(10, 5.5))
    model, images = networks.trained("cnn")
    images = images[0][:1024], images[1][:1024]
    yield case("CNN 3x64 + 128", model, images, n_controls=3, n_plain=8, targets=(12, 11))


def full_cases() -> Iterator[Case]:
    """What `make bench-full` measures beside that."""
    images = networks.images_like((3, 32, 32), 256)
    for name, model, targets in (
        ("VGG16-BN, 32 px", networks.vgg16_bn(), (4.5, 3.4)),
        ("ResNet-20", networks.resnet20(), (4.0, 2.8)),
    ):
        yield case(name, model, images, n_controls=3, n_plain=13, targets=targets, subclusters=3)


def rows(rounds: int) -> list[Row]:
    """The rows of `make bench`."""
    return [row for work in cases() for row in measured(work, rounds)]


def full_rows(rounds: int) -> list[Row]:
    """The rows of `make bench-full`."""
    return [row for work in full_cases() for row in measured(work, rounds)]
