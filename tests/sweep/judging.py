"""Generated cases, counted, and the judge: the right result, or an error that is modviz's own.

A case gives every argument of a call either its clean value or an odd one. An `Odd` value says what
is to become of it: the same as of the clean value, or a refusal in certain words. Of a case with
several refusals any one will do.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import modviz
from modviz.core.progress import Cancelled

PACKAGE = Path(modviz.__file__).parent

#: How many cases each sweep runs; test_sizes.py holds the sum against what was promised.
SIZES = {
    "statistics": 1600,
    "settings": 1400,
    "graphs": 600,
    "partitions": 450,
    "data": 600,
    "networks": 200,
    "analyses": 100,
    "endings": 60,
    "passes": 60,
    "second measurements": 120,
    "views": 120,
}


@dataclass(frozen=True)
class Odd:
    """An odd value of an argument.

    Attributes
    ----------
    name : str
        What a failing case calls it.
    make : callable
        The odd value, given the clean one.
    refused : str or None
        What the error says, as a pattern in which ``NAME`` stands for the argument; None = it is as
        good as the clean value.
    """

    name: str
    make: Callable[[Any], Any]
    refused: str | None = None

    def __repr__(self) -> str:
        return self.name


CLEAN = Odd("clean", lambda value: value)


def sweep(name: str, strategy: st.SearchStrategy[Any], judge: Callable[[Any], None]) -> None:
    """Judge as many cases as `SIZES` says, and make sure that they ran."""
    wanted = SIZES[name]
    seen: list[str] = []

    # cases are small as they are: to look for smaller ones would take minutes
    @settings(
        max_examples=wanted,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(case: Any) -> None:
        seen.append(repr(case))
        judge(case)

    each()
    assert len(seen) >= wanted, f"{name}: {len(seen)} cases of {wanted}"
    # Hypothesis may come upon a case again; most must be new
    assert len(set(seen)) > 0.8 * wanted, f"{name}: only {len(set(seen))} different cases"


def arguments(
    table: Mapping[str, Sequence[Odd]], clean: int = 3
) -> st.SearchStrategy[dict[str, Odd]]:
    """For every argument one of its odd values, or three times as often the clean one."""
    each = {name: st.sampled_from([CLEAN] * clean + list(odd)) for name, odd in table.items()}
    return st.fixed_dictionaries(each)


def refusals(case: Mapping[str, Odd]) -> list[str]:
    """What may be said about the arguments of a case; nothing if all of them are good."""
    return [
        odd.refused.replace("NAME", re.escape(name))
        for name, odd in case.items()
        if odd.refused is not None
    ]


def outcome(call: Callable[[], Any], refused: Sequence[str], perhaps: Sequence[str] = ()) -> Any:
    """What a call returns; None after an error that was expected in these words.

    What is in `perhaps` may be said or not.
    """
    try:
        result = call()
    except Exception as error:
        require_ours(error)
        said, expected = str(error), [*refused, *perhaps]
        assert expected, "refused, though every argument is good"
        if not any(re.search(words, said, re.DOTALL) for words in expected):
            raise AssertionError(f"{said!r} says none of {expected}") from error
        return None
    assert not refused, f"accepted, though {refused} was expected; it gave {result!r}"
    return result


def require_ours(error: BaseException) -> None:
    """Fail unless modviz itself raised the error, by a statement of its own, as a kind of ours."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    raised_here = PACKAGE in Path(last.filename).parents and str(last.line).startswith("raise ")
    if not raised_here or not isinstance(error, (ValueError, TypeError, Cancelled)):
        raise AssertionError(
            f"{type(error).__name__} of {last.filename}:{last.lineno}, not ours: {error}"
        ) from error
    assert len(str(error)) > 15 or isinstance(error, Cancelled), f"too short to help: {error!r}"
