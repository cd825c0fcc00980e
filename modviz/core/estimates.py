"""How long an analysis will take and how much memory, said before it begins.

An estimate is right to about a factor of two, so its words have one or two figures and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: The stages of an analysis that an estimate tells apart, in order.
STAGES = ("reading", "graph", "partition", "lesions", "images", "features", "support")

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
#: Bytes of a gigabyte, and the least that is said of them.
_GIGABYTE, _LEAST = 1e9, 0.1


@dataclass(frozen=True)
class Estimate:
    """What an analysis will take; ``str`` says it in words: ``"about 25 s, 0.4 GB"``.

    Attributes
    ----------
    seconds : float
        From Run to the last result, >= 0. NaN = unknown: the data do not tell how many images they
        hold.
    memory : int
        Bytes in all at the worst moment, the model and data that are in memory included, the
        interpreter and its packages not.
    stages : mapping of str to float
        Seconds of each of `STAGES`, in order; 0 for what will not be done. They sum to `seconds`.

    Raises
    ------
    ValueError
        If a number is negative, or `stages` holds a name that is no stage.
    """

    seconds: float
    memory: int
    stages: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [name for name in self.stages if name not in STAGES]
        if unknown:
            raise ValueError(f"there is no stage {unknown[0]!r}; expected some of {STAGES}")
        if self.memory < 0 or any(value < 0 for value in (self.seconds, *self.stages.values())):
            raise ValueError(
                f"seconds={self.seconds}, memory={self.memory}, stages={dict(self.stages)}; "
                "expected numbers of at least 0"
            )
        ordered = {name: float(self.stages[name]) for name in STAGES if name in self.stages}
        object.__setattr__(self, "stages", MappingProxyType(ordered))

    @classmethod
    def of_stages(cls, stages: Mapping[str, float], memory: int) -> Estimate:
        """The estimate of some stages, one after the other."""
        return cls(math.fsum(stages.values()), memory, stages)

    def __str__(self) -> str:
        return f"{rough_time(self.seconds)}, {rough_memory(self.memory)}"


def rough_time(seconds: float) -> str:
    """A time in words, rounded to what an estimate can know: ``"about 25 s"``.

    Parameters
    ----------
    seconds : float
        At least 0; NaN = unknown.

    Returns
    -------
    str
        One figure below ten of a unit, steps of five below sixty: s, min, h; whole days beyond two.
    """
    if math.isnan(seconds):
        return "time unknown"
    if math.isinf(seconds):
        return "longer than can be told"
    if seconds < 0.95:
        return "less than a second"
    for unit, name, most in ((1.0, "s", 57.5), (_MINUTE, "min", 57.5), (_HOUR, "h", 47.5)):
        amount = seconds / unit
        if amount < most:
            return f"about {_rounded(amount)} {name}"
    return f"about {_two_figures(seconds / _DAY)} days"


def rough_memory(n_bytes: float) -> str:
    """An amount of memory in words: ``"0.4 GB"`` (1 GB = 1e9 bytes)."""
    gigabytes = n_bytes / _GIGABYTE
    if gigabytes < _LEAST / 2:
        return f"less than {_LEAST} GB"
    if gigabytes < 9.95:
        return f"{gigabytes:.1f} GB"
    return f"{_two_figures(gigabytes)} GB"


def _rounded(amount: float) -> int:
    """One figure below ten, else a multiple of five."""
    return max(1, round(amount)) if amount < 9.5 else 5 * round(amount / 5)


def _two_figures(amount: float) -> str:
    """A whole number with no more than two figures that mean something."""
    step = 10 ** max(0, math.floor(math.log10(amount)) - 1)
    return f"{step * round(amount / step):,}"
