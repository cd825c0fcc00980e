"""A report whose subclusters differ in everything that a page sorts and filters by, and its parts.

Selectors of Playwright see into the open shadow roots in which Bokeh draws.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import Partition
from modviz.core.sequential import rule_for
from modviz.view.facts import Facts
from modviz.view.report import report
from tests.browser.drivers import Window
from tests.browser.linked import CLASSES, GALLERY, LESIONS, Panels

#: Without A1 .. C3 accuracy changes by so many points; random groups by 0 to about -10.
_CHANGES = (-3.0, -30.0, -1.0, -25.0, -12.0, -7.0, -20.0, -0.5, -9.0)
#: Of these only a few random groups have been drawn: nothing can be said yet.
_FEW = (4, 6)
_CONTROLS = 199
#: Sides of a page in pixels beside the panels: two margins, the card, and the gap between.
BESIDE = 2 * 20 + 280 + 24

_FIGURE = """
const all = [...Bokeh.documents[0].all_models]
const names = (figure) => figure.renderers.map((renderer) => renderer.name)
const figure = all.find((model) => model.type === "Figure" && model.name !== argument.not
  && argument.layers.every((name) => names(model).includes(name)))
const source = (name) => figure.renderers.find((r) => r.name === name).data_source
"""


@cache
def varied(layer_name: str = "fc{}") -> Analysis:
    """Three layers of 24 units in clusters of 10, 7, 5 and 2; those of 2 are too small to test."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [10, 7, 5, 2])
    layers = [Layer(layer_name.format(k), "linear", 24, number=k) for k in (1, 2, 3)]
    blocks = {
        (k, k + 1): rng.random((24, 24)) * np.where(labels[:, None] == labels, 4.0, 1.0)
        for k in (0, 1)
    }
    partition = Partition(np.tile(labels, 3), 4, NeuronGraph(layers, blocks))
    tested = size_rule(partition)
    s, places = len(tested), np.flatnonzero(tested)
    intact = np.full(4, 0.9)
    lesioned, controls = np.full((s, 4), np.nan), np.full((s, _CONTROLS, 4), np.nan)
    for place, (i, change) in enumerate(zip(places, _CHANGES, strict=True)):
        lesioned[i] = intact + change / 100 * np.array([0.5, 1.5, 0.8, 1.2])
        most = 6 if place == 8 else 10  # the last one's random groups cost less: its p is smaller
        drawn = rng.permutation(np.linspace(0, -most, _CONTROLS))
        controls[i] = intact + drawn[:, None] / 100 * (1 + rng.uniform(-1, 1, (_CONTROLS, 4)))
        if place in _FEW:
            controls[i, 39:] = np.nan
    lesions = LesionResults(intact, lesioned, controls, 400, np.full(s, 0.01), rule_for(_CONTROLS))

    def where_tested(values: Any) -> Any:
        values = np.array(values, dtype=float)
        values[~tested] = np.nan
        return values

    pictures = where_tested(rng.random((s, 20, 20, 1))).astype(np.float32)
    others = where_tested(rng.random((s, 20, 20, 1))).astype(np.float32)
    best = np.where(np.arange(s) == places[2], 9.0, 0.5)  # one picture drives more than all others
    score, entropy = where_tested(best), where_tested(np.ones(s))
    alike = where_tested(rng.uniform(0.2, 0.9, (s, _CONTROLS)))
    features = FeatureResults(score, entropy, alike, alike, pictures, others)
    tops = TopImages(
        where_tested(np.linspace(0, 1, s)),
        where_tested(rng.random((s, 19))),
        np.ones((s, 10)),
        np.arange(10 * s).reshape(s, 10),
        np.arange(10 * s).reshape(s, 10) % 4,
        where_tested(rng.random((s, 10, 24, 24, 3))).astype(np.float32),
        n_images=400,
    )
    return Analysis(
        partition,
        tested,
        ("cat", "dog", "<b>owl</b>", "fox"),
        lesions=lesions,
        features=features,
        top_images=tops,
        settings={"n_controls": _CONTROLS},
        model_name="Varied",
    )


class ReportPage:
    """A report that is open in a window."""

    def __init__(self, window: Window, path: Path) -> None:
        self.window, self.page = window, window.page
        self.panels = Panels.in_report(self.page)
        self.page.goto(path.as_uri())
        self.ready()

    def ready(self) -> None:
        """Wait until the document is drawn, and its pictures are there."""
        self.page.wait_for_function(
            """() => {
              const document = globalThis.Bokeh?.documents[0]
              if (document?.is_idle !== true) return false
              const [tiles] = [...document.all_models].filter((model) => model.name === "tiles")
              const [shown] = [...document.all_models].filter(
                (model) => model.name === "pictures" && model.type === "ColumnDataSource")
              const gallery = [...document.all_models].find((model) => model.type === "Figure"
                && model.renderers.some((renderer) => renderer.data_source === shown))
              const {name} = gallery.renderers.find((r) => r.name === "hits").data_source.data
              const here = new Set(name) // of the page of the gallery that is drawn
              const wanted = new Set([...tiles.data.of].filter((of) => here.has(of)))
              return wanted.size === shown.data.image.length
            }"""
        )

    def ask(self, layers: tuple[str, ...], body: str, **argument: Any) -> Any:
        """A function of `figure` and `source(layer)` of the first figure with these layers."""
        return self.panels.ask(_FIGURE + body, layers=list(layers), **{"not": ""} | argument)

    def wait(self, layers: tuple[str, ...], body: str, **argument: Any) -> None:
        """Wait until such a function gives true."""
        self.page.wait_for_function(
            f"(argument) => {{ const Bokeh = globalThis.Bokeh; {_FIGURE} {body} }}",
            arg={"layers": list(layers), "not": "", **argument},
        )

    def columns(self, layers: tuple[str, ...], name: str) -> dict[str, list[Any]]:
        """What a layer draws now: a list for each column."""
        body = """return Object.fromEntries(Object.entries(source(argument.name).data)
            .map(([key, values]) => [key, [...values]]))"""
        return dict(self.ask(layers, body, name=name))

    def rows(self, layers: tuple[str, ...] = LESIONS) -> list[str]:
        """The subclusters of a figure, from top to bottom."""
        hits = self.columns(layers, "hits")
        placed = zip(hits["bottom"], hits["name"], strict=True)
        return [name for y, name in sorted(placed) if not np.isnan(y)]

    def wait_for_rows(self, names: list[str]) -> None:
        """Wait until the lesion panel shows these, from top to bottom."""
        body = """const {bottom, name} = source("hits").data
            const there = [...name.keys()].filter((k) => Number.isFinite(bottom[k]))
            there.sort((a, b) => bottom[a] - bottom[b])
            return there.map((k) => name[k]).join(" ") === argument.wanted"""
        self.wait(LESIONS, body, wanted=" ".join(names))

    def size(self, layers: tuple[str, ...]) -> tuple[int, int]:
        """Width and height of a figure."""
        width, height = self.ask(layers, "return [figure.width, figure.height]")
        return int(width), int(height)

    def heights(self) -> list[int]:
        """Heights of the panels of lesions and classes, and of the gallery."""
        return [self.size(layers)[1] for layers in (LESIONS, CLASSES, GALLERY)]

    def selector(self, key: str) -> Locator:
        """One of the selectors of the page's state."""
        return self.page.locator(f'select[data-view="{key}"]')

    def act(self, name: str) -> Locator:
        """A button of the page; of several that do the same the first, which is that of the bar."""
        return self.page.locator(f'[data-act="{name}"]').first

    def table(self, caption: str, *, shown: bool = True) -> list[str]:
        """The subclusters of the table whose caption begins so, from top to bottom."""
        rows = self.page.locator(f'table:has(caption:text("{caption}")) tr[data-of]')
        hidden = " && !row.hidden" if shown else ""
        names = rows.evaluate_all(
            f"(all) => all.filter((row) => true{hidden}).map((row) => row.dataset.of)"
        )
        return [str(name) for name in names]

    @property
    def count(self) -> Locator:
        """What the bar says of how many are shown and selected."""
        return self.page.locator("[data-count]")

    def matrix(self, order: str = "cluster") -> dict[str, list[float]]:
        """Ends of both axes of a matrix."""
        name = "modviz-adjacency" + ("-by-layer" if order == "layer" else "")
        body = """const f = Bokeh.documents[0].get_model_by_name(argument.name)
            return {x: [f.x_range.start, f.x_range.end], y: [f.y_range.start, f.y_range.end]}"""
        return dict(self.panels.ask(body, name=name))


def sideways(page: Page) -> int:
    """Pixels by which a page is wider than its window."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - innerWidth"))


def order(analysis: Analysis, sort: str) -> list[str]:
    """The tested subclusters as a page sorted so has to show them."""
    facts = Facts(analysis)

    def key(i: int) -> tuple[float, ...]:
        s = facts.subclusters[i]
        change = float(facts.change[i])
        return {
            "effect": (change, i),
            "p": (facts.p("accuracy", i), change, i),
            "layer": (s.layer_number, s.cluster),
            "cluster": (s.cluster, s.layer_number),
        }[sort]

    tested = [i for i in range(len(facts.names)) if facts.tested[i]]
    return [facts.names[i] for i in sorted(tested, key=key)]


def written(folder: Path, analysis: Analysis | None = None) -> Path:
    """The report of an analysis."""
    return report(varied() if analysis is None else analysis, folder / "report.html")
