"""Explorers without a model, a browser or HoloViews: what is tested is the state between them."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import Column, ColumnDataSource, Div
from bokeh.plotting import figure

from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.widgets import explorer as explorer_module
from modviz.widgets.bokeh_pane import LiveDocument

HIDDEN = (Layer("fc1", "linear", 8, number=1), Layer("fc2", "linear", 8, number=2))


class SmallPage:
    """What the explorer needs of a page, with the names that panels and front end agree on."""

    def __init__(self, analysis: Analysis | None = None) -> None:
        self.document = Document()
        self.selection = ColumnDataSource({"name": []}, name="modviz-selection")
        self.panel = figure(name="modviz-adjacency", x_range=(0, 10), y_range=(0, 10))
        self.panel.scatter("x", "y", source=ColumnDataSource({"x": [1], "y": [1]}))
        self.text = Div(text="empty", tags=[self.selection])
        self.document.add_root(Column(self.text, name="card"))
        self.document.add_root(Column(self.panel, name="page"))
        self.shown = [analysis]
        self.zooms: list[tuple[float, ...]] = []
        self.names: set[str] = set()
        if analysis is not None:
            self.names = {s.name for s in analysis.subclusters}

    def update(self, analysis: Analysis) -> None:
        self.shown.append(analysis)
        self.names = {s.name for s in analysis.subclusters}
        self.text.text = repr(analysis)
        kept = [name for name in self.selected if name in self.names]
        if kept != list(self.selected):
            self.selection.data = {"name": kept}

    @property
    def selected(self) -> tuple[str, ...]:
        return tuple(self.selection.data["name"])

    def select(self, names: Any) -> None:
        self.selection.data = {"name": list(names)}

    def zoom(self, x0: float, x1: float, y0: float, y1: float) -> None:
        self.zooms.append((x0, x1, y0, y1))
        self.text.text = f"zoomed to {x0}"


@pytest.fixture
def make_analysis() -> Callable[..., Analysis]:
    def make(status: Any = "complete", lesions: bool = True, n_clusters: int = 2) -> Analysis:
        graph = NeuronGraph(HIDDEN, {(0, 1): np.ones((8, 8))})
        labels = np.arange(16) % n_clusters
        partition = Partition(labels, n_clusters, graph)
        n = len(partition.subclusters)
        rng = np.random.default_rng(0)
        results = LesionResults(
            np.array([0.9, 0.8]), rng.uniform(size=(n, 2)), rng.uniform(size=(n, 3, 2)), 500
        )
        return Analysis(
            partition,
            size_rule(partition),
            ("cat", "dog"),
            results if lesions else None,
            status=status,
            settings={"n_clusters": n_clusters, "n_controls": 3, "seed": 5},
            model_name="Small",
        )

    return make


class Parameter:
    def numel(self) -> int:
        return 1234


class Model:
    def parameters(self) -> list[Parameter]:
        return [Parameter()]


class Runs:
    """A stand-in for `modviz.measure.run` whose runs do what the test says, step by step."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.body: Callable[..., Analysis] | None = None
        self.module: types.ModuleType | None = None

    def analyze(
        self,
        model: Any,
        data: Any,
        *,
        layers: Any = None,
        n_clusters: int = 16,
        edges: str = "weights",
        scope: str = "global",
        kernel_norm: str = "l1",
        activation_images: Any = None,
        n_controls: int = 99,
        n_image_controls: int | None = None,
        controls: str = "fixed",
        lesion: str = "zero",
        features: bool = True,
        seed: int = 0,
        partition: Partition | None = None,
        progress: Any = True,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        given = {
            "layers": layers,
            "n_clusters": n_clusters,
            "edges": edges,
            "scope": scope,
            "n_controls": n_controls,
            "n_image_controls": n_image_controls,
            "controls": controls,
            "lesion": lesion,
            "features": features,
            "seed": seed,
        }
        self.calls.append(given)
        assert self.body is not None
        return self.body(progress, cancel)

    def hidden_layers(self, model: Any, data: Any) -> tuple[Layer, ...]:
        if data == "bad":
            raise ValueError("images have shape (3,); expected (n, 8)")
        return HIDDEN


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    import modviz.measure

    fake = Runs()
    module = types.ModuleType("modviz.measure.run")
    fake.module = module
    module.__dict__.update(analyze=fake.analyze, hidden_layers=fake.hidden_layers)
    inputs = types.ModuleType("modviz.measure.inputs")
    inputs.__dict__.update(module_of=lambda model: model)
    for name, made in (("run", module), ("inputs", inputs)):
        monkeypatch.setitem(sys.modules, f"modviz.measure.{name}", made)
        monkeypatch.setattr(modviz.measure, name, made, raising=False)
    return fake


@pytest.fixture(autouse=True)
def small_page(monkeypatch: pytest.MonkeyPatch) -> type[SmallPage]:
    monkeypatch.setattr(explorer_module, "Page", SmallPage)
    return SmallPage


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Everything that live documents send to browsers."""
    messages: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(
        LiveDocument,
        "send",
        lambda self, content, buffers=None: messages.append((content, list(buffers or []))),
    )
    return messages


@pytest.fixture
def model() -> Model:
    return Model()
