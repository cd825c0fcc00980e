"""What the lesson draws: small pictures as HTML, with the same in words for who can't see them.

Nothing here needs a script, so a figure looks the same in JupyterLab, in Voila and in a notebook
that was saved.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from modviz import Analysis

#: Jupyter's own colours, which follow its theme; the second is for front ends without them.
INK = "var(--jp-ui-font-color1, #1f2328)"
FAINT = "var(--jp-ui-font-color3, #8b949e)"
HIT = "#c2410c"


@dataclass(frozen=True)
class Figure:
    """Something to look at; `words` say the same."""

    html: str
    words: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.words


def place_of(analysis: Analysis, name: str) -> int:
    """Row of a subcluster in the tables of an analysis.

    Raises
    ------
    ValueError
        If there is no such subcluster; the message names those that were tested.
    """
    for place, subcluster in enumerate(analysis.subclusters):
        if subcluster.name == name:
            return place
    tested = [s.name for s, yes in zip(analysis.subclusters, analysis.tested, strict=True) if yes]
    raise ValueError(f"no subcluster {name!r}; there are {', '.join(tested)}")


def drivers(analysis: Analysis, *names: str) -> Figure:
    """The ten test images that drive each of these subclusters most, with their classes."""
    rows, words = [], []
    for name in names:
        place, found = place_of(analysis, name), analysis.top_images
        if found is None or found.images is None or found.labels[place].min() < 0:
            raise ValueError(f"{name} was not measured; choose another subcluster")
        classes = [analysis.class_names[label] for label in found.labels[place]]
        pictures = [np.asarray(found.images[place][k]) for k in range(len(classes))]
        cells = [
            f'<figure style="margin:0 6px 0 0;text-align:center">{_img(picture, text, 56)}'
            f'<figcaption style="font-size:11px;color:{INK}">{escape(text)}</figcaption></figure>'
            for picture, text in zip(pictures, classes, strict=True)
        ]
        rows.append(_row(f"<b>{escape(name)}</b>", "".join(cells)))
        words.append(f"{name} is driven most by images of {', '.join(classes)}")
    return Figure("".join(rows), "\n".join(words))


def bars(changes: Mapping[str, float], said: str | None = None) -> Figure:
    """What a lesion changes in each class, in points; the class that was `said` is marked."""
    lines = []
    for name, change in changes.items():
        points = _points(change)
        width = min(abs(round(100 * change)), 100)
        colour = HIT if change < 0 else FAINT
        mark = " ◀ predicted" if name == said else ""
        lines.append(
            f'<div style="display:flex;align-items:center;color:{INK};font-size:12px">'
            f'<span style="width:70px">{escape(name)}</span>'
            f'<span style="width:{2 * width}px;height:10px;background:{colour}"></span>'
            f'<span style="margin-left:6px">{points}{mark}</span></div>'
        )
    text = ", ".join(f"{name} {_points(change)}" for name, change in changes.items())
    return Figure(f'<div style="margin:6px 0 10px">{"".join(lines)}</div>', text)


def strip(observed: float, controls: ArrayLike, label: str = "the subcluster") -> Figure:
    """Where one lesion lies among those of random groups: a dot a group, a line for the lesion."""
    drawn = np.asarray(controls, dtype=float)
    low, high = min(observed, drawn.min()), max(observed, drawn.max(), 0.0)
    width, height, size = 640, 120, 8

    def across(value: float) -> float:
        return 20 + (width - 40) * (value - low) / max(high - low, 1e-9)

    stack: dict[int, int] = {}
    dots = []
    for value in np.sort(drawn):
        column = round(across(value) / size)
        stack[column] = stack.get(column, 0) + 1
        # high piles are pressed together so that they stay inside
        y = height - 28 - min(stack[column] * 5, height - 50)
        dots.append(f'<circle cx="{column * size}" cy="{y}" r="2.6" fill="{FAINT}"/>')
    words = (  # how many lie where is for the reader to count
        f"line: {label}, {_points(observed)} points; dots: {drawn.size} random groups, from "
        f"{_points(drawn.min())} to {_points(drawn.max())} points"
    )
    line = (
        f'<line x1="{across(observed)}" x2="{across(observed)}" y1="16" y2="{height - 24}" '
        f'stroke="{HIT}" stroke-width="2"/>'
    )
    axis = "".join(
        f'<text x="{across(value)}" y="{height - 8}" font-size="11" text-anchor="middle" '
        f'fill="{INK}">{_points(value)}</text>'
        for value in np.linspace(low, high, 5)
    )
    html = (
        f'<svg role="img" aria-label="{escape(words)}" width="{width}" height="{height}">'
        f'{"".join(dots)}{line}{axis}</svg><p style="font-size:12px">{escape(words)}</p>'
    )
    return Figure(html, words)


def side_by_side(pairs: Mapping[str, Sequence[NDArray[np.float32]]]) -> Figure:
    """Two pictures for each name, left and right."""
    rows = []
    for name, (left, right) in pairs.items():
        cells = "".join(
            f'<figure style="margin:0 14px 0 0;text-align:center">'
            f"{_img(picture, f'{name}, {side}', 96)}"
            f'<figcaption style="font-size:11px;color:{INK}">{side}</figcaption></figure>'
            for side, picture in (("left", left), ("right", right))
        )
        rows.append(_row(f"<b>{escape(name)}</b>", cells))
    return Figure("".join(rows), f"two pictures each, left and right, for {', '.join(pairs)}")


def _points(change: float) -> str:
    """Points of accuracy with a true minus sign."""
    return f"{100 * change:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def _row(head: str, body: str) -> str:
    return (
        f'<div style="display:flex;align-items:center;margin:4px 0;color:{INK}">'
        f'<span style="width:44px">{head}</span>{body}</div>'
    )


def _img(picture: NDArray[Any], text: str, side: int) -> str:
    """One picture of H x W x D pixels, 0 .. 1, as it is: enlarged without smoothing."""
    pixels = (255 * np.clip(np.nan_to_num(picture), 0, 1)).round().astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    file = BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<img alt="{escape(text)}" src="data:image/png;base64,{data}" width="{side}" '
        f'height="{side}" style="image-rendering:pixelated;max-width:none">'
    )
