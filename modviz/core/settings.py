"""The keywords of an analysis that decide its result, checked in one place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: What each choice may be. Later versions of modviz add to these.
CHOICES = {
    "edges": ("weights", "activations"),
    "scope": ("global", "local"),
    "kernel_norm": ("l1", "induced", "l2"),
    "lesion": ("zero", "mean", "weights"),
    "controls": ("fixed", "adaptive"),
}

#: Images cost more than lesions, so they get at most this many controls unless told otherwise.
MOST_IMAGE_CONTROLS = 19


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keywords of `modviz.analyze`; see there for what they mean.

    Raises
    ------
    TypeError, ValueError
        If a value is not one that `modviz.analyze` takes; the message names the keyword.
    """

    layers: tuple[str, str] | list[str] | None = None
    n_clusters: int = 16
    edges: str = "weights"
    scope: str = "global"
    kernel_norm: str = "l1"
    lesion: str = "zero"
    n_controls: int = 99
    n_image_controls: int | None = None
    controls: str = "fixed"
    features: bool = True
    top_images: bool = True
    support: bool = True
    seed: int = 0
    include_inputs: bool = False
    include_outputs: bool = False

    def __post_init__(self) -> None:
        for name, least in (("n_clusters", 2), ("n_controls", 1), ("seed", 0)):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least))
        if self.seed >= 2**32:
            raise ValueError(f"seed={self.seed}; expected at most {2**32 - 1}")
        wanted = self.n_image_controls
        if wanted is not None:
            wanted = whole_number("n_image_controls", wanted, 1)
            if wanted > self.n_controls:
                raise ValueError(
                    f"n_image_controls={wanted} is more than n_controls={self.n_controls}; images "
                    "are compared with the same random groups as lesions, so draw at least as many"
                )
            object.__setattr__(self, "n_image_controls", wanted)
        for name in CHOICES:
            object.__setattr__(self, name, one_of(name, getattr(self, name)))
        for name in ("features", "top_images", "support", "include_inputs", "include_outputs"):
            object.__setattr__(self, name, true_or_false(name, getattr(self, name)))

    @property
    def image_controls(self) -> int:
        """Controls of each feature visualization."""
        if self.n_image_controls is None:
            return min(self.n_controls, MOST_IMAGE_CONTROLS)
        return self.n_image_controls

    def as_dict(self) -> dict[str, Any]:
        """The keywords as plain values, in order."""
        return asdict(self)


def one_of(name: str, value: Any, choices: Sequence[str] | None = None) -> str:
    """Check that the keyword `name` has one of the values it can have, by default of `CHOICES`."""
    known = CHOICES[name] if choices is None else choices
    if not isinstance(value, str) or value not in known:  # arrays have an equality of their own
        expected = f"one of {list(known)}" if choices is None else " or ".join(map(repr, known))
        raise ValueError(f"{name}={value!r}; expected {expected}")
    return str(value)


def true_or_false(name: str, value: Any) -> bool:
    """Check that the keyword `name` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r}; expected True or False")
    return bool(value)


def function_or_none(name: str, value: Any) -> None:
    """Check that the keyword `name` can be called, or is None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name}={value!r}; expected a function, or None")


def whole_number(name: str, value: Any, least: int, why: str = "") -> int:
    """Check that the keyword `name` is a whole number of at least `least`; `why` that much."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}={value!r}; expected a whole number")
    if value < least:
        raise ValueError(f"{name}={value}; {why or f'expected at least {least}'}")
    return int(value)


def refuse_unknown(function: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise a TypeError for keywords that a function does not know, with the likely meaning."""
    names = list(known)
    for keyword in given:
        if keyword not in names:
            close = difflib.get_close_matches(keyword, names, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known keywords: {', '.join(names)}"
            raise TypeError(f"{function}() got an unknown keyword {keyword!r}; {hint}")
