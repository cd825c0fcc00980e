"""Sheets of pictures: every tile comes back from the file, at the place that is said of it."""

from __future__ import annotations

import json
import re
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from modviz.core.analysis import FeatureResults, TopImages
from modviz.view import sheets
from modviz.view.pictures import pixels
from modviz.view.sheets import Sheet, sheet_of


def optimised(images: NDArray[np.float32], controls: NDArray[np.float32]) -> FeatureResults:
    s = len(images)
    return FeatureResults(
        np.ones(s), np.ones(s), np.ones((s, 9)), np.ones((s, 9)), images, controls
    )


def real(images: NDArray[np.float32] | None, s: int = 3, n: int = 4) -> TopImages:
    whole = np.zeros((s, n), dtype=int)
    return TopImages(np.ones(s), np.ones((s, 9)), np.ones((s, n)), whole, whole, images, 100)


def decoded(sheet: Sheet) -> NDArray[np.uint8]:
    """The pixels of the file, (H, W, 3)."""
    image = Image.open(BytesIO(sheet.data))
    assert Image.MIME[str(image.format)] == sheet.mime
    return np.asarray(image.convert("RGB"))


def tile(sheet: Sheet, number: int) -> NDArray[np.uint8]:
    """One tile of it, cut out where the style of an element of its size would show it."""
    across, along = map(float, re.findall(r"([\d.e+-]+)%", sheet.place(number)))
    width, height = sheet.tile
    # CSS: a share p of what the picture is larger than its box is left out before the box
    left = round(across / 100 * (sheet.columns - 1) * width)
    top = round(along / 100 * (sheet.rows - 1) * height)
    return decoded(sheet)[top : top + height, left : left + width]


def test_grey_tiles_come_back_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    images, controls = rng.random((2, 7, 9, 5, 1)).astype(np.float32)
    sheet = sheet_of(optimised(images, controls), "features")
    assert (sheet.mime, sheet.tile, sheet.kind) == ("image/png", (5, 9), "features")
    for i in range(7):
        np.testing.assert_array_equal(tile(sheet, i), pixels(images[i]))
        np.testing.assert_array_equal(tile(sheet, 7 + i), pixels(controls[i]))


def test_colours_come_back_nearly_and_do_not_run_into_the_next_tile() -> None:
    colors = np.random.default_rng(1).random((3, 4, 1, 1, 3)).astype(np.float32)
    sheet = sheet_of(real(np.tile(colors, (1, 1, 30, 20, 1))), "tops")
    assert sheet.mime == "image/webp"
    for i in range(3):
        for t in range(4):
            shown = tile(sheet, 4 * i + t).astype(int)
            distance = np.abs(shown - np.rint(255 * colors[i, t]).astype(int))
            assert distance[3:-3, 3:-3].max() <= 16
            assert distance.mean() <= 6  # the outermost pixels may mix with the neighbour's


def test_fine_detail_stays_where_it_was() -> None:
    y, x = np.mgrid[0:1:28j, 0:1:28j]
    waves = [0.5 + 0.5 * np.sin(6 * (k * x + (3 - k) * y)) for k in range(4)]
    images = np.repeat(np.array(waves)[None, ..., None], 3, axis=-1).astype(np.float32)
    sheet = sheet_of(real(images, s=1), "tops")
    for t in range(4):
        off = np.abs(tile(sheet, t).astype(int) - pixels(images[0, t]))
        assert off.mean() < 4
        others = [np.abs(tile(sheet, t).astype(int) - pixels(images[0, k])) for k in range(4)]
        assert int(np.argmin([o.mean() for o in others])) == t


def test_what_was_not_measured_is_white_and_moves_nothing() -> None:
    rng = np.random.default_rng(2)
    images, controls = rng.random((2, 5, 6, 6, 1)).astype(np.float32)
    images[[0, 3]] = controls[[0, 3]] = np.nan
    sheet = sheet_of(optimised(images, controls), "features")
    for i in range(5):
        for number, picture in ((i, images[i]), (5 + i, controls[i])):
            expected = 255 if i in (0, 3) else pixels(picture)
            assert (tile(sheet, number) == expected).all()


def test_large_pictures_are_reduced_before() -> None:
    images = np.zeros((1, 4, 300, 240, 3), dtype=np.float32)
    sheet = sheet_of(real(images, s=1), "tops")
    assert sheet.tile == (80, 100)
    assert not sheet.coarse
    assert sheet_of(optimised(*np.zeros((2, 2, 16, 8, 1), np.float32)), "features").coarse
    assert not sheet_of(optimised(*np.zeros((2, 2, 17, 8, 1), np.float32)), "features").coarse


@given(
    count=st.integers(1, 400),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    longest=st.integers(30, 200),
)
def test_a_sheet_holds_all_tiles_and_is_never_too_wide(
    count: int, height: int, width: int, longest: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "_LONGEST", longest)
        images = np.zeros((count, height, width, 1), dtype=np.float32)
        images[-1] = 1.0
        sheet = sheet_of(optimised(images, images[:0]), "features")
    assert sheet.columns * sheet.rows >= count > sheet.columns * (sheet.rows - 1)
    assert sheet.columns * width <= longest
    whole = decoded(sheet)
    assert whole.shape[:2] == (sheet.rows * height, sheet.columns * width)
    assert (tile(sheet, count - 1) == 14).all()  # the last one, and nothing else, is dark
    assert (whole == 14).all(axis=2).sum() == height * width


def test_a_sheet_too_high_for_webp_is_a_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_LONGEST", 40)
    images = np.random.default_rng(0).random((3, 4, 20, 20, 3)).astype(np.float32)
    sheet = sheet_of(real(images), "tops")
    assert (sheet.mime, sheet.columns, sheet.rows) == ("image/png", 2, 6)
    for number, image in enumerate(images.reshape(-1, 20, 20, 3)):
        np.testing.assert_array_equal(tile(sheet, number), pixels(image))


def test_the_browser_is_told_what_it_needs() -> None:
    images = np.zeros((2, 6, 10, 8, 1), dtype=np.float32)
    sheet = sheet_of(optimised(*images), "features")
    columns = sheet.source()
    assert bytes(columns["bytes"][0]) == sheet.data
    assert json.loads(columns["json"][0]) == {
        "kind": "features",
        "mime": "image/png",
        "columns": sheet.columns,
        "rows": sheet.rows,
        "tile": [8, 10],
        "coarse": True,
    }


def test_a_sheet_is_made_once_for_each_result() -> None:
    one, other = (optimised(*np.zeros((2, 2, 4, 4, 1), np.float32)) for _ in range(2))
    assert sheet_of(one, "features") is sheet_of(one, "features")
    assert sheet_of(one, "features") is not sheet_of(other, "features")


@pytest.mark.parametrize("nothing", [None, real(None)])
def test_without_pictures_there_is_an_empty_sheet(nothing: TopImages | None) -> None:
    sheet = sheet_of(nothing, "tops")
    assert (sheet.data, sheet.columns, sheet.rows) == (b"", 1, 1)
    assert len(sheet.source()["bytes"][0]) == 0
    assert sheet.place(0) == "background-position:0% 0%"
