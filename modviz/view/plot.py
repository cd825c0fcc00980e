"""`modviz.plot`: the panel of one result, in a notebook or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.models.layouts import LayoutDOM
from bokeh.themes import Theme

from modviz.core.files import file_path, replacing
from modviz.view import standalone, style

#: By the name of a result's type: where its panel is made, and its title.
_PANELS = {
    "Interactions": ("modviz.view.interactions", "Double lesions"),
    "ClusterChoice": ("modviz.view.choice", "Choice of k"),
    "Comparison": ("modviz.view.compare", "Comparison"),
}
_CSS = f"""
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 8px; background: #fff; color: {style.TEXT};
  font: 13px/18px {style.FONT}; font-variant-numeric: tabular-nums; }}
"""
#: In a notebook the frame takes the height of what is in it, where the browser lets it.
_FIT = """
try {
  const frame = window.frameElement
  const fit = () => { frame.style.height = `${document.body.scrollHeight + 4}px` }
  if (frame) new ResizeObserver(fit).observe(document.body)
} catch { /* a frame from elsewhere keeps its height and scrolls */ }
"""


class Plot:
    """The panel of one result.

    The last expression of a cell shows it, in any notebook that runs scripts; no extension is
    needed and nothing is loaded from a network.

    Attributes
    ----------
    title : str
    layout : bokeh.models.LayoutDOM
        The panel itself, for a Bokeh document of your own.
    """

    def __init__(self, title: str, layout: LayoutDOM) -> None:
        self.title, self.layout = title, layout

    def html(self) -> str:
        """The panel as a page of HTML that holds everything."""
        script, div = components(self.layout, wrap_script=False, theme=Theme(json={"attrs": {}}))
        return standalone.html(self.title, _CSS, div, f"{script}\n{_FIT}")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the panel as one HTML file that opens without a kernel and without a network.

        An existing file is replaced only by a complete one.
        """
        target = file_path(path)
        with replacing(target) as file:
            file.write(self.html().encode("utf-8"))
        return target

    def _repr_html_(self) -> str:
        # a frame of its own: neither its scripts nor its styles meet those of the notebook
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html())}" '
            'style="width: 100%; height: 520px; border: 0; background: #fff"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Plot of {self.title}; .save(path) writes it as one HTML file"


def plot(result: Any) -> Plot:
    """Draw what `modviz.interactions`, `modviz.choose_n_clusters` or `modviz.compare` gave.

    Parameters
    ----------
    result : Interactions, ClusterChoice or Comparison

    Returns
    -------
    Plot
        Shown by a notebook as the last expression of a cell; ``.save("x.html")`` keeps it.

    Raises
    ------
    TypeError
        If there is no panel for such a result.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> modviz.plot(modviz.choose_n_clusters(graph, [2, 3, 4])).save("choice.html").name
    'choice.html'
    """
    for kind in type(result).__mro__:
        found = _PANELS.get(kind.__name__)
        if found is not None and kind.__module__.startswith("modviz."):
            module, title = found
            panel: Callable[[Any], LayoutDOM] = import_module(module).panel
            return Plot(title, panel(result))
    *others, last = _PANELS
    known = f"{', '.join(others)} or {last}"
    raise TypeError(
        f"there is no plot of a {type(result).__name__}; expected {known}. An Analysis is shown by "
        "modviz.explore(analysis) and kept by modviz.report(analysis, path)"
    )
