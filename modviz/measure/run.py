"""analyze(): from a model and data to an Analysis, stage by stage.

What is finished is kept in an Analysis that grows; progress reports carry it to whoever watches,
and a cancel returns it as it is.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import torch
from torch import nn

from modviz.core.analysis import Analysis
from modviz.core.graph import Layer
from modviz.core.partition import Partition
from modviz.core.progress import ProgressCallback
from modviz.core.settings import Settings, refuse_unknown
from modviz.measure.activations import activation_data
from modviz.measure.by_hand import Pairs
from modviz.measure.checkpoint import Checkpoint
from modviz.measure.features import Preprocess
from modviz.measure.guard import evaluating
from modviz.measure.inputs import check_kinds, fitting, module_of, read_inputs
from modviz.measure.kept import Kept, check_kept
from modviz.measure.network import LayerChoice, Network
from modviz.measure.reporter import Reporter
from modviz.measure.stages import Stages
from modviz.measure.trace import Head


def analyze(
    model: nn.Module | Network,
    data: Any,
    *,
    layers: LayerChoice = None,
    n_clusters: int = 16,
    edges: str = "weights",
    scope: str = "global",
    kernel_norm: str = "l1",
    lesion: str = "zero",
    n_controls: int = 99,
    n_image_controls: int | None = None,
    controls: str = "fixed",
    features: bool = True,
    top_images: bool = True,
    support: bool = True,
    seed: int = 0,
    include_inputs: bool = False,
    include_outputs: bool = False,
    activation_images: Any = None,
    partition: Partition | None = None,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
    head: Head = None,
    connections: Pairs | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    memory_limit: int | None = None,
    kept: Kept | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | ProgressCallback = True,
    cancel: threading.Event | None = None,
    **unknown: Any,
) -> Analysis:
    """Find the modules of a network and measure what each one does.

    Builds the graph of the network's units, partitions it, silences every subcluster (the units of
    one cluster in one layer) and as many random groups of units of the same layer, finds the images
    of the data that drive them most, optimises the pictures that drive them most, and looks whether
    the subclusters come back with other seeds and other edges. The model is run in eval mode and
    left exactly as it was.

    Parameters
    ----------
    model : torch.nn.Module or modviz.Network
        A classifier: one tensor in, class scores (images, classes) out.
    data : (images, labels), torch Dataset or DataLoader
        What lesions are tested on; images as the model takes them. A random order of a
        DataLoader does not matter.
    layers : None, pair of str, or list of str
        Every hidden layer, a range (first, last), or just these.
    n_clusters : int
        Number of clusters k.
    edges : {"weights", "activations"}
        What connects units: magnitudes of weights (`modviz.weight_graph`), or squared rank
        correlations of activations (`modviz.activation_graph`).
    scope : {"global", "local"}
        One partition of all layers, or each layer by itself; see `modviz.spectral_partition`.
    kernel_norm : {"l1", "induced", "l2"}
        How a convolution's kernel, or with edges of activations a channel's map, becomes one
        number; see `modviz.weight_graph` and `modviz.activation_graph`.
    lesion : {"zero", "mean", "weights"}
        ``"zero"``: what the readers of a unit read becomes 0. ``"mean"``: it becomes the unit's
        mean over the data, one number for all images and positions. ``"weights"``: its incoming
        weights and bias become 0, as in the authors' code.
    n_controls : int
        Random groups that each subcluster's lesion is compared with: the smallest p is
        1 / (n_controls + 1).
    n_image_controls : int, optional
        The same for pictures; by default the smaller of `n_controls` and 19.
    controls : {"fixed", "adaptive"}
        ``"adaptive"``: lesions get only as many random groups as each verdict needs, 39 or more and
        `n_controls` at most, in rounds that go through the data again. p is valid all the same, see
        `modviz.core.sequential`; it saves most with many: ``n_controls=999``.
    features : bool
        Whether to optimise pictures at all.
    top_images : bool
        Whether to find the real images that drive each subcluster most, and how their classes
        spread against those of its `n_controls` random groups. One more pass over the data.
    support : bool
        Whether to look how far subclusters come back with 9 other seeds of the clustering, and in a
        partition with the other kind of edges (those of activations from at most 5,000 images of
        `data`, for at most 6,000 units); see `modviz.core.support.Support`. Not for a partition of
        your own: neither a seed nor edges gave it.
    seed : int
        Decides clustering, controls and the noise that pictures start from.
    include_inputs, include_outputs : bool
        Whether inputs and outputs are clustered too; they are never lesioned.
    activation_images : images, (images, labels), Dataset or DataLoader, optional
        With ``edges="activations"``: what the correlations come from, at most 5,000 drawn by
        `seed`; by default `data`. The method takes training images.
    partition : Partition, optional
        A partition of your own to test in place of the spectral one; `layers`, `n_clusters` and the
        options of the graph are then those of the partition.
    preprocess : callable, optional
        Turns pictures in 0 .. 1, shape (n, channels, height, width), into inputs as the network
        expects them. By default they are stretched, channel by channel, to the range of the data,
        which does nothing to images in 0 .. 1 and undoes the usual normalisation.
    class_names : sequence of str, optional
        By default the data set's ``.classes``, or numbers.
    head : int or str, optional
        Which output holds the class scores, if the model returns several.
    connections : list of (str, str), optional
        Which layer reads which, by hand, for a model that can't be traced: see `modviz.Network`.
    workers : int, optional
        Threads; by default one a processor. The result does not depend on it.
    executor : concurrent.futures.Executor, optional
        Whose workers do the lesions: processes, or a cluster through
        ``dask.distributed.Client(...).get_executor()``. The model is sent once, every image once;
        the results are those of one process, also if workers die. Close it yourself.
    memory_limit : int, optional
        Bytes that the lesions' values may take, beside model and data; by default a quarter of the
        memory that is free, 2 GiB at most. The result does not depend on it.
    kept : modviz.measure.kept.Kept, optional
        What earlier runs on this model and these data left, given to each of them: only what
        changed is done anew, with the same results. See there for what it sees change.
    checkpoint : str or path, optional
        A folder that records what is finished, every few seconds; it is made if need be. After any
        end (a kill, a full disk, an error in the data) the same call goes on from it and gives the
        results of a run of one piece, to the last bit. With other settings, another model or other
        data it is refused. `workers`, `executor` and `memory_limit` may change. Delete it when the
        analysis is saved. See the notes.
    progress : bool or callable
        True: a progress bar. A callable gets a `modviz.Progress` a few times a second, with the
        results so far whenever there are new ones.
    cancel : threading.Event, optional
        When set, the analysis stops and returns what it has, with ``status == "cancelled"``. An
        interrupt from the keyboard does the same, with a warning. Before there is a partition
        there is nothing to return, and `Cancelled` is raised.

    Returns
    -------
    Analysis

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message says what is and what to do.
    NetworkError
        If modviz can't follow the model; the message names the module and the operation.
    CheckpointError
        If `checkpoint` is of another analysis (the message says what differs) or in use.

    Notes
    -----
    What a checkpoint may lose is the work of the last 2 seconds, or 1 % of the time if that is
    more; of lesions that an `executor` does, the batches of images at work; of the passes for top
    images and for correlations all that is not finished. If the disk is full the analysis goes on,
    with a warning, and what was recorded before stays. A Dataset or DataLoader is compared image by
    image as it is gone through; lesions are counted anew where it gives other images than before.
    Batches of pictures are cut as at first, unless `memory_limit` changed; then the pictures still
    to be made may differ in their last digits. Functions are known by their names, `preprocess`
    also by roughly what it makes of a picture.

    Method: Hod et al., "Detecting Modularity in Deep Neural Networks", arXiv:2110.08058.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> analysis = modviz.analyze(
    ...     planted.model, planted.data, n_clusters=2, features=False, progress=False
    ... )
    >>> analysis.table()["size"].to_dict()
    {'A1': 8, 'B1': 8, 'A2': 8, 'B2': 8}
    """
    known = [name for name in inspect.signature(analyze).parameters if name != "unknown"]
    if "more_controls" in unknown:
        raise TypeError(
            "more_controls in the settings of an analysis are calls that followed: leave them out "
            "here, then analysis = modviz.more_controls(analysis, model, data, **call) for each"
        )
    refuse_unknown("analyze", unknown, known[2:])
    settings = Settings(
        layers=layers,
        n_clusters=n_clusters,
        edges=edges,
        scope=scope,
        kernel_norm=kernel_norm,
        lesion=lesion,
        n_controls=n_controls,
        n_image_controls=n_image_controls,
        controls=controls,
        features=features,
        top_images=top_images,
        support=support,
        seed=seed,
        include_inputs=include_inputs,
        include_outputs=include_outputs,
    )
    if activation_images is not None and (edges != "activations" or partition is not None):
        raise ValueError(
            "activation_images are only used with edges='activations' and no partition of your "
            "own; leave them out, or ask for those edges"
        )
    check_kinds(
        cancel=cancel,
        progress=progress,
        preprocess=preprocess,
        class_names=class_names,
        workers=workers,
        executor=executor,
        memory_limit=memory_limit,
    )
    check_kept(kept)
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint is {type(checkpoint).__name__}; expected the name of a folder")
    whole = module_of(model)
    with torch.inference_mode(False), evaluating(whole), Reporter(progress) as reporter:
        reporter.start("reading", "reading the model")
        if kept is None:
            network, labelled = read_inputs(model, data, head, connections)
        else:
            network, labelled, taken = kept.reading(model, data, head, connections)
            if taken:
                reporter.start("reading", "model: kept from the run before")
        run = Stages(
            network,
            labelled,
            settings,
            reporter,
            cancel,
            workers,
            preprocess,
            class_names,
            memory_limit=memory_limit,
            executor=executor,
            kept=kept,
        )
        if checkpoint is None:
            return run.analysis(partition, activation_images)
        identity = run.identity(partition, activation_images)
        with closing(Checkpoint.opened(checkpoint, identity)) as run.earlier.checkpoint:
            return run.analysis(partition, activation_images)


def hidden_layers(
    model: nn.Module | Network,
    data: Any,
    *,
    head: Head = None,
    connections: Pairs | None = None,
    layers: LayerChoice = None,
    partition: Partition | None = None,
    activation_images: Any = None,
    **options: Any,
) -> tuple[Layer, ...]:
    """The hidden layers of a model, in order: what `layers` of `analyze` can choose from.

    Raises the errors of `analyze` for a model, data, choice or `options` (those of `check_kinds`)
    that it can't use, before anything is computed.
    """
    check_kinds(**options)
    network = read_inputs(model, data, head, connections)[0]
    network.choose(layers)
    if partition is not None:
        fitting(partition, network)
    if activation_images is not None:
        activation_data(network, activation_images)
    return network.hidden
