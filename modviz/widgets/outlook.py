"""What the next run would do: what differs from the page, what is kept, what it will cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modviz.core.analysis import Analysis
from modviz.core.estimates import Estimate
from modviz.widgets import estimating, stale
from modviz.widgets.controls import RunControls
from modviz.widgets.script import Recipe
from modviz.widgets.shelf import Extent
from modviz.widgets.subject import Subject

#: What decides the partition, and the graph below it.
_OF_GRAPH = ("layers", "edges", "kernel_norm", "include_inputs", "include_outputs")
_OF_PARTITION = (*_OF_GRAPH, "n_clusters", "scope", "partition")


class Outlook:
    """Compares the controls with what is shown, and estimates the next run.

    Parameters
    ----------
    subject : Subject
    controls : RunControls
    tell : callable
        Called with the words of an estimate, in a thread of its own.
    recorded : callable
        Gives the Extent that is recorded of a run with some settings, or None.
    """

    def __init__(
        self,
        subject: Subject,
        controls: RunControls,
        tell: Callable[[str], None],
        recorded: Callable[[Mapping[str, Any]], Extent | None],
    ) -> None:
        self._subject, self._controls, self._tell = subject, controls, tell
        self._recorded = recorded
        self._experience = estimating.Experience()
        self._estimate: Estimate | None = None  # of the controls as they stand, not corrected
        self._shown: tuple[Analysis | None, Recipe | None] = (None, None)
        self._estimates = estimating.Estimates(self._measure, self._told)

    def differences(self, recipe: Recipe | None) -> list[str]:
        """What differs between the controls and the analysis that is shown, in words."""
        if recipe is None:
            return []
        wanted = self._controls.settings()
        return stale.differences(wanted, recipe.settings, self._subject.hidden)

    def in_words(self, found: list[str]) -> str:
        """What differs, and what Run will do about it; no run may be working."""
        settings = self._controls.settings()
        return stale.changed(found, stale.plan(self._subject.kept.planned(settings), settings))

    def same_graph(self, recipe: Recipe) -> bool:
        """Whether the controls stand for the graph of the analysis that is shown."""
        wanted = self._controls.settings()
        names = [*_OF_GRAPH, *(["seed"] if wanted["edges"] == "activations" else [])]
        return not self._differing(names, wanted, recipe.settings)

    def _differing(
        self, names: list[str], wanted: Mapping[str, Any], shown: Mapping[str, Any]
    ) -> bool:
        both = [
            {name: settings[name] for name in names if name in settings}
            for settings in (wanted, shown)
        ]
        return bool(stale.differences(both[0], both[1], self._subject.hidden))

    def ask(self, analysis: Analysis | None, recipe: Recipe | None) -> None:
        """The controls or the page have changed: estimate once they rest."""
        self._shown = analysis, recipe
        self._estimate = None
        self._estimates.ask()

    def stop(self) -> None:
        """Something begins to work: no estimate while it does."""
        self._estimates.stop()

    def begins(self) -> None:
        """A run starts with the controls as they stand."""
        self._experience.begins(self._estimate)

    def ended(self, seconds: float, complete: bool) -> None:
        """It has ended: the next estimates learn from it."""
        self._experience.ended(seconds, complete=complete)

    def _measure(self) -> Estimate | None:
        settings = self._controls.settings()
        analysis, recipe = self._shown
        n_subclusters = None
        if (
            analysis is not None
            and recipe is not None
            and not self._differing(list(_OF_PARTITION), settings, recipe.settings)
        ):
            n_subclusters = int(analysis.tested.sum())
        estimate = estimating.measured(
            self._subject.model,
            self._subject.data,
            settings,
            planned=self._subject.kept.planned(settings),
            n_subclusters=n_subclusters,
        )
        return estimating.without(estimate, self._recorded(settings))

    def _told(self, estimate: Estimate | None) -> None:
        self._estimate = estimate
        words = "" if estimate is None else f"Run: {self._experience.corrected(estimate)}"
        self._tell(words)
