"""The pieces of the table twins in HTML: a table with its caption, rows with a button, cells.

Everything that goes in is plain text and is escaped here; `marked` alone takes HTML. A style sheet
needs two classes: ``n`` for numbers (aligned at the right) and ``vh`` for words that are there to
be heard and not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np


class Head(NamedTuple):
    """A column: its words, and whether numbers stand in it."""

    words: str
    number: bool = True


def table(caption: str, heads: Sequence[Head], rows: Iterable[str]) -> str:
    """A whole table: caption, a head for each column, and rows as `row` gives them."""
    shown = "".join(
        f'<th scope="col"{_kind(head.number)}>{escape(head.words)}</th>' for head in heads
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{shown}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def row(label: str, members: Sequence[str], cells: Iterable[str], of: str = "") -> str:
    """A row headed by a button that selects `members`, or by the label alone if there are none.

    Parameters
    ----------
    label : str
        What the head of the row says.
    members : sequence of str
        Names of the subclusters that the button selects.
    cells : iterable of str
        HTML of the cells.
    of : str
        The subcluster that the row is of; "" = it is no subcluster's.
    """
    head = escape(label)
    if members:
        names = escape(" ".join(members))
        head = f'<button type="button" data-select="{names}">{head}</button>'
    mark = f' data-of="{escape(of)}"' if of else ""
    return f'<tr{mark}><th scope="row">{head}</th>{"".join(cells)}</tr>'


def subcluster(name: str, cells: Iterable[str]) -> str:
    """The row of a subcluster, whose button selects it."""
    return row(name, [name], cells, of=name)


def words(text: str) -> str:
    """A cell with words."""
    return f"<td>{escape(text)}</td>"


def marked(html: str) -> str:
    """A cell with words that are HTML already."""
    return f"<td>{html}</td>"


def number(text: str, *, strong: bool = False, missing: str = "undefined") -> str:
    """A cell with a number, bold if it is `strong`; "–" is followed by why it is missing."""
    shown = escape(text)
    if text == "–":
        shown = f'–<span class="vh"> {escape(missing)}</span>'
    return f'<td class="n">{f"<b>{shown}</b>" if strong else shown}</td>'


def digits(value: float) -> str:
    """Three digits of a number of any size; "–" for NaN."""
    if np.isnan(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("-", "−")


def gap(why: str, columns: int) -> str:
    """One cell in the place of several: nothing is there yet, or ever, and why."""
    return f'<td colspan="{columns}">– {escape(why)}</td>'


def sentence(text: str) -> str:
    """A sentence in the place of a table."""
    return f"<p>{escape(text[:1].upper() + text[1:])}.</p>"


def _kind(is_number: bool) -> str:
    return ' class="n"' if is_number else ""
