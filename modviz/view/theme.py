"""Light and dark: what the browser has to know to turn a page's colours over.

Figures are drawn in light colours, and the browser recolours them (`js/theming.js`): colours that
mean a cluster stay, all others are turned over in lightness. HTML reads custom properties.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from bokeh.models import Model

from modviz.view import style
from modviz.view.live import LiveFigure

#: Custom properties of the dark theme; the sheet's own values are those of the light one.
DARK: Final = {
    "--mv-ink": "#e6edf3",
    "--mv-text": "#c9d1d9",
    "--mv-muted": "#9aa5b1",
    "--mv-line": "#3a424b",
    "--mv-band": "#232a32",
    "--mv-surface": "#14181d",
    "--mv-selected": "#f0f3f6",
    "--mv-focus": "#6cb6ff",
    "--mv-yes-back": "#12382b",
    "--mv-yes": "#8fe0bf",
    "--mv-open-back": "#43330f",
    "--mv-open": "#f2d28b",
}
#: The same colours on a canvas, by their light counterpart.
_CANVAS: Final = {
    style.INK: DARK["--mv-ink"],
    style.TEXT: DARK["--mv-text"],
    style.MUTED: DARK["--mv-muted"],
    style.CONTROL: DARK["--mv-muted"],
    style.LINE: DARK["--mv-line"],
    style.BAND: DARK["--mv-band"],
    style.WHITE: DARK["--mv-surface"],
    style.SELECTED: DARK["--mv-selected"],
}
#: As many clusters as have colours of their own, see `style.cluster_color`.
_CLUSTERS: Final = 40
_GLYPH_COLORS: Final = ("fill_color", "line_color", "text_color", "hatch_color")


def models(figures: Iterable[LiveFigure], mappers: Iterable[Model]) -> dict[str, Any]:
    """What the script needs: whose colours last, which palettes, and the colours that stay."""
    paints: list[tuple[Model, list[str]]] = []
    for live in figures:
        for key, renderer in live.renderers.items():
            glyphs = (renderer.glyph, renderer.selection_glyph, renderer.nonselection_glyph)
            if key not in live.fixed:
                paints += [(glyph, _colors(glyph)) for glyph in glyphs if isinstance(glyph, Model)]
    clusters = [f(c) for c in range(_CLUSTERS) for f in (style.cluster_color, style.edge_color)]
    return {
        "paints": [(model, names) for model, names in paints if names],
        "mappers": list(mappers),
        "tokens": {"dark": DARK, "canvas": _CANVAS},
        "kept": sorted({color.lower() for color in clusters}),
    }


def _colors(glyph: Model) -> list[str]:
    return [name for name in _GLYPH_COLORS if name in glyph.properties()]
