"""The picture and the summary that a notebook keeps of an explorer, for readers without a kernel.

They are an output of their own below the widget: where both are in one output, a front end that
knows widgets shows the widget or an error in its place, and never the picture. Panels that are
drawn hide it (`js/pane.js`).
"""

from __future__ import annotations

from typing import Any

import IPython.display

from modviz.view.still import mimebundle


class StandIn:
    """What stands in for one explorer.

    Parameters
    ----------
    traits : Explorer
        Of which only the traits are read.
    title : str
        Its first line.

    Attributes
    ----------
    mark : str
        Class of the HTML, by which the panels find it, and name of the output.
    """

    def __init__(self, traits: Any, title: str) -> None:
        self._traits, self._title = traits, title
        self.mark = f"modviz-still-{traits.model_id}"
        self._there = False

    def display(self, widget: dict[str, Any]) -> None:
        """Put the widget's own output into the notebook, and below it what stands in for it."""
        publish: Any = IPython.display.display
        publish(widget, raw=True)
        publish(self._bundle(), raw=True, display_id=self.mark)
        self._there = True

    def update(self, _change: object = None) -> None:
        """Bring it up to date wherever it was put, unless more is about to come."""
        if self._there and self._traits.status != "running":
            renew: Any = IPython.display.update_display
            renew(self._bundle(), raw=True, display_id=self.mark)

    def _bundle(self) -> dict[str, str]:
        return mimebundle(self._traits.analysis, self._title, mark=self.mark)
