"""A selection of subclusters, as panels name it and as Python holds it.

Panels speak of "B2"; `Explorer.selected` holds pairs (layer name, cluster number), which stay right
after a run with other layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import traitlets

from modviz.core.analysis import Analysis

Key = tuple[str, int]


def names_of(keys: Iterable[Key], analysis: Analysis | None) -> tuple[str, ...]:
    """Short names of the subclusters that exist in `analysis`."""
    found = {} if analysis is None else {s.key: s.name for s in analysis.subclusters}
    return tuple(found[key] for key in keys if key in found)


def keys_of(names: Iterable[str], analysis: Analysis | None) -> tuple[Key, ...]:
    """Pairs (layer, cluster) of the subclusters that exist in `analysis`."""
    found = {} if analysis is None else {s.name: s.key for s in analysis.subclusters}
    return tuple(found[name] for name in names if name in found)


def understood(selection: Iterable[Any], analysis: Analysis | None) -> tuple[Key, ...]:
    """What a user wrote as a selection: pairs or short names, each once.

    Raises
    ------
    traitlets.TraitError
        If something is no subcluster of `analysis`; the message lists those that are.
    """
    known = {} if analysis is None else {s.key: s for s in analysis.subclusters}
    names = {s.name: s.key for s in known.values()}
    chosen: list[Key] = []
    for item in selection:
        key = names.get(item) if isinstance(item, str) else _as_key(item)
        if key is None or key not in known:
            raise traitlets.TraitError(_unknown(item, analysis))
        if key not in chosen:
            chosen.append(key)
    return tuple(chosen)


def short_names(items: Iterable[Any], analysis: Analysis) -> list[str]:
    """Short names of what a user asked for: names or pairs (layer, cluster), each once.

    Raises
    ------
    TypeError
        If `items` is one string.
    ValueError
        If something is no subcluster of `analysis`; the message lists those that are.
    """
    if isinstance(items, str):
        raise TypeError(f"names={items!r} is one string; expected a list: [{items!r}]")
    named = {s.key: s.name for s in analysis.subclusters}
    found: dict[str, None] = {}
    for item in items:
        name = item if isinstance(item, str) else named.get(_as_key(item) or ("", -1))
        if name not in named.values():
            there = ", ".join(named.values())
            raise ValueError(f"there is no subcluster {item!r}; there are {there}")
        found[str(name)] = None
    return list(found)


def _as_key(item: Any) -> Key | None:
    try:
        layer, cluster = item
        return (str(layer), int(cluster))
    except (TypeError, ValueError):
        return None


def _unknown(item: Any, analysis: Analysis | None) -> str:
    if analysis is None:
        return f"selected holds {item!r}, but there is no analysis yet to select in; run() first"
    layers: dict[str, list[str]] = {}
    for s in analysis.subclusters:
        layers.setdefault(s.layer, []).append(str(s.cluster))
    exist = "; ".join(f"{layer!r}: {', '.join(found)}" for layer, found in layers.items())
    return (
        f"selected holds {item!r}, which is no subcluster; expected pairs (layer name, cluster "
        f"number). There are, by layer, the clusters {exist}"
    )
