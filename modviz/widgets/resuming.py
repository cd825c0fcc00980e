"""The offer of an explorer that has nothing to show yet: to go on with an earlier run, or open it.

Looking for earlier runs may mean to read all weights and images, so it is done in a thread of its
own, and the offer appears when they are found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import ipywidgets as w

from modviz.core.checkpoint import discard
from modviz.view.style import plural
from modviz.widgets.controls import EDGES, SCOPES
from modviz.widgets.parts import row, shown, text
from modviz.widgets.recording import EarlierRun


class Offer:
    """A line with the newest of the earlier runs, and buttons; the others in a selector.

    Attributes
    ----------
    block : widget
        Takes no room while there is nothing to offer, but stays, so that its words are heard.
    runs : tuple of EarlierRun
        Those on offer, the newest first.
    """

    def __init__(self) -> None:
        self.words = text("")
        self.which = w.Dropdown(description="Earlier runs", tooltip="Runs that can be gone on with")
        self.resume = w.Button()
        self.discard = w.Button()
        self._buttons = row(self.resume, self.discard)
        self.block = w.HBox([self.words, self.which, self._buttons])
        self.block.add_class("modviz-offer")
        self.which.observe(self._describe, "value")
        self.runs: tuple[EarlierRun, ...] = ()
        self._welcome = True
        self.show(())

    @property
    def chosen(self) -> EarlierRun | None:
        """The run that the line is about."""
        run: EarlierRun | None = self.which.value
        return run

    def show(self, runs: Sequence[EarlierRun]) -> None:
        """Offer some runs."""
        self.runs = tuple(runs)
        self.which.options = [(_short(run), run) for run in runs]
        self.which.value = runs[0] if runs else None
        self._describe()

    def welcome(self, *, yes: bool) -> None:
        """Whether there is room for an offer: nothing works, and there is nothing to show."""
        if yes != self._welcome:
            self._welcome = yes
            self._describe()

    def ask_again(self) -> bool:
        """Discard was pressed; whether it was for the first time, so that it asks once more."""
        if self.discard.description == _DISCARD_SURELY:
            return False
        self.discard.description = _DISCARD_SURELY
        return True

    def _describe(self, _change: object = None) -> None:
        run = self.chosen if self._welcome else None
        words = "" if run is None else in_words(run, others=len(self.runs) - 1)
        self.words.value = f'<div role="status">{escape(words)}</div>'
        complete = run is not None and run.extent.complete
        self.resume.description = "Open" if complete else "Resume"
        then = "show its results" if complete else "go on where it stopped"
        self.resume.tooltip = f"Set the controls to its settings, and {then}"
        self.discard.description = "Discard"
        self.discard.tooltip = "Delete what is recorded of it"
        shown(self._buttons, visible=run is not None)
        shown(self.which, visible=run is not None and len(self.runs) > 1)


_DISCARD_SURELY = "Discard for good"


def in_words(run: EarlierRun, others: int = 0) -> str:
    """What can be gone on with, in a sentence or two."""
    when, about = _when(run.changed), _settings(run.settings)
    if run.extent.complete:
        said = f"A run of {when} is finished, but was not saved: {about}."
    else:
        said = f"An earlier run with {about} stopped at {run.extent.words}, {when}."
    if others > 0:
        said += f" There {'is' if others == 1 else 'are'} {plural(others, 'other')}."
    if run.otherwise:
        said += f" Begun with other versions ({', '.join(run.otherwise)}): last digits may differ."
    return said


def _short(run: EarlierRun) -> str:
    where = "finished" if run.extent.complete else run.extent.words
    return f"{run.settings['n_clusters']} clusters, {where}, {_when(run.changed)}"


def _when(seconds: float) -> str:
    """A time in words of this machine's clock: ``"22 November 14:03"``."""
    then = datetime.fromtimestamp(seconds, UTC).astimezone()
    year = f" {then.year}" if then.year != datetime.now(UTC).astimezone().year else ""
    return f"{then.day} {then:%B}{year} {then:%H:%M}"


def _settings(settings: Mapping[str, Any]) -> str:
    words = [f"{settings['n_clusters']} clusters", f"edges of {EDGES[settings['edges']]}"]
    if settings["scope"] != "global":
        words.append(SCOPES[settings["scope"]])
    layers = settings["layers"]
    if layers is not None:
        range_of = isinstance(layers, tuple)
        words.append(f"layers {' to '.join(layers) if range_of else ', '.join(layers)}")
    most = "up to " if settings["controls"] == "adaptive" else ""
    words.append(f"{most}{settings['n_controls']:,} controls")
    if not settings["features"]:
        words.append("no feature images")
    return ", ".join([*words, f"seed {settings['seed']}"])


class Search:
    """Looks for earlier runs, in a thread of its own.

    Parameters
    ----------
    find : callable
        Gives what there is; what it raises is dropped: an offer is a courtesy.
    tell : callable
        Called with it, in that thread.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[EarlierRun]],
        tell: Callable[[Sequence[EarlierRun]], None],
    ) -> None:
        self._find, self._tell = find, tell
        self._wanted = True
        # Python waits for it at its end: torch aborts the process if it is cut off in the middle
        self.thread = threading.Thread(target=self._run, name="modviz-earlier", daemon=False)

    def start(self) -> None:
        """Begin; returns at once."""
        self.thread.start()

    def stop(self) -> None:
        """Nobody needs it any more."""
        self._wanted = False

    def _run(self) -> None:
        try:
            found = self._find()
        except Exception:  # noqa: BLE001
            return
        if found and self._wanted:
            self._tell(found)


def discarded(run: EarlierRun) -> None:
    """Delete what is recorded of a run.

    Raises
    ------
    RuntimeError
        If it is at work again.
    """
    if run.path.exists() and not discard(run.path):
        raise RuntimeError(
            "somebody goes on with this run right now, here or in another kernel; it can be "
            "discarded when it has ended"
        )
