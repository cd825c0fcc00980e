"""Pictures on their way to the screen: bytes, PNG files in an address, Bokeh's packed pixels."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def png(image: NDArray[np.float32]) -> str:
    """The same as a data address of a PNG file."""
    shown = pixels(image)
    buffer = BytesIO()
    Image.fromarray(shown if image.shape[2] == 3 else shown[..., 0]).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def rgba(image: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The same as Bokeh takes it, shape (h, w)."""
    rgb = pixels(image)  # row 0 is painted at the low end of y, which points down in our figures
    alpha = np.full((*rgb.shape[:2], 1), 255, dtype=np.uint8)
    return np.concatenate([rgb, alpha], axis=2).view(np.uint32)[..., 0]


def resized(image: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A picture smoothly brought to another size, shape (height, width, D).

    Bokeh does not smooth: it would lose rows of pixels, or double some.
    """
    if image.shape[:2] == (height, width):
        return image
    channels = [
        Image.fromarray(channel).resize((width, height), Image.Resampling.LANCZOS)
        for channel in np.moveaxis(np.nan_to_num(image), 2, 0)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)
