"""The left column of the explorer: what to compute, how far it is, where results are written.

Only widgets and words; what they do is decided in `modviz.widgets.explorer`.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from modviz.core.analysis import Analysis
from modviz.core.graph import Layer
from modviz.core.partition import Partition
from modviz.core.progress import Progress
from modviz.core.settings import Settings
from modviz.widgets.job import time_left
from modviz.widgets.settings import layer_span

_LABEL = {"description_width": "100px"}

#: What the selectors show for each choice of `modviz.core.settings`.
EDGES = {"weights": "weights", "activations": "activations"}
SCOPES = {"global": "all layers together", "local": "each layer by itself"}
DRAWS = {"fixed": "all of them", "adaptive": "as many as a verdict needs"}
NORMS = {"l1": "L1: sum", "induced": "induced, as the authors", "l2": "L2"}


def _html(text: str = "", name: str = "") -> Any:
    block = w.HTML(text)
    block.add_class("modviz-text")
    if name:
        block.add_class(name)
    return block


def _section(*children: Any, name: str) -> Any:
    box = w.VBox(children)
    box.add_class("modviz-section")
    box.add_class(name)
    return box


def _choice(description: str, words: Mapping[str, str], value: str, help_: str) -> Any:
    """A selector of one keyword's values, in words."""
    return w.Dropdown(
        options=[(word, name) for name, word in words.items()],
        value=value,
        description=description,
        tooltip=help_,
        style=_LABEL,
    )


def group(*blocks: Any) -> Any:
    """Blocks that stay below each other, also where the controls stand in a row."""
    box = w.VBox(blocks)
    box.add_class("modviz-group")
    return box


class Heading:
    """Title and what is analysed."""

    def __init__(self) -> None:
        self.block = _html(name="modviz-heading")
        self.show("")

    def show(self, *lines: str) -> None:
        """Put `lines` under the title."""
        text = "<br>".join(escape(line) for line in lines)
        self.block.value = f'<div class="modviz-title">Modularity explorer</div><div>{text}</div>'


class RunControls:
    """Settings of a run, the buttons that start and stop it, and how far it is.

    Parameters
    ----------
    hidden : sequence of Layer
        The model's hidden layers.
    start : Settings
        First position of the controls.
    given : mapping
        Keywords of `modviz.analyze` that the user gave; those without a control are passed on.
    """

    def __init__(self, hidden: Sequence[Layer], start: Settings, given: Mapping[str, Any]) -> None:
        self._hidden = tuple(hidden)
        self._given = dict(given)
        self._own: Partition | None = given.get("partition")
        self.layers = self._layer_slider()
        self.layer_names = _html(name="modviz-note")
        self.n_clusters = w.IntSlider(
            start.n_clusters,
            min=2,
            max=max(32, start.n_clusters),
            description="Clusters",
            continuous_update=False,
            style=_LABEL,
        )
        self.edges = _choice("Edges", EDGES, start.edges, "What connects units")
        self.scope = _choice("Scope", SCOPES, start.scope, "What is clustered together")
        self.kernel_norm = _choice(
            "Norm", NORMS, start.kernel_norm, "How a kernel or a channel's map becomes one number"
        )
        self.n_controls = w.BoundedIntText(
            start.n_controls,
            min=1,
            max=max(9999, start.n_controls),
            description="Controls per subcluster",
            style=_LABEL,
        )
        self.controls = _choice("Draw", DRAWS, start.controls, "How many controls a lesion gets")
        self.features = w.ToggleButtons(
            options=[("on", True), ("off", False)],
            value=bool(start.features),
            description="Feature images",
            style={**_LABEL, "button_width": "auto"},
        )
        self.n_image_controls = w.BoundedIntText(
            start.image_controls,
            min=1,
            max=start.n_controls,
            description="Image controls",
            style=_LABEL,
        )
        self.seed = w.BoundedIntText(
            start.seed, min=0, max=2**31 - 1, description="Seed", style=_LABEL
        )
        self.run = w.Button(description="Run", tooltip="Analyse the model with these settings")
        self.cancel = w.Button(
            description="Cancel", tooltip="Stop and keep what is finished", disabled=True
        )
        self.run.add_class("modviz-primary")
        self.bar = w.FloatProgress(0, min=0, max=1)
        self.message = _html(name="modviz-note")
        self._settings = [self.n_clusters, self.n_controls, self.controls, self.features, self.seed]
        self._graph = [self.edges, self.scope]
        if any(layer.kind.startswith("conv") for layer in hidden):
            self._graph.append(self.kernel_norm)  # elsewhere there is nothing that it changes
        self._settings += self._graph
        if self.layers is not None:
            self._settings.append(self.layers)
            self.layers.observe(self._name_layers, "index")
        self._wanted_images = self.n_image_controls.value
        self.n_image_controls.observe(self._images_wanted, "value")
        self.features.observe(self._images_follow, "value")
        self.n_controls.observe(self._images_follow, "value")
        self._name_layers()
        self.set_busy(busy=False)
        buttons = w.HBox([self.run, self.cancel])
        buttons.add_class("modviz-buttons")
        self.choices = (
            _section(
                _html("Partition", "modviz-header"),
                *([] if self.layers is None else [self.layers]),
                self.layer_names,
                *([] if self._own is not None else [self.n_clusters, *self._graph]),
                name="modviz-partition",
            ),
            _section(
                _html("Tests", "modviz-header"),
                self.n_controls,
                self.controls,
                self.features,
                self.n_image_controls,
                self.seed,
                name="modviz-tests",
            ),
        )
        self.running = _section(buttons, self.bar, self.message, name="modviz-run")

    def _layer_slider(self) -> Any | None:
        span = layer_span(self._given.get("layers"), self._hidden)
        if span is None or len(self._hidden) == 1 or self._own is not None:
            return None  # nothing to slide: a list with gaps, one layer, or a given partition
        return w.SelectionRangeSlider(
            options=[(str(layer.number), layer.name) for layer in self._hidden],
            index=span,
            description="Layers",
            continuous_update=True,
            style=_LABEL,
        )

    def _chosen(self) -> list[Layer]:
        if self.layers is not None:
            first, last = self.layers.index
            return list(self._hidden[first : last + 1])
        if self._given.get("layers") is None:
            return list(self._hidden)
        given = self._given["layers"]
        names = {given} if isinstance(given, str) else set(given)
        return [layer for layer in self._hidden if layer.name in names]

    def _name_layers(self, _change: object = None) -> None:
        if self._own is not None:
            self.layer_names.value = f"your own partition: {self._own.n_clusters} clusters"
            return
        chosen = self._chosen()
        units = f"{sum(layer.n_units for layer in chosen):,} units"
        if len(chosen) == 1:
            names = f"layer {chosen[0].name}"
        elif self.layers is None:
            names = f"layers {', '.join(layer.name for layer in chosen)}"
        else:
            names = f"{chosen[0].name} to {chosen[-1].name}"
        self.layer_names.value = f"{escape(names)} · {units}"

    def _images_wanted(self, change: dict[str, Any]) -> None:
        self._wanted_images = change["new"]

    def _images_follow(self, _change: object = None) -> None:
        wanted = self._wanted_images  # comes back when there are enough controls again
        self.n_image_controls.max = self.n_controls.value
        self.n_image_controls.value = min(wanted, self.n_controls.value)
        self._wanted_images = wanted
        self.n_image_controls.disabled = self._busy or not self.features.value

    def settings(self) -> dict[str, Any]:
        """Keywords for `modviz.analyze`, as the controls stand."""
        chosen = dict(self._given)
        if self.layers is not None:
            first, last = self.layers.index
            whole = (first, last) == (0, len(self._hidden) - 1)
            chosen["layers"] = None if whole else tuple(self.layers.value)
        if self._own is None:
            chosen |= {"edges": self.edges.value, "scope": self.scope.value}
            if self.kernel_norm in self._graph:
                chosen["kernel_norm"] = self.kernel_norm.value
            if self.edges.value == "weights":
                chosen.pop("activation_images", None)  # they wait for the other edges
        return chosen | {
            "n_clusters": self.n_clusters.value,
            "n_controls": self.n_controls.value,
            "controls": self.controls.value,
            "n_image_controls": self.n_image_controls.value,
            "features": self.features.value,
            "seed": self.seed.value,
        }

    def set_busy(self, *, busy: bool) -> None:
        """Settings and Run while nothing runs, Cancel while something does."""
        self._busy = busy
        for control in self._settings:
            control.disabled = busy
        self.run.disabled = busy
        self.cancel.disabled = not busy
        self._images_follow()

    def show_progress(self, progress: Progress) -> None:
        """Move the bar and say what is being done."""
        self.bar.value = progress.done / progress.total if progress.total > 0 else 0.0
        self.bar.bar_style = ""
        self.say(progress.message, time_left(progress.seconds_left))

    def say(self, *parts: str) -> None:
        """Put words under the bar."""
        self.message.value = " · ".join(escape(part) for part in parts if part)


def fixed_settings(analysis: Analysis) -> Any:
    """The section that stands for `RunControls` where there is no model to run."""
    settings = analysis.settings
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
        words.append(SCOPES["local"])
    if "seed" in settings:
        words.append(f"seed {settings['seed']}")
    made = f"Made with {', '.join(words)}. " if words else ""
    return _section(
        _html(
            f"{escape(made)}The model is not part of a saved analysis, so nothing can be run here. "
            "To run: <code>modviz.explore(model, data)</code>.",
            "modviz-note",
        ),
        name="modviz-norun",
    )


class FileControls:
    """Save and Report, and where they wrote to.

    Parameters
    ----------
    stem : str
        Proposal for the name of the files.
    """

    def __init__(self, stem: str) -> None:
        self.name = w.Text(stem, description="File name", style=_LABEL)
        self.save = w.Button(
            description="Save", tooltip="Write the analysis as a .modviz file", disabled=True
        )
        self.report = w.Button(
            description="Report", tooltip="Write the panels as one HTML page", disabled=True
        )
        self.message = _html(name="modviz-note")
        buttons = w.HBox([self.save, self.report])
        buttons.add_class("modviz-buttons")
        self.section = _section(self.name, buttons, self.message, name="modviz-files")

    def path(self, suffix: str) -> Path:
        """The file that the name stands for, with a number if it is taken already."""
        name = self.name.value.strip().removesuffix(suffix) or "analysis"
        return free_path(Path(name).expanduser(), suffix)

    def wrote(self, path: Path) -> None:
        """Say where a file was written."""
        size = path.stat().st_size
        shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
        where = path.resolve()
        self.message.value = (
            f"Wrote <b>{escape(where.name)}</b> ({shown}) in {escape(str(where.parent))}"
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


class Problem:
    """An error in words, with its traceback folded away."""

    def __init__(self) -> None:
        self.block = _html(name="modviz-problem")
        self.block.layout.display = "none"

    def show(self, what: str, error: BaseException | None = None) -> None:
        """Say `what` went wrong; of `error` the message, its traceback folded."""
        text = f"<b>{escape(what)}</b>"
        if error is not None:
            words = str(error) or type(error).__name__
            trace = "".join(traceback.format_exception(error))
            text += (
                f"<div>{escape(words)}</div><details><summary>Traceback</summary>"
                f"<pre>{escape(trace)}</pre></details>"
            )
        self.block.value = f'<div role="alert">{text}</div>'
        self.block.layout.display = ""

    def clear(self) -> None:
        """Take it away."""
        self.block.value = ""
        self.block.layout.display = "none"
