"""The stages of an analysis, one after the other, and what each has given so far."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import torch

from modviz.core.analysis import Analysis, FeatureResults, size_rule
from modviz.core.controls import draw_controls
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.core.results import TopImages
from modviz.core.settings import Settings
from modviz.core.support import Support
from modviz.measure.data import LabelledData
from modviz.measure.earlier import Earlier
from modviz.measure.features import Preprocess, check_pictures, measure_features, picture_shape
from modviz.measure.graph_stage import GraphStage
from modviz.measure.identity import Digests, identity_of, provenance_of
from modviz.measure.images import measure_top_images
from modviz.measure.inputs import fitting, names_of_classes
from modviz.measure.kept import (
    Kept,
    features_key,
    graph_key,
    images_key,
    support_key,
)
from modviz.measure.lesion import Measured
from modviz.measure.lesion_stage import LesionStage
from modviz.measure.network import Network
from modviz.measure.reporter import Reporter
from modviz.measure.stretching import to_range_of
from modviz.measure.support import measure_support, other_settings


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
        kept: Kept | None = None,
    ) -> None:
        self.settings, self.reporter = settings, reporter
        self.earlier = Earlier(Kept() if kept is None else kept, reporter)
        self.cancel = cancel if cancel is not None else threading.Event()
        self.workers = workers or torch.get_num_threads()
        self.memory_limit, self.executor = memory_limit, executor
        self.network, self.data = network, data
        self.model_name = type(network.model).__name__
        self.class_names = names_of_classes(class_names, self.data, self.network.n_classes)
        self.preprocess = preprocess
        if settings.features:  # refuse before the long work, not after it
            picture_shape(self.network.input_shape)
            check_pictures(self.network, preprocess or (lambda pictures: pictures))
        self.result: Analysis | None = None

    def analysis(self, partition: Partition | None, activation_images: Any = None) -> Analysis:
        """Go through all stages; a cancel gives what there is by then."""
        settings, is_given = self.settings, partition is not None
        graphs = GraphStage(self.network, self.data, self.earlier, activation_images, self.cancel)
        if partition is None:
            partition = graphs.partition(settings)
        else:
            self.reporter.start("partition", "partition: as given")
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
            provenance=self._provenance(self.digests.data),
        )
        self.reporter.show(self.result)
        try:
            self._lesions(partition)
            if settings.top_images:
                self._top_images(partition)
            if settings.features:
                self._features(partition)
            if settings.support and not is_given:  # no seed and no edges gave one's own partition
                self._support(partition, graphs)
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

    @property
    def digests(self) -> Digests:
        """Of model and data."""
        return self.earlier.digests(self.network, self.data)

    def identity(self, partition: Partition | None, activation_images: Any) -> dict[str, Any]:
        """What a checkpoint is known by."""
        return identity_of(
            self.network,
            self.data,
            self.settings,
            self.digests,
            partition=partition,
            activation_images=activation_images,
            preprocess=self.preprocess,
            class_names=self.class_names,
        )

    def _provenance(self, images: str | None) -> dict[str, Any]:
        return provenance_of(self.network, self.data, self.digests, images)

    def _lesions(self, partition: Partition) -> None:
        settings = self.settings
        stage = LesionStage(
            self.network,
            self.data,
            partition,
            self.result_so_far.tested,
            settings,
            workers=self.workers,
            memory_limit=self.memory_limit,
            executor=self.executor,
            folder=self.earlier.checkpoint.folder,
            cancel=self.cancel,
        )

        def keep(measured: Measured) -> Analysis:
            results, present = measured
            names = tuple(n for n, here in zip(self.class_names, present, strict=True) if here)
            self.result = replace(self.result_so_far, lesions=results, class_names=names)
            return self.result

        def report(done: int, total: int | None, measured: Measured | None) -> None:
            if measured is not None and measured[1].sum() > 1:
                self.reporter.show(keep(measured), done, total or 0)
            else:
                self.reporter.advance(done, total or 0)

        found = self.earlier.lesions(stage, lambda known: self.reporter.show(keep(known)))
        if found is None:
            n_lesions = int(stage.tested.sum()) * (1 + settings.n_controls)
            most = "up to " if settings.controls == "adaptive" else ""
            text = f"lesions: {most}{n_lesions:,} on {stage.images} images"
            self.reporter.start("lesions", text)
            found = stage.all(report), self.digests.data or stage.digest.text
        measured, digest = found
        keep(measured)
        self.result = replace(self.result_so_far, provenance=self._provenance(digest))
        self.earlier.leave_lesions(partition, settings, measured, digest)

    def _top_images(self, partition: Partition) -> None:
        key = images_key(partition, self.settings)
        kept = self.earlier.find("images", "top images", TopImages, key)
        if kept is not None:
            self.result = replace(self.result_so_far, top_images=kept)
            self.reporter.show(self.result, 1, 1)
            return
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
        self.earlier.leave("images", key, results)
        self.result = replace(self.result_so_far, top_images=results)
        self.reporter.show(self.result)

    def _features(self, partition: Partition) -> None:
        key = features_key(
            partition, self.settings, self.preprocess, self.memory_limit, self.workers
        )
        kept = self.earlier.find("features", "feature images", FeatureResults, key)
        if kept is not None:
            self.result = replace(self.result_so_far, features=kept)
            self.reporter.show(self.result, 1, 1)
            return
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
            preprocess=self.preprocess or to_range_of(self.data),
            seed=self.settings.seed,
            workers=self.workers,
            memory_limit=self.memory_limit,
            executor=self.executor,
            folder=self.earlier.checkpoint.folder,
            report=report,
            cancel=self.cancel,
        )
        self.earlier.leave("features", key, results)
        self.result = replace(self.result_so_far, features=results)

    def _support(self, partition: Partition, graphs: GraphStage) -> None:
        graph = graph_key(self.settings, graphs.activation_images)
        key = support_key(graph, partition, self.settings)

        def take(results: Support) -> None:
            self.result = replace(self.result_so_far, support=results)
            self.reporter.show(self.result)

        results = self.earlier.find("support", "stability and agreement", Support, key)
        if results is None:
            results = measure_support(
                partition,
                graphs.partitioner(self.settings, "graph")[0],
                self.settings,
                lambda: graphs.partitioner(other_settings(self.settings), "other graph")[0],
                start=lambda words: self.reporter.start("support", words),
                report=self.reporter.advance,
                show=take,
                cancel=self.cancel,
            )
            self.earlier.leave("support", key, results)
        take(results)

    @property
    def result_so_far(self) -> Analysis:
        """What the stages have given up to now."""
        if self.result is None:
            raise RuntimeError("there is no result before the partition")
        return self.result
