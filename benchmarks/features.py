"""Feature visualizations against the official manner: one Lucent `render_vis` for each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import networks
from benchmarks.table import Row
from benchmarks.timing import ROUNDS, Times, interleaved
from modviz import examples, weight_graph
from modviz.core.analysis import FeatureResults
from modviz.core.controls import draw_controls
from modviz.core.partition import Partition, Subcluster
from modviz.measure.drives import unit_means
from modviz.measure.features import measure_features
from modviz.measure.network import Network
from tests.networks import zoo

#: Controls of each subcluster.
CONTROLS = 15

#: Pictures whose pixels differ by less are said to be equal.
NEAR = 1e-5


@dataclass(frozen=True, eq=False)
class Case:
    """A network whose layers have so many subclusters each.

    `places` holds the modules whose outputs are the layers' values before their non-linearity.
    """

    name: str
    model: nn.Module
    input_shape: tuple[int, int, int]
    places: dict[str, str]
    subclusters: int

    @property
    def pictures(self) -> int:
        """Pictures of a layer."""
        return self.subclusters * (1 + CONTROLS)


class Work:
    """The pictures of some layers, made in both manners."""

    def __init__(self, case: Case, dtype: torch.dtype = torch.float32) -> None:
        self.case, self.dtype = case, dtype
        self.model = case.model.to(dtype)
        self.network = Network(self.model, torch.rand(2, *case.input_shape, dtype=dtype))
        graph = weight_graph(self.network)
        self.partition = Partition(
            np.arange(graph.n_units) % case.subclusters, case.subclusters, graph
        )
        self.controls = draw_controls(self.partition, CONTROLS, seed=0)

    def modviz(self, layers: Iterable[str]) -> FeatureResults:
        """All pictures of some layers, by all processors."""
        chosen = set(layers)
        return self.pictures([s.layer in chosen for s in self.partition.subclusters], self.controls)

    def pictures(
        self, tested: list[bool], controls: dict[str, NDArray[np.int64]]
    ) -> FeatureResults:
        """Pictures of some subclusters and their controls."""
        return measure_features(
            self.network,
            self.partition,
            np.array(tested),
            controls,
            preprocess=lambda pictures: pictures,
            workers=torch.get_num_threads(),
        )

    def official(self, subcluster: Subcluster) -> NDArray[np.float32]:
        """The picture of a subcluster by Lucent, (height, width, colours)."""
        units = subcluster.units.tolist()
        zoo.torchvision()  # which Lucent imports; without it a CPU build of torch needs help
        from lucent.optvis import objectives, param, render

        channels, height, width = self.case.input_shape

        def start() -> Any:
            torch.manual_seed(0)
            depth = None if channels == 3 else channels
            return param.image(width, height, batch=1, channels=depth)

        place = self.case.places[subcluster.layer]
        drives = objectives.Objective(
            lambda value_of: -unit_means(value_of(place), 1)[:, units].abs().sum()
        )
        picture: NDArray[np.float32] = render.render_vis(
            self.model,
            drives,
            start,
            transforms=[],
            preprocess=False,
            fixed_image_size=(height, width),
            show_image=False,
            progress=False,
            thresholds=(64,),
        )[0][0]
        self.model.zero_grad(set_to_none=True)
        for module in self.model.modules():
            module._forward_hooks.clear()  # noqa: SLF001 - Lucent leaves its own there
        return picture

    def first(self, layer: str) -> Subcluster:
        """The first subcluster of a layer."""
        return next(s for s in self.partition.subclusters if s.layer == layer)

    def differences(
        self, chosen: Iterable[Subcluster], made: dict[str, FeatureResults]
    ) -> tuple[list[float], list[float]]:
        """How far pixels and scores of each of some subclusters are from Lucent's, at most."""
        pixels, scores = [], []
        for subcluster in chosen:
            at = self.partition.subclusters.index(subcluster)
            ours, theirs = made[subcluster.layer], self.official(subcluster)
            pixels.append(float(np.abs(theirs - ours.images[at]).max()))
            given = torch.from_numpy(theirs.transpose(2, 0, 1)[None])
            values: list[torch.Tensor] = []
            place = self.model.get_submodule(self.case.places[subcluster.layer])
            seen = place.register_forward_hook(
                lambda m, i, o, values=values: values.append(o)  # noqa: ARG005
            )
            with torch.no_grad():
                self.model(given)
            seen.remove()
            score = float(unit_means(values[0], 1)[:, subcluster.units].abs().sum())
            scores.append(abs(ours.score[at] / score - 1))
        return pixels, scores


def with_threads(n: int, work: Callable[[], object]) -> Callable[[], object]:
    """`work`, to be done with `n` threads in every operation of torch."""

    def way() -> object:
        before = torch.get_num_threads()
        torch.set_num_threads(n)
        try:
            return work()
        finally:
            torch.set_num_threads(before)

    return way


def timed(
    work: Work, rounds: int, *, by_layer: bool
) -> tuple[Times, int, dict[str, FeatureResults]]:
    """Seconds in both manners, Lucent's threads, and modviz's pictures of each layer.

    Lucent has one thread or all of torch's, as is quicker.
    """
    layers = list(work.case.places)

    made: dict[str, FeatureResults] = {}

    def modviz(chosen: list[str]) -> Callable[[], object]:
        return lambda: made.update(dict.fromkeys(chosen, work.modviz(chosen)))

    def lucent(layer: str, n: int) -> Callable[[], object]:
        return with_threads(n, lambda: work.official(work.first(layer)))

    choice = (1, torch.get_num_threads())
    trial = interleaved({str(n): lucent(layers[-1], n) for n in choice}, rounds=2)
    threads = min(choice, key=lambda n: trial.median(str(n)))
    ways: dict[str, Callable[[], object]] = {}
    for layer in layers:
        ways[f"official {layer}"] = lucent(layer, threads)
        if by_layer:
            ways[f"modviz {layer}"] = modviz([layer])
    if not by_layer:
        ways["modviz"] = modviz(layers)
    return interleaved(ways, rounds), threads, made


def compared(case: Case, rounds: int, target: float, *, mean_of_layers: bool = False) -> list[Row]:
    """The pictures of a network in both manners.

    Parameters
    ----------
    case : Case
    rounds : int
    target : float
        Asked for; 0 = nothing was asked.
    mean_of_layers : bool
        Whether `target` is for the mean over layers of each one's ratio: a row more; layers are
        then timed one after the other. Else all layers are done in one call.
    """
    work = Work(case)
    times, threads, pictures = timed(work, rounds, by_layer=mean_of_layers)
    layers = list(case.places)

    def total(way: str) -> list[float]:
        runs = [times.seconds[name] for name in times.seconds if name.startswith(way)]
        return [sum(turn) for turn in zip(*runs, strict=True)]

    official, modviz = [case.pictures * t for t in total("official")], total("modviz")
    ratio = median(o / m for o, m in zip(official, modviz, strict=True))
    size = f"pictures, {case.name}: {case.pictures} for each of {len(layers)} layers"
    workers = torch.get_num_threads()
    note = f"Lucent timed on one picture a layer, {threads} thread(s); modviz with {workers}"
    seconds = median(official), median(modviz)
    check = f"{differences(work, pictures)}; {note}"
    asked = 0 if mean_of_layers else target
    made = [Row(size, "official", ratio, *seconds, asked, check)]
    if mean_of_layers:
        ratios = {
            la: case.pictures * times.ratio(f"official {la}", f"modviz {la}") for la in layers
        }
        each = ", ".join(f"{layer} {r:.1f}x" for layer, r in ratios.items())
        name = f"pictures, {case.name}: mean of its layers"
        made.append(Row(name, "official", fmean(ratios.values()), *seconds, target, each))
    return made


def differences(single: Work, made: dict[str, FeatureResults]) -> str:
    """In words, how far pictures and scores are from Lucent's from the same noise.

    In float32 every subcluster's as it was made when timed: rounding may carry a picture to the
    other side of a ReLU's corner, in whatever library computes it. In float64 the first of each
    layer.
    """
    case = single.case
    chosen = [s for s in single.partition.subclusters if s.layer in case.places]
    pixels, scores = single.differences(chosen, made)
    near = sum(p < NEAR for p in pixels)
    said = (
        f"float32: {near} of {len(pixels)} pictures within {NEAR:.0e} of Lucent's, all within "
        f"{max(pixels):.2g}, scores within {max(scores):.1e}"
    )
    if case.input_shape[0] == 3:
        return said  # Lucent makes colours in float32 only
    torch.set_default_dtype(torch.float64)
    try:
        double = Work(case, torch.float64)
        firsts = [double.first(layer) for layer in case.places]
        one_control = {layer: drawn[:1] for layer, drawn in double.controls.items()}
        ours = double.pictures([s in firsts for s in double.partition.subclusters], one_control)
        pixels, scores = double.differences(firsts, dict.fromkeys(case.places, ours))
    finally:
        torch.set_default_dtype(torch.float32)
        case.model.float()
    return f"{said}; float64: {max(pixels):.0e} and {max(scores):.0e}"


def rows(rounds: int = ROUNDS) -> list[Row]:
    """The rows of `make bench`."""
    shape = (1, 28, 28)
    names = ("fc1", "fc2", "fc3", "fc4")
    mlp = Case("MLP 4x256", examples.mlp().eval(), shape, {n: n for n in names}, 16)
    names = ("conv1", "conv2", "conv3", "fc1")
    cnn = Case("CNN 3x64 + 128", examples.cnn().eval(), shape, {n: n for n in names}, 4)
    return [*compared(mlp, rounds, 55), *compared(cnn, rounds, 6, mean_of_layers=True)]


def full_rows(rounds: int = ROUNDS) -> list[Row]:
    """The row of `make bench-full`: an early and a middle layer of VGG-16 with batch norm."""
    places = {"7": "8", "24": "25"}  # its third and eighth convolution, and their batch norms
    vgg = Case("VGG16-BN, 32 px", networks.vgg16_bn(), (3, 32, 32), places, 4)
    return compared(vgg, rounds, 0)
