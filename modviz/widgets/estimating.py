"""What the next run will cost, worked out in the background once the controls have come to rest.

Nothing here ever raises or waits in a caller's thread: no estimate is better than a slow control.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any

from modviz.core.estimates import Estimate
from modviz.widgets.shelf import Extent

#: Seconds that the controls have to rest.
PAUSE = 0.4
#: Runs that are shorter than this say little about the machine.
_TELLING = 0.5  # seconds


class Estimates:
    """Asks for estimates one at a time, and tells the last one that was asked for.

    Parameters
    ----------
    work : callable
        Gives the Estimate, or None; called in a thread of its own. What it raises is dropped.
    tell : callable
        Called with what `work` gave, in that thread, unless `ask` or `stop` came since.
    """

    def __init__(
        self,
        work: Callable[[], Estimate | None],
        tell: Callable[[Estimate | None], None],
    ) -> None:
        self._work, self._tell = work, tell
        self._asked = 0
        self._timer: threading.Timer | None = None
        self._lock, self._working = threading.RLock(), threading.Lock()

    def ask(self) -> None:
        """An estimate is wanted; returns at once."""
        with self._lock:
            self.stop()
            self._timer = threading.Timer(PAUSE, self._answer, [self._asked])
            self._timer.name, self._timer.daemon = "modviz-estimate", True
            self._timer.start()

    def stop(self) -> None:
        """No estimate is wanted any more; returns at once."""
        with self._lock:
            self._asked += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _answer(self, asked: int) -> None:
        with self._working:
            if asked != self._asked:
                return
            try:
                found = self._work()
            except Exception:  # noqa: BLE001  (an estimate is a courtesy)
                found = None
        with self._lock:
            if asked == self._asked:
                self._tell(found)


class Experience:
    """How far estimates were off, by the last run of the same model."""

    def __init__(self) -> None:
        self._ratio = 1.0
        self._expected: float | None = None

    def begins(self, estimate: Estimate | None) -> None:
        """A run starts, with this estimate, which was not corrected."""
        self._expected = None if estimate is None else estimate.seconds

    def ended(self, seconds: float, *, complete: bool) -> None:
        """It took so many seconds; a run that was cancelled or failed teaches nothing."""
        expected, self._expected = self._expected, None
        if complete and expected is not None and min(expected, seconds) >= _TELLING:
            self._ratio = seconds / expected

    def corrected(self, estimate: Estimate) -> Estimate:
        """The estimate as the last run would have it."""
        stages = {name: seconds * self._ratio for name, seconds in estimate.stages.items()}
        return Estimate(estimate.seconds * self._ratio, estimate.memory, stages)


def measured(
    model: Any,
    data: Any,
    settings: Mapping[str, Any],
    *,
    planned: tuple[str, ...] | None,
    n_subclusters: int | None,
) -> Estimate:
    """The estimate of one run, made on a twin of the model.

    Measurements hold a model while they work, and refuse one that another thread holds. A twin
    leaves the user's own to the user: the next cell may train or analyse it.
    """
    from modviz.measure.estimate import estimate

    return estimate(twin(model), data, planned=planned, n_subclusters=n_subclusters, **settings)


def without(estimate: Estimate, recorded: Extent | None) -> Estimate:
    """The estimate of a run that goes on from what is recorded of it."""
    if recorded is None:
        return estimate
    done = {"lesions": recorded.lesions or 0.0} | dict.fromkeys(recorded.finished, 1.0)
    stages = {name: (1 - done.get(name, 0.0)) * took for name, took in estimate.stages.items()}
    return Estimate.of_stages(stages, estimate.memory)


def twin(model: Any) -> Any:
    """A copy of a model's modules and buffers; its parameters share the memory of the model's."""
    from torch import nn

    from modviz.measure.inputs import module_of

    shared = {
        id(parameter): nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
        for parameter in module_of(model).parameters()
    }
    return copy.deepcopy(model, shared)
