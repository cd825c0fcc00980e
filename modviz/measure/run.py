"""analyze(): from a model and data to an Analysis, stage by stage.

What is finished is kept in an Analysis that grows; progress reports carry it to whoever watches,
and a cancel returns it as it is.
"""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, size_rule
from modviz.core.controls import draw_controls
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled, ProgressCallback
from modviz.core.settings import Settings, refuse_unknown, whole_number
from modviz.core.spectral import spectral_partition
from modviz.measure.activations import correlation_graph, labelled_images
from modviz.measure.by_hand import Pairs
from modviz.measure.data import LabelledData
from modviz.measure.edges import weight_graph
from modviz.measure.features import Preprocess, check_pictures, measure_features, picture_shape
from modviz.measure.guard import evaluating
from modviz.measure.images import measure_top_images
from modviz.measure.lesion import Measured, measure_lesions
from modviz.measure.network import LayerChoice, Network, dtype_of, require_module
from modviz.measure.reporter import Reporter
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
    features: bool = True,
    top_images: bool = True,
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
    progress: bool | ProgressCallback = True,
    cancel: threading.Event | None = None,
    **unknown: Any,
) -> Analysis:
    """Find the modules of a network and measure what each one does.

    Builds the graph of the network's units, partitions it, silences every subcluster (the units of
    one cluster in one layer) and as many random groups of units of the same layer, finds the images
    of the data that drive them most, and optimises the pictures that drive them most. The model is
    run in eval mode and left exactly as it was.

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
    features : bool
        Whether to optimise pictures at all.
    top_images : bool
        Whether to find the real images that drive each subcluster most, and how their classes
        spread against those of its `n_controls` random groups. One more pass over the data.
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

    Notes
    -----
    Method: Hod et al., "Detecting Modularity in Deep Neural Networks", arXiv:2110.08058.
    """
    known = [name for name in inspect.signature(analyze).parameters if name != "unknown"]
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
        features=features,
        top_images=top_images,
        seed=seed,
        include_inputs=include_inputs,
        include_outputs=include_outputs,
    )
    if activation_images is not None and (edges != "activations" or partition is not None):
        raise ValueError(
            "activation_images are only used with edges='activations' and no partition of your "
            "own; leave them out, or ask for those edges"
        )
    if workers is not None:
        whole_number("workers", workers, 1)
    check_kinds(cancel=cancel, progress=progress, preprocess=preprocess, class_names=class_names)
    whole = module_of(model)
    with torch.inference_mode(False), evaluating(whole), Reporter(progress) as reporter:
        reporter.start("reading", "reading the model")
        read = _read(model, data, head, connections)
        run = _Run(*read, settings, reporter, cancel, workers, preprocess, class_names)
        return run.analysis(partition, activation_images)


def check_kinds(
    *, cancel: Any, progress: Any, preprocess: Any = None, class_names: Any = None
) -> None:
    """Refuse arguments of the wrong kind."""
    if cancel is not None and not hasattr(cancel, "is_set"):
        raise TypeError(f"cancel is {type(cancel).__name__}; expected a threading.Event")
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress={progress!r}; expected True, False or a function of a Progress")
    if preprocess is not None and not callable(preprocess):
        raise TypeError(f"preprocess={preprocess!r}; expected a function of pictures")
    if isinstance(class_names, str):
        raise TypeError(f"class_names={class_names!r}; expected a list of names")


def module_of(model: nn.Module | Network) -> nn.Module:
    """The torch module, also of a `modviz.Network`; a TypeError for anything else."""
    module = model.model if isinstance(model, Network) else model
    require_module(module)
    return module


def hidden_layers(
    model: nn.Module | Network, data: Any, *, head: Head = None, connections: Pairs | None = None
) -> tuple[Layer, ...]:
    """The hidden layers of a model, in order: what `layers` of `analyze` can choose from.

    Raises the errors of `analyze` for a model or data that it can't use.
    """
    return _read(model, data, head, connections)[0].hidden


def _read(
    model: nn.Module | Network, data: Any, head: Head, connections: Pairs | None
) -> tuple[Network, LabelledData]:
    if isinstance(model, Network):
        if head is not None or connections is not None:
            raise TypeError(
                "head and connections belong to modviz.Network(model, example_input, ...), which "
                "was given; say them there"
            )
        network, labelled = model, LabelledData(data, dtype=dtype_of(model.model))
    else:
        require_module(model)
        labelled = LabelledData(data, dtype=dtype_of(model))
        network = Network(model, labelled.first(), head=head, connections=connections)
    network.choose(None)
    return network, labelled


class _Run:
    """One analysis on its way: the stages and what they have given so far."""

    def __init__(
        self,
        network: Network,
        data: LabelledData,
        settings: Settings,
        reporter: Reporter,
        cancel: threading.Event | None,
        workers: int | None,
        preprocess: Preprocess | None,
        class_names: Sequence[str] | None,
    ) -> None:
        self.settings, self.reporter = settings, reporter
        self.cancel = cancel if cancel is not None else threading.Event()
        self.workers = workers or torch.get_num_threads()
        self.network, self.data = network, data
        self.model_name = type(network.model).__name__
        self.class_names = _class_names(class_names, self.data, self.network.n_classes)
        self.preprocess = preprocess
        if settings.features:  # refuse before the long work, not after it
            picture_shape(self.network.input_shape)
            check_pictures(self.network, preprocess or (lambda pictures: pictures))
        self.result: Analysis | None = None

    def analysis(self, partition: Partition | None, activation_images: Any = None) -> Analysis:
        settings = self.settings
        self.reporter.start("partition", "building the graph and partitioning it")
        if partition is None:
            partition = spectral_partition(
                self._graph(activation_images),
                settings.n_clusters,
                scope=settings.scope,
                seed=settings.seed,
            )
        else:
            partition = fitting(partition, self.network)
        self.result = Analysis(
            partition=partition,
            tested=size_rule(partition),
            class_names=self.class_names,
            status="running",
            settings=settings.as_dict()
            | {
                "n_clusters": partition.n_clusters,
                "edges": partition.graph.edges,
                "scope": partition.scope,
            },
            model_name=self.model_name,
        )
        self.reporter.show(self.result)
        try:
            self._lesions(partition)
            if settings.top_images:
                self._top_images(partition)
            if settings.features:
                self._features(partition)
        except (Cancelled, KeyboardInterrupt) as stop:
            if isinstance(stop, KeyboardInterrupt):
                warnings.warn("interrupted: the analysis keeps what was finished", stacklevel=3)
            return replace(self.result, status="cancelled")
        except Exception as error:
            error.analysis = replace(self.result, status="cancelled")  # type: ignore[attr-defined]
            error.add_note("What was finished is kept in the attribute .analysis of this error.")
            raise
        done = replace(self.result, status="complete")
        self.reporter.start("finished", "finished")
        self.reporter.show(done)
        return done

    def _graph(self, activation_images: Any) -> NeuronGraph:
        settings = self.settings
        if settings.edges == "activations":
            data = self.data
            if activation_images is not None:
                data = labelled_images(activation_images, dtype_of(self.network.model))
            return correlation_graph(
                self.network,
                data,
                layers=settings.layers,
                seed=settings.seed,
                kernel_norm=settings.kernel_norm,
                include_inputs=settings.include_inputs,
                include_outputs=settings.include_outputs,
                report=self.reporter.advance,
                cancel=self.cancel,
            )
        return weight_graph(
            self.network,
            layers=settings.layers,
            kernel_norm=settings.kernel_norm,
            include_inputs=settings.include_inputs,
            include_outputs=settings.include_outputs,
        )

    def _lesions(self, partition: Partition) -> None:
        controls = draw_controls(partition, self.settings.n_controls, self.settings.seed)
        n_lesions = int(self.result_so_far.tested.sum()) * (1 + self.settings.n_controls)
        images = "all" if self.data.n_images is None else f"{self.data.n_images:,}"
        self.reporter.start("lesions", f"lesions: {n_lesions:,} on {images} images")

        def keep(results: LesionResults, present: NDArray[np.bool_]) -> Analysis:
            names = tuple(n for n, here in zip(self.class_names, present, strict=True) if here)
            self.result = replace(self.result_so_far, lesions=results, class_names=names)
            return self.result

        def report(done: int, total: int | None, measured: Measured | None) -> None:
            if measured is not None and measured[1].sum() > 1:
                self.reporter.show(keep(*measured), done, total or 0)
            else:
                self.reporter.advance(done, total or 0)

        measured = measure_lesions(
            self.network,
            self.data,
            partition,
            self.result_so_far.tested,
            controls,
            lesion=self.settings.lesion,
            seed=self.settings.seed,
            workers=self.workers,
            report=report,
            cancel=self.cancel,
        )
        keep(*measured)

    def _top_images(self, partition: Partition) -> None:
        # they cost a matrix product each, so there is no need for fewer controls than lesions have
        controls = draw_controls(partition, self.settings.n_controls, self.settings.seed)
        images = "all" if self.data.n_images is None else f"{self.data.n_images:,}"
        self.reporter.start("images", f"top images: looking through {images} images")
        results = measure_top_images(
            self.network,
            self.data,
            partition,
            self.result_so_far.tested,
            controls,
            report=lambda done, total: self.reporter.advance(done, total or 0),
            cancel=self.cancel,
        )
        self.result = replace(self.result_so_far, top_images=results)
        self.reporter.show(self.result)

    def _features(self, partition: Partition) -> None:
        # the same draws as the lesions': the first ones
        controls = draw_controls(partition, self.settings.image_controls, self.settings.seed)
        n_pictures = int(self.result_so_far.tested.sum()) * (1 + self.settings.image_controls)
        self.reporter.start("features", f"feature images: {n_pictures:,}")

        def report(done: int, total: int, results: FeatureResults | None) -> None:
            if results is not None:
                self.result = replace(self.result_so_far, features=results)
                self.reporter.show(self.result, done, total)
            else:
                self.reporter.advance(done, total)

        results = measure_features(
            self.network,
            partition,
            self.result_so_far.tested,
            controls,
            preprocess=self.preprocess or _to_range_of(self.data),
            seed=self.settings.seed,
            workers=self.workers,
            report=report,
            cancel=self.cancel,
        )
        self.result = replace(self.result_so_far, features=results)

    @property
    def result_so_far(self) -> Analysis:
        if self.result is None:
            raise RuntimeError("there is no result before the partition")
        return self.result


def _class_names(
    given: Sequence[str] | None, data: LabelledData, n_classes: int
) -> tuple[str, ...]:
    if given is not None and len(given) != n_classes:
        raise ValueError(
            f"class_names has {len(given)} names, but the model tells {n_classes} classes apart"
        )
    names = given if given is not None else data.classes
    if names is None or len(names) != n_classes:
        names = [str(c) for c in range(n_classes)]
    return tuple(str(name) for name in names)


def _to_range_of(data: LabelledData) -> Preprocess:
    """Stretch pictures from 0 .. 1 to the range of the data, channel by channel."""
    low, high = data.channel_limits()
    if bool((low >= 0).all()) and bool((high <= 1).all()):
        return lambda pictures: pictures

    def stretched(pictures: torch.Tensor) -> torch.Tensor:
        shape = (1, -1, *[1] * (pictures.ndim - 2)) if low.ndim else ()
        least, most = (limit.reshape(shape).to(pictures) for limit in (low, high))
        return least + (most - least) * pictures

    return stretched


def fitting(partition: Partition, network: Network) -> Partition:
    """The partition, if it is one of this network's units."""
    if not isinstance(partition, Partition):
        raise TypeError(f"partition is {type(partition).__name__}; expected a modviz.Partition")
    sizes = {layer.name: layer.n_units for layer in network.layers}
    for layer in partition.graph.layers:
        if layer.role == "hidden" and sizes.get(layer.name) != layer.n_units:
            raise ValueError(
                f"the partition has a layer {layer.name!r} of {layer.n_units} units, the model "
                f"{sizes.get(layer.name, 'none of that name')}; give a partition of this "
                "model's graph"
            )
    return partition
