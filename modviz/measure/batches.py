"""How many pictures are optimised together: as many as are quick, and as memory allows.

A step keeps every value on the way to the layer for its gradients, so what counts is the sum of
those, not the largest. Pictures are independent of each other; other sizes of batches change their
rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.controls import LayerGroups
from modviz.measure.drives import Means
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.optimise import Batch, ToInputs, noise

#: Bytes of the largest tensor of one batch; fixed, so that results do not depend on the machine.
_BATCH_BYTES = 64 * 2**20

#: On a CPU also the bytes of all that a batch keeps for its gradients: more would leave its cache.
_CACHED_BYTES = 8 * 2**20

#: On a CPU pictures are shared out to at least so many batches, of no fewer pictures than these.
_BATCHES, _FEW = 4, 32

#: Values of the size of the largest one that an operation holds for a moment beside what is kept:
#: what it reads and gives, and a copy of each while a convolution puts them in another order.
_IN_PASSING = 4
#: The parameters of a picture with their gradient, the two means of Adam, and as much again on the
#: way from a spectrum to a picture and back.
_PER_PARAMETER = 10


@dataclass(frozen=True)
class Needs:
    """Memory that one more picture in a batch takes, in bytes.

    Attributes
    ----------
    kept : int
        What a step keeps of it for the gradients.
    most : int
        What it takes in all, at the worst moment (an estimate).
    """

    kept: int
    most: int


def needs(network: Network, layer: str, preprocess: ToInputs) -> Needs:
    """What a picture of a layer takes, by two small steps; the network is held in eval mode."""
    like = torch.empty(0, device=device_of(network.model), dtype=dtype_of(network.model))
    means = Means(network, layer)
    kept: list[int] = []
    own = 0
    for n in (1, 2):  # what does not grow with the pictures falls out of the difference
        parameters, image = noise(network.input_shape, n, seed=0)
        own = sum(parameter.nbytes for parameter in parameters) // n
        storages: dict[int, int] = {}

        def keep(value: torch.Tensor, storages: dict[int, int] = storages) -> torch.Tensor:
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
            return value

        with (
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value),
        ):
            held = means(preprocess(image().to(like).reshape(-1, *network.input_shape)))
        kept.append(sum(storages.values()))
        del held  # only now: a freed tensor's address may be another's
    grows = max(1, kept[1] - kept[0])
    # the largest value kept may be all that is kept: then its gradients come to twice as much
    passing = min(2 * grows, _IN_PASSING * network.bytes_per_image)
    return Needs(grows, grows + passing + _PER_PARAMETER * own)


@dataclass(frozen=True)
class BatchSizes:
    """How many pictures are optimised together.

    Attributes
    ----------
    batch : dict of str to int
        Pictures of a batch of each layer.
    at_once : int
        How many of the finished pictures are shown to the whole network together.
    workers : int
        Batches at work at the same time.
    """

    batch: dict[str, int]
    at_once: int
    workers: int


def batch_sizes(
    network: Network,
    n_pictures: dict[str, int],
    preprocess: ToInputs,
    memory_limit: int | None,
    workers: int,
) -> BatchSizes:
    """How many pictures make a batch of each layer; the network is held in eval mode.

    Parameters
    ----------
    network : Network
    n_pictures : dict of str to int
        Pictures that each layer has.
    preprocess : callable
    memory_limit : int or None
        Bytes for all batches at work. A picture is at work even if it takes more than that.
    workers : int
        Threads that may work at the same time; a GPU has one, and little memory may mean fewer.

    Returns
    -------
    BatchSizes
        Without a limit the batches do not depend on the number of workers.
    """
    on_cpu = device_of(network.model).type == "cpu"
    needed = {layer: needs(network, layer, preprocess) for layer in n_pictures}
    largest = max(1, network.bytes_per_image)
    at_once = (_CACHED_BYTES if on_cpu else _BATCH_BYTES) // largest
    sizes = dict.fromkeys(n_pictures, _BATCH_BYTES // largest)
    if on_cpu:  # small enough for its cache, but not so large that workers have nothing to do
        fair = max(_FEW, -(-sum(n_pictures.values()) // _BATCHES))
        sizes = {la: min(n, _CACHED_BYTES // needed[la].kept, fair) for la, n in sizes.items()}
    else:
        workers = 1
    if memory_limit is not None:
        least = max((need.most for need in needed.values()), default=1)
        workers = min(workers, max(1, memory_limit // max(least, _IN_PASSING * largest)))
        share = memory_limit // workers
        sizes = {la: min(n, share // needed[la].most) for la, n in sizes.items()}
        at_once = min(at_once, share // (_IN_PASSING * largest))
    return BatchSizes({la: max(1, n) for la, n in sizes.items()}, max(1, at_once), workers)


def batches_of(
    network: Network,
    groups: Iterable[LayerGroups],
    seed: int,
    sizes: BatchSizes,
    done: Callable[[NDArray[np.int64]], bool] = lambda _: False,
) -> Iterator[Batch]:
    """The batches of every layer, made as they are asked for: each takes memory.

    Those are left out whose rows (see `LayerGroups`) are all done.
    """
    like = torch.empty(0, device=device_of(network.model), dtype=dtype_of(network.model))
    for of_layer in groups:
        rows, masks = of_layer.rows, torch.from_numpy(of_layer.masks).to(like)
        size = sizes.batch[of_layer.layer]
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            if done(rows[part]):
                continue
            made = noise(network.input_shape, len(rows[part]), seed)
            yield Batch(of_layer.layer, rows[part], masks[part], *made, sizes.at_once)
