"""Memory that an analysis takes at its worst moment, in bytes.

What the stages keep within bounds counts with its bounds, or less if there is less to do; the rest
is arrays whose sizes are known.
"""

from __future__ import annotations

import math
from typing import Any

from torch.utils.data import TensorDataset

from modviz.measure.costs import batch_size, is_lavish, is_prepared
from modviz.measure.network import Network
from modviz.measure.support import MOST_UNITS
from modviz.measure.workload import Workload

_DOUBLE, _SINGLE = 8, 4
#: What lesions hold beside the values of a batch: a task of every worker.
_AT_HAND = 32 * 2**20
#: How many times the weights are held by kernels: folded, in another order, and transformed.
_PREPARED, _LAVISH = 2, 6
#: Bytes of the largest value of a batch of the graph and of top images, images in it at most, and
#: how many such values there are at a time.
_BATCH_BYTES, _MOST_IMAGES, _VALUES = 64 * 2**20, 512, 3
#: Groups that are ranked at once, and arrays of their drives at a time.
_GROUPS, _DRIVES = 4096, 10
#: Bytes that the gradients of a worker's pictures take, and pictures kept of each subcluster.
_PICTURES, _KEPT = 40 * 2**20, 2


def graph_bytes(work: Workload, n_samples: float) -> float:
    """The graph while it is built and cut: in double, in single, and ranks of activations."""
    if work.settings.edges == "weights":
        return work.n_edges * (_DOUBLE + _SINGLE)
    return _activations(work, n_samples)


def support_bytes(work: Workload, n_samples: float) -> float:
    """The graph with the other kind of edges; that of weights is never the larger one."""
    if work.settings.edges == "activations" or work.n_units > MOST_UNITS:
        return 0.0
    return _activations(work, n_samples)


def _activations(work: Workload, n_samples: float) -> float:
    """The graph of activations while it is built and cut."""
    n_edges = work.n_units * (work.n_units + 1) / 2
    ranks = work.n_units * n_samples * (_DOUBLE + _SINGLE)
    most = max(n_edges * (_DOUBLE + _SINGLE), n_edges * _DOUBLE + ranks)
    return most + batch_bytes(work.network, n_samples)


def batch_bytes(network: Network, n_images: float) -> float:
    """The values of one batch of a pass."""
    size = network.bytes_per_image
    n = min(max(1, _BATCH_BYTES // max(1, size)), _MOST_IMAGES, n_images)
    return _VALUES * n * size


def lesion_bytes(work: Workload) -> float:
    """Lesions: values of the intact run, what is made of them, and prepared weights."""
    network, replay = work.network, work.network.replay
    kept = set()
    for layer in (layer for layer, n in work.tested.items() if n):
        after = replay.after(network.lesion_nodes(layer))
        kept |= {n for node in after for n in node.all_input_nodes}
    per_image = 2 * sum(map(network.bytes_of, kept)) + 6 * network.bytes_per_image
    weights = sum(p.nbytes for p in network.model.parameters())
    times = 0
    if is_prepared(network):
        times = _LAVISH if is_lavish(work) else _PREPARED
    values = min(batch_size(work) * per_image + _AT_HAND, work.memory_limit)
    masks = sum(work.lesions(layer.name) * layer.n_units for layer in network.hidden)
    return values + times * weights + 2 * masks


def image_bytes(work: Workload) -> float:
    """Top images: a pass, groups in double, and their drives."""
    network = work.network
    groups = {layer: work.groups(layer) for layer in work.tested}
    sizes = {layer.name: layer.n_units for layer in network.hidden}
    masks = sum(n * sizes[layer] * 2 * _DOUBLE for layer, n in groups.items())
    at_once = min(_GROUPS, max(groups.values(), default=0.0))
    n = min(_MOST_IMAGES, _known(work.n_images))
    drives = _DRIVES * _DOUBLE * at_once * n
    return masks + drives + batch_bytes(network, _known(work.n_images))


def picture_bytes(work: Workload) -> float:
    """Pictures: those at work, and those that are kept."""
    size = math.prod(work.network.input_shape) * _SINGLE
    kept = sum(work.tested.values()) * _KEPT * size
    return kept + work.workers * _PICTURES


def _known(n_images: float) -> float:
    """A number of images that may be unknown, which a batch has enough of."""
    return math.inf if math.isnan(n_images) else n_images


def data_bytes(data: Any) -> int:
    """Data that are in memory as a whole."""
    if type(data) is TensorDataset:
        data = data.tensors
    if not isinstance(data, (tuple, list)):
        return 0
    return sum(int(part.nbytes) for part in data if hasattr(part, "nbytes"))
