"""All widgets of an explorer, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from modviz.core.analysis import Analysis
from modviz.widgets.accessible import Accessible
from modviz.widgets.bokeh_pane import BokehPane, LiveDocument
from modviz.widgets.controls import RunControls
from modviz.widgets.files import FileControls, file_stem, fixed_settings
from modviz.widgets.parts import Heading, Problem, group, text
from modviz.widgets.resuming import Offer
from modviz.widgets.running import Further, RunBar
from modviz.widgets.subject import Subject

_STYLE = "".join(
    (Path(__file__).parent / name).read_text(encoding="utf-8")
    for name in ("explorer.css", "controls.css")
)


class Desk:
    """The widgets: controls in a column at the left, banner and panels at the right.

    An offer of earlier runs stands above all of them, in sight also where columns stand below each
    other.

    Parameters
    ----------
    subject : Subject or None
        None = there is no model to run.
    given : mapping
        Keywords that the user gave.
    analysis : Analysis or None
        Shown at the start.
    live : LiveDocument
        Of the panels and of the evidence card.
    """

    def __init__(
        self,
        subject: Subject | None,
        given: Mapping[str, Any],
        analysis: Analysis | None,
        live: LiveDocument,
    ) -> None:
        self.name = "" if analysis is None else analysis.model_name
        self.controls: RunControls | None = None
        if subject is not None:
            self.name = subject.name
            self.controls = RunControls(subject.hidden, subject.start, given)
        self._subject = subject
        self.heading, self.problem = Heading(), Problem()
        self.bar = RunBar(can_run=subject is not None)
        self.further = Further(can_measure=subject is not None)
        self.files = FileControls(file_stem(self.name))
        self.offer = Offer()
        self.banner = text("", "modviz-banner")
        self.panels = BokehPane(document=live, root="page")
        self.card = BokehPane(document=live, root="card")
        choices = [] if analysis is None else [fixed_settings(analysis.settings)]
        if self.controls is not None:
            choices = [self.controls.partition, self.controls.tests]
        left = ipywidgets.VBox(
            [
                group(self.heading.block, *choices),
                group(self.bar.section, self.problem.block),
                self.card,
                group(self.further.section, self.files.section),
            ]
        )
        left.add_class("modviz-left")
        right = ipywidgets.VBox([self.banner, self.panels])
        right.add_class("modviz-right")
        body = ipywidgets.HBox([left, right])
        body.add_class("modviz-body")
        if subject is None:
            body.add_class("modviz-saved")
        style = ipywidgets.HTML(f"<style>{_STYLE}</style>")
        style.add_class("modviz-style")
        first = [] if subject is None else [self.offer.block]
        self.children = (style, Accessible(), *first, body)
        self.banner_words = "-"
        self.say("")

    def connect(self, actions: Mapping[str, Callable[[], Any]]) -> None:
        """Give the buttons something to do, by what an error calls them."""
        buttons = {
            "Run": self.bar.run,
            "Cancel": self.bar.cancel,
            "Resume": self.offer.resume,
            "Discard": self.offer.discard,
            "Suggest k": self.further.suggest,
            "Use k": self.further.use,
            "More controls": self.further.more,
            "Measure pairs": self.further.pairs,
            "Save": self.files.save,
            "Report": self.files.report,
            "Code": self.files.code,
        }
        for what, button in buttons.items():
            button.on_click(self.guarded(what, actions[what]))

    def announce(self, status: str, selected: Sequence[str]) -> None:
        """Tell screen readers where things are."""
        names = f"selected {', '.join(selected)}" if selected else "nothing selected"
        self.panels.announcement = f"modviz: {status} · {names}"

    def say(self, words: str) -> None:
        """Put words above the panels, or take them away."""
        if words != self.banner_words:  # a screen reader reads what is written anew
            self.banner_words = words
            self.banner.value = f'<div role="status">{escape(words)}</div>'

    def describe(self, analysis: Analysis | None) -> None:
        """Say what is analysed."""
        lines = [self.name]
        if self._subject is not None:
            layers = f"{len(self._subject.hidden)} hidden layers"
            lines = [f"{self.name} · {layers} · {self._subject.n_weights:,} weights"]
        if analysis is not None and analysis.lesions is not None:
            lesions = analysis.lesions
            accuracy = f"{100 * float(lesions.intact.mean()):.1f} %"
            lines.append(f"accuracy {accuracy} on {lesions.n_images:,} images")
        self.heading.show(*lines)

    def guarded(self, what: str, action: Callable[[], Any]) -> Callable[..., None]:
        """An action whose errors are said under the buttons; a callback has nobody to raise to."""

        def called(*_event: object) -> None:
            self.problem.clear()
            try:
                action()
            except Exception as error:  # noqa: BLE001
                self.problem.show(f"{what} did not work.", error)

        return called
