"""Docstrings of public names: each has an example, and what the example shows is what happens."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import modviz

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public() -> dict[str, Any]:
    """Names that users type and what they stand for; those of modules with the module's name."""
    found: dict[str, Any] = {}
    for name in modviz._HOME:
        value = getattr(modviz, name)
        if isinstance(value, ModuleType):
            found |= {f"{name}.{inner}": getattr(value, inner) for inner in value.__all__}
        else:
            found[name] = value
    return found


#: Results whose example is that of the function that gives them.
SHOWN_BY = {"Analysis": "analyze", "Explorer": "explore", "Interactions": "interactions"}


def needs_example(name: str, value: Any) -> bool:
    """Functions and classes do; errors, types of arguments and results of modules do not."""
    if inspect.isclass(value):
        return "." not in name and name not in SHOWN_BY and not issubclass(value, Exception)
    return inspect.isfunction(value)


PUBLIC = public()
NEEDING = sorted(name for name, value in PUBLIC.items() if needs_example(name, value))

#: Needs files that not every machine has; tests/test_fashion_mnist.py reads them.
WITHOUT = {"examples.fashion_mnist"}


def failures(docstring: str, name: str) -> tuple[int, str]:
    """Examples that were tried, and what was wrong with them."""
    given = {"modviz": modviz}
    test = doctest.DocTestParser().get_doctest(docstring, given, name, None, None)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    outcome = runner.run(test, out=said.append)
    return outcome.attempted, "".join(said)


@pytest.mark.parametrize("name", NEEDING)
def test_the_example_of_a_public_name_shows_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what an example writes is not to stay
    docstring = inspect.getdoc(PUBLIC[name]) or ""
    if name in WITHOUT:
        assert "Raises\n------" in docstring
        return
    assert "\nExamples\n--------\n>>> " in docstring, f"modviz.{name} has no example"
    example = docstring.split("\nExamples\n--------\n")[1]
    assert "\n---" not in example, "the example comes last"
    tried, wrong = failures(example, name)
    assert tried > 0
    assert wrong == ""


def test_an_example_that_shows_something_else_is_found() -> None:
    assert failures(">>> 1 + 1\n2\n", "right") == (1, "")
    tried, wrong = failures(">>> 1 + 1\n3\n", "wrong")
    assert tried == 1
    assert "Expected:\n    3\nGot:\n    2" in wrong


def test_every_public_name_is_looked_at() -> None:
    functions: dict[str, Callable[..., Any]] = {
        name: value for name, value in PUBLIC.items() if inspect.isfunction(value)
    }
    assert set(functions) <= set(NEEDING)
    assert {"Network", "Partition", "statistics.fisher", "examples.mlp"} <= set(NEEDING)
    assert set(SHOWN_BY.values()) <= set(NEEDING)
