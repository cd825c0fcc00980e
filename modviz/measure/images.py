"""Top images: the images of the data that drive a subcluster most, and whether they share a class.

An image drives a group of units by the objective of the feature visualization, so what is found in
the data can be laid beside what was optimised. One pass over the data gives the drive of every
subcluster and all its controls; of a control only the classes of its top images are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import fx

from modviz.core.analysis import TopImages
from modviz.core.controls import layer_groups
from modviz.core.partition import Partition
from modviz.core.pictures import reduced
from modviz.core.progress import Cancelled
from modviz.measure.data import LabelledData
from modviz.measure.features import picture_shape, shown, unit_drives
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network, device_of
from modviz.measure.trace import NetworkError

#: How many images of each group count as its top, and their longest side in an Analysis.
TOP, LONGEST_SIDE = 10, 64

#: Bytes of the largest tensor of one batch, and images in it at most.
_BATCH_BYTES, _MOST_IMAGES = 64 * 2**20, 512

#: Groups that are ranked at once: many of many images would fill the memory.
_MOST_GROUPS = 4096

#: Bits of a drive that count: a forward pass is not sure of more, and equal images have to tie.
_BITS = 16
#: The bits of a float64 behind them.
_NUMBERS = 2 ** (53 - _BITS) - 1

#: Called with (images done, all of them or None).
ImageCallback = Callable[[int, int | None], None]


class _Own(NamedTuple):
    """The top images of the subclusters of one layer; all but `rows` of shape (N, up to TOP)."""

    rows: NDArray[np.int64]  # (N,)
    drives: NDArray[np.float64]
    numbers: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(eq=False)
class _Top:
    """The top images so far of the groups of one layer, the strongest first. G groups."""

    layer: str
    rows: NDArray[np.int64]  # (G, 2): subcluster, and 0 = itself or 1 + control
    masks: torch.Tensor  # (G, units), 1 = the unit is in the group
    keys: torch.Tensor = field(init=False)  # (G, up to TOP), see `_keys`
    labels: torch.Tensor = field(init=False)  # (G, up to TOP)

    def __post_init__(self) -> None:
        self.keys = torch.empty(len(self.rows), 0, dtype=torch.int64)
        self.labels = torch.empty(len(self.rows), 0, dtype=torch.int64)

    def add(self, drives: torch.Tensor, first: int, labels: torch.Tensor) -> None:
        """Take in a batch: `drives` of shape (G, images), and the number of its first image."""
        numbers = torch.arange(first, first + len(labels))
        keys = torch.cat([self.keys, _keys(drives, numbers)], dim=1)
        self.keys, place = keys.topk(min(TOP, keys.shape[1]), dim=1)
        of_each = labels.expand(len(self.rows), -1)
        self.labels = torch.cat([self.labels, of_each], dim=1).gather(1, place)

    def own(self) -> _Own:
        """Those of the subclusters, without their controls."""
        first = torch.from_numpy(self.rows[:, 1] == 0)
        drives, numbers = _unkeyed(self.keys[first])
        rows, labels = self.rows[first.numpy(), 0], self.labels[first]
        return _Own(rows, drives.numpy(), numbers.numpy(), labels.numpy())


def _keys(drives: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """One integer per image that sorts by drive, and among equal drives by its number.

    As integers, floats >= 0 sort as they do as numbers. What follows the bits of a drive that
    count holds the number of the image, the lower the larger.
    """
    rounded = drives.view(torch.int64) + (_NUMBERS + 1) // 2
    keys: torch.Tensor = (rounded & ~_NUMBERS) | (_NUMBERS - numbers)
    return keys


def _unkeyed(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The drives, to 16 bits, and the numbers in keys."""
    low = keys & _NUMBERS
    return (keys - low).view(torch.float64), _NUMBERS - low


def measure_top_images(
    network: Network,
    data: LabelledData,
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    *,
    report: ImageCallback | None = None,
    cancel: threading.Event | None = None,
) -> TopImages:
    """Find the images that drive every tested subcluster and each of its controls most.

    The drive of an image is the objective of the feature visualization: the sum over the group's
    units of |mean over positions of the pre-activation channel|. Images are taken in the order of
    the data. A part of them would say nothing about the rest (data are often sorted by class), so
    there are no results before the end.

    Parameters
    ----------
    network : Network
    data : LabelledData
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `modviz.core.controls.draw_controls`.
    report : callable, optional
    cancel : threading.Event, optional
        Checked at every batch.

    Returns
    -------
    TopImages
        Pictures in 0 .. 1: other data are stretched, channel by channel, from their least to their
        greatest value. Where there are neither 1 nor 3 channels their mean is shown. None where
        inputs have no height and width.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    NetworkError
        If the network gives NaN for some image.
    """
    tops = [
        _Top(groups.layer, groups.rows[part], torch.from_numpy(groups.masks[part]).double())
        for groups in layer_groups(partition, tested, controls)
        for part in _parts(len(groups.rows))
    ]
    pictures = _pictures_of(network, data)
    size = min(_MOST_IMAGES, max(1, _BATCH_BYTES // max(1, network.bytes_per_image)))
    counts = np.zeros(network.n_classes, dtype=np.int64)
    done = 0
    alone = worker_pool(device_of(network.model), 1)  # many threads an operation wait for another
    with evaluating(network.model), alone, torch.no_grad():
        for images, labels in data.batches(size, network.n_classes, seed=None):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            by_layer = _unit_drives(network, list({top.layer for top in tops}), images)
            for top in tops:
                top.add(top.masks @ by_layer[top.layer].T, done, labels.cpu())
            if pictures is not None:
                pictures.update(tops, images, done)
            counts += np.bincount(labels.cpu().numpy(), minlength=len(counts))
            done += len(images)
            if report is not None:
                report(done, data.n_images)
    n_controls = len(next(iter(controls.values()), ()))
    return _results(tops, len(tested), n_controls, counts, pictures)


def _parts(n_groups: int) -> Iterator[slice]:
    return (slice(start, start + _MOST_GROUPS) for start in range(0, n_groups, _MOST_GROUPS))


def _unit_drives(
    network: Network, layers: list[str], images: torch.Tensor
) -> dict[str, torch.Tensor]:
    """|mean over positions| of every unit of some layers, each of shape (images, units)."""
    found = {}
    nodes = {network.pre_activation_node(layer): layer for layer in layers}

    def observe(node: fx.Node, layer: str) -> Callable[[torch.Tensor], None]:
        def look(value: torch.Tensor) -> None:
            found[layer] = unit_drives(value, network.unit_axis(node, layer)).cpu().double()

        return look

    looks = {node: observe(node, layer) for node, layer in nodes.items()}
    network.replay.show(images.to(device_of(network.model)), looks)
    if any(bool(drives.isnan().any()) for drives in found.values()):
        raise NetworkError(
            "the model gives NaN for some images, so they can't be ranked; in half precision "
            "values overflow early: try model.float()"
        )
    return found


class _Pictures:
    """The top images of the subclusters themselves, small and in 0 .. 1."""

    def __init__(self, input_shape: tuple[int, ...], data: LabelledData) -> None:
        self._input_shape = input_shape
        self._low, self._high = data.channel_limits()
        self._small: dict[int, NDArray[np.float32]] = {}  # by number; each once, however often top

    def update(self, tops: list[_Top], images: torch.Tensor, first: int) -> None:
        """Keep what is top now; `first` is the number of the first of these images."""
        wanted = {number for top in tops for number in top.own().numbers.ravel().tolist()}
        self._small = {n: small for n, small in self._small.items() if n in wanted}
        new = sorted(n for n in wanted if n >= first)
        if new:
            fresh = shown(self._in_range(images[[n - first for n in new]]), self._input_shape)
            self._small |= dict(zip(new, reduced(fresh, LONGEST_SIDE), strict=True))

    def _in_range(self, images: torch.Tensor) -> torch.Tensor:
        """Stretch images to 0 .. 1 by channel, unless the data are in there already."""
        if bool((self._low >= 0).all()) and bool((self._high <= 1).all()):
            return images
        shape = (1, -1, *[1] * (images.ndim - 2)) if self._low.ndim else ()
        low, high = (limit.reshape(shape).to(images) for limit in (self._low, self._high))
        span = torch.where(high > low, high - low, torch.ones_like(high))  # a channel may be empty
        return ((images - low) / span).clamp(0, 1)

    def of(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """The pictures of some numbers, shape (*numbers.shape, H, W, D); NaN for -1."""
        blank = np.full_like(next(iter(self._small.values())), np.nan)
        flat = [self._small.get(n, blank) for n in numbers.ravel().tolist()]
        return np.stack(flat).reshape(*numbers.shape, *blank.shape)


def _pictures_of(network: Network, data: LabelledData) -> _Pictures | None:
    """None where an input has no height and width."""
    try:
        picture_shape(network.input_shape)
    except ValueError:
        return None
    return _Pictures(network.input_shape, data)


def _entropy(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Entropy in nats of the classes in each row of `labels`, shape (groups, images)."""
    # counts are sorted, so that rows of the same counts tie to the last bit
    counts = np.sort((labels[:, :, None] == np.unique(labels)).sum(axis=1), axis=1)
    return np.asarray(entr(counts / labels.shape[1]).sum(axis=1) + 0.0)


def _results(
    tops: list[_Top],
    n: int,
    n_controls: int,
    of_class: NDArray[np.int64],
    pictures: _Pictures | None,
) -> TopImages:
    n_images = int(of_class.sum())
    shape = n, min(TOP, n_images)
    entropy = np.full((n, 1 + n_controls), np.nan)
    drives = np.full(shape, np.nan)
    numbers, labels = np.full(shape, -1), np.full(shape, -1)
    position = np.cumsum(of_class > 0) - 1  # among the classes that have images
    for top in tops:
        entropy[top.rows[:, 0], top.rows[:, 1]] = _entropy(top.labels.numpy())
        own = top.own()
        drives[own.rows], numbers[own.rows] = own.drives, own.numbers
        labels[own.rows] = position[own.labels]
    return TopImages(
        entropy=entropy[:, 0].copy(),
        entropy_controls=entropy[:, 1:].copy(),
        drives=drives,
        numbers=numbers,
        labels=labels,
        images=pictures.of(numbers) if pictures is not None and tops else None,
        n_images=n_images,
    )
