"""What a run computes: the controls that stand for keywords of `modviz.analyze`.

Only widgets and words; what they do is decided in `modviz.widgets.explorer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as w

from modviz.core.graph import Layer
from modviz.core.partition import Partition
from modviz.core.settings import MOST_IMAGE_CONTROLS, Settings
from modviz.widgets.parts import LABEL, choice, header, section, text
from modviz.widgets.settings import layer_span

#: What the selectors show for each choice of `modviz.core.settings`.
EDGES = {"weights": "weights", "activations": "activations"}
SCOPES = {"global": "all layers together", "local": "each layer by itself"}
DRAWS = {"fixed": "all of them", "adaptive": "as many as a verdict needs"}
NORMS = {"l1": "L1: sum", "induced": "induced, as the authors", "l2": "L2"}


class RunControls:
    """Settings of a run.

    Parameters
    ----------
    hidden : sequence of Layer
        The model's hidden layers.
    start : Settings
        First position of the controls.
    given : mapping
        Keywords of `modviz.analyze` that the user gave; those without a control are passed on.

    Attributes
    ----------
    partition, tests : widgets
        The two sections.
    """

    def __init__(self, hidden: Sequence[Layer], start: Settings, given: Mapping[str, Any]) -> None:
        self._hidden = tuple(hidden)
        self._start = start
        self._given = dict(given)
        self._own: Partition | None = given.get("partition")
        self._busy = False
        self.layers = self._layer_slider()
        self.layer_names = text("", "modviz-note")
        self.n_clusters = w.IntSlider(
            start.n_clusters,
            min=2,
            max=max(32, start.n_clusters),
            description="Clusters",
            tooltip="Into how many clusters the units are cut",
            continuous_update=False,
            style=LABEL,
        )
        self.edges = choice("Edges", EDGES, start.edges, "What connects units")
        self.scope = choice("Scope", SCOPES, start.scope, "What is clustered together")
        self.kernel_norm = choice(
            "Norm", NORMS, start.kernel_norm, "How a kernel or a channel's map becomes one number"
        )
        self._make_tests(start)
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
        self._images_follow()
        self._assemble()

    def _make_tests(self, start: Settings) -> None:
        self.n_controls = w.BoundedIntText(
            start.n_controls,
            min=1,
            max=max(9999, start.n_controls),
            description="Controls per subcluster",
            tooltip="Random groups that each subcluster is compared with",
            style=LABEL,
        )
        self.controls = choice("Draw", DRAWS, start.controls, "How many controls a lesion gets")
        self.features = w.ToggleButtons(
            options=[("on", True), ("off", False)],
            value=bool(start.features),
            description="Feature images",
            tooltips=["Optimise the pictures that drive each subcluster most", "Leave them out"],
            style={**LABEL, "button_width": "auto"},
        )
        self.n_image_controls = w.BoundedIntText(
            start.image_controls,
            min=1,
            max=start.n_controls,
            description="Image controls",
            tooltip="Random groups that each feature image is compared with",
            style=LABEL,
        )
        self.seed = w.BoundedIntText(
            start.seed,
            min=0,
            max=2**32 - 1,
            description="Seed",
            tooltip="Decides clustering, controls and the noise that images start from",
            style=LABEL,
        )

    def _assemble(self) -> None:
        self.partition = section(
            header("Partition"),
            *([] if self.layers is None else [self.layers]),
            self.layer_names,
            *([] if self._own is not None else [self.n_clusters, *self._graph]),
            name="modviz-partition",
        )
        self.tests = section(
            header("Tests"),
            self.n_controls,
            self.controls,
            self.features,
            self.n_image_controls,
            self.seed,
            name="modviz-tests",
        )

    def _layer_slider(self) -> Any | None:
        span = layer_span(self._given.get("layers"), self._hidden)
        if span is None or len(self._hidden) == 1 or self._own is not None:
            return None  # nothing to slide: a list with gaps, one layer, or a given partition
        return w.SelectionRangeSlider(
            options=[(str(layer.number), layer.name) for layer in self._hidden],
            index=span,
            description="Layers",
            tooltip="The first and the last layer that are analysed",
            continuous_update=True,
            style=LABEL,
        )

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each change of a setting."""
        for control in (*self._settings, self.n_image_controls):
            if control is not self.layers:
                control.observe(lambda _change: changed(), "value")
        if self.layers is not None:
            self.layers.observe(lambda _change: changed(), "index")

    def _chosen(self) -> list[Layer]:
        if self.layers is not None:
            first, last = self.layers.index
            return list(self._hidden[first : last + 1])
        if self._given.get("layers") is None:
            return list(self._hidden)
        return [layer for layer in self._hidden if layer.name in self._given["layers"]]

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

    def keywords(self) -> dict[str, Any]:
        """Every keyword that makes these controls again: of `modviz.explore`, with this model."""
        chosen = self._start.as_dict() | self._given
        if self.layers is not None:
            first, last = self.layers.index
            whole = (first, last) == (0, len(self._hidden) - 1)
            chosen["layers"] = None if whole else tuple(self.layers.value)
        if self._own is None:
            chosen |= {"edges": self.edges.value, "scope": self.scope.value}
            chosen["kernel_norm"] = self.kernel_norm.value
        return chosen | {
            "n_clusters": self.n_clusters.value,
            "n_controls": self.n_controls.value,
            "controls": self.controls.value,
            "n_image_controls": self.n_image_controls.value,
            "features": self.features.value,
            "seed": self.seed.value,
        }

    def settings(self) -> dict[str, Any]:
        """Keywords for `modviz.analyze`, as the controls stand."""
        chosen = self.keywords()
        chosen.pop("checkpoint", None)  # of the explorer; a run gets a folder of its own
        if self._own is not None or chosen["edges"] == "weights":
            chosen.pop("activation_images", None)  # they wait for the other edges
        return chosen

    def follow(self, settings: Mapping[str, Any]) -> None:
        """Take over the numbers of controls, which can grow without a run."""
        n = int(settings.get("n_controls", self.n_controls.value))
        self.n_controls.max = max(self.n_controls.max, n)
        self.n_controls.value = n
        wanted = settings.get("n_image_controls")
        if wanted is not None:
            self.n_image_controls.value = min(int(wanted), n)

    def fits(self, settings: Mapping[str, Any]) -> bool:
        """Whether these controls can stand for some settings, all of them, of the same model."""
        layers = settings["layers"]
        if self.layers is None:
            given = self._given.get("layers")
            return bool(layers == (list(given) if isinstance(given, list) else given))
        names = {layer.name for layer in self._hidden}
        whole = layers is None or (isinstance(layers, tuple) and len(layers) == 2)
        return whole and names.issuperset(layers or ())

    def take(self, settings: Mapping[str, Any]) -> None:
        """Stand for some settings, all of them, that fit."""
        if self.layers is not None:
            names = [layer.name for layer in self._hidden]
            ends = settings["layers"] or (names[0], names[-1])
            self.layers.index = names.index(ends[0]), names.index(ends[1])
        self.n_clusters.max = max(self.n_clusters.max, settings["n_clusters"])
        self.n_controls.max = max(self.n_controls.max, settings["n_controls"])
        controls = {
            "n_clusters": self.n_clusters,
            "edges": self.edges,
            "scope": self.scope,
            "kernel_norm": self.kernel_norm,
            "n_controls": self.n_controls,
            "controls": self.controls,
            "features": self.features,
            "seed": self.seed,
        }
        for name, control in controls.items():
            control.value = settings[name]
        of_images = settings["n_image_controls"]
        self._wanted_images = MOST_IMAGE_CONTROLS if of_images is None else of_images
        self._images_follow()
        now = self.keywords()
        without = set(settings).difference(controls, ("layers", "n_image_controls"))
        self._given |= {name: settings[name] for name in without if now[name] != settings[name]}

    def set_busy(self, *, busy: bool) -> None:
        """Settings can be changed while nothing works."""
        self._busy = busy
        for control in self._settings:
            control.disabled = busy
        self._images_follow()
