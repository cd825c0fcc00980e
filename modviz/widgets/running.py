"""Run and Cancel, how far the work is, and what it will cost; and the tests beyond a run.

Only widgets and words; what they do is decided in `modviz.widgets.explorer`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import ipywidgets as w

from modviz.core.progress import Progress
from modviz.widgets.job import time_left
from modviz.widgets.parts import header, row, section, shown, text

if TYPE_CHECKING:
    from modviz.core.choice import ClusterChoice

#: How the bar looks when work has ended.
_BARS = {"failed": "danger", "cancelled": "warning"}


class RunBar:
    """The buttons that start and stop work, and how far it is.

    Parameters
    ----------
    can_run : bool
        False = there is no model: the section appears only while something else works.
    """

    def __init__(self, *, can_run: bool) -> None:
        self._can_run = can_run
        self.run = w.Button(description="Run", tooltip="Analyse the model with these settings")
        self.cancel = w.Button(
            description="Cancel", tooltip="Stop and keep what is finished", disabled=True
        )
        self.run.add_class("modviz-primary")
        self.bar = w.FloatProgress(0, min=0, max=1, tooltip="How far the work is")
        self.message = text("", "modviz-note")
        self.left = text("", "modviz-note")
        self.trouble = text("", "modviz-note", "modviz-trouble")
        self.cost = text("", "modviz-note", "modviz-cost")
        buttons = row(self.run, self.cancel) if can_run else row(self.cancel)
        words = self.message, self.left, self.trouble, self.cost
        self.section = section(buttons, self.bar, *words, name="modviz-run")
        self.say_trouble("")
        shown(self.section, visible=can_run)

    def begin(self, words: str) -> None:
        """Work starts."""
        shown(self.section, visible=True)
        self.run.disabled, self.cancel.disabled = True, False
        self.bar.bar_style, self.bar.value = "", 0.0
        self.cost.value = ""  # the time left says more
        self.say_trouble("")
        self.say(words)

    def stopping(self) -> None:
        """Cancel was pressed."""
        self.cancel.disabled = True
        self.say("Stopping")

    def end(self, outcome: str, words: str) -> None:
        """Work has ended: complete, cancelled or failed."""
        self.run.disabled, self.cancel.disabled = False, True
        self.bar.bar_style = _BARS.get(outcome, "")
        if outcome == "complete":
            self.bar.value = 1.0
        self.say(words)

    def show_progress(self, progress: Progress) -> None:
        """Move the bar and say what is being done."""
        self.bar.value = progress.done / progress.total if progress.total > 0 else 0.0
        self.bar.bar_style = ""
        if not self.cancel.disabled:  # else it is stopping, and says so
            self.say(progress.message, time_left(progress.seconds_left))

    def say(self, *parts: str) -> None:
        """Put words under the bar."""
        self.message.value = " · ".join(escape(part) for part in parts if part)

    def say_cost(self, words: str) -> None:
        """Put what a run would cost under it."""
        self.cost.value = escape(words)

    def say_left(self, words: str) -> None:
        """Say where the next run would go on."""
        self.left.value = escape(words)

    def say_trouble(self, words: str) -> None:
        """Say what is in the way of recording the run."""
        self.trouble.value = f'<div role="status">{escape(words)}</div>'

    def due(self, *, stale: bool) -> None:
        """Mark Run while the panels show other settings than the controls."""
        if stale:
            self.run.add_class("modviz-due")
            self.run.tooltip = "The settings have changed: analyse the model with these"
        else:
            self.run.remove_class("modviz-due")
            self.run.tooltip = "Analyse the model with these settings"


class Further:
    """What can be asked beyond a run: how many clusters, more controls, pairs.

    Parameters
    ----------
    can_measure : bool
        False = there is no model to measure anything on.
    """

    def __init__(self, *, can_measure: bool) -> None:
        self._can_measure = can_measure
        self.suggest = w.Button(
            description="Suggest k",
            tooltip="Compare numbers of clusters: eigengap, cut against chance, stability",
        )
        self.use = w.Button(description="Use k", tooltip="Set the control to what is suggested")
        self.reason = text("", "modviz-note")
        self.more = w.Button(
            description="More controls",
            tooltip="Draw more random groups for all subclusters, or for those selected that none "
            "has equalled so far",
        )
        self.pairs = w.Button(
            description="Measure pairs",
            tooltip="Silence pairs of the selected subclusters (2 to 12), or of the 8 that cost "
            "most, with 19 controls each",
        )
        self.plan = text("", "modviz-note")
        tests = [row(self.more, self.pairs), self.plan] if can_measure else []
        self.section = section(
            header("Further"),
            row(self.suggest, self.use),
            self.reason,
            *tests,
            name="modviz-further",
        )
        self.choice: ClusterChoice | None = None
        self.show_choice(None)

    def show_choice(self, choice: ClusterChoice | None) -> None:
        """Say what was found about the number of clusters, and offer it."""
        self.choice = choice
        self.reason.value = "" if choice is None else escape(choice.reason)
        suggested = None if choice is None else choice.suggested
        if suggested is not None:
            self.use.description = f"Use k = {suggested}"
            self.use.tooltip = f"Set the control to {suggested} clusters; Run then measures them"
        shown(self.use, visible=self._can_measure and suggested is not None)

    def enable(self, *, busy: bool, can_suggest: bool, more: str, pairs: str) -> None:
        """What can be pressed now, and what it would do, in words; empty = nothing."""
        self.suggest.disabled = busy or not can_suggest
        self.use.disabled = busy
        self.more.disabled = busy or not more
        self.pairs.disabled = busy or not pairs
        if self._can_measure:
            self.plan.value = "<br>".join(escape(words) for words in (more, pairs) if words)
