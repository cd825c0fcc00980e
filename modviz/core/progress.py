"""What long work tells whoever waits for it, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modviz.core.analysis import Analysis

Stage = Literal[
    "reading", "partition", "lesions", "images", "features", "support", "interactions", "finished"
]


@dataclass(frozen=True, eq=False)
class Progress:
    """One report from a running analysis.

    Attributes
    ----------
    stage : {"reading", "partition", "lesions", "images", "features", "support",
        "interactions", "finished"}
    done, total : int
        Work of this stage, in its own units (lesions, optimisation steps, ...).
    message : str
        What is being done, in words: ``"lesions: 120 of 760"``.
    seconds_left : float or None
        Estimate for this stage; None while there is nothing to estimate from.
    analysis : Analysis or None
        All results so far, when there are new ones to show; None otherwise.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> stages = []
    >>> def note(progress: modviz.Progress) -> None:
    ...     stages.append(progress.stage)
    >>> analysis = modviz.analyze(
    ...     planted.model, planted.data, n_clusters=2, features=False, progress=note
    ... )
    >>> "lesions" in stages, stages[-1]
    (True, 'finished')
    """

    stage: Stage
    done: int
    total: int
    message: str
    seconds_left: float | None = None
    analysis: Analysis | None = None


ProgressCallback = Callable[[Progress], None]


class Cancelled(Exception):
    """Raised inside a stage when it was asked to stop; `analyze` keeps what is finished."""
