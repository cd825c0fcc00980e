"""Pictures in a file: small, decoded when somebody looks, and nothing but what they seem."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, features

from modviz.core.archive import BundleError
from modviz.core.bundle_pictures import LOSSLESS, decoded_size, pictures_in, pictures_out
from modviz.core.contents import Contents
from modviz.core.encoded import EncodedPictures

#: Half a step of 8 bits.
ROUNDING = 0.5 / 255 + 1e-6


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Soft waves, values 0 .. 1."""
    rng = np.random.default_rng(seed)
    *many, height, width, depth = shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    fx, fy, phase = rng.uniform(0.5, 3, (3, *many, 1, 1, depth))
    waves = np.sin(2 * np.pi * (fx * x[..., None] + fy * y[..., None] + phase))
    return (0.5 + 0.5 * waves).astype(np.float32)


def back(pictures, axes: str = "S"):
    about, arrays, blobs = pictures_out("p", pictures)
    contents = Contents(arrays, blobs)
    found = pictures_in("p", about, contents, axes)
    assert contents.left() == []
    return found


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (LOSSLESS, LOSSLESS)])
def test_small_pictures_are_rounded_to_8_bits_and_nothing_else(depth, size):
    pictures = smooth((3, *size, depth))
    found = back(pictures)
    assert isinstance(found, EncodedPictures)
    np.testing.assert_allclose(np.asarray(found), pictures, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(np.rint(np.asarray(found) * 255), np.rint(pictures * 255))


@pytest.mark.parametrize("depth", [1, 3])
def test_large_pictures_are_near_and_much_smaller(depth):
    pictures = smooth((2, 120, 100, depth))
    found = back(pictures)
    error = 255 * np.abs(np.asarray(found) - pictures)
    assert error.mean() < 3
    assert np.percentile(error, 99) < 12
    assert sum(map(len, found.files)) < pictures[..., 0].size / 4


@pytest.mark.parametrize("lossless", [True, False])
def test_encoding_what_was_encoded_gives_the_same_files(lossless):
    side = LOSSLESS if lossless else LOSSLESS + 1
    found = back(smooth((2, side, side, 3)))
    assert back(found).files == found.files


INDICES = [
    0,
    -1,
    np.int64(2),
    slice(1, 3),
    slice(None, None, -1),
    (1, 0),
    (1, slice(0, 2)),
    (slice(None), 0),
    (2, 1, 3),
    (0, 0, 0, 4, 0),
    (slice(None), slice(None), 2),
    (1, slice(None), slice(1, 4), slice(None), 0),
    [0, 2],
    np.array([True, False, True]),
    (np.array([0, 1]), np.array([1, 0])),
    ...,
    (..., 0),
    (0, ..., 0),
    None,
    (0, None),
    np.ones((3, 2, 6), dtype=bool),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_it_is_indexed_as_the_array_that_it_stands_for(index):
    pictures = smooth((3, 2, 6, 5, 1))
    pictures[1, 1] = np.nan
    found = back(pictures, "ST")
    whole = np.asarray(found)
    assert whole.dtype == found[index].dtype == found.dtype == np.float32
    assert found.shape == whole.shape == (3, 2, 6, 5, 1)
    assert (found.ndim, found.size, len(found)) == (whole.ndim, whole.size, len(whole))
    np.testing.assert_array_equal(found[index], whole[index])
    assert np.isnan(whole[1, 1]).all()
    assert np.isnan(whole).sum() == 30


@pytest.mark.parametrize("index", [3, (0, 2), (0, 0, 6), "a", 1.5, (0,) * 6])
def test_what_is_no_index_is_an_error_as_of_an_array(index):
    with pytest.raises((IndexError, ValueError)):
        back(smooth((3, 2, 6, 5, 1)), "ST")[index]


def test_it_becomes_an_array_only_by_a_copy():
    found = back(smooth((2, 3, 3, 1)))
    assert np.asarray(found, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="only by a copy"):
        np.asarray(found, copy=False)
    assert [picture.shape for picture in found] == [(3, 3, 1)] * 2
    assert "2 files" in repr(found)


def test_only_what_is_looked_at_is_decoded(monkeypatch):
    found, opened = back(smooth((5, 2, 6, 5, 3)), "ST"), []
    really = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(1) or really(*a, **k))
    assert found.shape == (5, 2, 6, 5, 3)
    assert not opened
    found[3, 1]
    assert len(opened) == 1
    found[0]
    assert len(opened) == 3


def test_equal_pictures_are_stored_once():
    pictures = smooth((4, 6, 5, 3))
    many = pictures[[0, 1, 0, 3, 0, 2]]
    found = back(many)
    assert len(found.files) == 4
    np.testing.assert_allclose(np.asarray(found), many, rtol=0, atol=ROUNDING)


def test_pixels_that_are_none_are_kept_once_for_all():
    """A flat input of 7 values is shown as 2 x 4 pixels."""
    pictures = smooth((3, 2, 4, 1))
    pictures[:, 1, 3] = np.nan
    _, arrays, _ = pictures_out("p", pictures)
    assert arrays["p.shown"].sum() == 7
    np.testing.assert_allclose(np.asarray(back(pictures)), pictures, rtol=0, atol=ROUNDING)


def test_what_is_no_set_of_pictures_is_kept_as_an_array():
    holes = smooth((3, 4, 4, 1))
    holes[1, 0, 0] = np.nan
    for odd in (holes, smooth((2, 4, 4, 2))):
        found = back(odd)
        assert isinstance(found, np.ndarray)
        assert found.tobytes() == odd.tobytes()


def test_nothing_measured_is_nothing_stored():
    pictures = np.full((3, 4, 4, 1), np.nan, dtype=np.float32)
    found = back(pictures)
    assert found.files == ()
    assert np.isnan(np.asarray(found)).all()


def test_without_webp_there_are_png_files(monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    pictures = smooth((2, 80, 70, 3))
    about, arrays, blobs = pictures_out("p", pictures)
    assert sorted(blobs) == ["p/0.png", "p/1.png"]
    assert decoded_size(about) == 2 * 80 * 70 * 3
    found = pictures_in("p", about, Contents(arrays, blobs), "S")
    np.testing.assert_allclose(np.asarray(found), pictures, rtol=0, atol=ROUNDING)


def encoded(size: tuple[int, int], kind: str = "WEBP", mode: str = "RGB", **given) -> bytes:
    file = BytesIO()
    Image.new(mode, size).save(file, kind, **given)
    return file.getvalue()


def animated() -> bytes:
    file = BytesIO()
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "no WebP or PNG"),
        (b"RIFF" + bytes(40), "no WebP or PNG"),
        (encoded((5, 4), "GIF", "L"), "no WebP or PNG"),
        (encoded((5, 4), "JPEG"), "no WebP or PNG"),
        (encoded((5, 4)) + b"more", "no WebP or PNG"),
        (encoded((5, 4), mode="RGBA", exif=b"Exif\0\0x"), "no WebP or PNG"),
        (animated(), "no WebP or PNG"),
        (encoded((4, 5)), r"\(4, 5\); expected an image of 5 x 4"),
        (encoded((5, 4000), lossless=True), r"\(5, 4000\); expected"),
        (encoded((50_000, 4), "PNG"), r"\(50000, 4\); expected"),
    ],
    ids="nothing zeros gif jpeg longer extended animated turned tall wide".split(),
)  # fmt: skip
def test_a_file_that_is_no_such_picture_is_refused_unopened(file, words, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match=words):
        EncodedPictures((file,), np.zeros(1, int), (4, 5, 3))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_a_body_that_is_broken_is_an_error_in_words_when_looked_at(kind):
    whole = encoded((80, 80), kind, **({"quality": 90} if kind == "WEBP" else {}))
    broken = whole[:40] + bytes(len(whole) - 40)
    found = EncodedPictures((whole, broken), np.array([0, 1, -1]), (80, 80, 3))
    assert found[0].shape == (80, 80, 3)
    assert np.isnan(found[2]).all()
    with pytest.raises(BundleError, match="picture 1 of the file can't be decoded"):
        found[1]


@pytest.mark.parametrize(
    ("which", "size", "shown"),
    [
        ([1], (4, 5, 3), None),
        ([-2], (4, 5, 3), None),
        ([0], (4, 5, 2), None),
        ([0], (0, 5, 3), None),
        ([0], (4, 5, 3), np.ones((5, 4), bool)),
    ],
)
def test_what_does_not_fit_together_is_refused(which, size, shown):
    with pytest.raises(ValueError, match="not among|expected 1 or 3|a mask of"):
        EncodedPictures((encoded((5, 4)),), np.array(which), size, shown)


@pytest.mark.parametrize("size", [(4097, 4096), (16_000, 16_000), (0, 5), (5, 16_384)])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(size):
    """A file of 30 kB can hold one of a gigabyte, at which Pillow raises an error of its own."""
    with pytest.raises(ValueError, match="16,777,216 in all"):
        EncodedPictures((), np.zeros(1, dtype=int), (*size, 1))
    assert pictures_out("p", np.broadcast_to(np.float32(0), (0, *size, 1)))[0]["files"] is None


def test_the_largest_picture_is_one():
    EncodedPictures((), np.full(1, -1), (4096, 4096, 3))
