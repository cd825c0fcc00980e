"""Explorers without a model, a browser or HoloViews: what is tested is the state between them."""

from __future__ import annotations

import inspect
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import Column, ColumnDataSource, Div
from bokeh.plotting import figure

from modviz.core.analysis import Analysis, LesionResults, size_rule
from modviz.core.estimates import Estimate
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.settings import Settings
from modviz.widgets import Explorer, estimating
from modviz.widgets import shown as shown_module
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
        self.zooms: list[tuple[Any, ...]] = []
        self.names: set[str] = set()
        self.choices: list[Any] = []
        self.pairs: list[Any] = []
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

    def show_choice(self, choice: Any) -> None:
        self.choices.append(choice)

    def show_interactions(self, found: Any) -> None:
        self.pairs.append(found)

    def zoom(self, x0: float, x1: float, y0: float, y1: float, figure: str) -> None:
        self.zooms.append((x0, x1, y0, y1, figure))
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
            settings={"n_clusters": n_clusters, "n_controls": 3, "seed": 5, "lesion": "zero"},
            model_name="Small",
        )

    return make


class Parameter:
    def numel(self) -> int:
        return 1234


class Model:
    def parameters(self) -> list[Parameter]:
        return [Parameter()]


STAGES = ("reading", "graph", "partition", "lesions", "images", "features")


class Kept:
    """What earlier runs left: here what the test says."""

    planned_stages: tuple[str, ...] = STAGES
    asked: list[dict[str, Any]]

    def __init__(self) -> None:
        self.asked = []

    def planned(self, settings: dict[str, Any]) -> tuple[str, ...]:
        self.asked.append(dict(settings))
        return self.planned_stages


class Runs:
    """A stand-in for what measures, whose work does what the test says, step by step."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.more_calls: list[dict[str, Any]] = []
        self.pair_calls: list[dict[str, Any]] = []
        self.estimate_calls: list[dict[str, Any]] = []
        self.body: Callable[..., Analysis] | None = None
        self.more_body: Callable[..., Analysis] | None = None
        self.pair_body: Callable[..., Any] | None = None
        self.estimate_body: Callable[..., Any] | None = None
        self.module: types.ModuleType | None = None

    def analyze(
        self,
        model: Any,
        data: Any,
        *,
        activation_images: Any = None,
        partition: Partition | None = None,
        preprocess: Any = None,
        class_names: Any = None,
        head: Any = None,
        connections: Any = None,
        workers: int | None = None,
        executor: Any = None,
        memory_limit: int | None = None,
        kept: Any = None,
        progress: Any = True,
        cancel: threading.Event | None = None,
        **settings: Any,
    ) -> Analysis:
        self.calls.append(Settings(**settings).as_dict() | {"kept": kept})
        assert self.body is not None
        return self.body(progress, cancel)

    def more_controls(
        self,
        analysis: Analysis,
        model: Any,
        data: Any,
        *,
        subclusters: Any = None,
        n_controls: int,
        kept: Any = None,
        progress: Any = True,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        self.more_calls.append(
            {"analysis": analysis, "subclusters": subclusters, "n_controls": n_controls}
        )
        assert self.more_body is not None
        return self.more_body(progress, cancel)

    def interactions(
        self,
        model: Any,
        data: Any,
        partition: Partition,
        *,
        progress: Any = True,
        cancel: threading.Event | None = None,
        **settings: Any,
    ) -> Any:
        self.pair_calls.append(settings)
        assert self.pair_body is not None
        return self.pair_body(progress, cancel)

    def estimate(self, model: Any, data: Any, **asked: Any) -> Estimate:
        self.estimate_calls.append(asked)
        if self.estimate_body is None:
            raise RuntimeError("no estimate today")
        return self.estimate_body()

    def hidden_layers(self, model: Any, data: Any, **_asked: Any) -> tuple[Layer, ...]:
        if data == "bad":
            raise ValueError("images have shape (3,); expected (n, 8)")
        return HIDDEN


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    import modviz.measure

    fake = Runs()
    contents: dict[str, dict[str, Any]] = {
        "run": {"analyze": explained(fake.analyze), "hidden_layers": fake.hidden_layers},
        "inputs": {"module_of": lambda model: model},
        "kept": {"Kept": type("Kept", (Kept,), {})},
        "more": {"more_controls": fake.more_controls},
        "interactions": {"interactions": fake.interactions},
        "estimate": {"estimate": fake.estimate},
    }
    for name, content in contents.items():
        module = types.ModuleType(f"modviz.measure.{name}")
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(modviz.measure, name, module, raising=False)
    fake.module = sys.modules["modviz.measure.run"]
    monkeypatch.setattr(estimating, "twin", lambda model: model)
    return fake


def explained(analyze: Callable[..., Analysis]) -> Callable[..., Analysis]:
    """The function with a signature that names every keyword, as the real one has."""
    own = inspect.signature(analyze)
    kind = inspect.Parameter.KEYWORD_ONLY
    named = [inspect.Parameter(field.name, kind, default=None) for field in fields(Settings)]
    rest = [p for p in own.parameters.values() if p.kind is kind]
    begin = [p for p in own.parameters.values() if p.kind not in (kind, p.VAR_KEYWORD)]

    def called(*arguments: Any, **keywords: Any) -> Analysis:
        return analyze(*arguments, **keywords)

    called.__signature__ = inspect.Signature([*begin, *named, *rest])  # type: ignore[attr-defined]
    return called


@pytest.fixture(autouse=True)
def small_page(monkeypatch: pytest.MonkeyPatch) -> type[SmallPage]:
    monkeypatch.setattr(shown_module, "Page", SmallPage)
    return SmallPage


_ASK = estimating.Estimates.ask


@pytest.fixture(autouse=True)
def no_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is estimated behind a test's back."""
    monkeypatch.setattr(estimating.Estimates, "ask", lambda self: None)


@pytest.fixture
def estimates(no_estimates: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates are made, and at once."""
    monkeypatch.setattr(estimating.Estimates, "ask", _ASK)
    monkeypatch.setattr(estimating, "PAUSE", 0.0)


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


@pytest.fixture
def explorer(runs: Runs, model: Model, make_analysis: Callable[..., Analysis]) -> Explorer:
    """An explorer after a run with 2 clusters and 3 controls."""
    runs.body = lambda progress, cancel: make_analysis()
    made = Explorer(
        model=model, data="images", settings={"n_clusters": 2, "n_controls": 3, "seed": 5}
    )
    made.run()
    assert made.wait(20)
    return made
