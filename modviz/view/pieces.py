"""A piece of HTML in a page."""

from __future__ import annotations

from bokeh.models import InlineStyleSheet
from bokeh.models.widgets import Div


def piece(text: str, sheet: InlineStyleSheet, name: str | None = None) -> Div:
    """HTML that takes the width there is, in the look of a style sheet."""
    return Div(
        text=text,
        sizing_mode="stretch_width",
        margin=0,
        stylesheets=[sheet],
        disable_math=True,  # names of layers and classes are not formulas
        name=name,
    )
