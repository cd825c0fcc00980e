"""JSON from a file that may come from anywhere: bounded, and nothing that JSON does not have."""

from __future__ import annotations

import json
import math
from typing import Any

#: The most values of a text (a table of 65,535 members needs a third), and the deepest nesting.
MOST_VALUES, DEEPEST = 1_000_000, 40


def checked_json(data: bytes) -> Any:
    """Parse a JSON text.

    Parameters
    ----------
    data : bytes
        UTF-8. The caller bounds its length.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    ValueError
        If it is no JSON; or has NaN, an infinite number, a whole number beyond 64 bits, a key
        twice, half a character, more than `MOST_VALUES` values or deeper nesting than `DEEPEST`.
    """
    # counted before they are made: "[]," is 3 bytes of text but 64 of memory
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if values > MOST_VALUES:
        raise ValueError(f"the JSON holds some {values:,} values; expected at most {MOST_VALUES:,}")
    try:
        parsed = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError(f"the JSON is nested deeper than {DEEPEST}") from None
    _check_depth(parsed)
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the JSON has a key twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"the JSON holds {name}, which is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("the JSON holds a number too large for 64 bits")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise ValueError("the JSON holds a whole number too large for 64 bits")
    return int(digits)


def _check_depth(parsed: Any) -> None:
    """Level by level, for Python's own stack is no place for foreign nesting."""
    level, depth = [parsed], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"the JSON is nested deeper than {DEEPEST}")
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                value.encode()  # half of a surrogate pair can be written in JSON, but nowhere else
            elif isinstance(value, dict):
                below += value
                below += value.values()
            elif isinstance(value, list):
                below += value
        level, depth = below, depth + 1
