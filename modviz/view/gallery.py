"""Where the pictures of the gallery stand: layers follow each other, wrap, and share lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modviz.view import style
from modviz.view.facts import Facts
from modviz.view.pictures import LARGEST

#: Real images in a line of a cell; so many lines where no optimised picture stands above them.
ACROSS, LINES_ALONE = 4, 2
#: From a picture's lower edge: its bar, the first and the second line of words, the cell's end.
BAR, FIRST, SECOND, END = 2, 16, 30, 39
#: Between the two pictures of a cell, and between small ones.
_BETWEEN, _APART = 6, 2
#: From the words under the pair to the real images; from those to the words under them.
_ABOVE_TOPS, BELOW_TOPS, _END_TOPS = 4, 11, 20
_SIZE = 56
_NARROWEST = 118
_TITLE = 24
_BELOW_CELL = 13
_BETWEEN_CELLS = 16
#: On a wide page cells stand this many times as far apart, not further.
_SPREAD = 2.2
#: Room for the outline of a selected cell at both ends of a line.
_INSET = 4


#: What `anchors` gives before there is anything.
NONE = {"layers": [], "wide": 1, "tall": 1, "between": 1, "spread": 1, "inset": 0, "title": 0} | {
    "below": 0
}


@dataclass(frozen=True)
class Cell:
    """Where the pictures of subcluster `i` stand."""

    i: int
    x: float
    y: float


@dataclass(frozen=True)
class LayerTitle:
    """Where the title of a layer stands, and the word by which its mark moves."""

    key: str
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Gallery:
    """Sizes and places of all pictures, in pixels.

    Attributes
    ----------
    size, small : tuple of int
        Width and height of an optimised picture, and of a real image.
    pair : bool
        Whether there are optimised pictures, or places for them.
    tops : bool
        Whether there are top images, or places for them.
    lines : int
        Lines of real images; 0 where the top images can't be shown, only their classes told.
    """

    size: tuple[int, int]
    small: tuple[int, int]
    pair: bool
    tops: bool
    lines: int
    cells: list[Cell] = field(default_factory=list)
    layers: list[LayerTitle] = field(default_factory=list)
    height: int = 0

    @property
    def wide(self) -> int:
        """Width of a cell."""
        return max(2 * self.size[0] + _BETWEEN, _NARROWEST)

    @property
    def second(self) -> int:
        """From the left edge of a cell to its second picture."""
        return self.size[0] + _BETWEEN

    @property
    def tops_from(self) -> int:
        """From the upper edge of a cell to its real images."""
        return self.size[1] + END + _ABOVE_TOPS if self.pair else 0

    @property
    def tops_height(self) -> int:
        """Height of all lines of real images."""
        return max(self.lines * (self.small[1] + _APART) - _APART, 0)

    @property
    def tall(self) -> int:
        """Height of a cell."""
        if not self.tops:
            return self.size[1] + END
        return self.tops_from + self.tops_height + (_END_TOPS if self.pair else END)

    @property
    def beside(self) -> int:
        """From the left edge of a cell to the second column of words."""
        return max(self.second, 60)

    def corners(self) -> list[tuple[float, float]]:
        """Left upper corners of the real images, from the cell's: line by line."""
        step = (2 * self.size[0] + _BETWEEN - self.small[0]) / (ACROSS - 1)
        return [
            (round(place * step), self.tops_from + line * (self.small[1] + _APART))
            for line in range(self.lines)
            for place in range(ACROSS)
        ]


def arrange(facts: Facts) -> Gallery:
    """Lay out the tested subclusters of all layers."""
    plan = _plan(facts)
    room = style.PAGE - 2 * _INSET
    slots = max(1, (room + _BETWEEN_CELLS) // (plan.wide + _BETWEEN_CELLS))
    spread = (room - plan.wide) / max(slots - 1, 1)
    pitch = plan.wide if slots == 1 else min(spread, plan.wide + _SPREAD * _BETWEEN_CELLS)
    tall = _TITLE + plan.tall + _BELOW_CELL
    slot, y = 0, 0.0
    for layer in facts.hidden_layers:
        members = [
            i for i, s in enumerate(facts.subclusters) if s.layer == layer.name and facts.tested[i]
        ]
        if not members:
            continue
        if slot and slot + len(members) > slots:
            slot, y = 0, y + tall
        # lines of about the same length: eight cells are four and four, not seven and one
        lines = -(-len(members) // slots)
        per_line = -(-len(members) // lines)
        title = f"Layer {layer.number}"
        if layer.name != title.lower():
            title += f" · {layer.name}"
        title = style.fit(title, min(len(members), slots) * pitch - 20)
        key = f"layer {layer.number}"  # no subcluster is called so
        plan.layers.append(LayerTitle(key, _INSET + slot * pitch, y + 12, title))
        for place, i in enumerate(members):
            if place and place % per_line == 0:
                slot, y = 0, y + tall - 12
            plan.cells.append(Cell(i, _INSET + slot * pitch, y + _TITLE))
            slot += 1
    return Gallery(**{**vars(plan), "height": int(y + tall)})


def anchors(facts: Facts) -> dict[str, Any]:
    """The arrangement as the page's scripts need it to make another one."""
    places = arrange(facts)
    at = {cell.i: cell for cell in places.cells}
    members: dict[str, list[dict[str, Any]]] = {layer.key: [] for layer in places.layers}
    for i, s in enumerate(facts.subclusters):
        if i in at:
            entry = {"name": facts.names[i], "x": at[i].x, "y": at[i].y}
            members[f"layer {s.layer_number}"].append(entry)
    return {
        "layers": [
            {"key": la.key, "x": la.x, "y": la.y, "members": members[la.key]}
            for la in places.layers
        ],
        "wide": places.wide,
        "tall": places.tall,
        "between": _BETWEEN_CELLS,
        "spread": _SPREAD,
        "inset": _INSET,
        "title": _TITLE,
        "below": _BELOW_CELL,
    }


def _plan(facts: Facts) -> Gallery:
    """What a cell holds, and the sizes of its pictures."""
    results, tops = facts.analysis.features, facts.analysis.top_images
    has_tops = tops is not None or facts.awaited("top_images")
    # empty places say that there are no pictures, unless real ones take them
    pair = results is not None or facts.awaited("features") or not has_tops
    images = tops.images if tops is not None else None
    shown = results.images if results is not None else images
    w, h = (_SIZE, _SIZE) if shown is None else _enlarged(*shown.shape[-3:-1])
    told_only = tops is not None and images is None
    lines = 0 if told_only or not has_tops else 1 if pair else LINES_ALONE
    return Gallery((w, h), (w // 2, h // 2), pair, has_tops, lines)


def _enlarged(height: int, width: int) -> tuple[int, int]:
    """Width and height of a picture on the page: about 56 pixels, whole multiples of small ones."""
    longest = max(height, width)
    times = max(2, round(_SIZE / longest)) if 2 * longest <= LARGEST else LARGEST / longest
    return max(8, round(width * times)), max(8, round(height * times))
