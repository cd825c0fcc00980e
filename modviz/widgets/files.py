"""Where an explorer's results go: a file of the analysis, a report, a script.

Only widgets and words; what they do is decided in `modviz.widgets.explorer`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from modviz.widgets.parts import LABEL, row, section, shown, text


class FileControls:
    """Save, Report and Code, and where they wrote to.

    Parameters
    ----------
    stem : str
        Proposal for the name of the files.
    """

    def __init__(self, stem: str) -> None:
        self.name = w.Text(
            stem,
            description="File name",
            tooltip="Files are written under this name, beside the notebook",
            style=LABEL,
        )
        self.save = w.Button(
            description="Save", tooltip="Write the analysis as a .modviz file", disabled=True
        )
        self.report = w.Button(
            description="Report", tooltip="Write the panels as one HTML page", disabled=True
        )
        self.code = w.Button(
            description="Code", tooltip="Show or hide a script that gives these numbers"
        )
        self.message = text("", "modviz-note")
        self.script = text("", "modviz-script")
        shown(self.script, visible=False)
        self.section = section(
            self.name,
            row(self.save, self.report, self.code),
            self.message,
            self.script,
            name="modviz-files",
        )

    @property
    def code_shown(self) -> bool:
        """Whether the script is unfolded."""
        return bool(self.script.layout.display != "none")

    def show_code(self, code: str | None) -> None:
        """Unfold a script, or fold it away."""
        shown(self.script, visible=code is not None)
        if code is not None:
            rows = min(24, code.count("\n") + 1)
            self.script.value = (
                "<label>The same numbers without widgets: a script to copy"
                f'<textarea readonly spellcheck="false" rows="{rows}" wrap="off">'
                f"{escape(code)}</textarea></label>"
            )

    @property
    def stem(self) -> str:
        """The name of the files, without a folder."""
        return Path(self.name.value.strip()).name or "analysis"

    def path(self, suffix: str) -> Path:
        """The file that the name stands for, with a number if it is taken already."""
        name = self.name.value.strip().removesuffix(suffix) or "analysis"
        return free_path(Path(name).expanduser(), suffix)

    def wrote(self, path: Path) -> None:
        """Say where a file was written."""
        size = path.stat().st_size
        written = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
        where = path.resolve()
        self.message.value = (
            f"Wrote <b>{escape(where.name)}</b> ({written}) in {escape(str(where.parent))}"
        )


def free_path(stem: Path, suffix: str) -> Path:
    """``stem + suffix``, or with -2, -3, ... before the suffix if that file exists."""
    path = stem.with_name(stem.name + suffix)
    number = 2
    while path.exists():
        path = stem.with_name(f"{stem.name}-{number}{suffix}")
        number += 1
    return path


def file_stem(model_name: str) -> str:
    """A file name from the name of a model."""
    return re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-") or "analysis"


def fixed_settings(settings: Mapping[str, Any]) -> Any:
    """The section that stands for the controls of a run where there is no model to run.

    Parameters
    ----------
    settings : mapping
        Of the analysis.
    """
    words = [
        f"{settings[key]} {word}"
        for key, word in (("n_clusters", "clusters"), ("n_controls", "controls"))
        if key in settings
    ]
    if settings.get("controls") == "adaptive":
        words.append("drawn as needed")
    if settings.get("edges") == "activations":
        words.append("edges of activations")
    if settings.get("scope") == "local":
        words.append("each layer by itself")
    if "seed" in settings:
        words.append(f"seed {settings['seed']}")
    made = f"Made with {', '.join(words)}. " if words else ""
    note = text(
        f"{escape(made)}The model is not part of a saved analysis, so nothing can be run here. "
        "To run: <code>modviz.explore(model, data)</code>.",
        "modviz-note",
    )
    return section(note, name="modviz-norun")
