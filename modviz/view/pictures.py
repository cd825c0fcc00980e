"""Pictures on their way to the screen: bytes, and Bokeh's packed pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modviz.core.pictures import reduced

#: Longest side of a picture that is sent to a browser, in pixels.
LARGEST = 112
#: Up to this length a picture's own pixels can be seen; it is enlarged without smoothing.
COARSE = 16
_LIGHT, _DARK = 244.0, 14.0


def pixels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture of values 0 .. 1, shape (H, W, 1 or 3), as (h, w, 3) bytes; grey: dark = 1."""
    values = np.clip(np.nan_to_num(reduced(image, LARGEST)), 0, 1)
    if values.shape[2] == 1:
        values = np.repeat(_LIGHT + (_DARK - _LIGHT) * values, 3, axis=2)
    else:
        values = 255 * values
    return np.asarray(np.rint(values), dtype=np.uint8)


def rgba(image: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The same as Bokeh takes it, shape (h, w)."""
    rgb = pixels(image)  # row 0 is painted at the low end of y, which points down in our figures
    alpha = np.full((*rgb.shape[:2], 1), 255, dtype=np.uint8)
    return np.concatenate([rgb, alpha], axis=2).view(np.uint32)[..., 0]
