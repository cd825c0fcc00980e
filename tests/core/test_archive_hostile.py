"""Zip files that somebody made to do harm: each is refused in words, and quickly."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from modviz.core.archive import BundleError, read_archive, write_archive
from tests.core.mutants import signed, unzipped, zipped


def plain() -> bytes:
    file = io.BytesIO()
    write_archive(
        file,
        {"version": "2.0"},
        {"a": np.arange(100.0), "b": np.arange(50)},
        {"picture.webp": bytes(range(256))},
    )
    return file.getvalue()


def with_entry(change: Callable[[zipfile.ZipInfo], None], name: str = "a.npy") -> bytes:
    """The same members, of which one has been given other properties."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in unzipped(plain()).items():
            info = zipfile.ZipInfo(member)
            info.compress_type = zipfile.ZIP_DEFLATED
            if member == name:
                change(info)
            archive.writestr(info, data)
    return file.getvalue()


def renamed(name: str) -> bytes:
    members = unzipped(plain())
    members[name] = members.pop("picture.webp")
    return signed(members)


def patched(whole: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """Other bytes in the entry of a member in the list at the end."""
    data = bytearray(whole)
    at = -1
    while True:
        at = data.index(b"PK\x01\x02", at + 1)
        if data[at + 46 : at + 46 + len(name)] == name:
            data[at + offset : at + offset + len(value)] = value
            return bytes(data)


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in [*unzipped(plain()).items(), ("a.npy", b"other")]:
            archive.writestr(name, data)
    return file.getvalue()


def bomb() -> bytes:
    return zipped(unzipped(plain()) | {"picture.webp": bytes(100_000_000)})


def many_of_few() -> bytes:
    """Each member is small enough, all together are not."""
    return zipped(unzipped(plain()) | {f"more{k}": bytes(1_000_000) for k in range(60)})


def overlapping() -> bytes:
    """Two entries of the list that mean the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one", b"x" * 1000)
        archive.writestr("two", b"y" * 1000)
    return patched(file.getvalue(), b"two", 42, bytes(4))


def zip64() -> bytes:
    """A file that claims to have its list elsewhere, as those beyond 4 GB do."""
    whole = plain()
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    start = struct.unpack("<I", whole[-6:-2])[0]
    length = struct.unpack("<I", whole[-10:-6])[0]
    end = whole[-22:-10] + struct.pack("<IIH", length + len(locator), start, 0)
    return whole[:-22] + locator + end


def list_of_nothing() -> bytes:
    """A list of a million members that are not there, of 46 bytes each."""
    entry = b"PK\x01\x02" + bytes(42)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 46 * 1_000_000, 0, 0)
    return entry * 1_000_000 + end


def changed(name: str, data: bytes) -> bytes:
    return zipped(unzipped(plain()) | {name: data})


def table(**about: object) -> bytes:
    members = unzipped(plain())
    header = json.loads(members["analysis.json"])
    header["members"]["a.npy"] |= about
    return zipped(members | {"analysis.json": json.dumps(header).encode()})


def without_table() -> bytes:
    return zipped(unzipped(plain()) | {"analysis.json": b'{"version": "2.0"}'})


def trailing_data() -> bytes:
    """More deflated bytes than the member has, which nobody would read."""
    return patched(with_entry(lambda info: None), b"a.npy", 24, struct.pack("<I", 100))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "parent folder": (lambda: renamed("../../evil"), "no name that modviz gives"),
    "inner parent": (lambda: renamed("a/../../evil"), "no name that modviz gives"),
    "absolute": (lambda: renamed("/tmp/evil"), "no name that modviz gives"),
    "drive": (lambda: renamed("C:evil"), "no name that modviz gives"),
    "backslash": (lambda: renamed("..\\evil"), "no name that modviz gives"),
    "hidden": (lambda: renamed(".evil"), "no name that modviz gives"),
    "folder": (lambda: renamed("evil/"), "is a link or a folder"),
    "long name": (lambda: renamed("e" * 300), "twice or is none|list of"),
    "nul in name": (lambda: plain().replace(b"ture.webp", b"tur\0.webp"), "twice or is none"),
    "link": (
        lambda: with_entry(lambda info: setattr(info, "external_attr", 0o120777 << 16)),
        "is a link or a folder",
    ),
    "device": (
        lambda: with_entry(lambda info: setattr(info, "external_attr", 0o060644 << 16)),
        "is a link or a folder",
    ),
    "same name twice": (twice, "there twice"),
    "encrypted": (lambda: patched(plain(), b"a.npy", 8, b"\x01\x00"), "is encrypted"),
    "exotic flags": (lambda: patched(plain(), b"a.npy", 8, b"\x20\x00"), "is encrypted or of"),
    "bzip2": (
        lambda: with_entry(lambda info: setattr(info, "compress_type", zipfile.ZIP_BZIP2)),
        "has compression 12",
    ),
    "lzma": (
        lambda: with_entry(lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA)),
        "has compression 14",
    ),
    "unknown compression": (lambda: patched(plain(), b"a.npy", 10, b"\x61\x00"), "compression 97"),
    "bomb": (bomb, r"would have 100,\d+,\d+ bytes"),
    "many of few": (many_of_few, r"would have 60,\d+,\d+ bytes"),
    "says it is small": (trailing_data, "damaged"),
    "says it is large": (
        lambda: patched(plain(), b"analysis.json", 24, struct.pack("<I", 10**6)),
        "ends after",
    ),
    "stored with two sizes": (
        lambda: patched(plain(), b"picture.webp", 24, struct.pack("<I", 300)),
        "two sizes",
    ),
    "overlap": (overlapping, "lies over another one"),
    "zip64": (zip64, "list of members should have"),
    "list of nothing": (list_of_nothing, "list of 9 members has 46,000,000 bytes"),
    "an entry that hides the next": (
        lambda: patched(plain(), b"a.npy", 32, struct.pack("<H", 46 + len("b.npy"))),
        "its list has 3 members; expected 4",
    ),
    "something before": (lambda: b"#!/bin/sh\n" + plain(), "list of members should have"),
    "something behind": (lambda: plain() + b"more", "does not end as a zip file"),
    "comment": (lambda: plain()[:-2] + b"\x04\x00more", "does not end as a zip file|modviz writes"),
    "unlisted member": (lambda: changed("extra.npy", b"x"), "was added"),
    "changed member": (
        lambda: changed("picture.webp", bytes(256)),
        "SHA-256 of 'picture.webp' is not what",
    ),
    "longer member": (lambda: changed("picture.webp", bytes(257)), "has 257 bytes; the table"),
    "another shape": (lambda: table(shape=[50, 2]), "the table of members says '<f8' and"),
    "another dtype": (lambda: table(dtype="<i8"), "the table of members says '<i8'"),
    "no checksum": (lambda: table(sha256=None), "SHA-256 of 'a.npy'"),
    "no table": (without_table, "has no table of members"),
    "missing member": (
        lambda: zipped({k: v for k, v in unzipped(plain()).items() if k != "b.npy"}),
        "the member 'b.npy' is missing",
    ),
    "no header": (lambda: zipped({"a.npy": b""}), "there is no analysis.json"),
    "header of a list": (lambda: changed("analysis.json", b"[]"), "holds no JSON object"),
    "header too long": (
        lambda: changed("analysis.json", b'{"a": "' + b"x" * 2**24 + b'"}'),
        "16,777,225 bytes, more than",
    ),
    "deep header": (lambda: changed("analysis.json", b"[" * 10**6), "nested deeper than 40"),
    "text behind version 1": (
        lambda: zipped({"analysis.json": b'{"version": 1}', "run.sh": b"x"}),
        "is no array",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words(name, tmp_path):
    make, words = HOSTILE[name]
    path = tmp_path / "hostile.modviz"
    path.write_bytes(make())
    with pytest.raises(BundleError, match=words) as caught:
        read_archive(path)
    assert "hostile.modviz" in str(caught.value)
    assert "expected a file written by modviz" in str(caught.value)
    assert len(str(caught.value)) < 1500
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["bomb", "many of few", "list of nothing", "deep header"])
def test_a_hostile_file_takes_little_memory(name):
    file = io.BytesIO(HOSTILE[name][0]())
    tracemalloc.start()
    try:
        with pytest.raises(BundleError):
            read_archive(file)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_the_unchanged_file_opens():
    """So that the files above are refused for what was done to them."""
    for whole in (plain(), signed(unzipped(plain())), with_entry(lambda info: None)):
        assert read_archive(io.BytesIO(whole)).arrays["a"][99] == 99


def test_a_member_that_inflates_to_more_than_it_says_is_not_inflated():
    """The list says 100 bytes, the data are a hundred million."""
    whole = bytearray(zipped({"analysis.json": b" " * 100_000_000}))
    squeezed = patched(bytes(whole), b"analysis.json", 24, struct.pack("<I", 100))
    squeezed = patched(squeezed, b"analysis.json", 16, struct.pack("<I", zlib.crc32(b" " * 100)))
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="damaged"):
            read_archive(io.BytesIO(squeezed))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
