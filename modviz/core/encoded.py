"""Pictures as a file has them: small encoded images that are decoded when somebody looks.

All pictures of a large analysis are a thousand times the memory of those on the screen. So what a
file holds stays encoded, and stands in for the array: index it and get an array of float32.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from modviz.core.archive import BundleError

#: The most pixels a side, which is WebP's limit, and in all: one picture shall not fill the memory.
_LONGEST, _MOST_PIXELS = 16_383, 2**24


class EncodedPictures:
    """An array of pictures, shape (..., H, W, D), values 0 .. 1, of which each is decoded on use.

    Indexing gives arrays of float32: ``pictures[3]`` decodes one, ``numpy.asarray(pictures)`` all.

    Parameters
    ----------
    files : tuple of bytes
        WebP or PNG images of W x H pixels.
    which : array of int, shape (...)
        The file of each picture; -1 = there is none, which reads as NaN.
    size : (int, int, int)
        Height, width, and depth: 1 (grey) or 3 (RGB).
    shown : array of bool, shape (H, W), optional
        Which pixels there are; the others read as NaN. None = all.

    Raises
    ------
    ValueError
        If a file's header is not that of such an image.
    """

    def __init__(
        self,
        files: tuple[bytes, ...],
        which: NDArray[np.integer[Any]],
        size: tuple[int, int, int],
        shown: NDArray[np.bool_] | None = None,
    ) -> None:
        self.files, self.which, self.shown = files, which, shown
        self._size = size
        height, width, depth = size
        if not encodable(size):
            raise ValueError(
                f"pictures of {height} x {width} x {depth}; expected 1 or 3 channels and at most "
                f"{_LONGEST:,} pixels a side, {_MOST_PIXELS:,} in all"
            )
        if shown is not None and shown.shape != (height, width):
            raise ValueError(f"a mask of {shown.shape} for pictures of {height} x {width} pixels")
        if which.size and (which.min() < -1 or which.max() >= len(files)):
            raise ValueError(f"a picture's file is not among the {len(files)} that there are")
        for number, file in enumerate(files):
            if (found := _size_of(file)) != (width, height):
                raise ValueError(
                    f"picture {number} is {'no WebP or PNG' if found is None else found}; expected "
                    f"an image of {width} x {height} pixels"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array that it stands for."""
        return (*self.which.shape, *self._size)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values of the array that it stands for."""
        return prod(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32, as pictures always have."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.which)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """An array, as of the array that it stands for; decodes what it needs of the first axes."""
        parts = index if isinstance(index, tuple) else (index,)
        plain = all(isinstance(part, (int, np.integer, slice)) for part in parts)
        axes = self.which.ndim
        if not plain and len(parts) > 1:
            return self._all(index)
        if not plain and (index is None or index is Ellipsis or np.ndim(index) > axes):
            return self._all(index)
        chosen = np.asarray(self.which[parts[:axes]])
        pictures = self._decoded(chosen)
        rest = parts[axes:]
        return np.asarray(pictures[(slice(None),) * chosen.ndim + rest]) if rest else pictures

    def _all(self, index: Any) -> NDArray[np.float32]:
        return np.asarray(np.asarray(self)[index])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("encoded pictures become an array only by a copy of them")
        return self._decoded(self.which).astype(dtype or np.float32, copy=False)

    def __repr__(self) -> str:
        stored = sum(map(len, self.files))
        return f"EncodedPictures(shape {self.shape}, {len(self.files)} files, {stored:,} bytes)"

    def _decoded(self, which: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The pictures of some files, shape (*which.shape, H, W, D)."""
        out = np.full((which.size, *self._size), np.nan, dtype=np.float32)
        numbers = which.ravel()
        for number in np.unique(numbers[numbers >= 0]).tolist():
            picture = self._picture(number)
            if self.shown is not None:
                picture[~self.shown] = np.nan
            out[numbers == number] = picture
        return out.reshape(*which.shape, *self._size)

    def _picture(self, number: int) -> NDArray[np.float32]:
        from PIL import Image

        height, width, depth = self._size
        try:
            with Image.open(BytesIO(self.files[number]), formats=("WEBP", "PNG")) as image:
                if image.size != (width, height):
                    raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels")
                pixels = np.array(image.convert("L" if depth == 1 else "RGB"), dtype=np.float32)
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            MemoryError,
            struct.error,
            zlib.error,
        ) as e:
            raise BundleError(
                f"picture {number} of the file can't be decoded ({e}); expected an image of "
                f"{width} x {height} pixels: get the file again from where it came from"
            ) from e
        pixels /= 255
        return pixels.reshape(height, width, depth)


def encodable(size: tuple[int, int, int]) -> bool:
    """Whether pictures of this height, width and depth can be image files."""
    height, width, depth = size
    sides = 1 <= height <= _LONGEST and 1 <= width <= _LONGEST
    return depth in (1, 3) and sides and height * width <= _MOST_PIXELS


def _size_of(file: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a plain WebP or PNG; None if it is neither.

    WebP with animation, transparency or metadata is neither: modviz writes none.
    """
    if file[:4] == b"RIFF" and file[8:12] == b"WEBP" and len(file) >= 30:
        whole = 8 + int.from_bytes(file[4:8], "little")
        kind = file[12:16]
        if whole != len(file):
            return None
        if kind == b"VP8 " and file[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack("<HH", file[26:30])
            return width & 0x3FFF, height & 0x3FFF
        if kind == b"VP8L" and file[20] == 0x2F:
            bits = int.from_bytes(file[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        return None
    if file[:8] == b"\x89PNG\r\n\x1a\n" and file[12:16] == b"IHDR" and len(file) >= 33:
        width, height = struct.unpack(">II", file[16:24])
        return width, height
    return None


#: As measured, or as a file has them: read one at a time, not all at once.
Pictures = NDArray[np.float32] | EncodedPictures
