"""What an explorer shows: its page, and the traits that lead it and follow it.

One lock, that of the live document, is held whenever state and page change together, because
widget callbacks come from sub-shell threads and results from a worker.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from modviz.core.analysis import Analysis
from modviz.core.choice import ClusterChoice
from modviz.core.graph import NeuronGraph
from modviz.core.interactions import Interactions
from modviz.core.partition import Partition
from modviz.view.page import Page
from modviz.view.report import report as write_report
from modviz.widgets.bokeh_pane import LiveDocument
from modviz.widgets.script import Beyond, Recipe
from modviz.widgets.selection import Key, keys_of, names_of

#: HoloViews keeps global state: two explorers must not draw at the same moment.
_DRAWING = threading.RLock()


class Shown:
    """The page of an explorer, and how what it shows was made.

    Parameters
    ----------
    traits : Explorer
        Of which only the traits are read and written.
    analysis : Analysis or None
        Shown at the start.
    on_command, on_error : callable
        See `LiveDocument`.

    Attributes
    ----------
    page : Page
    live : LiveDocument
        The page's document in the browser; its lock is the explorer's.
    recipe : Recipe or None
        Of the analysis that is shown.
    """

    def __init__(
        self,
        traits: Any,
        analysis: Analysis | None,
        *,
        on_command: Callable[[str, dict[str, Any]], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._traits = traits
        self._writer: int | None = None
        self._choice_of: tuple[NeuronGraph, int] | None = None
        self.recipe = None if analysis is None else Recipe.of(analysis)
        with _DRAWING:
            self.page = Page(analysis)
        self.live = LiveDocument(
            self.page.document,
            on_select=self._clicked,
            on_zoom=self.page.zoom,
            on_command=on_command,
            on_error=on_error,
        )

    def changes(self) -> AbstractContextManager[None]:
        """Hold the lock, and send all changes made inside together."""
        return self.live.changes()

    @property
    def analysis(self) -> Analysis | None:
        """What is shown."""
        shown: Analysis | None = self._traits.analysis
        return shown

    def required(self) -> Analysis:
        """What is shown, or a RuntimeError."""
        if self.analysis is None:
            raise RuntimeError("there is no analysis yet; run() first")
        return self.analysis

    @property
    def selected(self) -> tuple[str, ...]:
        """Short names of the selected subclusters."""
        return names_of(self._traits.selected, self.analysis)

    # ---------------------------------------------------------------- the analysis

    def put(self, analysis: Analysis, recipe: Recipe | None) -> None:
        """Show `analysis` on behalf of work, which may report from any of its threads."""
        with self.changes():
            before = self.recipe
            self._writer, self.recipe = threading.get_ident(), recipe
            try:
                self._traits.analysis = analysis
            except BaseException:
                self.recipe = before
                raise
            finally:
                self._writer = None

    def check(self, analysis: Analysis | None, *, working: bool) -> None:
        """Refuse an analysis that can't be shown now."""
        if working and self._writer != threading.get_ident():
            raise traitlets.TraitError(
                "a run is working and shows its own results; cancel() it or wait() for its end"
            )
        if analysis is None and self.analysis is not None:
            raise traitlets.TraitError(
                "analysis=None; an explorer can't be emptied, make a new one"
            )

    def draw(self, analysis: Analysis) -> None:
        """The explorer has another analysis: draw it; the selection stays as far as it can."""
        if self._writer is None:
            self.recipe = Recipe.of(analysis)
        with _DRAWING:
            self.page.update(analysis)
        # traits only now: who observes them may want another explorer, whose worker may be drawing
        graph, pairs = analysis.partition.graph, self._traits.interactions
        if self._choice_of is not None and not same_graph(self._choice_of[0], graph):
            self.keep_choice(None)
        if pairs is not None and not same_partition(pairs.partition, analysis.partition):
            self.keep_pairs(None)
        self._traits.selected = keys_of(self.page.selected, analysis)

    # ---------------------------------------------------------------- the selection

    def mark(self, keys: Sequence[Key]) -> None:
        """The explorer has another selection: highlight it."""
        names = names_of(keys, self.analysis)
        if set(names) != set(self.page.selected):
            self.page.select(names)

    def _clicked(self, names: tuple[str, ...]) -> Sequence[str]:
        self._traits.selected = keys_of(names, self.analysis)
        self.mark(self._traits.selected)
        return self.selected

    # ---------------------------------------------------------------- beside the analysis

    def keep_choice(
        self, choice: ClusterChoice | None, of: tuple[NeuronGraph, int] | None = None
    ) -> None:
        """Show what was found about the number of clusters of a graph, with some seed."""
        with self.changes():
            self._choice_of = of
            with _DRAWING:
                self.page.show_choice(choice)
            self._traits.set_trait("choice", choice)

    def keep_pairs(self, pairs: Interactions | None) -> None:
        """Show what was found about pairs of subclusters."""
        with self.changes():
            with _DRAWING:
                self.page.show_interactions(pairs)
            self._traits.set_trait("interactions", pairs)

    def beyond(self) -> Beyond:
        """What was measured beside the analysis, for a script."""
        pairs = self._traits.interactions
        choice_of = None if self.analysis is None else self._choice_of
        return Beyond(
            None if choice_of is None else choice_of[1], None if pairs is None else pairs.settings
        )

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write all of it as one HTML page."""
        with _DRAWING:
            choice, pairs = self._traits.choice, self._traits.interactions
            written = write_report(self.required(), path, choice=choice, interactions=pairs)
        return Path(written)


def same_graph(a: NeuronGraph, b: NeuronGraph) -> bool:
    """Whether two graphs have the same units and edges."""
    return a is b or (
        a.layers == b.layers
        and a.edges == b.edges
        and a.blocks.keys() == b.blocks.keys()
        and all(np.array_equal(block, b.blocks[key]) for key, block in a.blocks.items())
    )


def same_partition(a: Partition, b: Partition) -> bool:
    """Whether two partitions have the same subclusters."""
    return a is b or (a.graph.layers == b.graph.layers and np.array_equal(a.labels, b.labels))
