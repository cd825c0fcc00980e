"""The linked panels of one document on a page: where things are, what is marked, clicks.

A panel is found by the names of renderers that only it has; they stand below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

LESIONS, MATRIX = ("dots", "controls"), ("image", "borders")
GALLERY, CLASSES = ("pictures", "blanks"), ("cells", "notes")
TABLE, BARS = ("swatches",), ("bars", "sides")
#: Panels in which a click takes the subcluster under the mouse.
PANELS = {
    "lesions": LESIONS,
    "matrix": MATRIX,
    "gallery": GALLERY,
    "classes": CLASSES,
    "bars": BARS,
}

#: Where the front end keeps BokehJS, out of the page's globals.
LIBRARY = '[...globalThis[Symbol.for("modviz.bokeh.1")].libraries.values()][0]'

# Bodies of functions of (Bokeh, argument).
_FIGURE = """
const document = Bokeh.documents[argument.document ?? 0]
const figures = [...document.all_models].filter((model) => model.type === "Figure")
const named = (figure) => figure.renderers.map((renderer) => renderer.name)
const [figure] = figures.filter((f) => argument.layers.every((name) => named(f).includes(name)))
if (figure == null) return null
const source = figure.renderers.find((renderer) => renderer.name === "hits").data_source
"""
_PLACE = (
    _FIGURE
    + """
const view = Bokeh.index.find_one(figure)
const canvas = view.canvas_view.el
const {left, right, top, bottom, name} = source.data
const k = argument.name == null ? argument.row : [...name].indexOf(argument.name)
const x = (left[k] + right[k]) / 2
const y = (top[k] + bottom[k]) / 2
const between = (a, b, v) => Math.min(a, b) <= v && v <= Math.max(a, b)
const covers = (i) => between(left[i], right[i], x) && between(top[i], bottom[i], y)
const names = [...name].filter((_, i) => covers(i))
canvas.scrollIntoView({block: "center", inline: "nearest"})
let scroller = canvas  // a panel can be higher than the window: bring the point itself into view
const scrolls = (node) => node.scrollHeight > node.clientHeight
  && ["auto", "scroll"].includes(getComputedStyle(node).overflowY)
while (scroller != null && !(scroller instanceof Element && scrolls(scroller))) {
  scroller = scroller.parentNode ?? scroller.host
}
scroller ??= globalThis.document.scrollingElement
const height = canvas.getBoundingClientRect().y + view.frame.y_scale.compute(y)
if (height < 150 || height > innerHeight - 150) scroller.scrollBy(0, height - innerHeight / 2)
const box = canvas.getBoundingClientRect()
return {
  x: box.x + view.frame.x_scale.compute(x),
  y: box.y + view.frame.y_scale.compute(y),
  names: [...new Set(names)],
}
"""
)
_LINKED = """
const document = Bokeh.documents[argument.document ?? 0]
const sources = [...document.all_models].filter((model) => model.type === "ColumnDataSource")
const linked = sources.filter((source) => ["hits", "columns"].includes(source.name))
"""
_MARKED = (
    _LINKED
    + """
return linked.map((source) => {
  const names = source.selected.indices.map((index) => source.data.name[index])
  return [...new Set(names)].sort()
})
"""
)
_MARKS_JUST = (
    _LINKED
    + """
const found = new Set()
const right = linked.every((source) => {
  const shown = new Set(source.data.name)
  const marked = new Set(source.selected.indices.map((index) => source.data.name[index]))
  const wanted = argument.wanted.filter((name) => shown.has(name))
  for (const name of marked) found.add(name)
  return marked.size === wanted.length && wanted.every((name) => marked.has(name))
})
return linked.length > 5 && right && found.size === argument.wanted.length
"""
)
_SELECTED = """
const document = Bokeh.documents[argument.document ?? 0]
return [...document.get_model_by_name("modviz-selection").data.name]
"""


@dataclass(frozen=True)
class Place:
    """A point on the screen, and the subclusters a click there stands for."""

    x: float
    y: float
    names: list[str]


@dataclass(frozen=True)
class Panels:
    """The linked panels of one document on a page."""

    page: Page
    bokeh: str
    document: int = 0

    @classmethod
    def in_notebook(cls, page: Page, document: int = 0) -> Panels:
        """Of an explorer: its BokehJS stays out of the page's globals."""
        return cls(page, LIBRARY, document)

    @classmethod
    def in_report(cls, page: Page) -> Panels:
        """Of a static report."""
        return cls(page, "globalThis.Bokeh")

    def ask(self, body: str, **argument: Any) -> Any:
        """Run a function of Bokeh and an argument in the page."""
        code = f"async (argument) => {{ const Bokeh = await {self.bokeh}; {body} }}"
        return self.page.evaluate(code, {"document": self.document, **argument})

    def place(self, *layers: str, name: str | None = None, row: int = 0) -> Place:
        """The middle of a subcluster in the panel with these layers, once it has come to rest."""
        before, now = None, self.ask(_PLACE, layers=layers, name=name, row=row)
        while before != now:
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
            before, now = now, self.ask(_PLACE, layers=layers, name=name, row=row)
        return Place(**now)

    def click(self, place: Place) -> None:
        """Click there."""
        self.page.mouse.click(place.x, place.y)

    def names(self, *layers: str) -> list[str]:
        """All subclusters of the panel with these layers."""
        found = self.ask(_FIGURE + "return [...source.data.name]", layers=layers)
        return list(dict.fromkeys(found))

    def wait_for_panel(self, *layers: str) -> None:
        """Wait until the panel with these layers is there and has something to click on."""
        self._wait(f"{_FIGURE} return source.data.name.length > 0", layers=layers)

    def selected(self) -> list[str]:
        """The selection of the document."""
        return list(self.ask(_SELECTED))

    def marked(self) -> list[list[str]]:
        """What each linked panel marks; panels that do not show it mark nothing."""
        return list(self.ask(_MARKED))

    def wait_for_marks(self, names: list[str]) -> None:
        """Wait until every linked panel marks just these, as far as it shows them."""
        self._wait(_MARKS_JUST, wanted=names)

    def _wait(self, body: str, **argument: Any) -> None:
        # a predicate must not be async: Playwright would take its promise for a yes
        self.page.evaluate(f"async () => {{ globalThis.modvizTestBokeh = await {self.bokeh} }}")
        self.page.wait_for_function(
            f"(argument) => {{ const Bokeh = globalThis.modvizTestBokeh; {body} }}",
            arg={"document": self.document, **argument},
        )
