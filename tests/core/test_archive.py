"""Archives: what is written comes back, and what cannot be written says so."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from modviz.core import archive, npy
from modviz.core.archive import BundleError, read_archive, write_archive
from modviz.core.jsontext import checked_json

ARRAYS = {
    "numbers": np.arange(6.0).reshape(2, 3),
    "folder/backwards": np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::-1],
    "by-columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "foreign-bytes": np.arange(4, dtype=">u4"),
    "flags": np.array([True, False]),
    "half": np.array([0.5, np.nan], dtype=np.float16),
    "one": np.array(3.0),
    "none": np.zeros((0, 4), dtype=np.float32),
}
HEADER = {"format": "x", "version": "2.0", "ä": [1, 2.5, None, True, {"b": "\u2028"}]}


def written(header=HEADER, arrays=ARRAYS, blobs=None) -> bytes:
    file = io.BytesIO()
    write_archive(file, header, arrays, blobs)
    return file.getvalue()


def test_everything_comes_back():
    blobs = {"picture/0.webp": b"\x00\xff", "empty": b""}
    found = read_archive(io.BytesIO(written(blobs=blobs)))
    assert found.header == HEADER
    assert found.blobs == blobs
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        back = found.arrays[name]
        assert back.dtype == array.dtype.newbyteorder("<"), name
        assert back.shape == array.shape, name
        np.testing.assert_array_equal(back, array)
        assert back.flags.writeable
        assert back.flags.c_contiguous


def test_equal_contents_give_equal_bytes():
    assert written() == written()


def test_it_is_a_plain_zip_file_that_others_can_read():
    with zipfile.ZipFile(io.BytesIO(written())) as plain:
        assert plain.testzip() is None
        np.testing.assert_array_equal(
            np.load(io.BytesIO(plain.read("numbers.npy")), allow_pickle=False), ARRAYS["numbers"]
        )
        table = json.loads(plain.read("analysis.json"))["members"]
    assert table["numbers.npy"]["shape"] == [2, 3]
    assert table["numbers.npy"]["dtype"] == "<f8"
    assert len(table["numbers.npy"]["sha256"]) == 64


def test_zeros_are_no_bomb_of_our_own():
    """48 MB of zeros would inflate from 50 kB; such a file would be refused, so they are stored."""
    zeros = {"zeros": np.zeros(6_000_000), "few": np.zeros(1000)}
    file = written(arrays=zeros)
    assert len(file) > 48_000_000 / archive.RATIO
    assert read_archive(io.BytesIO(file)).arrays["zeros"].shape == (6_000_000,)


def test_a_path_is_opened_and_closed(tmp_path):
    path = tmp_path / "x.modviz"
    path.write_bytes(written())
    assert read_archive(path).size == path.stat().st_size
    assert read_archive(str(path)).header == HEADER
    with pytest.raises(FileNotFoundError, match="none"):
        read_archive(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"header": {"a": float("nan")}}, "not JSON compliant"),
        ({"header": {"members": {}}}, "table of contents"),
        ({"header": {"a": 2**64}}, "too large for 64 bits"),
        ({"header": {"a": "x" * 2**24}}, "16,777,216 fit"),
        ({"arrays": {"a": np.array([None])}}, "expected booleans"),
        ({"arrays": {"a": np.array([1j])}}, "dtype complex128"),
        ({"arrays": {"a": np.array(["text"])}}, "expected booleans"),
        ({"arrays": {"a": np.zeros((1,) * 9)}}, "9 axes"),
        ({"arrays": {"../a": np.zeros(1)}}, "can't be a member's name"),
        ({"arrays": {"a" * 300: np.zeros(1)}}, "at most 255"),
        ({"blobs": {"/a": b""}}, "can't be a member's name"),
        ({"blobs": {"a.npy": b""}}, "kept for other things"),
        ({"blobs": {"analysis.json": b""}}, "kept for other things"),
    ],
)
def test_what_cannot_be_read_again_is_not_written(given, words):
    with pytest.raises(ValueError, match=words):
        written(**given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 18446744073709551616}', "too large"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "too large"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"\\udfff": 1}', "surrogates not allowed"),
        (b"[" * 60 + b"]" * 60, "nested deeper than 40"),
        (b"[" * 200_000 + b"]" * 200_000, "nested deeper than 40"),
        (b"[" + b"[]," * 1_000_000 + b"[]]", "expected at most 1,000,000"),
        (b'{"a": "\xff"}', "utf-8"),
        (b"{'a': 1}", "Expecting property name"),
        (b"", "Expecting value"),
    ],
)
def test_json_is_read_strictly(text, words):
    with pytest.raises(ValueError, match=words):
        checked_json(text)


def header_of(text: bytes, version: int = 1) -> bytes:
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2, "little") + text


WHOLE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n"


def test_an_array_of_bytes_as_expected():
    found = npy.unpacked("a", header_of(WHOLE) + np.array([1.0, 2.0]).tobytes(), {})
    assert found.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no array as numpy writes it"),
        (header_of(WHOLE, version=2) + bytes(16), "no array as numpy writes it"),
        (header_of(WHOLE) + bytes(15), "has 15 bytes; expected 16"),
        (header_of(WHOLE) + bytes(17), "has 17 bytes; expected 16"),
        (header_of(WHOLE + b" " * 1000) + bytes(16), "header of 1058 bytes"),
        (header_of(WHOLE.replace(b"(2,)", b"(999999999999, 999999999999)")), "expected 7,999"),
        (header_of(WHOLE.replace(b"(2,)", b"(-2,)")) + bytes(16), "no header as numpy"),
        (header_of(WHOLE.replace(b"(2,)", b"(2,) * 9")) + bytes(16), "no header as numpy"),
        (header_of(WHOLE.replace(b"<f8", b"|O8")) + bytes(16), "no header as numpy|dtype"),
        (header_of(WHOLE.replace(b"<f8", b">f8")) + bytes(16), "no header as numpy"),
        (header_of(WHOLE.replace(b"<f8", b"<m8")) + bytes(16), "dtype '<m8'"),
        (header_of(WHOLE.replace(b"False", b"exit()")) + bytes(16), "no header as numpy"),
        (header_of(WHOLE.replace(b"<f8", b"|b1")) + b"\x01\x02", "neither 0 nor 1"),
        (header_of(WHOLE.replace(b"(2,)", b"(1, 1, 1, 1, 1, 1, 1, 1, 2)")) + bytes(16), "9 axes"),
    ],
)
def test_an_array_that_is_none_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        npy.unpacked("a", data, {})


@pytest.mark.parametrize("about", [{"dtype": "<f4", "shape": [2]}, {"dtype": "<f8", "shape": [1]}])
def test_an_array_must_be_what_the_table_says(about):
    with pytest.raises(ValueError, match="the table of members says"):
        npy.unpacked("a", header_of(WHOLE) + bytes(16), about)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06", bytes(10_000)])
def test_anything_else_is_refused_in_words(content):
    with pytest.raises(BundleError, match=r"'the file' is no modviz bundle .* copy it again"):
        read_archive(io.BytesIO(content))
