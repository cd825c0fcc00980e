"""The explorer in a notebook: ipywidgets controls beside one linked Bokeh document."""

from __future__ import annotations

from modviz.widgets.entry import explore
from modviz.widgets.explorer import Explorer

__all__ = ["Explorer", "explore"]
