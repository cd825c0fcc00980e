"""What an explorer can have computed: a run, more controls, numbers of clusters, pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from modviz.core.analysis import Analysis
from modviz.core.graph import NeuronGraph
from modviz.core.progress import Cancelled, Progress
from modviz.view.style import plural
from modviz.widgets.offers import PAIR_CONTROLS, next_controls
from modviz.widgets.recording import Recorder
from modviz.widgets.script import Recipe
from modviz.widgets.shown import Shown
from modviz.widgets.subject import MEASURING, READING, Subject
from modviz.widgets.words import duration, extent, finished
from modviz.widgets.work import Ending, Task

if TYPE_CHECKING:
    from modviz.core.choice import ClusterChoice
    from modviz.core.interactions import Interactions


class Runs:
    """The tasks of an explorer that has a model.

    Parameters
    ----------
    subject : Subject
    page : Shown
    recorder : Recorder
    """

    def __init__(self, subject: Subject, page: Shown, recorder: Recorder) -> None:
        self._subject, self._page, self._recorder = subject, page, recorder
        #: The recipe of what is being made, or was made last.
        self.making: Recipe | None = None
        #: The recipe of a run that did not come to its end, and where it would go on, in words.
        self.left: tuple[Recipe, str] | None = None

    def show(self, analysis: Analysis) -> None:
        """Show results on the way."""
        self._page.put(analysis, self.making)

    def run(self, settings: dict[str, Any], told: Callable[[float, bool], None]) -> Task:
        """`modviz.analyze` with these settings; `told` gets seconds, and if it is complete."""
        recipe, before = Recipe(dict(settings)), self._now()
        self.left = None

        def ended(analysis: Analysis | None, seconds: float) -> Ending:
            self._show_last(analysis)
            shown = self._page.analysis
            if analysis is not None and analysis.status == "complete":
                told(seconds, True)
                return Ending("complete", f"Finished: {extent(analysis)} in {duration(seconds)}")
            told(seconds, False)
            self.left = recipe, self._recorder.left()
            if shown is None:
                return Ending("cancelled", "Cancelled before there were results")
            if shown is before[0]:
                return Ending("cancelled", "Cancelled: the panels show the analysis before")
            return Ending("cancelled", f"Cancelled; kept: {finished(shown)}")

        def failed(_error: BaseException) -> str:
            told(0.0, False)
            self.left = recipe, self._recorder.left()
            return self._back_to(before)

        self.making = recipe
        work = partial(self._recorder.analyze, settings)
        return Task("The run", work, ended, failed, replaces=True)

    def more(
        self,
        settings: Mapping[str, Any],
        names: Sequence[str],
        n_controls: int | None,
        told: Callable[[Mapping[str, Any]], None],
    ) -> Task:
        """`modviz.more_controls` for subclusters of what is shown, none = for all of them.

        `told` gets the settings that a run would need for the same.

        Raises
        ------
        RuntimeError
            If there is nothing yet that controls could be added to.
        """
        from modviz.measure.more import more_controls

        before = analysis, recipe = self._now()
        if analysis is None or recipe is None or analysis.lesions is None:
            raise RuntimeError("there are no lesions yet that controls could be added to; run()")
        n = next_controls(analysis) if n_controls is None else n_controls
        about = ", ".join(names) if names else "all subclusters"
        subject = self._subject

        def ended(result: Analysis | None, seconds: float) -> Ending:
            if result is None or result is analysis or result.status == "running":
                return Ending("cancelled", "Cancelled: no controls were added")
            made = recipe.after_more(result)
            self._recorder.follows(analysis, result)
            self._page.put(result, made)
            told(made.settings)
            if result.status == "cancelled":
                return Ending("cancelled", f"Cancelled: {n:,} controls of the lesions are kept")
            return Ending(
                "complete", f"Finished: {n:,} controls for {about} in {duration(seconds)}"
            )

        work = partial(
            more_controls,
            analysis,
            subject.model,
            subject.data,
            subclusters=list(names) or None,
            n_controls=n,
            kept=subject.kept,
            **_of(settings, MEASURING),
        )
        return Task("More controls", work, ended, lambda _error: self._back_to(before))

    def pairs(
        self, settings: Mapping[str, Any], members: list[str], keep: Callable[[Interactions], None]
    ) -> Task:
        """`modviz.interactions` of these subclusters of the analysis that is shown."""
        from modviz.measure.interactions import interactions

        analysis = self._page.analysis
        if analysis is None or len(members) < 2:
            raise RuntimeError(
                f"{plural(len(members), 'subcluster')} to pair; expected at least two that are "
                "tested: select some, or run() with fewer clusters"
            )
        subject = self._subject
        n_pairs = len(members) * (len(members) - 1) // 2

        def ended(result: Interactions | None, seconds: float) -> Ending:
            if result is None or not result.measured.any():
                return Ending("cancelled", "Cancelled before a pair was measured")
            keep(result)
            if result.status != "complete":
                done = int(result.measured.sum())
                return Ending("cancelled", f"Cancelled; kept: {done} of {plural(n_pairs, 'pair')}")
            return Ending("complete", f"Finished: {plural(n_pairs, 'pair')} in {duration(seconds)}")

        work = partial(
            interactions,
            subject.model,
            subject.data,
            analysis.partition,
            **pair_settings(analysis, members),
            **_of(settings, ("workers", *READING)),
        )
        return Task("Measuring pairs", work, ended, lambda _error: ".", aside=True)

    def graph(self, settings: Mapping[str, Any]) -> NeuronGraph:
        """The graph that a run with these settings would partition."""
        from modviz.measure.activations import activation_graph
        from modviz.measure.edges import weight_graph
        from modviz.measure.inputs import read_inputs

        if settings.get("partition") is not None:
            own: NeuronGraph = settings["partition"].graph
            return own
        reading = (settings.get(name) for name in READING)
        network, _data = read_inputs(self._subject.model, self._subject.data, *reading)
        names = ("layers", "kernel_norm", "include_inputs", "include_outputs")
        chosen = _of(settings, names)
        if settings.get("edges") == "activations":
            images = settings.get("activation_images")
            images = self._subject.data if images is None else images
            return activation_graph(network, images, seed=settings["seed"], **chosen)
        return weight_graph(network, **chosen)

    def _now(self) -> tuple[Analysis | None, Recipe | None]:
        return self._page.analysis, self._page.recipe

    def _show_last(self, analysis: Analysis | None) -> None:
        shown = self._page.analysis
        if analysis is not None:
            self.show(analysis)
        elif shown is not None and shown.status == "running":
            self.show(replace(shown, status="cancelled"))

    def _back_to(self, before: tuple[Analysis | None, Recipe | None]) -> str:
        if before[0] is None:
            self._show_last(None)
            return "." if self._page.analysis is None else "; the panels show what it had finished."
        self._page.put(before[0], before[1])
        return "; the panels show the analysis before it."


def suggest(
    graph: Callable[[], NeuronGraph],
    seed: int,
    workers: int | None,
    keep: Callable[[ClusterChoice, NeuronGraph], None],
) -> Task:
    """`modviz.choose_n_clusters`: needs no model if the graph is there."""
    from modviz.core.choosing import choose_n_clusters

    def work(*, progress: Any, cancel: Any) -> tuple[ClusterChoice, NeuronGraph]:
        began = time.monotonic()
        words = "comparing numbers of clusters"
        progress(Progress("partition", 0, 0, words))

        def compared(done: int, total: int) -> None:
            if cancel.is_set():
                raise Cancelled
            left = (time.monotonic() - began) * (total - done) / done
            told = f"{words}: {done} of {total} graphs"
            progress(Progress("partition", done, total, told, left))

        of = graph()
        return choose_n_clusters(of, seed=seed, workers=workers, progress=compared), of

    def ended(result: tuple[ClusterChoice, NeuronGraph] | None, seconds: float) -> Ending:
        if result is None:
            return Ending("cancelled", "Cancelled before numbers of clusters were compared")
        keep(*result)
        first, *_, last = result[0].candidates
        words = f"Finished: {first} to {last} clusters compared in {duration(seconds)}"
        return Ending("complete", words)

    return Task("Suggest k", work, ended, lambda _error: ".", aside=True)


def pair_settings(analysis: Analysis, members: Sequence[str]) -> dict[str, Any]:
    """Keywords of `modviz.interactions` that decide its numbers."""
    shared = _of(analysis.settings, ("lesion", "seed"))
    return {"subclusters": list(members), "n_controls": PAIR_CONTROLS, **shared}


def _of(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}
