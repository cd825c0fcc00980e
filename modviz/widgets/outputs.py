"""What an explorer writes: the analysis, a report, a script; what its three buttons do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modviz.core.analysis import Analysis
from modviz.widgets.desk import Desk
from modviz.widgets.script import Recipe, script
from modviz.widgets.shown import Shown


class Outputs:
    """Files and the script.

    Parameters
    ----------
    desk : Desk
    shown : Shown
    settings : callable
        Gives the keywords of the next run.
    saved : callable
        Told of an analysis that was written to a file.
    """

    def __init__(
        self,
        desk: Desk,
        shown: Shown,
        settings: Callable[[], dict[str, Any]],
        saved: Callable[[Analysis], None],
    ) -> None:
        self._name, self._files = desk.name, desk.files
        self._shown, self._settings, self._saved = shown, settings, saved

    def save(self) -> None:
        """Save was pressed."""
        self._files.wrote(self.write(self._files.path(".modviz")))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the analysis that is shown to one file."""
        analysis = self._shown.required()
        analysis.save(path)
        self._saved(analysis)
        return Path(path)

    def report(self) -> None:
        """Report was pressed."""
        self._files.message.value = "Writing the report"
        try:
            self._files.wrote(self._shown.report(self._files.path(".html")))
        except BaseException:
            self._files.message.value = ""
            raise

    def code(self) -> str:
        """A script that gives the analysis that is shown, or what Run would give."""
        note, recipe = "", self._shown.recipe
        if recipe is None:
            recipe = Recipe(self._settings())
        elif self._shown.required().status != "complete":
            note = "The analysis shown is not complete; this script goes to the end."
        return script(
            recipe,
            model_name=self._name,
            stem=self._files.stem,
            note=note,
            beyond=self._shown.beyond(),
        )

    def show_or_hide_code(self) -> None:
        """Code was pressed."""
        self._files.show_code(None if self._files.code_shown else self.code())

    def refresh(self) -> None:
        """The analysis or the controls have changed."""
        if self._files.code_shown:
            self._files.show_code(self.code())
