"""A file of one JSON header, arrays and blobs of bytes: what bundles and checkpoints are made of.

It is a zip archive. ``analysis.json`` is the header, every array an ``.npy`` member, every blob a
member of its name; a table in the header has the SHA-256 of each. Files come from anywhere, so
nothing in one is believed before it is checked: a file can be refused, but it can't make Python
run something, write something, or use more than a known multiple of the file's own size.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modviz.core import npy, ziplist
from modviz.core.jsontext import checked_json

#: The header's member.
HEADER = "analysis.json"

#: The most bytes of a header.
MOST_HEADER = 2**24

#: What a whole file may inflate to: so many bytes, and so many times its own size.
SPARE, RATIO = 2**25, 30

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")

#: What reading a damaged or foreign file may raise.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,  # a compression or a zip version that Python does not know
    RuntimeError,  # an encrypted member; also RecursionError
    ValueError,  # also Unicode and JSON
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    EOFError,
    OSError,
)


class BundleError(ValueError):
    """A file that is no modviz file, is damaged, or was written by a newer modviz."""


@dataclass(frozen=True, eq=False)
class Archive:
    """What `read_archive` found.

    Attributes
    ----------
    header : dict
        As it was given to `write_archive`.
    arrays : mapping of str to array
    blobs : mapping of str to bytes
    size : int
        Bytes of the file.
    """

    header: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    blobs: Mapping[str, bytes]
    size: int


def write_archive(
    file: IO[bytes],
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    blobs: Mapping[str, bytes] | None = None,
) -> None:
    """Write a header, arrays and blobs to an open file. Equal contents give equal bytes.

    Parameters
    ----------
    file : binary file
        Writable and seekable; `modviz.core.files.replacing` opens one that is written atomically.
    header : mapping
        Anything that JSON has; ``"members"`` is the table's name and must not be in it.
    arrays : mapping of str to array
        Of booleans, whole numbers or floats. Names are letters, digits, ``_ . -`` and ``/``.
    blobs : mapping of str to bytes, optional
        Stored as they are.

    Raises
    ------
    ValueError
        If the header is no JSON (it holds NaN, say) or is larger than 16 MB, a name or a dtype
        can't be stored, or all is more than 4 GB or 65,535 members.
    """
    members: dict[str, dict[str, Any]] = {}
    if "members" in header:
        raise ValueError("the header holds 'members', which is the name of the table of contents")
    try:
        with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
            room = SPARE // 2
            for name, array in arrays.items():
                data, about = npy.packed(name, np.asarray(array))
                # what is written must be readable: zeros that would look like a bomb are stored
                deflate = len(data) <= room or _over(len(data), len(zlib.compress(data, 1))) <= room
                members[f"{name}.npy"] = about | _put(archive, f"{name}.npy", data, deflate)
                room -= _over(len(data), archive.getinfo(f"{name}.npy").compress_size)
            for name, blob in (blobs or {}).items():
                if name == HEADER or name.endswith(".npy"):
                    raise ValueError(
                        f"{name!r} can't be a blob's name: it is kept for other things"
                    )
                members[name] = _put(archive, name, blob, deflate=False)
            text = json.dumps({**header, "members": members}, allow_nan=False, ensure_ascii=False)
            data = text.encode()
            checked_json(data)  # what is written must be readable
            if len(data) > MOST_HEADER:
                raise ValueError(f"the header has {len(data):,} bytes; at most {MOST_HEADER:,} fit")
            _put(archive, HEADER, data, deflate=True)
    except zipfile.LargeZipFile as error:
        raise ValueError(
            "more than 4 GB or 65,535 members don't fit into one file; measure fewer subclusters, "
            f"controls or pictures ({error})"
        ) from error


def _over(size: int, packed: int) -> int:
    """Bytes of a member beyond so many times what they take in the file."""
    return max(0, size - RATIO * packed)


def _put(archive: zipfile.ZipFile, name: str, data: bytes, deflate: bool) -> dict[str, Any]:
    if not _NAME.fullmatch(name) or len(name) > ziplist.LONGEST_NAME:
        raise ValueError(
            f"{name!r} can't be a member's name; expected at most {ziplist.LONGEST_NAME} letters, "
            "digits and _ . - with / between them"
        )
    member = zipfile.ZipInfo(name)  # of 1980: equal contents give equal files
    member.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    member.external_attr = 0o644 << 16
    archive.writestr(member, data, compresslevel=1)
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def read_archive(source: str | os.PathLike[str] | IO[bytes]) -> Archive:
    """Read what `write_archive` wrote, and check all of it; nothing is extracted to disk.

    Also reads files of bundle version 1, which have no table of members.

    Parameters
    ----------
    source : str, path or binary file

    Returns
    -------
    Archive

    Raises
    ------
    FileNotFoundError
        If there is no such file; any other OSError of opening it is raised as it is, too.
    BundleError
        If the file is anything else than a whole file of modviz.
    """
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file, in_words(source):
            return _read(file)
    with in_words(getattr(source, "name", "the file")):
        return _read(source)


@contextmanager
def in_words(source: object) -> Iterator[None]:
    """Whatever a broken file raises inside becomes one BundleError that names `source`."""
    try:
        yield
    except BundleError:
        raise
    except _DAMAGE as error:
        where = os.fspath(source) if isinstance(source, os.PathLike) else source
        found = str(error)[:500] or type(error).__name__
        raise BundleError(
            f"{where!r} is no modviz bundle or is damaged ({found}); expected a file written by "
            "modviz: copy it again from where it came from, or save it again"
        ) from error


def _read(file: IO[bytes]) -> Archive:
    size = file.seek(0, os.SEEK_END)
    with ziplist.opened(file, size) as archive:
        members = ziplist.checked(archive, file, size, most=SPARE + RATIO * size)
        for name in members:
            if not _NAME.fullmatch(name):
                raise ValueError(f"a member is named {name[:80]!r}: no name that modviz gives")
        if HEADER not in members:
            raise ValueError(f"there is no {HEADER}")
        if members[HEADER].file_size > MOST_HEADER:
            raise ValueError(
                f"{HEADER} has {members[HEADER].file_size:,} bytes, more than {MOST_HEADER:,}"
            )
        header = checked_json(ziplist.inflated(archive, members.pop(HEADER)))
        if not isinstance(header, dict):
            raise ValueError(f"{HEADER} holds no JSON object")
        table = _table(header, members)
        arrays: dict[str, NDArray[Any]] = {}
        blobs: dict[str, bytes] = {}
        for name, about in table.items():
            data = ziplist.inflated(archive, members[name])
            if about and hashlib.sha256(data).hexdigest() != about.get("sha256"):
                raise ValueError(f"the SHA-256 of {name!r} is not what {HEADER} says: it changed")
            if name.endswith(".npy"):
                arrays[name.removesuffix(".npy")] = npy.unpacked(name, data, about)
            else:
                blobs[name] = data
    return Archive(header, arrays, blobs, size)


def _table(
    header: dict[str, Any], members: Mapping[str, zipfile.ZipInfo]
) -> dict[str, dict[str, Any]]:
    """What the header says about each member; nothing in files of version 1, which had arrays."""
    if header.get("version") == 1 and "members" not in header:
        foreign = [name for name in members if not name.endswith(".npy")]
        if foreign:
            raise ValueError(
                f"a member {foreign[0]!r} is no array, which version 1 has nothing but"
            )
        return {name: {} for name in members}
    table = header.pop("members", None)
    if not isinstance(table, dict):
        raise ValueError(f"{HEADER} has no table of members")
    for name in members.keys() - table.keys():
        raise ValueError(f"a member {name!r} is not in the table of members: it was added")
    for name, about in table.items():
        if name not in members:
            raise ValueError(f"the member {name!r} is missing")
        if not isinstance(about, dict) or not about:
            raise ValueError(f"the table of members says nothing about {name!r}")
        if about.get("size") != members[name].file_size:
            raise ValueError(
                f"{name!r} has {members[name].file_size:,} bytes; the table of members says "
                f"{about.get('size')!r}"
            )
    return table
