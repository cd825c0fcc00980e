"""Pieces that the controls are put together from: text, sections, buttons, and the heading."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets as w

#: Where the labels of all controls end.
LABEL = {"description_width": "100px"}


def text(value: str = "", *names: str) -> Any:
    """A block of HTML under CSS classes of ours."""
    block = w.HTML(value)
    for name in ("modviz-text", *names):
        block.add_class(name)
    return block


def header(words: str) -> Any:
    """The title of a section."""
    return text(f'<div role="heading" aria-level="3">{escape(words)}</div>', "modviz-header")


def section(*children: Any, name: str) -> Any:
    """Controls that belong together, below each other."""
    box = w.VBox(children)
    box.add_class("modviz-section")
    box.add_class(name)
    return box


def group(*blocks: Any) -> Any:
    """Blocks that stay below each other, also where the controls stand in a row."""
    box = w.VBox(blocks)
    box.add_class("modviz-group")
    return box


def row(*buttons: Any) -> Any:
    """Buttons beside each other, equally wide."""
    box = w.HBox(buttons)
    box.add_class("modviz-buttons")
    return box


def choice(description: str, words: Mapping[str, str], value: str, tooltip: str) -> Any:
    """A selector of one keyword's values, in words."""
    return w.Dropdown(
        options=[(word, name) for name, word in words.items()],
        value=value,
        description=description,
        tooltip=tooltip,
        style=LABEL,
    )


def shown(block: Any, *, visible: bool) -> None:
    """Show a block or take it away."""
    block.layout.display = "" if visible else "none"


class Heading:
    """Title and what is analysed."""

    def __init__(self) -> None:
        self.block = text("", "modviz-heading")
        self.show("")

    def show(self, *lines: str) -> None:
        """Put `lines` under the title."""
        below = "<br>".join(escape(line) for line in lines)
        self.block.value = (
            '<div class="modviz-title" role="heading" aria-level="2">Modularity explorer</div>'
            f"<div>{below}</div>"
        )


class Problem:
    """An error in words, with its traceback folded away."""

    def __init__(self) -> None:
        self.block = text("", "modviz-problem")
        shown(self.block, visible=False)

    def show(self, what: str, error: BaseException | None = None) -> None:
        """Say `what` went wrong; of `error` the message, its traceback folded."""
        words = f"<b>{escape(what)}</b>"
        if error is not None:
            said = str(error) or type(error).__name__
            trace = "".join(traceback.format_exception(error))
            words += (
                f"<div>{escape(said)}</div><details><summary>Traceback</summary>"
                f'<pre tabindex="0">{escape(trace)}</pre></details>'
            )
        self.block.value = f'<div role="alert">{words}</div>'
        shown(self.block, visible=True)

    def clear(self) -> None:
        """Take it away."""
        self.block.value = ""
        shown(self.block, visible=False)
