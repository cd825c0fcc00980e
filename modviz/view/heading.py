"""The heading above a panel, read back from its HTML and painted on a canvas."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from modviz.view import style
from modviz.view.canvas import Canvas, text_width

#: Pixels of a legend's dot and of a ramp of colours, with the room around them.
_DOT, _RAMP = 20, 90


@dataclass
class _Line:
    """A line of a head, piece by piece: words, a legend's dot, or a ramp of colours."""

    pieces: list[str | tuple[str, ...]] = field(default_factory=list)

    def width(self) -> float:
        return sum(
            text_width(piece) if isinstance(piece, str) else _RAMP if piece[0] == "ramp" else _DOT
            for piece in self.pieces
        )


class Heading(HTMLParser):
    """The head of a panel, read back from its HTML: title, explanation, legend at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.say: list[_Line] = [_Line()]
        self.aside = _Line()
        self._open: list[str] = []

    @classmethod
    def read(cls, html: str) -> Heading:
        """From the HTML of `style.header`."""
        head = cls()
        head.feed(html)
        head.close()
        return head

    @property
    def height(self) -> int:
        """Pixels of the page that it takes."""
        return style.HEADER + 16 * (len(self.say) - 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the class of an element that opens; legends become pieces of their line."""
        given = {name: value or "" for name, value in attrs}
        kind = given.get("class", "")
        if tag == "br":
            self.say.append(_Line())
            return
        self._open.append(kind)
        line = self._line()
        if line is not None and kind.startswith("dot"):
            line.pieces.append(("dot", "full" if "full" in kind else ""))
        elif line is not None and kind == "ramp":
            inside = given.get("style", "").partition("90deg,")[2].rstrip(");")
            line.pieces.append(("ramp", *inside.split(",")))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (the parser's signature)
        """Leave the innermost element."""
        if self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Words go to the title or to the line that is open; all others are no heading."""
        words = " ".join(data.split())
        line = self._line()
        if "title" in self._open:
            self.title += words
        elif line is not None and words:
            line.pieces.append(words)

    def _line(self) -> _Line | None:
        if "aside" in self._open:
            return self.aside
        return self.say[-1] if "say" in self._open else None

    def draw(self, canvas: Canvas, left: float, top: float, width: float) -> None:
        """Paint it above a panel of some width."""
        canvas.text(left, top + 11, self.title, color=style.INK, size=13, bold=True)
        for k, line in enumerate(self.say):
            _draw_line(canvas, line, left, top + 28 + 16 * k)
        _draw_line(canvas, self.aside, left + width - self.aside.width(), top + 28)


def _draw_line(canvas: Canvas, line: _Line, x: float, y: float) -> None:
    for piece in line.pieces:
        if isinstance(piece, str):
            canvas.text(x, y, piece, color=style.MUTED)
            x += text_width(piece)
        elif piece[0] == "dot":
            fill = style.TEXT if piece[1] else style.WHITE
            canvas.dot(x + 12, y, 7, fill, style.TEXT, 2)
            x += _DOT
        else:
            _draw_ramp(canvas, piece[1:], x + 3, y)
            x += _RAMP


def _draw_ramp(canvas: Canvas, colors: tuple[str, ...], x: float, y: float) -> None:
    canvas.box(x, y - 4, x + 84, y + 4, style.LINE)
    steps = 164
    for step in range(steps):
        place = step / (steps - 1) * (len(colors) - 1)
        k = min(int(place), len(colors) - 2)
        color = style.mix(colors[k], colors[k + 1], place - k)
        canvas.box(x + 1 + step / 2, y - 3, x + 1.5 + step / 2, y + 3, color)
