"""Drawings painted with Pillow: what stands where, in which colour, in which signs."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from bokeh.core.properties import value
from PIL import Image

from modviz.view import adjacency, drawing, lettering
from modviz.view.canvas import SCALE, Canvas, text_width
from modviz.view.drawing import Drawing, Layer

WHITE = (255, 255, 255)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def painted(width: int = 100, height: int = 60, limits=(0.0, 1.0), **kwargs) -> Canvas:
    """A drawing of the given layers on a canvas of its own size."""
    place = {key: kwargs.pop(key) for key in ("x", "y") if key in kwargs}
    canvas = Canvas(width, height)
    canvas.draw(Drawing(width, height, kwargs, **place), limits=limits)
    return canvas


def at(canvas: Canvas, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place of the page."""
    return canvas.image.getpixel((int(SCALE * x), int(SCALE * y)))


def ink(canvas: Canvas) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all that is not white, in pixels of the page."""
    dark = np.asarray(canvas.image.convert("L")) < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert rows.size, "nothing was painted"
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return tuple(edge / SCALE for edge in edges)


def test_rectangles_take_their_column_or_the_colour_that_all_share():
    boxes = [(10, 10, 30, 20, "#ff0000"), (40, 10, 60, 20, "#0000ff")]
    canvas = painted(
        boxes=drawing.rectangles(boxes, "fill", fill_color="fill"),
        band=drawing.rectangles([(10, 40, 30, 50)], fill_color="#0000ff", fill_alpha=0.5),
        frame=drawing.rectangles([(70, 10, 90, 20)], line_color="#ff0000", line_width=2),
    )
    assert canvas.image.size == (200, 120)
    assert at(canvas, 10, 10) == at(canvas, 29.5, 19.5) == RED
    assert at(canvas, 9.5, 10) == at(canvas, 30, 10) == at(canvas, 10, 20) == WHITE
    assert at(canvas, 50, 15) == BLUE
    assert at(canvas, 20, 45) == pytest.approx((127, 127, 255), abs=1)
    assert at(canvas, 70, 15) == at(canvas, 80, 10) == RED
    assert at(canvas, 80, 15) == WHITE


def test_a_drawing_with_ranges_of_its_own_is_stretched_and_y_may_point_up():
    one = drawing.rectangles([(0, 0, 1, 1)], fill_color="#ff0000")
    down = painted(one=one, x=(0, 4), y=(2, 0))
    up = painted(one=one, x=(0, 4), y=(0, 2))
    assert at(down, 1, 1) == at(down, 24, 29) == RED
    assert at(down, 26, 10) == at(down, 10, 31) == WHITE
    assert at(up, 1, 58) == at(up, 24, 31) == RED
    assert at(up, 10, 10) == WHITE


def test_hit_rectangles_are_not_painted():
    canvas = painted(hits=drawing.hits([(0, 0, 100, 60, "A1", "tip")], drawing.STRIPE))
    assert canvas.image.getcolors() == [(200 * 120, WHITE)]


def test_lines_have_their_width_and_their_share_of_ink():
    canvas = painted(
        sharp=drawing.segments([(20, 10, 20, 50)], line_color="#ff0000", line_width=1),
        faint=drawing.segments([(40, 10, 40, 50)], line_color="#000000", line_alpha=0.5),
        slanted=drawing.segments([(60, 10, 90, 40)], line_color="#0000ff", line_width=2),
    )
    assert at(canvas, 19.5, 30) == at(canvas, 20, 30) == RED
    assert at(canvas, 19, 30) == at(canvas, 20.5, 30) == WHITE
    assert at(canvas, 40, 30) == pytest.approx((127, 127, 127), abs=1)
    assert at(canvas, 75, 25) == BLUE


def test_points_are_discs_with_a_fill_and_an_outline():
    dots = [(30, 30, "#ffffff", "#ff0000"), (70, 30, "#0000ff", "#0000ff")]
    canvas = painted(
        dots=drawing.points(
            dots, "fill", "line", fill_color="fill", line_color="line", size=20, line_width=4
        )
    )
    assert at(canvas, 30, 30) == WHITE
    assert at(canvas, 20, 30) == at(canvas, 30, 39.5) == RED
    assert at(canvas, 20.5, 20.5) == WHITE  # outside: it is round
    assert at(canvas, 70, 30) == BLUE


@pytest.mark.parametrize(("align", "left"), [("left", 50), ("center", 35), ("right", 20)])
def test_words_stand_where_their_alignment_says(align: str, left: int):
    words = "HHHHH"
    wide = text_width(words)
    canvas = painted(
        words=drawing.labels([(50, 30, words)], text_align=align, text_color="#000000")
    )
    x0, y0, x1, y1 = ink(canvas)
    start = {"left": 50, "center": 50 - wide / 2, "right": 50 - wide}[align]
    assert x0 == pytest.approx(start + 0.5, abs=1.5)
    assert x1 == pytest.approx(start + wide - 0.5, abs=1.5)
    assert (y0 + y1) / 2 == pytest.approx(30, abs=1)
    assert 7 <= y1 - y0 <= 9  # capitals of 11 px


def test_words_have_a_size_a_weight_and_may_stand_upright():
    def drawn(**style_):
        return painted(words=drawing.labels([(50, 30, "HHH")], text_color="#000000", **style_))

    normal, bold = drawn(), drawn(text_font_style="bold")
    dark = [np.asarray(c.image.convert("L")).astype(int).sum() for c in (normal, bold)]
    assert dark[1] < dark[0]
    large = ink(drawn(text_font_size=value("22px")))
    assert large[3] - large[1] == pytest.approx(2 * (ink(normal)[3] - ink(normal)[1]), abs=1.5)
    # the end of the words is at the place, above which nothing is left to say
    x0, y0, x1, y1 = ink(drawn(text_align="right", angle=np.pi / 2))
    assert (x0 + x1) / 2 == pytest.approx(50, abs=1)
    assert y0 == pytest.approx(30, abs=1.5)
    assert y1 - y0 == pytest.approx(text_width("HHH"), abs=2.5)


def test_an_image_goes_from_white_to_dark_and_has_its_first_row_above():
    values = np.array([[1000, 5000], [3000, 0]], dtype=np.uint16)
    columns = {"image": [values], "x": [0], "y": [0], "dw": [2], "dh": [2]}
    limits = (1000, 5000)
    canvas = painted(image=Layer("image", columns), x=(0, 2), y=(2, 0), limits=limits)
    palette = [tuple(bytes.fromhex(color[1:])) for color in adjacency.palette()]
    assert at(canvas, 10, 10) == palette[0]
    assert at(canvas, 90, 10) == palette[255]
    assert at(canvas, 10, 50) in (palette[127], palette[128])
    assert at(canvas, 90, 50) == palette[0]  # no edge
    upward = painted(image=Layer("image", columns), x=(0, 2), y=(0, 2), limits=limits)
    assert at(upward, 90, 50) == palette[255]


def test_pictures_keep_their_pixels():
    rgba = np.array([[[255, 0, 0, 255], [0, 0, 255, 255]]], dtype=np.uint8).view(np.uint32)[..., 0]
    canvas = painted(pictures=drawing.pictures([(rgba, 10, 20, 40, 20)]))
    assert at(canvas, 10, 20) == at(canvas, 29.5, 39.5) == RED
    assert at(canvas, 30, 20) == at(canvas, 49.5, 39.5) == BLUE
    assert at(canvas, 9, 20) == at(canvas, 51, 20) == at(canvas, 10, 41) == WHITE


def test_a_png_is_the_picture_in_few_colours_with_white_paper():
    canvas = painted(one=drawing.rectangles([(0, 0, 50, 60)], fill_color="#ff0000"))
    read = Image.open(BytesIO(canvas.png()))
    assert (read.format, read.size, read.mode) == ("PNG", (200, 120), "P")
    assert read.convert("RGB").getpixel((150, 60)) == WHITE
    assert read.convert("RGB").getpixel((50, 60)) == pytest.approx(RED, abs=8)


def test_signs_that_the_font_lacks_are_painted_replaced_or_stripped_of_accents():
    assert lettering.drawable("−40 – 5 · |w|") == "−40 – 5 · |w|"
    assert lettering.drawable("≤ ρ² Åé漢") == "<= rho^2 Ae?"
    assert text_width("") == 0
    minus = Canvas(40, 20)
    minus.text(10, 10, "−", color="#000000")
    x0, y0, x1, y1 = ink(minus)
    assert 4 <= x1 - x0 <= 6
    assert y1 - y0 <= 1.5
    hyphen = Canvas(40, 20)
    hyphen.text(10, 10, "-", color="#000000")
    assert x1 - x0 > ink(hyphen)[2] - ink(hyphen)[0]
