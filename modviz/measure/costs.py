"""Seconds of the stages of an analysis, from how quickly a network runs and what there is to do.

The constants were measured on two cores of an AMD EPYC (torch 2.13) by the seconds that a core
worked: for lesions each layer of an MLP 4x256, one of 3x1024, one of 4x128 on 8 x 8 pixels,
the example CNN on 28 x 28 and on 8 x 8 pixels, VGG16-BN and ResNet-20 at 32 x 32, 1 to 19 % of the
units silenced, against what `modviz.measure.pace` times. With them the sum over the layers
of each network is within a third of what it is; single layers are within a factor of two.
"""

from __future__ import annotations

import math

import torch
from torch import fx

from modviz.core.support import OTHER_SEEDS
from modviz.measure.affine import affine
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.optimise import STEPS
from modviz.measure.pace import Pace
from modviz.measure.replay import Replay
from modviz.measure.support import MOST_UNITS
from modviz.measure.winograd import winograd
from modviz.measure.workload import Workload

#: An operation behind a lesion takes this many times as long as in a pass: convolutions by minimal
#: filtering, and others, whose batch norm and sum are part of them.
_WINOGRAD, _CONVOLUTION = 0.45, 1.2
#: The first layer behind a lesion, as a difference: for its share of the units, and by the byte.
_DIFFERENCE, _PER_BYTE = 1.5, 3e-10
#: A lesion of a batch beside its operations: for itself, and for each layer behind it.
_PER_LESION, _PER_LAYER = 1e-4, 2e-5
#: How much longer that takes where several workers wait for one interpreter: 360 images of 8 x 8
#: pixels take an MLP 1.1 s with one worker and 1.8 to 2.3 s with two.
_WAITING = 2.0
#: Bytes of a stack of lesions on a CPU.
_STACK_BYTES = 16 * 2**20
#: Passes of a batch's images that finding the quickest kernels takes.
_TRIALS = 10
#: A pass in 64 MB batches by torch alone, as graph and top images make it: 2 to 3 times as long.
_LARGE_BATCHES = 2.5

#: Of a thread: multiplications with additions in double, and numbers sorted, a second.
_PRODUCTS, _SORTED = 2e10, 4e7
#: To rank a group's drive among the best of its images, beside its product.
_RANKING = 6e-9

#: Weights turned into edges a second, and what each connection takes beside.
_WEIGHTS, _PER_CONNECTION = 6e7, 1e-3
#: A partition: for an edge, and for a unit and cluster; a local one does each layer again.
_PER_EDGE, _PER_UNIT, _LOCAL = 4e-8, 1.2e-6, 2.5

#: What a layer's first batch of pictures takes to prepare, and passes of the whole network that
#: each finished picture is shown to.
_PREPARING, _SHOWN = 0.02, 1.5


def graph_seconds(work: Workload, pace: Pace, n_samples: float) -> float:
    """Of the graph; `n_samples` images stand behind correlations of activations."""
    if work.settings.edges == "weights":
        return _of_weights(work)
    return _of_activations(work, pace, n_samples)


def _of_weights(work: Workload) -> float:
    network = work.network
    read = [network.weight(c.target).numel() for c in network.connections]
    return sum(read) / _WEIGHTS + len(read) * _PER_CONNECTION


def _of_activations(work: Workload, pace: Pace, n_samples: float) -> float:
    passes = n_samples * (pace.reading + _LARGE_BATCHES * pace.whole)
    ranks = work.n_units * n_samples / _SORTED
    products = n_samples * _pairs(work) / _PRODUCTS / work.workers
    return passes + ranks + products


def _pairs(work: Workload) -> float:
    """Edges of activations: all pairs of units."""
    return work.n_units * (work.n_units + 1) / 2


def partition_seconds(work: Workload) -> float:
    """Of the partition."""
    return work.n_edges * _PER_EDGE * _layers_again(work) + _clustering(work)


def support_seconds(work: Workload, pace: Pace, n_samples: float) -> float:
    """Of partitions with other seeds, whose eigenvectors are there, and of the other edges."""
    seconds = OTHER_SEEDS * _clustering(work)
    if work.settings.edges == "activations":
        return seconds + _of_weights(work) + _clustering(work)
    if work.n_units > MOST_UNITS:
        return seconds
    cut = _pairs(work) * _PER_EDGE * _layers_again(work) + _clustering(work)
    return seconds + _of_activations(work, pace, n_samples) + cut


def _clustering(work: Workload) -> float:
    """Of a partition behind its eigenvectors."""
    return work.n_units * work.settings.n_clusters * _PER_UNIT * _layers_again(work)


def _layers_again(work: Workload) -> float:
    return _LOCAL if work.settings.scope == "local" else 1.0


def lesion_seconds(work: Workload, pace: Pace) -> float:
    """Of all lesions and their controls."""
    if not any(work.tested.values()):
        return 0.0
    suffixes = Suffixes(work, pace)
    n_calls = work.n_images / batch_size(work) / suffixes.at_once
    at_work = beside = 0.0
    for layer, tested in work.tested.items():
        if not tested:
            continue
        lesions = work.lesions(layer)
        passing, calls = suffixes.of(layer, min(1.0, 1 / tested))
        at_work += (lesions * work.n_images + batch_size(work)) * passing
        beside += lesions * n_calls * calls
    first = work.n_images * (int(work.settings.lesion == "mean") * (pace.whole + pace.reading))
    intact = work.rounds * work.n_images * (pace.whole + pace.reading)
    trials = _TRIALS * batch_size(work) * pace.whole if suffixes.prepared else 0.0
    shared = (at_work + beside) / work.workers
    # however many workers there are, they wait for each other's Python
    waiting = beside * (_WAITING if work.workers > 1 else 1.0)
    return first + intact + trials + max(shared, waiting)


def batch_size(work: Workload) -> float:
    """Images of a batch of lesions: about a tenth of all, see `modviz.measure.silencing`."""
    if math.isnan(work.n_images):
        return 1024.0
    few = 64 if sum(map(work.lesions, work.tested)) < 5000 else 512
    return min(work.n_images, max(few, min(work.n_images / 10, 1024)))


class Suffixes:
    """What follows the lesions of each layer, in seconds.

    Attributes
    ----------
    prepared : bool
        Whether suffixes run in forms of their own, see `modviz.measure.suffix`.
    at_once : int
        Lesions that run together: those of one stack, see `modviz.measure.silencing`.
    """

    def __init__(self, work: Workload, pace: Pace) -> None:
        network = work.network
        self._network, self._pace = network, pace
        self._cut_at_weights = work.settings.lesion == "weights"
        self._layers = {
            node: layer.name for layer in network.layers for node in network.layer_nodes(layer.name)
        }
        self.prepared, lavish = is_prepared(network), is_lavish(work)
        on_cpu = device_of(network.model).type == "cpu"
        stack = _STACK_BYTES if on_cpu else work.memory_limit / 8
        copy = max(1, network.bytes_per_image) * batch_size(work)
        self.at_once = 1 if self.prepared else max(1, int(stack / copy))
        self._factors = {n: self._factor(n, lavish) for n in self._layers}

    def _factor(self, node: fx.Node, lavish: bool) -> float:
        """How many times as long as in a pass a layer takes behind a lesion."""
        if not self.prepared or self._network.weight(self._layers[node]).ndim < 3:
            return 1.0
        module = self._network.replay.module(node)
        form = None if module is None else affine(module)
        shape = self._network.shapes[node.all_input_nodes[0]]
        if lavish and form is not None and winograd(form, torch.empty(shape)) is not None:
            return _WINOGRAD
        return _CONVOLUTION

    def of(self, layer: str, share: float) -> tuple[float, float]:
        """Seconds an image of a lesion of a share of a layer's units, and beside them a batch."""
        network, pace = self._network, self._pace
        cuts = network.layer_nodes(layer) if self._cut_at_weights else network.lesion_nodes(layer)
        after = network.replay.after(cuts)
        behind = [node for node in after if node in self._layers]
        beside = _PER_LESION + _PER_LAYER * len(behind)
        if not self.prepared:
            return pace.of(after), beside
        seconds = 0.0
        for node in after:
            own = pace.of([node]) * self._factors.get(node, 1.0)
            direct = any(source in cuts for source in node.all_input_nodes)
            if direct and node in self._layers and network.groups(self._layers[node]) == 1:
                own = pace.of([node]) * share * _DIFFERENCE + network.bytes_of(node) * _PER_BYTE
            seconds += own
        return seconds, beside


def is_prepared(network: Network) -> bool:
    """Whether lesions run through forms of their own, see `modviz.measure.answers`."""
    exact = dtype_of(network.model) in (torch.float32, torch.float64)
    return exact and device_of(network.model).type == "cpu" and type(network.replay) is Replay


def is_lavish(work: Workload) -> bool:
    """Whether there is memory for forms that hold the weights several times."""
    weights = sum(p.nbytes for p in work.network.model.parameters())
    return is_prepared(work.network) and 10 * weights < work.memory_limit / 2


def image_seconds(work: Workload, pace: Pace) -> float:
    """Of the search for top images."""
    network = work.network
    tested = [layer for layer, n in work.tested.items() if n]
    if not tested:
        return 0.0
    nodes = network.replay.before([network.pre_activation_node(layer) for layer in tested])
    sizes = {layer.name: layer.n_units for layer in network.hidden}
    ranked = sum(work.groups(la) * (sizes[la] / _PRODUCTS + _RANKING) for la in tested)
    return work.n_images * (pace.reading + _LARGE_BATCHES * pace.of(nodes) + ranked)


def picture_seconds(
    work: Workload, pace: Pace, first: tuple[float, int], last: tuple[float, int]
) -> float:
    """Of all pictures.

    Parameters
    ----------
    work : Workload
    pace : Pace
    first, last : (float, int)
        Of the first and the last hidden layer: seconds of a step of a picture, and how many
        pictures make a batch.
    """
    network = work.network
    names = [layer.name for layer in network.hidden]
    before = {
        name: pace.of(network.replay.before([network.pre_activation_node(name)])) for name in names
    }
    low, high = before[names[0]], before[names[-1]]
    total = n_batches = 0.0
    for layer, n in ((layer, work.pictures(layer)) for layer in work.tested):
        if not n:
            continue
        # between the two that were timed by what it takes to get there
        along = (before[layer] - low) / (high - low) if high > low else 1.0
        along = min(max(along, 0.0), 1.0)
        step = (1 - along) * first[0] + along * last[0]
        total += n * (STEPS * step + _SHOWN * pace.whole) + _PREPARING
        size = math.exp((1 - along) * math.log(first[1]) + along * math.log(last[1]))
        n_batches += max(1.0, n / size)
    return total / max(1.0, min(work.workers, n_batches))
