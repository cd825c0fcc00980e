"""What is inside a zip file from anywhere, checked before a byte of it is inflated."""

from __future__ import annotations

import stat
import struct
import zipfile
from typing import IO

#: The longest name of a member.
LONGEST_NAME = 255

_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20  # of zip64: for files beyond 4 GB, which we don't write
_LOCAL_SIZE = 30
_ENTRY_SIZE = 46 + LONGEST_NAME + 64  # of the list at the end; 64: what other programs add

#: What may be said about a member: how hard it was deflated, sizes behind it, a name in UTF-8.
_FLAGS = 0x2 | 0x4 | 0x8 | 0x800


def opened(file: IO[bytes], size: int) -> zipfile.ZipFile:
    """The zip file, if its list of members can be read with memory in proportion to its length.

    Parameters
    ----------
    file : binary file
    size : int
        Its length in bytes.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If it ends in no list, or the list is too long for what it says.
    """
    file.seek(max(0, size - _END_SIZE - _LOCATOR_SIZE))
    tail = file.read(_END_SIZE + _LOCATOR_SIZE)
    end = tail[-_END_SIZE:]
    if len(end) < _END_SIZE or not end.startswith(_END):
        raise ValueError("it does not end as a zip file does: it is cut off or something else")
    disk, first, here, members, length, start, comment = struct.unpack("<4xHHHHIIH", end)
    if disk or first or here != members or comment:
        raise ValueError("its list of members is not one that modviz writes")
    if start + length + _END_SIZE != size or tail.startswith(_LOCATOR):
        raise ValueError(
            f"its list of members should have {length:,} bytes from {start:,} on, but the file has "
            f"{size:,} bytes"
        )
    if length > members * _ENTRY_SIZE:
        raise ValueError(f"its list of {members:,} members has {length:,} bytes")
    file.seek(0)
    archive = zipfile.ZipFile(file)
    if len(archive.infolist()) != members:  # a damaged length makes one entry swallow the next
        raise ValueError(
            f"its list has {len(archive.infolist()):,} members; expected {members:,} as it says"
        )
    return archive


def checked(
    archive: zipfile.ZipFile, file: IO[bytes], size: int, *, most: int
) -> dict[str, zipfile.ZipInfo]:
    """The members by name, none of them inflated yet.

    Parameters
    ----------
    archive, file
        As `opened` gave and took them.
    size : int
        Length of the file in bytes.
    most : int
        Bytes that all members together may say they have.

    Raises
    ------
    ValueError
        If a member is anything but a plain file with a name of its own, stored or deflated, in a
        place of its own; or if they would inflate to more than `most` bytes.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.orig_filename
        if name in members or name != member.filename or len(name) > LONGEST_NAME:
            raise ValueError(f"a member's name is there twice or is none: {name[:80]!r}")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ValueError(f"the member {name!r} is a link or a folder; expected plain files")
        if member.flag_bits & ~_FLAGS:
            raise ValueError(f"the member {name!r} is encrypted or of another kind; expected none")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"the member {name!r} has compression {member.compress_type}; expected 0 (stored) "
                "or 8 (deflated)"
            )
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise ValueError(f"the member {name!r} is stored, but has two sizes")
        members[name] = member
    total = sum(member.file_size for member in members.values())
    if total > most:
        raise ValueError(
            f"its members would have {total:,} bytes; a file of {size:,} bytes may hold {most:,}"
        )
    _no_overlap(archive, file)
    return members


def _no_overlap(archive: zipfile.ZipFile, file: IO[bytes]) -> None:
    """The same bytes must not be two members: that is how small files become endless."""
    end = 0
    for member in sorted(archive.infolist(), key=lambda found: found.header_offset):
        if member.header_offset < end:
            raise ValueError(f"the member {member.filename!r} lies over another one")
        file.seek(member.header_offset)
        local = file.read(_LOCAL_SIZE)
        name, extra = struct.unpack("<26xHH", local)
        end = member.header_offset + _LOCAL_SIZE + name + extra + member.compress_size
    if end > archive.start_dir:
        raise ValueError("its last member lies over the list of members")


def inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member: as many as it says, or an error."""
    with archive.open(member) as file:
        data = file.read(member.file_size)
    if len(data) != member.file_size:
        raise ValueError(
            f"the member {member.filename!r} ends after {len(data):,} of {member.file_size:,} bytes"
        )
    return data
