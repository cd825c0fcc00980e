"""The gallery: top images beside optimised ones, in every state of an analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from modviz.core.analysis import Analysis
from modviz.view import evidence, features, gallery, pictures, style
from modviz.view.facts import Facts
from modviz.view.sheets import sheet_of
from tests.view.pictured import columns, inside, with_tops, words

Make = Callable[..., Analysis]


@pytest.fixture(scope="module")
def both(analysis: Analysis) -> Analysis:
    return with_tops(analysis)


def test_a_cell_shows_two_optimised_pictures_and_the_four_strongest_images(both: Analysis) -> None:
    drawing = features.draw(Facts(both))
    for i, s in enumerate(both.subclusters):
        if not both.tested[i]:
            continue
        shown = inside(drawing, s.name, "pictures")
        expected = [both.features.images[i], both.features.control_images[i]]
        expected += list(both.top_images.images[i, :4])
        assert len(shown) == 6
        for mark, image in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(mark["image"], pictures.rgba(image))
        assert [(mark["dw"], mark["dh"]) for mark in shown] == [(56, 56)] * 2 + [(28, 28)] * 4


def test_the_small_images_stand_below_the_pair_and_end_where_it_ends(both: Analysis) -> None:
    drawing = features.draw(Facts(both))
    for hit in columns(drawing, "hits"):
        pair, small = np.split(np.array(inside(drawing, hit["name"], "pictures")), [2])
        left, right = pair[0]["x"], pair[1]["x"] + pair[1]["dw"]
        edges = [(mark["x"], mark["x"] + mark["dw"]) for mark in small]
        assert (edges[0][0], edges[-1][1]) == (left, right)
        gaps = [after[0] - before[1] for before, after in pairwise(edges)]
        assert gaps == [2, 2, 2]
        lines = sorted({mark["y"] for mark in inside(drawing, hit["name"], "words")})
        top, bottom = small[0]["y"], small[0]["y"] + small[0]["dh"]
        assert pair[0]["y"] + 56 < lines[0] < lines[-2] < top - 5  # words are centred on y
        assert bottom + 5 < lines[-1] < hit["top"] - 5
        assert right < hit["right"]
    hits = columns(drawing, "hits")
    for place, one in enumerate(hits):
        for other in hits[place + 1 :]:
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            above = one["top"] <= other["bottom"] or other["top"] <= one["bottom"]
            assert beside or above
    assert max(hit["right"] for hit in hits) <= style.PAGE
    assert max(hit["top"] for hit in hits) <= drawing.height


def test_without_optimised_pictures_eight_images_stand_in_their_place(both: Analysis) -> None:
    alone = replace(both, features=None)
    drawing = features.draw(Facts(alone))
    for i, s in enumerate(both.subclusters):
        if both.tested[i]:
            shown = inside(drawing, s.name, "pictures")
            for mark, image in zip(shown, both.top_images.images[i, :8], strict=True):
                np.testing.assert_array_equal(mark["image"], pictures.rgba(image))
            assert {"random", "–"}.isdisjoint(m["text"] for m in inside(drawing, s.name, "words"))
    head = features.head(Facts(alone))
    assert ">Top images<" in head
    assert "not measured" not in head
    assert "bold at 0.05; darker = larger value" in head
    assert features.head_height(Facts(alone)) == style.HEADER
    assert features.head_height(Facts(both)) == style.HEADER + 16


def test_without_top_images_the_gallery_has_only_pairs(analysis: Analysis) -> None:
    drawing = features.draw(Facts(analysis))
    assert len(columns(drawing, "pictures")) == 2 * int(analysis.tested.sum())
    assert not [text for text in words(drawing) if "nats" in text]
    assert "real images" not in features.head(Facts(analysis))
    card = evidence.card(Facts(analysis), int(np.flatnonzero(analysis.tested)[0]))
    assert "Top images" not in card


def test_nothing_moves_while_results_arrive(both: Analysis) -> None:
    settings = {**both.settings, "features": True, "top_images": True}
    final = replace(both, status="running", settings=settings)
    states = [
        replace(final, features=None, top_images=None),
        replace(final, features=None),
        replace(final, top_images=None),
        final,
    ]
    places = [gallery.arrange(Facts(state)).cells for state in states]
    assert places[0] == places[1] == places[2] == places[3]
    n = int(both.tested.sum())
    drawn = [len(columns(features.draw(Facts(state)), "pictures")) for state in states]
    assert drawn == [0, 4 * n, 2 * n, 6 * n]
    empty = features.draw(Facts(states[0])).layers["blanks"].columns["fill"]
    assert empty == [style.BAND] * 6 * n
    cards = [evidence.card(Facts(state), 0) for state in states]
    assert ["Top images</div><div class=\"value\">not measured yet" in card for card in cards] == [
        True, False, True, False,
    ]  # fmt: skip
    # a cancelled run waits for nothing: real images take the place of pictures that never came
    cancelled = replace(states[1], status="cancelled")
    assert len(columns(features.draw(Facts(cancelled)), "pictures")) == 8 * n


def test_fewer_images_than_places(analysis: Analysis) -> None:
    few = with_tops(analysis, n=3)
    few = replace(few, top_images=replace(few.top_images, n_images=3))
    drawing = features.draw(Facts(few))
    assert len(columns(drawing, "pictures")) == (2 + 3) * int(analysis.tested.sum())
    assert "of its top 3 images" in features.head(Facts(few))
    assert "class entropy 0.00 nats (of all images there are)" in evidence.card(Facts(few), 0)


def test_inputs_that_are_no_images_have_their_entropy_told(analysis: Analysis) -> None:
    signals = replace(with_tops(analysis, shape=None), features=None)
    drawing = features.draw(Facts(signals))
    assert columns(drawing, "pictures") == []
    assert columns(drawing, "blanks") == []
    assert words(drawing).count("1.25 nats") == int(analysis.tested.sum()) - 1
    assert "real images" not in features.head(Facts(signals))
    card = evidence.card(Facts(signals), 0)
    assert "10 of 10: Dress" in card
    assert 'class="tops"' not in card


@pytest.mark.parametrize(
    ("shape", "sent", "shown"),
    [
        ((8, 8, 1), (8, 8), (56, 56)),  # whole multiples of small pictures
        ((28, 28, 1), (28, 28), (56, 56)),
        ((32, 32, 3), (32, 32), (64, 64)),
        ((50, 64, 3), (50, 64), (112, 88)),
        ((224, 300, 3), (74, 100), (112, 84)),  # means of 3 x 3 pixels: at most 112 travel
    ],
)
def test_pictures_keep_their_pixels_up_to_112(
    make_analysis: Make, shape: tuple[int, int, int], sent: tuple[int, int], shown: tuple[int, int]
) -> None:
    given = with_tops(make_analysis(n_layers=2, units=24, image=shape), shape=shape, n=4)
    drawing = features.draw(Facts(given))
    name = columns(drawing, "hits")[0]["name"]
    marks = inside(drawing, name, "pictures")
    assert [mark["image"].shape for mark in marks] == [sent] * 6
    small = (shown[0] // 2, shown[1] // 2)
    assert [(mark["dw"], mark["dh"]) for mark in marks] == [shown] * 2 + [small] * 4
    assert sheet_of(given.top_images, "tops").tile == (sent[1], sent[0])


def test_pixels_keep_a_picture_and_its_brightness() -> None:
    image = np.zeros((224, 224, 3), dtype=np.float32)
    image[:, :112, 0], image[:112, :, 1] = 1.0, 0.5
    shown = pictures.pixels(image)
    assert (shown.shape, shown.dtype) == ((112, 112, 3), np.uint8)
    assert shown[10, 10].tolist() == [255, 128, 0]
    assert shown[100, 100].tolist() == [0, 0, 0]
    assert shown.mean() / 255 == pytest.approx(image.mean(), abs=2e-3)
    grey = pictures.pixels(np.array([[[0.0], [1.0], [np.nan], [2.0]]], dtype=np.float32))
    # darker = larger; what is beyond the range is at its end, what is missing is nothing
    assert grey[0, :, 0].tolist() == [244, 14, 244, 14]
    assert (grey == grey[..., :1]).all()
