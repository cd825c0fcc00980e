"""What the lesson's checks answer, and how they read what a student wrote."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from lesson_figures import Figure

from modviz import Analysis

State = Literal["open", "wrong", "right"]

_HEADS = {"open": "Not answered yet.", "wrong": "Not yet.", "right": "Right."}
_COLOURS = {"open": "#8b949e", "wrong": "#c2410c", "right": "#15803d"}


@dataclass(frozen=True)
class Reply:
    """The answer of a check: a cell that ends with it shows it.

    Attributes
    ----------
    state : {"open", "wrong", "right"}
        ``"open"``: the dots still stand where an answer belongs.
    text : str
    figure : Figure or None
    head : str
        What stands first; by default as the state says.
    """

    state: State
    text: str
    figure: Figure | None = None
    head: str = ""

    def __repr__(self) -> str:
        shown = f"\n{self.figure!r}" if self.figure is not None else ""
        return f"{self.head or _HEADS[self.state]} {self.text}{shown}"

    def _repr_html_(self) -> str:
        figure = "" if self.figure is None else self.figure.html
        return (
            f'<div style="border-left:4px solid {_COLOURS[self.state]};padding:2px 10px">'
            f"<b>{self.head or _HEADS[self.state]}</b> {html.escape(self.text)}{figure}</div>"
        )


def unanswered(*answers: Any) -> bool:
    """Whether dots still stand in place of one of these answers."""
    return any(answer is ... for answer in answers)


def not_yet(
    what: str = "Write your answer in place of the dots, then run the cell again.",
) -> Reply:
    """The reply to dots."""
    return Reply("open", what)


def number(answer: Any) -> float | None:
    """What was answered as a number; None if it is none."""
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, (bool, np.bool_)) or not isinstance(answer, Real):
        return None
    return float(answer) if np.isfinite(float(answer)) else None


def wrong(hints: Sequence[tuple[bool, str]], otherwise: str) -> Reply:
    """The first hint whose condition holds."""
    return Reply("wrong", next((text for holds, text in hints if holds), otherwise))


def about_a_number(answer: Any, judge: Callable[[float], Reply]) -> Reply:
    """The reply of `judge` to a number, or what is to say where there is none."""
    if unanswered(answer):
        return not_yet()
    value = number(answer)
    if value is None:
        return Reply("wrong", f"The answer should be one number; this is {answer!r}.")
    return judge(value)


def near(answer: float, truth: float, within: float = 5e-4) -> bool:
    """Whether an answer is a number up to rounding: to three decimals is near enough."""
    return abs(answer - truth) <= within


def class_of(analysis: Analysis, answer: Any) -> str | None:
    """The class that was named, if there is one: 8 and "8" are the same."""
    text = str(answer).strip()
    return text if text in analysis.class_names else None


def names_of(answer: Any) -> set[str] | None:
    """The names in a list, a tuple or a set; None if it is none of these."""
    if isinstance(answer, str):
        return set(answer.replace(",", " ").split())
    if isinstance(answer, Iterable) and all(isinstance(name, str) for name in answer):
        return {name.strip() for name in answer}
    return None


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, in order."""
    every = sorted(names)
    return ", ".join(every) if every else "none"
