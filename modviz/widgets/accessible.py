"""Names for the parts of widgets that ipywidgets leaves nameless: handles, readouts, groups."""

from __future__ import annotations

from pathlib import Path

import anywidget


class Accessible(anywidget.AnyWidget):
    """Names what stands in the same explorer, as soon as it is there; shows nothing itself."""

    _esm = Path(__file__).parent / "accessible.js"
