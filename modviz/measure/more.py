"""more_controls(): draw more random controls for an analysis that has too few to decide."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modviz.core.analysis import Analysis
from modviz.core.controls import layer_groups
from modviz.core.progress import Cancelled, ProgressCallback
from modviz.core.settings import refuse_unknown, whole_number
from modviz.measure.asked import lesions_of, rows_of, settings_with
from modviz.measure.by_hand import Pairs
from modviz.measure.features import Preprocess
from modviz.measure.guard import evaluating
from modviz.measure.inputs import check_kinds, fitting, module_of, read_inputs
from modviz.measure.kept import Kept, check_kept, features_key, images_key, lesions_key
from modviz.measure.lesion import Measured, differing
from modviz.measure.lesion_stage import LesionStage
from modviz.measure.network import Network
from modviz.measure.reporter import Reporter
from modviz.measure.stages import Stages
from modviz.measure.trace import Head

#: Share of the answers that may differ from those of the analysis: rounding, on another machine.
_OTHERWISE = 0.001
_NOT_THOSE = (
    "the model and the data give other answers than those of the analysis, without a lesion or "
    "under the lesions of its subclusters; give the model with the weights that it had, and the "
    "same data, without random changes of images"
)


def more_controls(
    analysis: Analysis,
    model: nn.Module | Network,
    data: Any,
    *,
    subclusters: Sequence[str | tuple[str, int]] | None = None,
    n_controls: int,
    workers: int | None = None,
    executor: Executor | None = None,
    memory_limit: int | None = None,
    kept: Kept | None = None,
    progress: bool | ProgressCallback = True,
    cancel: threading.Event | None = None,
    head: Head = None,
    connections: Pairs | None = None,
    preprocess: Preprocess | None = None,
    **unknown: Any,
) -> Analysis:
    """Draw more random controls for the lesions of an analysis; what is there is not redone.

    Without `subclusters` all get more, and the result is that of `modviz.analyze` with so many from
    the start: also the top images get theirs, and feature images if they had fewer than 19 for that
    reason alone. p then is that of `n_controls` controls, with no price for those of before.

    With `subclusters` only these get more, and only lesions. They can be those that no control has
    equalled or surpassed so far in accuracy or in range (``analysis.lesions.unsurpassed``): "worse
    than all 19, but 19 are too few". A statistic that one has equalled keeps its p. So every p
    stays valid whoever decides to go on: see `modviz.core.continued` for why, and for why others
    can't be chosen.

    Parameters
    ----------
    analysis : Analysis
        With ``controls="fixed"``; also one from a file.
    model, data
        Those of the analysis, as `modviz.analyze` took them.
    subclusters : sequence of names ("B2") or of (layer, cluster), optional
    n_controls : int
        How many controls these subclusters have in the end, more than now.
    workers, executor, memory_limit, kept, progress : optional
        As in `modviz.analyze`.
    cancel : threading.Event, optional
        When set, or at an interrupt from the keyboard, `analysis` is returned as it was given:
        ``result is analysis``. Of all subclusters lesions that were finished are kept, with
        ``status == "cancelled"``.
    head, connections : optional
        As in `modviz.analyze`; by default those of the analysis.
    preprocess : callable, optional
        As in `modviz.analyze`, for feature images that get more controls.

    Returns
    -------
    Analysis
        Its settings have the new ``"n_controls"``, or with `subclusters` one more entry in
        ``"more_controls"``: the keywords of this call.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, if a subcluster can't get more, or if the model or the
        data give other answers than those of the analysis.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> quick = {"features": False, "progress": False}
    >>> analysis = modviz.analyze(planted.model, planted.data, n_clusters=2, n_controls=19, **quick)
    >>> more = modviz.more_controls(
    ...     analysis, planted.model, planted.data, n_controls=39, progress=False
    ... )
    >>> more.lesions.controls.shape  # subclusters, controls, classes
    (4, 39, 4)
    """
    known = [name for name in inspect.signature(more_controls).parameters if name != "unknown"]
    refuse_unknown("more_controls", unknown, known[3:])
    lesions_of(analysis)  # or an error
    n_controls = whole_number("n_controls", n_controls, 1)
    rows = rows_of(analysis, subclusters, n_controls)
    check_kinds(
        cancel=cancel,
        progress=progress,
        preprocess=preprocess,
        workers=workers,
        executor=executor,
        memory_limit=memory_limit,
    )
    check_kept(kept)
    said: dict[str, Any] = {"head": head, "connections": connections}
    if not isinstance(model, Network):
        said = {k: analysis.settings.get(k) if v is None else v for k, v in said.items()}
    whole = module_of(model)
    with torch.inference_mode(False), evaluating(whole), Reporter(progress) as reporter:
        reporter.start("reading", "reading the model")
        if kept is None:
            network, labelled = read_inputs(model, data, **said)
        else:
            network, labelled, _ = kept.reading(model, data, **said)
        stage = LesionStage(
            network,
            labelled,
            fitting(analysis.partition, network),
            analysis.tested,
            settings_with(analysis, n_controls),
            workers=workers or torch.get_num_threads(),
            memory_limit=memory_limit,
            executor=executor,
            cancel=cancel if cancel is not None else threading.Event(),
        )
        more = _More(analysis, stage, reporter, kept)
        try:
            if subclusters is not None:
                return more.of_some(rows)
            return more.of_all(preprocess)
        except (Cancelled, KeyboardInterrupt) as stop:
            if isinstance(stop, KeyboardInterrupt):
                warnings.warn("interrupted: the analysis stays as it was", stacklevel=2)
            return analysis


class _More:
    """More controls for one analysis."""

    def __init__(
        self, analysis: Analysis, stage: LesionStage, reporter: Reporter, kept: Kept | None
    ) -> None:
        self.analysis, self.stage, self.reporter, self.kept = analysis, stage, reporter, kept
        self.lesions = lesions_of(analysis)
        self._exact = False

    def of_some(self, rows: NDArray[np.bool_]) -> Analysis:
        """Lesions of more controls of some subclusters."""
        before = self._checked(rows)
        n = self.stage.settings.n_controls
        text = f"lesions: {self.stage.lacking(before, rows):,} more on {self.stage.images} images"
        self.reporter.start("lesions", text)
        measured = self.stage.more(before, self._advance, rows, off=self._off(rows))
        if measured is None:
            raise ValueError(_NOT_THOSE)
        given, rounds = self.lesions.controls.shape[1], self.lesions.rounds
        if rounds is None:
            rounds = np.full((len(rows), 1), given, dtype=np.int64)
        now = np.where(rows, n, rounds[:, -1])
        lesions = replace(measured[0], rounds=np.column_stack([rounds, now]))
        names = [s.name for s, row in zip(self.analysis.subclusters, rows, strict=True) if row]
        calls = [
            *self.analysis.settings.get("more_controls", ()),
            {"subclusters": names, "n_controls": n},
        ]
        settings = {**self.analysis.settings, "more_controls": calls}
        self._keep((lesions, measured[1]))
        return self._finished(replace(self.analysis, lesions=lesions, settings=settings))

    def of_all(self, preprocess: Preprocess | None) -> Analysis:
        """The analysis as if it had had as many controls from the start."""
        analysis, stage = self.analysis, self.stage
        before = self._checked(analysis.tested)
        given = settings_with(analysis, int(analysis.settings["n_controls"]))
        pictured = analysis.features is not None and bool(
            analysis.features.measured[analysis.tested].all()
        )
        settings = replace(
            stage.settings, features=pictured, top_images=analysis.top_images is not None
        )
        if (
            not pictured and analysis.features is not None
        ):  # some are missing: they stay as they are
            settings = replace(settings, n_image_controls=given.image_controls)
        store = Kept()  # of its own: the analysis does not say how its pictures were preprocessed
        store.put("lesions", lesions_key(stage.partition, settings), before)
        if pictured and settings.image_controls == given.image_controls:
            options = preprocess, stage.memory_limit, stage.workers
            key = features_key(stage.partition, settings, *options)
            store.put("features", key, analysis.features)
        run = Stages(
            stage.network,
            stage.data,
            settings,
            self.reporter,
            stage.cancel,
            stage.workers,
            preprocess,
            self._class_names(before[1]),
            memory_limit=stage.memory_limit,
            executor=stage.executor,
            kept=store,
        )
        found = run.analysis(stage.partition)
        complete = store.lesions(stage.partition, settings, whole=True)
        if complete is None:
            return analysis
        self._keep(complete)
        redone = pictured and found.status == "complete"
        tops = store.top_images(stage.partition, settings)
        if tops is not None and self.kept is not None:
            self.kept.put("images", images_key(stage.partition, settings), tops)
        said = {name: getattr(settings, name) for name in ("n_controls", "n_image_controls")}
        rest = {k: v for k, v in analysis.settings.items() if k != "more_controls"}
        return replace(
            analysis,
            lesions=complete[0],
            top_images=analysis.top_images if tops is None else tops,
            features=found.features if redone else analysis.features,
            status="cancelled" if found.status == "cancelled" else analysis.status,
            settings=rest | said,
        )

    def _checked(self, rows: NDArray[np.bool_]) -> Measured:
        """The lesions with their classes, if the subclusters still give what they gave."""
        stage, itself = self.stage, range(0)
        of_rows = dict.fromkeys(np.flatnonzero(rows).tolist(), itself)
        groups = list(layer_groups(stage.partition, stage.tested, stage.controls, of_rows))
        self.reporter.start("lesions", "checking that model and data are those of the analysis")
        counts = stage.count(groups, lambda done, total, _: self._advance(done, total))
        if (n := int(counts.images.sum())) != self.lesions.n_images:
            raise ValueError(
                f"the data have {n:,} images, but the lesions of the analysis are of "
                f"{self.lesions.n_images:,}; give the same data, and an analysis whose lesions "
                "were not cancelled"
            )
        off = differing(self.lesions, groups, counts)
        if off is None or off > self._off(rows):
            raise ValueError(_NOT_THOSE)
        self._exact = off == 0
        return self.lesions, counts.images > 0

    def _off(self, rows: NDArray[np.bool_]) -> float:
        return _OTHERWISE * self.lesions.n_images * (1 + int(rows.sum()))

    def _advance(self, done: int, total: int | None) -> None:
        self.reporter.advance(done, total or 0)

    def _keep(self, measured: Measured) -> None:
        """Leave lesions for later runs, which must have them to the last bit."""
        if self.kept is not None and self._exact:
            key = lesions_key(self.stage.partition, self.stage.settings)
            self.kept.put("lesions", key, measured)

    def _class_names(self, present: NDArray[np.bool_]) -> list[str]:
        """A name for every class of the model; the analysis has those of classes with images."""
        names = iter(self.analysis.class_names)
        return [next(names, str(c)) if here else str(c) for c, here in enumerate(present)]

    def _finished(self, result: Analysis) -> Analysis:
        self.reporter.start("finished", "finished")
        self.reporter.show(result)
        return result
