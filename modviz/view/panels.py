"""The figures of a page, where they stand, and how new results reach them."""

from __future__ import annotations

from math import nan
from typing import Final

from bokeh.layouts import column, row
from bokeh.models import BoxZoomTool, CustomJS, HoverTool, InlineStyleSheet, WheelZoomTool
from bokeh.models.annotations import BoxAnnotation
from bokeh.models.layouts import Column, LayoutDOM
from bokeh.models.widgets import Button, Div

from modviz.view import adjacency, classes, clusters, features, lesions, matrix, partition, style
from modviz.view.drawing import Drawing, LiveFigure
from modviz.view.facts import Facts
from modviz.view.linking import Linking
from modviz.view.order import Sorted

MATRIX: Final = "modviz-adjacency"
_ZOOMED = """
const part = (range) => Math.abs(range.end - range.start)
  < 0.999 * Math.abs(range.reset_end - range.reset_start)
button.visible = part(x) || part(y)
"""
_SHOW_ALL = """
x.setv({start: x.reset_start, end: x.reset_end})
y.setv({start: y.reset_start, end: y.reset_end})
"""
_BUTTON_CSS = f"""
.bk-btn {{ font: 11px/16px {style.FONT}; color: {style.TEXT}; background: #fff; padding: 2px 8px;
  border: 1px solid {style.LINE}; border-radius: 4px; }}
.bk-btn:hover {{ background: {style.BAND}; }}
"""


class Panels:
    """All panels of a page as live figures with their headings.

    Parameters
    ----------
    linking : Linking
        Hears of every layer of hit rectangles.
    sheet : InlineStyleSheet
        For the headings.

    Attributes
    ----------
    layout : Column
        The panels in their grid, 936 pixels wide.
    """

    def __init__(self, linking: Linking, sheet: InlineStyleSheet) -> None:
        self._linking = linking
        self._sheet = sheet
        self._heads = {
            "partition": self._div(style.LEFT),
            "adjacency": self._div(style.RIGHT),
            "lesions": self._div(style.LEFT),
            "classes": self._div(style.RIGHT),
            "features": self._div(style.PAGE),
        }
        self._partition = self._clickable(partition.draw(None, clusters.height(0)))
        self._hover = adjacency.Hover()
        self._matrix = self._draw_matrix()
        self._top = self._clickable(adjacency.draw_strip(None, across=True))
        self._side = self._clickable(adjacency.draw_strip(None, across=False))
        self._top.figure.x_range = self._matrix.figure.x_range
        self._side.figure.y_range = self._matrix.figure.y_range
        self._clusters = self._clickable(clusters.draw(None), tips="rows")
        self._lesions = self._clickable(lesions.draw(None, lesions.BOTTOM))
        self._classes = self._clickable(classes.draw(None, lesions.BOTTOM), tips="cells")
        self._gallery = self._clickable(features.draw(None))
        self.layout = self._compose()

    def _div(self, width: int, height: int = style.HEADER) -> Div:
        return Div(text="", width=width, height=height, margin=0, stylesheets=[self._sheet])

    def _clickable(self, drawing: Drawing, tips: str = "hits") -> LiveFigure:
        live = LiveFigure(drawing)
        hover = HoverTool(tooltips="@tip{safe}", renderers=[live.renderers[tips]])
        live.figure.add_tools(hover)
        self._linking.clickable(live.figure, live.sources["hits"])
        return live

    def _draw_matrix(self) -> LiveFigure:
        box = BoxZoomTool(
            match_aspect=True,
            overlay=BoxAnnotation(
                syncable=False,
                visible=False,  # else it covers the matrix until the first drag
                level="overlay",
                left=nan,
                right=nan,
                top=nan,
                bottom=nan,
                fill_color=style.SELECTED,
                fill_alpha=0.08,
                line_color=style.SELECTED,
                line_alpha=0.6,
            ),
        )
        # with a key held: a plain wheel has to go on scrolling the page
        wheel = WheelZoomTool(modifiers="ctrl")
        live = LiveFigure(adjacency.draw(None), [box, wheel, self._hover.tool], name=MATRIX)
        image = live.renderers["image"]
        self._hover.tool.renderers = [image]
        live.figure.toolbar.active_drag = box
        live.figure.toolbar.active_scroll = "auto"
        image.glyph.color_mapper.update(palette=adjacency.palette(), nan_color=style.WHITE)
        self._linking.clickable(live.figure, live.sources["hits"])
        self._linking.follows(live.sources["columns"])
        return live

    def _compose(self) -> Column:
        matrix_column = column(
            row(self._div(adjacency.STRIP, adjacency.STRIP), self._top.figure, spacing=0),
            row(self._side.figure, self._matrix.figure, spacing=0),
            spacing=0,
        )
        weights = row(matrix_column, self._clusters.figure, spacing=20, width=style.RIGHT)

        def panel(key: str, content: LayoutDOM) -> Column:
            return column(self._heads[key], content, spacing=0)

        adjacent = panel("adjacency", weights)
        adjacent.children.append(self._show_all())
        overview = (panel("partition", self._partition.figure), adjacent)
        tests = (panel("lesions", self._lesions.figure), panel("classes", self._classes.figure))
        return column(
            row(*overview, spacing=style.GUTTER),
            row(*tests, spacing=style.GUTTER),
            panel("features", self._gallery.figure),
            spacing=style.GUTTER,
            width=style.PAGE,
        )

    def _show_all(self) -> Button:
        """A button in the panel's title line, there only while part of the matrix is shown."""
        button = Button(
            label="Show the whole matrix",
            visible=False,
            width=140,
            height=22,
            margin=0,
            styles={"position": "absolute", "top": "-1px", "right": "0"},
            stylesheets=[InlineStyleSheet(css=_BUTTON_CSS)],
        )
        ranges = {"x": self._matrix.figure.x_range, "y": self._matrix.figure.y_range}
        for live in ranges.values():
            for end in ("start", "end", "reset_start", "reset_end"):
                live.js_on_change(end, CustomJS(args={**ranges, "button": button}, code=_ZOOMED))
        button.js_on_click(CustomJS(args=ranges, code=_SHOW_ALL))
        return button

    def show_partition(self, facts: Facts) -> None:
        """Draw the partition anew; the matrix is shown whole again."""
        order = Sorted(facts)
        height = clusters.height(clusters.n_rows(facts))
        self._heads["partition"].text = partition.head(facts)
        self._heads["adjacency"].text = adjacency.head(facts, order)
        self._partition.update(partition.draw(facts, height))
        low, high = order.limits
        self._matrix.renderers["image"].glyph.color_mapper.update(low=low, high=high)
        self._hover.update(order)
        self._matrix.update(adjacency.draw(order))
        self._top.update(adjacency.draw_strip(order, across=True))
        self._side.update(adjacency.draw_strip(order, across=False))
        self._clusters.update(clusters.draw(facts))

    def show_lesions(self, facts: Facts) -> None:
        """Draw lesions and class changes anew; both have the same rows and the same height."""
        below = max(classes.bottom(facts), lesions.BOTTOM)
        self._lesions.update(lesions.draw(facts, below))
        self._classes.update(classes.draw(facts, below))
        self._heads["lesions"].text = lesions.head(facts)
        self._heads["classes"].text = classes.head(facts)

    def show_features(self, facts: Facts) -> None:
        """Draw the gallery anew."""
        self._gallery.update(features.draw(facts))
        self._heads["features"].update(
            text=features.head(facts), height=features.head_height(facts)
        )

    def show_tile(self, tile: matrix.Tile) -> None:
        """Put part of the matrix into its picture."""
        self._matrix.sources["image"].data = {**adjacency.image_columns(tile)}
