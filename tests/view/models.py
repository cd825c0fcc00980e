"""Finding the models of a page by the names that panels give them, and reading its figures back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Div, Plot

from modviz.view.page import Page

BY_CLUSTER, BY_LAYER = "modviz-adjacency", "modviz-adjacency-by-layer"


def sources(page: Page, *names: str) -> list[ColumnDataSource]:
    """All sources of these names, wherever they are."""
    return [s for s in page.document.select({"type": ColumnDataSource}) if s.name in names]


def source(page: Page, *layers: str, figure: str | None = None) -> dict[str, ColumnDataSource]:
    """All sources of the one figure that has these layers (and this name), by layer."""
    (found,) = [
        {r.name: r.data_source for r in plot.renderers}
        for plot in page.document.select({"type": Plot})
        if set(layers) <= {r.name for r in plot.renderers} and figure in (None, plot.name)
    ]
    return found


def text(page: Page) -> str:
    """All HTML of the page."""
    return " ".join(div.text for div in page.document.select({"type": Div}))


def note(page: Page, name: str) -> Any:
    """What one of the small sources carries."""
    return json.loads(page.document.get_model_by_name(name).data["json"][0])


def weights(codes: np.ndarray, page: Page) -> np.ndarray:
    """Codes of a matrix as weights, worked out as the hover does in the browser."""
    scales = {
        s.data["json"][0]
        for s in page.document.select({"type": ColumnDataSource})
        if "least" in str(s.data.get("json"))
    }
    (scale,) = map(json.loads, scales)  # both orders have the same
    assert codes.dtype == np.uint16
    there = scale["least"] * np.exp((codes.astype(float) - 1) * scale["step"])
    return np.where(codes == 0, 0.0, there)
