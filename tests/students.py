"""Go through a notebook of notebooks/ as its readers do, with answers in place of dots."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

#: A line with dots where an answer belongs.
_DOTS = re.compile(r"^.*\.\.\..*$", re.MULTILINE)


@contextmanager
def beside_notebooks() -> Iterator[Callable[[str], ModuleType]]:
    """Imports the files beside the notebooks as a notebook does; they are forgotten afterwards."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(NOTEBOOKS))
        patch.chdir(NOTEBOOKS)
        yield importlib.import_module
    for name in set(sys.modules) - before:
        if (NOTEBOOKS / f"{name}.py").is_file():
            del sys.modules[name]


def cells(name: str) -> list[str]:
    """The code cells of a notebook."""
    stored = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in stored["cells"] if c["cell_type"] == "code"]


def run(source: str, names: dict[str, object]) -> object:
    """Run a cell; the value of its last expression, as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return (
        None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    )


#: In the order of the notebook, what stands in place of the line with dots: right, then wrong.
ANSWERS = [
    ('prediction = a.class_changes().loc["B2"].idxmin()', "prediction = 'sequoia'"),
    ('prediction = a.class_changes().loc["D3"].idxmin()',
     'prediction = a.class_changes().loc["D3"].idxmax()'),
    ('prediction = int(b.class_changes().loc["A2"].idxmin())', "prediction = None"),
    ('prediction = b.class_changes().loc["B3"].idxmin()', "prediction = 7"),
    ('prediction = b.class_changes().loc["D4"].idxmin()', "prediction = 11"),
    ("p = sum(x <= observed for x in [observed, *drawn]) / 100", "p = (drawn <= observed).mean()"),
    ("smallest = {19: 0.05, 99: 0.01, 999: 0.001}", "smallest = {19: 0, 99: 0, 999: 0}"),
    ('layer, size = "fc4", 9', 'layer, size = "fc1", 19'),
    ("p = sum(x >= right_in_b for x in [right_in_b, *shares]) / 200",
     "p = lesson.p_value(right_in_b, shares)"),
    ("p = (1 + sum(min(row) <= min(own) for row in controls)) / 1000",
     "p = lesson.p_value(own[worst], controls[:, worst])"),
    ("on_average = 17 / 20", "on_average = 0.05"),
    ('declared = {"A1"}', 'declared = {"A1", "D4"}'),
    ("needed = 339", "needed = 338"),
    ('answers = {"a": False, "b": True, "c": False, "d": True, "e": False}',
     'answers = {"a": True, "b": True, "c": True, "d": True, "e": "True"}'),
    (None, 'answers = {"C1": "left", "B3": "middle", "D3": "right", "E4": "right"}'),
]  # fmt: skip


def walk(answers: list[str | None]) -> list[object]:
    """Run the lesson with these answers; what its checks replied, in order."""
    names: dict[str, object] = {}
    replies, waiting = [], iter(answers)
    for cell in cells("03_lesson.ipynb"):
        if "modviz.explore(" in cell:
            continue  # the explorer has tests of its own
        answer = next(waiting) if "..." in cell else None
        answered = cell if answer is None else _DOTS.sub(lambda _, a=answer: a, cell, count=1)
        assert answer is None or "..." not in answered
        shown = run(answered, names)
        if "..." in cell:
            replies.append(shown)
    assert next(waiting, "none") == "none"
    return replies
