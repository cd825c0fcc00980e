"""Arrays as the bytes of an ``.npy`` file, without pickle and without anything else to run.

numpy writes them; reading is done here, because a foreign header is parsed only if it looks exactly
as numpy writes one, and nothing is allocated before its shape has been compared with the bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Kinds and sizes of numbers: booleans, whole numbers, floats.
_DTYPES = {
    *("|b1 |i1 |u1".split()),
    *("<i2 <i4 <i8 <u2 <u4 <u8 <f2 <f4 <f8".split()),
}
_MAGIC = b"\x93NUMPY\x01\x00"
_LONGEST, _MOST_AXES = 512, 8
_HEADER = re.compile(
    r"\{'descr': '([<|][a-z]\d)', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \} *\n"
)


def packed(name: str, array: NDArray[Any]) -> tuple[bytes, dict[str, Any]]:
    """The bytes of an array, and what a table of members says about them: dtype and shape."""
    stored = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    dtype = stored.dtype.str
    if dtype not in _DTYPES or stored.ndim > _MOST_AXES:
        raise ValueError(
            f"the array {name!r} has dtype {array.dtype} and {array.ndim} axes; expected booleans, "
            f"whole numbers or floats of up to 64 bits and at most {_MOST_AXES} axes"
        )
    member = BytesIO()
    np.lib.format.write_array(member, stored, version=(1, 0), allow_pickle=False)
    return member.getvalue(), {"dtype": dtype, "shape": list(stored.shape)}


def unpacked(name: str, data: bytes, about: Mapping[str, Any]) -> NDArray[Any]:
    """The array, after a check against what the table of members says, if it says anything.

    Raises
    ------
    ValueError
        If it is not exactly what `packed` gives.
    """
    if not data.startswith(_MAGIC):
        raise ValueError(f"{name!r} is no array as numpy writes it")
    start = len(_MAGIC) + 2
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    if length > _LONGEST:
        raise ValueError(f"{name!r} has a header of {length} bytes; expected at most {_LONGEST}")
    found = _HEADER.fullmatch(data[start : start + length].decode("latin-1"))
    if not found:
        raise ValueError(f"{name!r} has no header as numpy writes it for an array of numbers")
    dtype, order = found[1], "F" if found[2] == "True" else "C"
    shape = tuple(int(n) for n in found[3].split(",") if n.strip())
    if dtype not in _DTYPES or len(shape) > _MOST_AXES:
        raise ValueError(
            f"{name!r} has dtype {dtype!r} and {len(shape)} axes; expected one of "
            f"{', '.join(sorted(_DTYPES))} and at most {_MOST_AXES}"
        )
    if about and (about.get("dtype") != dtype or about.get("shape") != list(shape)):
        raise ValueError(
            f"{name!r} has dtype {dtype!r} and shape {shape}; the table of members says "
            f"{about.get('dtype')!r} and {about.get('shape')!r}"
        )
    kind, body = np.dtype(dtype), len(data) - start - length
    expected = math.prod(shape) * kind.itemsize
    if body != expected:
        raise ValueError(f"{name!r} has {body:,} bytes; expected {expected:,} for shape {shape}")
    flat = np.frombuffer(data, dtype=np.uint8, offset=start + length)
    if kind.kind == "b" and flat.size and flat.max() > 1:
        raise ValueError(f"{name!r} has dtype bool and bytes that are neither 0 nor 1")
    values = flat.view(kind).reshape(shape, order="F" if order == "F" else "C")
    return values.copy()  # arrays of an analysis are its own, and can be written to
