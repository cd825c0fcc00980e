"""Sheets of pictures: all pictures of a kind in one compressed image, on their way to a browser.

Hundreds of pictures, sent one by one and once more in every card, would be most of a page's bytes.
A sheet is sent once; gallery and cards name tiles of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from modviz.core.analysis import FeatureResults, TopImages
from modviz.core.encoded import Pictures
from modviz.view.pictures import COARSE, pixels

Kind = Literal["features", "tops"]
KINDS: tuple[Kind, ...] = ("features", "tops")

#: No image format takes more pixels a side.
_LONGEST = 16_000


@dataclass(frozen=True, eq=False)
class Sheet:
    """Tiles of one size in a grid, row after row.

    Attributes
    ----------
    kind : {"features", "tops"}
        Optimised pictures: tile i is that of subcluster i, tile S + i that of its first random
        group.
        Top images: tile i * T + t is place t of subcluster i.
    data : bytes
        A PNG file (grey) or a WebP file (colours); empty where there are no pictures.
    columns, rows : int
    tile : (int, int)
        Width and height of a tile in pixels.
    """

    kind: Kind
    data: bytes = b""
    mime: str = "image/png"
    columns: int = 1
    rows: int = 1
    tile: tuple[int, int] = (1, 1)

    @property
    def coarse(self) -> bool:
        """Whether its pixels are so few that they are enlarged as they are."""
        return max(self.tile) <= COARSE

    def source(self) -> dict[str, Any]:
        """The columns of the small data source that carries it."""
        about = {
            "kind": self.kind,
            "mime": self.mime,
            "columns": self.columns,
            "rows": self.rows,
            "tile": self.tile,
            "coarse": self.coarse,
        }
        return {
            "bytes": [np.frombuffer(self.data, dtype=np.uint8)],
            "json": [json.dumps(about)],
            "pixel": [np.zeros((1, 1), dtype=np.uint32)],  # a sample of what Bokeh paints
        }

    def place(self, number: int) -> str:
        """Where a tile lies, as the CSS property of an element of class ``pic``."""
        row, column = divmod(number, self.columns)
        across = 100 * column / max(self.columns - 1, 1)
        along = 100 * row / max(self.rows - 1, 1)
        return f"background-position:{across:.5g}% {along:.5g}%"


_made: WeakKeyDictionary[FeatureResults | TopImages, Sheet] = WeakKeyDictionary()


def sheet_of(results: FeatureResults | TopImages | None, kind: Kind) -> Sheet:
    """The sheet of these results; made once for each."""
    if results is None:
        return Sheet(kind)
    if results not in _made:
        _made[results] = _pack(kind, _pictures(results))
    return _made[results]


def _pictures(results: FeatureResults | TopImages) -> list[Pictures]:
    """Pictures in the order of the tiles, each of shape (..., H, W, D)."""
    if isinstance(results, FeatureResults):
        return [results.images, results.control_images]
    return [] if results.images is None else [results.images]


def _each(sets: list[Pictures]) -> Iterator[NDArray[np.float32]]:
    """One after the other: those of a file are decoded here, and all at once would be large."""
    return (images[place] for images in sets for place in np.ndindex(*images.shape[:-3]))


def _pack(kind: Kind, sets: list[Pictures]) -> Sheet:
    count = sum(prod(images.shape[:-3]) for images in sets)
    if not count:
        return Sheet(kind)
    height, width = pixels(next(_each(sets))).shape[:2]
    columns = min(int(np.ceil(np.sqrt(count * height / width))), _LONGEST // width)
    rows = -(-count // columns)
    whole = np.full((rows * height, columns * width, 3), 255, dtype=np.uint8)
    for number, image in enumerate(_each(sets)):
        if not np.isnan(image).all():
            row, column = divmod(number, columns)
            top, left = row * height, column * width
            whole[top : top + height, left : left + width] = pixels(image)
    grey = sets[0].shape[-1] == 1
    buffer = BytesIO()
    if grey or not features.check("webp") or rows * height > _LONGEST:
        mime = "image/png"
        Image.fromarray(whole[..., 0] if grey else whole).save(buffer, format="PNG")
    else:
        mime = "image/webp"
        Image.fromarray(whole).save(buffer, format="WEBP", quality=88, method=2)
    return Sheet(kind, buffer.getvalue(), mime, columns, rows, (width, height))
