"""Pictures in a file: images of 8 bits, each distinct one once; or an array where they are none."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.contents import Contents, smallest
from modviz.core.encoded import EncodedPictures, Pictures, encodable

#: Up to this side pictures are stored without loss: their pixels can be seen.
LOSSLESS = 64
#: Of larger ones; at 90 an error can't be seen beside the original.
_QUALITY = 90

#: What is written: the header's part, arrays, blobs.
Written = tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, bytes]]


def pictures_out(name: str, pictures: Pictures) -> Written:
    """Pictures of shape (..., H, W, D) under a name. Encoded ones are written as they are."""
    if isinstance(pictures, EncodedPictures):
        encoded: EncodedPictures | None = pictures
    else:
        encoded = _encoded(np.asarray(pictures))
    size = list(pictures.shape[-3:])
    if encoded is None:
        return {"files": None, "size": size}, {name: np.asarray(pictures)}, {}
    arrays: dict[str, NDArray[Any]] = {f"{name}.which": smallest(encoded.which)}
    if encoded.shown is not None:
        arrays[f"{name}.shown"] = encoded.shown
    blobs = {f"{name}/{k}.{_ending(file)}": file for k, file in enumerate(encoded.files)}
    return {"files": len(encoded.files), "size": size}, arrays, blobs


def pictures_in(name: str, about: Mapping[str, Any], contents: Contents, axes: str) -> Pictures:
    """The pictures of a file, `axes` those before height, width and depth; none is decoded.

    Raises
    ------
    ValueError
        If shapes or files are not what the header says.
    """
    height, width, depth = about["size"]
    if about["files"] is None:
        contents.lengths |= {"H": height, "W": width, "D": depth}
        values = contents.numbers(name, f"{axes}HWD", -1e-3, 1.001)
        return values.astype(np.float32, copy=False)
    files = []
    for k in range(about["files"]):
        found = contents.blob(f"{name}/{k}.webp")
        if found is None:
            found = contents.blob(f"{name}/{k}.png")
        if found is None:
            raise ValueError(f"picture {k} of the {about['files']} of {name} is missing")
        files.append(found)
    which = contents.whole(f"{name}.which", axes, -1, len(files) - 1)
    shown = None
    if contents.has(f"{name}.shown"):
        contents.lengths |= {"H": height, "W": width}
        shown = contents.flags(f"{name}.shown", "HW")
    try:
        return EncodedPictures(tuple(files), which, (height, width, depth), shown)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def decoded_size(about: Mapping[str, Any] | None) -> int:
    """Bytes of the pixels of all files, as 8-bit colours."""
    if about is None or about["files"] is None:
        return 0
    height, width, _ = about["size"]
    return int(about["files"]) * 3 * int(height) * int(width)


def _encoded(pictures: NDArray[Any]) -> EncodedPictures | None:
    """None for what is no set of pictures, or has holes that differ from one to the next."""
    *many, height, width, depth = pictures.shape
    if not encodable((height, width, depth)):
        return None
    flat = pictures.reshape(-1, height, width, depth)
    holes: NDArray[np.bool_] | None = None
    which = np.full(len(flat), -1)
    files: dict[bytes, int] = {}
    known: dict[bytes, int] = {}  # top images come many times: each is encoded once
    for k, picture in enumerate(flat):
        missing = np.isnan(picture)
        if missing.all():
            continue
        here = missing.all(axis=2)
        if (missing.any(axis=2) != here).any() or (holes is not None and (here != holes).any()):
            return None
        holes = here
        values = np.where(missing, 0, picture)
        if not ((values >= -1e-3) & (values <= 1.001)).all():
            return None
        pixels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        key = pixels.tobytes()
        if key not in known:
            known[key] = files.setdefault(_image(pixels), len(files))
        which[k] = known[key]
    shown = None if holes is None or not holes.any() else ~holes
    return EncodedPictures(tuple(files), which.reshape(many), (height, width, depth), shown)


def _image(pixels: NDArray[np.uint8]) -> bytes:
    """A picture as WebP, or PNG where Pillow came without WebP."""
    from PIL import Image, features

    height, width, depth = pixels.shape
    image = Image.fromarray(pixels[..., 0] if depth == 1 else pixels)
    file = BytesIO()
    if not features.check("webp"):
        image.save(file, "PNG")
    elif max(height, width) <= LOSSLESS:
        # the middle of its efforts: a fifth of the time of the default, and files no larger
        image.convert("RGB").save(file, "WEBP", lossless=True, method=2, quality=50)
    else:
        image.convert("RGB").save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()


def _ending(file: bytes) -> str:
    return "png" if file.startswith(b"\x89PNG") else "webp"
