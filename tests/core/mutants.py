"""Bundles with something wrong in them, made from whole ones by chance.

Two families. Of *damaged* ones the checksums no longer fit: such a file is refused, or it was hit
where nothing is told. Of *forged* ones they do: somebody wrote the file anew with other contents,
so it may be an analysis like any other, or is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADER = "analysis.json"
Members = dict[str, bytes]
Random = np.random.Generator


@dataclass(frozen=True)
class Mutant:
    """A file, what was done to it, and whether its checksums fit."""

    kind: str
    data: bytes
    forged: bool


def mutant(whole: bytes, seed: int) -> Mutant:
    """The mutant of a bundle that belongs to a seed."""
    rng = np.random.default_rng(seed)
    name = list(KINDS)[int(rng.integers(len(KINDS)))]
    make, forged = KINDS[name]
    # files of version 1 have no checksums but those of zip, which come with each zipping
    forged |= make is _rezipped and b'"version": 1,' in unzipped(whole)[HEADER]
    return Mutant(name, make(whole, rng), forged)


def unzipped(whole: bytes) -> Members:
    """Members by name."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Members, *, deflate: bool = True) -> bytes:
    """A zip file of members, without a look at what they are."""
    file = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def signed(members: Members) -> bytes:
    """A zip file of members whose table of members fits them, as far as they can be read."""
    header = json.loads(members[HEADER])
    if "members" in header:
        table = {}
        for name, data in members.items():
            if name == HEADER:
                continue
            table[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            if name.endswith(".npy"):
                try:
                    array = np.load(io.BytesIO(data), allow_pickle=False)
                    table[name] |= {"dtype": array.dtype.str, "shape": list(array.shape)}
                except Exception:  # noqa: BLE001 - a damaged header makes numpy raise all sorts
                    table[name] |= {"dtype": "<f8", "shape": [1]}
        header["members"] = table
    return zipped(members | {HEADER: json.dumps(header).encode()})


def _truncated(whole: bytes, rng: Random) -> bytes:
    return whole[: rng.integers(len(whole))]


def _flipped(whole: bytes, rng: Random) -> bytes:
    data = bytearray(whole)
    for place in rng.integers(len(data), size=rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _replaced(whole: bytes, rng: Random) -> bytes:
    start, length = int(rng.integers(len(whole))), int(rng.integers(1, 64))
    fill = [rng.bytes(length), bytes(length), b"\xff" * length][rng.integers(3)]
    return whole[:start] + fill[: len(whole) - start] + whole[start + length :]


def _shifted(whole: bytes, rng: Random) -> bytes:
    """A piece is taken out, doubled, or put elsewhere."""
    start, end, to = np.sort(rng.integers(len(whole), size=3)).tolist()
    piece = whole[start:end]
    return [whole[:start] + whole[end:], whole[:to] + piece + whole[to:], piece + whole][
        rng.integers(3)
    ]


def _directory(whole: bytes, rng: Random) -> bytes:
    """Bits of the list of members, where sizes, places and flags are."""
    start = whole.index(b"PK\x01\x02")
    return whole[:start] + _flipped(whole[start:], rng)


def _other(members: Members, rng: Random) -> Members:
    """A member is damaged, emptied, missing, another one's, or new."""
    name, second = rng.choice(list(members), size=2).tolist()
    ways: list[Callable[[], Members]] = [
        lambda: members | {name: _flipped(members[name], rng)},
        lambda: members | {name: b""},
        lambda: {k: v for k, v in members.items() if k != name},
        lambda: members | {name: members[second], second: members[name]},
        lambda: members | {f"extra{rng.integers(9)}.npy": members[name]},
        lambda: members | {name: members[name] + rng.bytes(3)},
    ]
    return ways[rng.integers(len(ways))]()


def _rezipped(whole: bytes, rng: Random) -> bytes:
    return zipped(_other(unzipped(whole), rng), deflate=bool(rng.integers(2)))


def _resigned(whole: bytes, rng: Random) -> bytes:
    members = _other(unzipped(whole), rng)
    try:
        return signed(members)
    except (KeyError, ValueError, TypeError):
        return zipped(members)


_VALUES = (0, 1, -1, 2, 1e-300, 1e300, np.inf, -np.inf, np.nan, 0.5, 255, 2**31, -(2**62), 1.0001)


def _numbers(whole: bytes, rng: Random) -> bytes:
    """Some values of an array are others, or it has another shape or dtype."""
    members = unzipped(whole)
    name = rng.choice([name for name in members if name.endswith(".npy")])
    array = np.load(io.BytesIO(members[name]))
    way = rng.integers(5)
    with np.errstate(all="ignore"):
        if way <= 2 and array.size:
            array = array.copy()
            value = np.array(_VALUES[rng.integers(len(_VALUES))])
            places = rng.integers(array.size, size=rng.integers(1, 4))
            array.flat[places] = value.astype(array.dtype)
        elif way == 3:
            kinds = ("<f8", "<f4", "<i8", "|i1", "<u2", "|b1", "<f2", "|u1")
            array = array.astype(kinds[rng.integers(len(kinds))])
        else:
            ways = (
                array[:-1],
                array.T,
                array[..., None],
                array.ravel(),
                np.concatenate([array] * 2),
            )
            array = ways[rng.integers(len(ways))] if array.ndim else array[None]
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array))
    return signed(members | {name: file.getvalue()})


ODDITIES = (
    None,
    True,
    0,
    -1,
    1,
    2,
    3.5,
    10**6,
    2**53,
    1e300,
    "",
    "x",
    "1.0",
    [],
    [1],
    {},
    {"a": 1},
)


def _header(whole: bytes, rng: Random) -> bytes:
    """Something in the header is something else, missing, doubled, or new."""
    members = unzipped(whole)
    header = json.loads(members[HEADER])
    rest = {key: value for key, value in header.items() if key != "members"}
    for _ in range(rng.integers(1, 3)):
        holder, key = somewhere(rest, rng)
        way = rng.integers(6)
        if way <= 2:
            holder[key] = ODDITIES[rng.integers(len(ODDITIES))]
        elif way == 3:
            del holder[key]
        elif isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder["new"] = ODDITIES[rng.integers(len(ODDITIES))]
        if not rest:
            break
    members[HEADER] = json.dumps(
        rest | {k: v for k, v in header.items() if k == "members"}
    ).encode()
    return signed(members)


def somewhere(value: Any, rng: Random) -> tuple[Any, Any]:
    """A list or dict somewhere inside, and an index or key of it."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[rng.integers(len(keys))]
        inner = value[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.8:
            value = inner
        else:
            return value, key


def _pictures(whole: bytes, rng: Random) -> bytes:
    """A picture is damaged, or one of other pixels."""
    members = unzipped(whole)
    names = [name for name in members if name.endswith((".webp", ".png"))]
    if not names:
        return _numbers(whole, rng)
    name, second = rng.choice(names, size=2).tolist()
    data = members[name]
    body = data[:30] + _flipped(data[30:], rng) if len(data) > 30 else data
    ways = (body, _flipped(data, rng), members[second], data[: len(data) // 2], rng.bytes(200))
    return signed(members | {name: ways[rng.integers(len(ways))]})


#: How they are made, and whether the checksums then fit.
KINDS: dict[str, tuple[Callable[[bytes, Random], bytes], bool]] = {
    "truncated": (_truncated, False),
    "bits flipped": (_flipped, False),
    "bytes replaced": (_replaced, False),
    "pieces moved": (_shifted, False),
    "list of members damaged": (_directory, False),
    "members changed": (_rezipped, False),
    "members changed, signed": (_resigned, True),
    "numbers changed, signed": (_numbers, True),
    "header changed, signed": (_header, True),
    "pictures changed, signed": (_pictures, True),
}
