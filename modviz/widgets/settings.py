"""Checks what `modviz.explore` was asked for: keywords of `modviz.analyze`, and their values.

Errors are raised here, in the user's cell, and not later in a thread that nobody reads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from modviz.core.graph import Layer
from modviz.core.settings import Settings, refuse_unknown

#: Keywords of `modviz.analyze` that the explorer fills in itself.
_OWN = ("progress", "cancel")


def checked(given: Mapping[str, Any], analyze: Callable[..., Any]) -> Settings:
    """The settings of a run as `given`, with defaults for the rest.

    Raises
    ------
    TypeError
        If a keyword is not one of `analyze`, or a value is of the wrong type.
    ValueError
        If a value is out of range.
    """
    for name in _OWN:
        if name in given:
            raise TypeError(
                f"explore() shows progress and cancels by itself; leave out {name}=..., or call "
                "modviz.analyze with it"
            )
    parameters = inspect.signature(analyze).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _OWN]
    refuse_unknown("explore", given, known)
    names = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in given.items() if name in names})


def layer_span(layers: Any, hidden: Sequence[Layer]) -> tuple[int, int] | None:
    """Positions of the first and last layer of a range; None if `layers` has gaps.

    Parameters
    ----------
    layers : None, pair of names (first, last), or list of names
        As in `modviz.analyze`, out of `hidden`.
    hidden : sequence of Layer
        The model's hidden layers.
    """
    if layers is None:
        return 0, len(hidden) - 1
    names = [layer.name for layer in hidden]
    positions = [names.index(name) for name in layers]
    if isinstance(layers, tuple):
        first, last = positions
        return first, last
    contiguous = sorted(positions) == list(range(min(positions), max(positions) + 1))
    return (min(positions), max(positions)) if contiguous else None
