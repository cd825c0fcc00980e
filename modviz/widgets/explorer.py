"""The explorer: controls beside one linked page, and the state that joins them.

Everything that changes in an explorer changes here: a run started by a button or by code, results
that arrive from its worker thread, a selection from a click or from Python. One lock, that of the
live document, is held whenever state and page change together, because widget callbacks come from
sub-shell threads and results from a worker.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from modviz.core.analysis import Analysis
from modviz.view.page import Page
from modviz.view.report import report as write_report
from modviz.widgets.bokeh_pane import BokehPane, LiveDocument
from modviz.widgets.controls import (
    FileControls,
    Heading,
    Problem,
    RunControls,
    file_stem,
    fixed_settings,
    group,
)
from modviz.widgets.job import Job, Listener
from modviz.widgets.selection import Key, keys_of, names_of, understood
from modviz.widgets.settings import checked

_STYLE = (Path(__file__).parent / "explorer.css").read_text(encoding="utf-8")
#: HoloViews keeps global state: two explorers must not draw at the same moment.
_DRAWING = threading.RLock()


class _AnalysisOrNone(traitlets.TraitType[Any, Any]):
    """Unlike traitlets' own optional traits, None is validated too."""

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002  (as the base class has it)
        if value is not None and not isinstance(value, Analysis):
            raise traitlets.TraitError(f"analysis is {type(value).__name__}; expected an Analysis")
        return value


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """A widget that analyses a network and shows what was found; made by `modviz.explore`.

    Parameters
    ----------
    analysis : Analysis, optional
        Shown at the start.
    model, data, settings
        What `run` analyses; without a model nothing can be run.
    """

    selected = traitlets.Tuple(
        help="The subclusters that are selected, as a tuple of (layer name, cluster number). "
        "Follows clicks in any panel; writing it highlights them in all panels. Short names "
        "such as 'B2' are understood too."
    )
    analysis = _AnalysisOrNone(
        None,
        help="What the panels show: None before the first results, with status 'running' while "
        "a run works. Writing it shows another analysis.",
    )
    status = traitlets.Enum(
        ("empty", "running", "complete", "cancelled", "failed"),
        "empty",
        read_only=True,
        help="'empty': no results; 'running': a run works; 'complete', 'cancelled' (what was "
        "finished is kept) and 'failed' (the analysis before it is kept): how the last run ended.",
    )

    def __init__(
        self,
        analysis: Analysis | None = None,
        *,
        model: Any = None,
        data: Any = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self._model, self._data = model, data
        self._job: Job | None = None
        self._writer: int | None = None
        self._error: BaseException | None = None
        self._before: Analysis | None = None
        self._controls: RunControls | None = None
        self._name = "" if analysis is None else analysis.model_name
        if model is not None:
            self._controls = self._run_controls(settings or {})
        with _DRAWING:
            self.page = Page(analysis)
        self._live = LiveDocument(
            self.page.document,
            on_select=self._clicked,
            on_zoom=self.page.zoom,
            on_error=lambda error: self._problem.show("That did not work.", error),
        )
        self._heading, self._problem = Heading(), Problem()
        self._files = FileControls(file_stem(self._name))
        self._panels = BokehPane(document=self._live, root="page")
        self._card = BokehPane(document=self._live, root="card")
        super().__init__()
        self.set_trait("analysis", analysis)
        if analysis is not None:
            self.set_trait("status", "complete" if analysis.status == "complete" else "cancelled")
        self._assemble(analysis)
        self._describe()
        self.observe(self._on_selected, "selected")
        self.observe(self._on_analysis, "analysis")
        self.observe(self._announce, ["selected", "status", "analysis"])
        self._announce()

    def _run_controls(self, settings: dict[str, Any]) -> RunControls:
        from modviz.measure import inputs, run

        start = checked(settings, run.analyze)
        layout = {name: settings[name] for name in ("head", "connections") if name in settings}
        self._hidden = run.hidden_layers(self._model, self._data, **layout)
        module = inputs.module_of(self._model)
        self._name = type(module).__name__
        self._n_weights = sum(parameter.numel() for parameter in module.parameters())
        return RunControls(self._hidden, start, settings)

    def _assemble(self, analysis: Analysis | None) -> None:
        choices: list[Any] = [] if analysis is None else [fixed_settings(analysis)]
        running: list[Any] = []
        if self._controls is not None:
            choices, running = list(self._controls.choices), [self._controls.running]
            self._controls.run.on_click(self._guarded("Run", self.run))
            self._controls.cancel.on_click(self._guarded("Cancel", self.cancel))
        self._files.save.on_click(self._guarded("Save", self._save_button))
        self._files.report.on_click(self._guarded("Report", self._report_button))
        left = ipywidgets.VBox(
            [
                group(self._heading.block, *choices),
                group(*running, self._problem.block, self._files.section),
                self._card,
            ]
        )
        left.add_class("modviz-left")
        body = ipywidgets.HBox([left, self._panels])
        body.add_class("modviz-body")
        self.add_class("modviz-explorer")
        style = ipywidgets.HTML(f"<style>{_STYLE}</style>")
        style.add_class("modviz-style")
        self.children = [style, body]

    def _guarded(self, what: str, action: Callable[[], Any]) -> Callable[[object], None]:
        def clicked(_button: object) -> None:
            self._problem.clear()
            try:
                action()
            except Exception as error:  # noqa: BLE001  (a click has no caller to raise to)
                self._problem.show(f"{what} did not work.", error)

        return clicked

    # ---------------------------------------------------------------- runs

    @property
    def error(self) -> BaseException | None:
        """What the last run failed with; None if it did not."""
        return self._error

    def run(self) -> None:
        """Analyse the model with the settings of the controls; returns at once.

        Raises
        ------
        RuntimeError
            If a run is working already, or there is no model.
        """
        with self._live.lock:
            if self._controls is None:
                raise RuntimeError(
                    "this explorer shows a saved analysis and has no model to run; "
                    "make one with modviz.explore(model, data)"
                )
            if self.status == "running":
                raise RuntimeError("a run is working already; cancel() it or wait() for its end")
            from modviz.measure.run import analyze

            settings = self._controls.settings()
            self._error, self._before = None, self.analysis
            self._job = Job(
                functools.partial(analyze, self._model, self._data, **settings),
                Listener(self._controls.show_progress, self._show, self._finished),
            )
            self._problem.clear()
            self._files.message.value = ""  # it spoke of the analysis before
            self._controls.set_busy(busy=True)
            self._controls.say("Starting")
            self._controls.bar.value = 0.0
            self.set_trait("status", "running")
            self._job.start()

    def cancel(self) -> None:
        """Ask the run to stop; what it has finished is kept. Without a run nothing happens."""
        with self._live.lock:
            if self._job is not None and self.status == "running" and self._controls is not None:
                self._job.cancelled.set()
                self._controls.cancel.disabled = True
                self._controls.say("Stopping")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        bool
            False if the run is still working. `status` says how it ended.
        """
        if self._job is not None and self._job.thread is threading.current_thread():
            raise RuntimeError("wait() was called by the run itself, which would never end")
        return self._job is None or self._job.done.wait(timeout)

    def _show(self, analysis: Analysis) -> None:
        """Set `analysis` on behalf of the run, which may report from any of its threads."""
        with self._live.changes():
            self._writer = threading.get_ident()
            try:
                self.analysis = analysis
            finally:
                self._writer = None

    def _finished(
        self, analysis: Analysis | None, error: BaseException | None, seconds: float
    ) -> None:
        with self._live.changes():
            if error is None:
                try:
                    self._show_last(analysis)
                except Exception as caught:  # noqa: BLE001  (the run ends, whatever happens)
                    error = caught
            if error is not None:
                self._fail(error)
            elif analysis is not None and analysis.status == "complete":
                self._end("complete", f"Finished: {_extent(analysis)} in {_duration(seconds)}", 1.0)
            elif self.analysis is None:
                self._end("cancelled", "Cancelled before there were results")
            else:
                self._end("cancelled", f"Cancelled: {_extent(self.analysis)} are kept")

    def _show_last(self, analysis: Analysis | None) -> None:
        if analysis is not None:
            self._show(analysis)
        elif self.analysis is not None and self.analysis.status == "running":
            self._show(replace(self.analysis, status="cancelled"))

    def _fail(self, error: BaseException) -> None:
        self._error = error
        kept = "."
        try:
            if self._before is not None:
                self._show(self._before)
                kept = "; the panels show the analysis before it."
            else:
                self._show_last(None)
        except Exception as second:  # noqa: BLE001  (the first error is the one to read)
            error.add_note(f"The analysis before it could not be shown either: {second}")
        self._problem.show("The run failed" + kept, error)
        self._end("failed", "Failed")

    def _end(self, status: str, words: str, bar: float | None = None) -> None:
        if self._controls is not None:
            self._controls.set_busy(busy=False)
            self._controls.say(words)
            self._controls.bar.bar_style = "danger" if status == "failed" else ""
            if bar is not None:
                self._controls.bar.value = bar
        self._before = None
        self.set_trait("status", status)

    # ---------------------------------------------------------------- what is shown

    @traitlets.validate("analysis")
    def _valid_analysis(self, proposal: Any) -> Analysis | None:
        if self.status == "running" and self._writer != threading.get_ident():
            raise traitlets.TraitError(
                "a run is working and shows its own results; cancel() it or wait() for its end"
            )
        analysis: Analysis | None = proposal.value
        if analysis is None and self.analysis is not None:
            raise traitlets.TraitError(
                "analysis=None; an explorer can't be emptied, make a new one"
            )
        return analysis

    def _on_analysis(self, change: Any) -> None:
        with self._live.changes(), _DRAWING:
            self.page.update(change.new)
            self._describe()
            self.selected = keys_of(self.page.selected, self.analysis)
            if self.status != "running":
                done = "complete" if change.new.status == "complete" else "cancelled"
                self.set_trait("status", done)

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Any) -> tuple[Key, ...]:
        return understood(proposal.value, self.analysis)

    def _on_selected(self, change: Any) -> None:
        with self._live.changes():
            names = self._names(change.new)
            if set(names) != set(self.page.selected):
                self.page.select(names)

    def _clicked(self, names: tuple[str, ...]) -> Sequence[str]:
        self.selected = keys_of(names, self.analysis)
        if set(self.page.selected) != set(self._names(self.selected)):
            self.page.select(self._names(self.selected))
        return self._names(self.selected)

    def _names(self, keys: Sequence[Key]) -> tuple[str, ...]:
        return names_of(keys, self.analysis)

    def _announce(self, _change: object = None) -> None:
        names = ", ".join(self._names(self.selected))
        self._panels.announcement = f"modviz: {self.status} · " + (
            f"selected {names}" if names else "nothing selected"
        )

    def _describe(self) -> None:
        lines = [self._name]
        if self._controls is not None:
            layers = f"{len(self._hidden)} hidden layers"
            lines = [f"{self._name} · {layers} · {self._n_weights:,} weights"]
        if self.analysis is not None and self.analysis.lesions is not None:
            lesions = self.analysis.lesions
            accuracy = f"{100 * float(lesions.intact.mean()):.1f} %"
            lines.append(f"accuracy {accuracy} on {lesions.n_images:,} images")
        self._heading.show(*lines)
        for button in (self._files.save, self._files.report):
            button.disabled = self.analysis is None

    # ---------------------------------------------------------------- files

    def _save_button(self) -> None:
        self._files.wrote(self.save(self._files.path(".modviz")))

    def _report_button(self) -> None:
        self._files.message.value = "Writing the report"
        try:
            self._files.wrote(self.report(self._files.path(".html")))
        except BaseException:
            self._files.message.value = ""
            raise

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the analysis to one file; `modviz.load` reads it. An existing file is replaced."""
        self._shown().save(path)
        return Path(path)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the panels as one HTML page that needs no kernel and no network."""
        with _DRAWING:
            return Path(write_report(self._shown(), path))

    def _shown(self) -> Analysis:
        analysis: Analysis | None = self.analysis
        if analysis is None:
            raise RuntimeError("there is no analysis yet; run() first")
        return analysis

    def __repr__(self) -> str:
        names = ", ".join(self._names(self.selected))
        shown = "no results yet" if self.analysis is None else repr(self.analysis)
        return f"Explorer of {self._name} ({self.status}): {shown}" + (
            f"; selected {names}" if names else ""
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)  # what a notebook without its kernel falls back to
        return bundle


def _extent(analysis: Analysis) -> str:
    total = int(analysis.tested.sum())
    measured = int(analysis.measured("accuracy").sum())
    images = "" if analysis.lesions is None else f" on {analysis.lesions.n_images:,} images"
    return f"{measured} of {total} subclusters{images}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
