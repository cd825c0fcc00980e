"""How quickly a network runs on this machine: a few small batches, timed operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import fx

from modviz.measure.batches import batch_sizes
from modviz.measure.data import LabelledData
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.layout import layouts
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.optimise import Batch, noise, optimise
from modviz.measure.products import Products
from modviz.measure.replay import Env, Replay
from modviz.measure.steps import CACHE_BYTES

#: Seconds since any moment; a test gives one of its own.
Clock = Callable[[], float]

#: Passes of a batch beside the first, of which the quickest counts, unless they take too long.
_PASSES, _PASS_SECONDS = 3, 0.12
#: Bytes of the largest value of a timed batch on a GPU, and images in a batch at most.
_GPU_BYTES, _MOST_IMAGES = 64 * 2**20, 1024
#: Steps of a batch of pictures beside the first, and pictures in it at most (on a GPU).
_STEPS, _MOST_PICTURES = 3, 256
#: Images that are read from the data to see how long that takes.
_READ = 16


@dataclass(frozen=True, eq=False)
class Pace:
    """Seconds of parts of the work, by one thread of a processor or by a GPU.

    Attributes
    ----------
    operations : mapping of torch.fx.Node to float
        Seconds an image of each operation, on as many images as pass it at once in a measurement;
        empty for a model that runs whole.
    whole : float
        Seconds an image of a full pass.
    reading : float
        Seconds to read an image from the data.
    """

    operations: Mapping[fx.Node, float]
    whole: float
    reading: float = 0.0

    def of(self, nodes: list[fx.Node]) -> float:
        """Seconds an image of some operations; of a full pass where they can't be told apart."""
        if not self.operations:
            return self.whole
        return sum(self.operations.get(node, 0.0) for node in nodes)


def pace_of(network: Network, data: LabelledData | None, clock: Clock) -> Pace:
    """Time a network and its data; the network is left as it was.

    Parameters
    ----------
    network : Network
    data : LabelledData or None
        None if they are in memory, where reading them takes no time worth mentioning.
    clock : callable

    Returns
    -------
    Pace
    """
    reading = 0.0 if data is None else _reading(data, clock)
    device, largest = device_of(network.model), max(1, network.bytes_per_image)
    # as many images as a measurement takes at once where values are largest, and more of them
    # behind that: one image at a time would count reading the weights again and again
    at_once = (CACHE_BYTES if device.type == "cpu" else _GPU_BYTES) // largest
    few = int(np.clip(at_once, 1, _MOST_IMAGES // 2))
    many = min(4 * few, _MOST_IMAGES)
    with evaluating(network.model), worker_pool(device, 1), torch.no_grad():
        if type(network.replay) is not Replay:
            return Pace({}, _timed(network, many, clock)[network.replay.output] / many, reading)
        early, late = _timed(network, few, clock), _timed(network, many, clock)
    operations = {}
    for node in early:
        size = max(network.bytes_of(n) for n in (node, *node.all_input_nodes))
        operations[node] = early[node] / few if 2 * size > largest else late[node] / many
    return Pace(operations, sum(operations.values()), reading)


def _reading(data: LabelledData, clock: Clock) -> float:
    """Seconds to read an image."""
    begin = clock()
    # a DataLoader decides by itself how many come at once
    first = next(islice(data.images(10**9 if data.in_order else _READ, seed=0), 1), None)
    return (clock() - begin) / max(1, 0 if first is None else len(first))


def _timed(network: Network, n: int, clock: Clock) -> dict[fx.Node, float]:
    """Seconds of each operation on `n` images, in the quicker of the forms that cost no trial."""
    replay, device = network.replay, device_of(network.model)
    generator = torch.Generator().manual_seed(0)  # of its own: the global one belongs to the user
    images = torch.rand(n, *network.input_shape, generator=generator)
    images = images.to(device=device, dtype=dtype_of(network.model))
    nodes = replay.before([replay.output])
    arranged = layouts(replay, nodes)
    runner = Products(replay, nodes) if type(replay) is Replay else replay
    best: dict[fx.Node, float] = {}
    begin = clock()
    for turn in range(1 + _PASSES):
        if turn > 1 and clock() - begin > _PASS_SECONDS:
            break
        taken = _pass(runner, nodes, images, arranged, lambda: _now(device, clock))
        # the first pass also prepares what later ones find ready
        best = {k: t if turn < 2 else min(t, best[k]) for k, t in taken.items()}
    return best


def _pass(
    replay: Replay,
    nodes: list[fx.Node],
    images: torch.Tensor,
    arranged: Mapping[fx.Node, Callable[[Any], Any]],
    now: Clock,
) -> dict[fx.Node, float]:
    """Seconds from each operation's end to the next one's; of a whole run those of its end."""
    taken: dict[fx.Node, float] = {}
    last = now()

    def stamped(node: fx.Node) -> Callable[[Any], Any]:
        def stamp(value: Any) -> Any:
            nonlocal last
            value = arranged[node](value) if node in arranged else value
            moment = now()
            taken[node], last = moment - last, moment
            return value

        return stamp

    env: Env = {replay.input: images}
    if replay.input in arranged:
        env[replay.input] = arranged[replay.input](images)
    apart = type(replay) is Products
    replay.run(env, nodes, frozenset({replay.output}), {n: stamped(n) for n in nodes if apart})
    if not apart:
        taken[replay.output] = now() - last
    return taken


class _Enough(Exception):
    """Ends a batch of pictures that was only begun to see how long it takes."""


def picture_pace(
    network: Network, layer: str, n_pictures: tuple[float, float], clock: Clock
) -> tuple[float, int]:
    """Seconds of a step of a picture of a layer by one worker, and how many make a batch.

    Parameters
    ----------
    network : Network
    layer : str
    n_pictures : (float, float)
        Pictures of a layer, and of all layers together.
    clock : callable
    """
    device = device_of(network.model)
    moments: list[float] = []

    def step(_: Batch) -> None:
        moments.append(_now(device, clock))
        if len(moments) > _STEPS:
            raise _Enough

    def as_they_are(pictures: torch.Tensor) -> torch.Tensor:
        return pictures

    with evaluating(network.model), worker_pool(device, 1):
        of_layer, of_all = (max(1, round(n)) for n in n_pictures)
        sizes = batch_sizes(network, {layer: of_all}, as_they_are, None, 1)
        n = min(sizes.batch[layer], of_layer, _MOST_PICTURES)
        n_units = network.weight(layer).shape[0]
        masks = torch.ones(n, n_units, device=device, dtype=dtype_of(network.model))
        rows = np.zeros((n, 2), dtype=np.int64)
        batch = Batch(layer, rows, masks, *noise(network.input_shape, n, seed=0))
        with suppress(_Enough):
            optimise(network, batch, as_they_are, step)
    steps = np.diff(moments)
    return float(steps.min()) / n, n


def _now(device: torch.device, clock: Clock) -> float:
    """The time when a device has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()
