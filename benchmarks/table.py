"""The table that `make bench` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    work : str
        What is done, with its size.
    way : str
        The way it is compared with: ``"official"`` or ``"generous"``.
    ratio : float
        How many times as long that way takes as modviz.
    baseline_seconds, modviz_seconds : float
        Medians.
    target : float
        The ratio that was asked for; 0 = none was.
    check : str
        What was compared of the two results, and what came out.
    """

    work: str
    way: str
    ratio: float
    baseline_seconds: float
    modviz_seconds: float
    target: float
    check: str

    @property
    def text(self) -> str:
        """The row as a line of a Markdown table."""
        asked = f"{self.target:g}x" if self.target else ""
        return (
            f"| {self.work} | {self.way} | {self.ratio:.1f}x | {asked} "
            f"| {self.baseline_seconds:.3g} s | {self.modviz_seconds:.3g} s | {self.check} |"
        )


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| work | compared with | ratio | asked | that way | modviz | results |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [row.text for row in rows]
    return "\n".join(lines)
