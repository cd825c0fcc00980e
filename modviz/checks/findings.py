"""What a check found, and all findings together."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

Verdict = Literal["fine", "warning", "will not work"]
_ORDER: Final[tuple[Verdict, ...]] = ("fine", "warning", "will not work")
#: Background and ink of a verdict in HTML; the verdict itself is written out beside them.
_TONES: Final = {
    "fine": ("#d9eee5", "#0b5540"),
    "warning": ("#f6ead2", "#6b4a10"),
    "will not work": ("#f7dcdc", "#7d0a22"),
}
_COLUMN, _SUBJECT, _WIDTH = 15, 15, 100


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    subject : str
        What was looked at, in a word or two.
    verdict : str
        ``"fine"``; ``"warning"``: something is missing, slow or not known to work;
        ``"will not work"``.
    words : str
        What was found.
    advice : str
        What to do; empty where nothing has to be done.
    """

    subject: str
    verdict: Verdict
    words: str
    advice: str = ""


@dataclass(frozen=True)
class Checkup:
    """All findings; its text and its notebook output say them in words.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the checks.
    """

    findings: tuple[Finding, ...]

    @property
    def status(self) -> int:
        """Exit status: 1 if something will not work, otherwise 0."""
        return int(any(finding.verdict == "will not work" for finding in self.findings))

    @property
    def headline(self) -> str:
        """The outcome in a line."""
        counts = {
            verdict: sum(finding.verdict == verdict for finding in self.findings)
            for verdict in _ORDER
        }
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"modviz doctor: {said or 'nothing was checked'}"

    def __str__(self) -> str:
        """The findings as lines of text."""
        lines = [self.headline, ""]
        for finding in self.findings:
            start = f"{finding.verdict:<{_COLUMN}}{finding.subject:<{_SUBJECT}}"
            lines += _folded(start, finding.words)
            if finding.advice:
                lines += _folded(" " * (_COLUMN + _SUBJECT), f"To do: {finding.advice}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(_row(finding) for finding in self.findings)
        head = "".join(
            f'<th scope="col" style="text-align:left">{name}</th>'
            for name in ("Verdict", "What", "Found")
        )
        return (
            f"<table><caption>{escape(self.headline)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _folded(start: str, words: str) -> list[str]:
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (_COLUMN + _SUBJECT),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _row(finding: Finding) -> str:
    back, ink = _TONES[finding.verdict]
    advice = f"<br><b>To do:</b> {escape(finding.advice)}" if finding.advice else ""
    left = 'style="text-align:left;vertical-align:top"'
    return (
        f'<tr><td {left}><span style="background:{back};color:{ink};padding:1px 7px;'
        f'border-radius:9px;white-space:nowrap">{finding.verdict}</span></td>'
        f'<th scope="row" {left}>{escape(finding.subject)}</th>'
        f"<td {left}>{escape(finding.words)}{advice}</td></tr>"
    )
