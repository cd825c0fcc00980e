"""The stages of an analysis, one after the other, and what each has given so far."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, size_rule
from modviz.core.controls import LayerGroups, draw_controls
from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.sequential import rule_for
from modviz.core.settings import Settings
from modviz.core.spectral import spectral_partition
from modviz.measure.activations import correlation_graph, labelled_images
from modviz.measure.adaptive import measure_adaptively
from modviz.measure.counting import CountCallback, Counts, count_right
from modviz.measure.data import LabelledData
from modviz.measure.edges import weight_graph
from modviz.measure.features import Preprocess, check_pictures, measure_features, picture_shape
from modviz.measure.images import measure_top_images
from modviz.measure.inputs import fitting
from modviz.measure.lesion import LesionCallback, Measured, measure_lesions
from modviz.measure.network import Network, dtype_of
from modviz.measure.reporter import Reporter
from modviz.measure.suffix import Kernels


class Stages:
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
        *,
        memory_limit: int | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.settings, self.reporter = settings, reporter
        self.cancel = cancel if cancel is not None else threading.Event()
        self.workers = workers or torch.get_num_threads()
        self.memory_limit, self.executor = memory_limit, executor
        self.network, self.data = network, data
        self.model_name = type(network.model).__name__
        self.class_names = _class_names(class_names, self.data, self.network.n_classes)
        self.preprocess = preprocess
        if settings.features:  # refuse before the long work, not after it
            picture_shape(self.network.input_shape)
            check_pictures(self.network, preprocess or (lambda pictures: pictures))
        self.result: Analysis | None = None

    def analysis(self, partition: Partition | None, activation_images: Any = None) -> Analysis:
        """Go through all stages; a cancel gives what there is by then."""
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
            | self.network.options
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
        adaptive = self.settings.controls == "adaptive"
        most = "up to " if adaptive else ""
        self.reporter.start("lesions", f"lesions: {most}{n_lesions:,} on {images} images")

        def keep(results: LesionResults, present: NDArray[np.bool_]) -> Analysis:
            names = tuple(n for n, here in zip(self.class_names, present, strict=True) if here)
            self.result = replace(self.result_so_far, lesions=results, class_names=names)
            return self.result

        def report(done: int, total: int | None, measured: Measured | None) -> None:
            if measured is not None and measured[1].sum() > 1:
                self.reporter.show(keep(*measured), done, total or 0)
            else:
                self.reporter.advance(done, total or 0)

        if adaptive:
            keep(*self._adaptive_lesions(partition, controls, report))
            return
        measured = measure_lesions(
            self.network,
            self.data,
            partition,
            self.result_so_far.tested,
            controls,
            lesion=self.settings.lesion,
            seed=self.settings.seed,
            workers=self.workers,
            memory_limit=self.memory_limit,
            executor=self.executor,
            report=report,
            cancel=self.cancel,
        )
        keep(*measured)

    def _adaptive_lesions(
        self, partition: Partition, controls: dict[str, NDArray[np.int64]], report: LesionCallback
    ) -> Measured:
        kernels = Kernels()  # the rounds are of one network

        def count(groups: Sequence[LayerGroups], told: CountCallback) -> Counts:
            return count_right(
                self.network,
                self.data,
                groups,
                lesion=self.settings.lesion,
                seed=self.settings.seed,
                workers=self.workers,
                memory_limit=self.memory_limit,
                executor=self.executor,
                kernels=kernels,
                report=told,
                cancel=self.cancel,
            )

        rule = rule_for(self.settings.n_controls)
        tested = self.result_so_far.tested
        return measure_adaptively(partition, tested, controls, rule, count, report=report)

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
            memory_limit=self.memory_limit,
            executor=self.executor,
            report=report,
            cancel=self.cancel,
        )
        self.result = replace(self.result_so_far, features=results)

    @property
    def result_so_far(self) -> Analysis:
        """What the stages have given up to now."""
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
        return _as_they_are
    return partial(_stretched, low=low, high=high)


def _as_they_are(pictures: torch.Tensor) -> torch.Tensor:
    return pictures


def _stretched(pictures: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, *[1] * (pictures.ndim - 2)) if low.ndim else ()
    least, most = (limit.reshape(shape).to(pictures) for limit in (low, high))
    return least + (most - least) * pictures
