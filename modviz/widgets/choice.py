"""The panel of `modviz.choose_n_clusters` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from bokeh.document import Document
from bokeh.themes import Theme

from modviz.core.choice import ClusterChoice
from modviz.view.choice import panel
from modviz.widgets.bokeh_pane import BokehPane, LiveDocument


def plot_choice(choice: ClusterChoice) -> BokehPane:
    """Show what speaks for each number of clusters.

    Parameters
    ----------
    choice : ClusterChoice
        From `modviz.choose_n_clusters`.

    Returns
    -------
    BokehPane
        A widget: the last expression of a cell shows it. `modviz.view.choice.panel` gives the same
        as a Bokeh layout.
    """
    document = Document(theme=Theme(json={"attrs": {}}), title="modviz")
    document.add_root(panel(choice))
    live = LiveDocument(document, on_select=_as_given, on_zoom=_ignored, on_error=_raised)
    return BokehPane(document=live, root="choice", announcement=repr(choice))


def _as_given(names: tuple[str, ...]) -> Sequence[str]:
    return names


def _ignored(_x0: float, _x1: float, _y0: float, _y1: float) -> None:
    """Nothing in the panel can be zoomed."""


def _raised(error: Exception) -> None:
    raise error
