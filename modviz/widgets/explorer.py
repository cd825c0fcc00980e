"""The explorer: controls beside one linked page, and the state that joins them.

The class holds what users see of it: traits, and methods that return at once. Its parts:
`modviz.widgets.desk` has the widgets, `shown` the page, `commands` what is computed, `outputs` what
is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from modviz.core.analysis import Analysis
from modviz.widgets.commands import Commands
from modviz.widgets.desk import Desk
from modviz.widgets.outputs import Outputs
from modviz.widgets.selection import Key, understood
from modviz.widgets.shown import Shown
from modviz.widgets.stand_in import StandIn
from modviz.widgets.subject import Subject
from modviz.widgets.traits import AnalysisOrNone


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
    analysis = AnalysisOrNone(
        None,
        help="What the panels show: None before the first results, with status 'running' while "
        "a run works. Writing it shows another analysis.",
    )
    status = traitlets.Enum(
        ("empty", "running", "complete", "cancelled", "failed"),
        "empty",
        read_only=True,
        help="'empty': no results; 'running': something works; 'complete', 'cancelled' (what was "
        "finished is kept) and 'failed' (the analysis before it is kept): how the last run ended.",
    )
    stale = traitlets.Bool(
        False,
        read_only=True,
        help="Whether the controls differ from the settings of the analysis that is shown.",
    )
    choice = traitlets.Any(
        None,
        read_only=True,
        help="ClusterChoice of the graph that is shown, from `suggest_n_clusters`; None = not "
        "compared, or of another graph.",
    )
    interactions = traitlets.Any(
        None,
        read_only=True,
        help="Interactions of the partition that is shown, from `measure_pairs`; None = not "
        "measured, or of another partition.",
    )

    def __init__(
        self,
        analysis: Analysis | None = None,
        *,
        model: Any = None,
        data: Any = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        given = settings or {}
        subject = None if model is None else Subject(model, data, given)
        shown = self._shown = Shown(
            self, analysis, on_command=self._command, on_error=self._say_error
        )
        self.page, self._live = shown.page, shown.live
        desk = self._desk = Desk(subject, given, analysis, shown.live)
        self._controls, self._files, self._problem = desk.controls, desk.files, desk.problem
        self._commands = Commands(subject, desk, shown, self._set_status)
        commands = self._commands
        self._outputs = Outputs(desk, shown, commands.settings, commands.saved)
        super().__init__()
        self._stand_in = StandIn(self, f"Explorer of {self._desk.name}")
        self._desk.panels.still = self._stand_in.mark
        self.set_trait("analysis", analysis)
        if analysis is not None:
            self.set_trait("status", "complete" if analysis.status == "complete" else "cancelled")
        self._connect()

    def _connect(self) -> None:
        actions = self._commands.actions() | {
            "Run": self.run,
            "Cancel": self.cancel,
            "Suggest k": self.suggest_n_clusters,
            "Measure pairs": self.measure_pairs,
            "Save": self._outputs.save,
            "Report": self._outputs.report,
            "Code": self._outputs.show_or_hide_code,
        }
        self._desk.connect(actions)
        if self._controls is not None:
            self._controls.on_change(self._refresh)
        self.add_class("modviz-explorer")
        self.children = self._desk.children
        self.observe(self._on_selected, "selected")
        self.observe(self._on_analysis, "analysis")
        self.observe(lambda change: self._desk.further.show_choice(change.new), "choice")
        self.observe(self._announce, ["selected", "status", "analysis"])
        self.observe(self._stand_in.update, ["status", "analysis"])
        self._desk.describe(self.analysis)
        self._refresh()
        self._announce()
        self._commands.look()

    # ---------------------------------------------------------------- work

    @property
    def error(self) -> BaseException | None:
        """What the last work failed with; None if it did not."""
        return self._commands.error

    def run(self) -> None:
        """Analyse the model with the settings of the controls; returns at once.

        What earlier runs of this explorer gave, and the settings leave as it was, is used again.

        Raises
        ------
        RuntimeError
            If something works already, or there is no model.
        """
        self._commands.run()

    def more_controls(
        self, names: Sequence[Any] | None = None, n_controls: int | None = None
    ) -> None:
        """Draw more random groups, see `modviz.more_controls`; returns at once.

        Parameters
        ----------
        names : sequence of str or of (layer, cluster), optional
            Subclusters that no control has equalled so far; None or none = all subclusters.
        n_controls : int, optional
            Controls that they have in the end; by default the next of 19, 99, 999 and 9999.

        Raises
        ------
        RuntimeError, ValueError, TypeError
            If something works already, or there is nothing that could get more controls.
        """
        self._commands.more_controls(names, n_controls)

    def suggest_n_clusters(self) -> None:
        """Compare numbers of clusters, see `modviz.choose_n_clusters`; returns at once.

        The graph is the one that is shown, or that of the controls if they stand for another.
        `choice` then has the result.

        Raises
        ------
        RuntimeError
            If something works already.
        """
        self._commands.suggest()

    def measure_pairs(self, names: Sequence[Any] | None = None) -> None:
        """Silence pairs of subclusters, see `modviz.interactions`; returns at once.

        With 19 controls. `interactions` then has the result.

        Parameters
        ----------
        names : sequence of str or of (layer, cluster), optional
            Subclusters to pair; by default those selected if they are at least two (the first 12
            of them that are tested), else the 8 that cost most.

        Raises
        ------
        RuntimeError, ValueError, TypeError
            If something works already, or there are not two that can be paired.
        """
        self._commands.measure_pairs(names)

    def cancel(self) -> None:
        """Ask what works to stop; what it has finished is kept. Otherwise nothing happens."""
        self._commands.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of what works, `timeout` seconds at most; False if it goes on then."""
        return self._commands.wait(timeout)

    # ---------------------------------------------------------------- what follows what

    def _command(self, name: str, arguments: Mapping[str, Any]) -> None:
        """A button in the page asks for something."""
        self._desk.guarded("That", lambda: self._commands.obey(name, arguments))()

    def _say_error(self, error: Exception) -> None:
        self._problem.show("That did not work.", error)

    def _set_status(self, status: str) -> str:
        before = str(self.status)
        with self._live.changes():
            try:
                self.set_trait("status", status)
            finally:
                self._refresh()  # also if an observer of the user's fails: the buttons come back
        return before

    def _refresh(self) -> None:
        """Bring everything that depends on controls, page and status up to date."""
        try:
            with self._live.changes():
                self.set_trait("stale", bool(self._commands.differences()))
                self._commands.refresh()
                self._outputs.refresh()
        except Exception as error:  # noqa: BLE001  (called where nobody waits for it)
            self._problem.show("The controls could not be compared with the page.", error)

    @traitlets.validate("analysis")
    def _valid_analysis(self, proposal: Any) -> Analysis | None:
        analysis: Analysis | None = proposal.value
        self._shown.check(analysis, working=self.status == "running")
        return analysis

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Any) -> tuple[Key, ...]:
        return understood(proposal.value, self.analysis)

    def _on_analysis(self, change: Any) -> None:
        with self._live.changes():
            self._shown.draw(change.new)
            self._desk.describe(change.new)
            if self.status != "running":
                done = "complete" if change.new.status == "complete" else "cancelled"
                self.set_trait("status", done)
            self._refresh()

    def _on_selected(self, change: Any) -> None:
        with self._live.changes():
            self._shown.mark(change.new)
            self._commands.offer()

    def _announce(self, _change: object = None) -> None:
        self._desk.announce(str(self.status), self._shown.selected)

    # ---------------------------------------------------------------- for code, for files

    def settings(self) -> dict[str, Any]:
        """Keywords that make this explorer again: ``modviz.explore(model, data, **settings)``.

        All of them as the controls stand, also those at their defaults; what was given and has no
        control is the same object. Without a model: the settings of the analysis that is shown.
        """
        if self._controls is not None:
            return self._controls.keywords()
        return self._commands.settings()

    def code(self) -> str:
        """A script without widgets that gives the numbers of the analysis that is shown.

        Before there is one, the script of what Run would do. Its first lines say which variables
        it needs: the model, the data, and whatever can't be written as code.
        """
        return self._outputs.code()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the analysis to one file; `modviz.load` reads it. An existing file is replaced."""
        return self._outputs.write(path)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the panels as one HTML page, with `choice` and `interactions` if there are any."""
        return self._shown.report(path)

    def __repr__(self) -> str:
        names = ", ".join(self._shown.selected)
        shown = "no results yet" if self.analysis is None else repr(self.analysis)
        return f"Explorer of {self._desk.name} ({self.status}): {shown}" + (
            f"; selected {names}" if names else ""
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        self._stand_in.display(self._repr_mimebundle_())
