"""The gallery and the card: top images beside optimised ones, in every state of an analysis."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.models import Plot

from modviz.core.analysis import Analysis, TopImages
from modviz.view import evidence, features, gallery, overview, pictures, style, top_images
from modviz.view.drawing import Drawing
from modviz.view.facts import Facts
from modviz.view.page import Page
from modviz.view.report import report

Make = Callable[..., Analysis]


def with_tops(
    analysis: Analysis, *, shape: tuple[int, int, int] | None = (28, 28, 1), n: int = 10
) -> Analysis:
    """The analysis with top images: the first subcluster's are all of class 3, its p is .01."""
    rng = np.random.default_rng(2)
    s = len(analysis.subclusters)
    labels = rng.integers(len(analysis.class_names), size=(s, n))
    labels[0] = 3
    entropy, controls = np.full(s, 1.25), np.tile(np.full(99, 1.25), (s, 1))
    entropy[0] = 0.0
    images = None if shape is None else rng.random((s, n, *shape)).astype(np.float32)
    for values in (entropy, controls, *([] if images is None else [images])):
        values[~analysis.tested] = np.nan
    numbers = np.arange(s * n).reshape(s, n)
    tops = TopImages(entropy, controls, np.full((s, n), 2.5), numbers, labels, images, 10_000)
    return replace(analysis, top_images=tops)


@pytest.fixture(scope="module")
def both(analysis: Analysis) -> Analysis:
    return with_tops(analysis)


def columns(drawing: Drawing, layer: str) -> list[dict[str, Any]]:
    """The marks of a layer, a dict each."""
    table = drawing.layers[layer].columns
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def words(drawing: Drawing) -> list[str]:
    return [mark["text"] for layer in ("words", "bold") for mark in columns(drawing, layer)]


def inside(drawing: Drawing, name: str, layer: str) -> list[dict[str, Any]]:
    """The marks of a layer that begin in the cell of a subcluster, in their order."""
    (hit,) = [mark for mark in columns(drawing, "hits") if mark["name"] == name]
    x, y = ("left", "bottom") if layer in ("blanks", "bars") else ("x", "y")
    return [
        mark
        for mark in columns(drawing, layer)
        if hit["left"] < mark[x] < hit["right"] and hit["bottom"] < mark[y] < hit["top"]
    ]


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


def test_entropy_and_p_are_told_where_the_images_are_shown(both: Analysis) -> None:
    drawing = features.draw(Facts(both))
    names = [s.name for s, ok in zip(both.subclusters, both.tested, strict=True) if ok]
    assert both.tested[0]
    assert {"0.00 nats", "p"} <= {m["text"] for m in inside(drawing, names[0], "words")}
    assert inside(drawing, names[0], "bold")[-1]["text"] == "0.01"  # at the level: bold
    other = inside(drawing, names[1], "words")
    assert "1.25 nats" in [m["text"] for m in other]
    assert other[-1]["text"] == "1.00"
    head = features.head(Facts(both))
    assert "top left: the input that drives the subcluster most" in head
    assert "classes of its top 10 images, 0 = all of one class; its p against 99 random" in head
    (hit,) = [m for m in columns(drawing, "hits") if m["name"] == names[0]]
    assert "top images: 10 of 10: Dress<br>class entropy 0.00, p 0.01, q 0.2" in hit["tip"]


def test_without_optimised_pictures_eight_images_stand_in_their_place(both: Analysis) -> None:
    alone = replace(both, features=None)
    drawing = features.draw(Facts(alone))
    for i, s in enumerate(both.subclusters):
        if both.tested[i]:
            shown = inside(drawing, s.name, "pictures")
            for mark, image in zip(shown, both.top_images.images[i, :8], strict=True):
                np.testing.assert_array_equal(mark["image"], pictures.rgba(image))
            assert {"random set", "–"}.isdisjoint(
                m["text"] for m in inside(drawing, s.name, "words")
            )
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


def test_the_page_shows_top_images_when_they_come(make_analysis: Make) -> None:
    running = replace(make_analysis(stage="features"), status="running")
    page = Page(running)
    models = {model.id for model in page.document.models}
    (plot,) = [
        p
        for p in page.document.select({"type": Plot})
        if "pictures" in {r.name for r in p.renderers}
    ]
    shown = next(r for r in plot.renderers if r.name == "pictures").data_source
    assert shown.data["image"] == []
    page.update(with_tops(running))
    assert len(shown.data["image"]) == 8 * int(running.tested.sum())
    assert {model.id for model in page.document.models} == models


def test_the_card_has_all_ten_with_the_names_of_their_classes(make_analysis: Make) -> None:
    names = ("a", "b", "c", '<i>"d"</i>', "e")
    analysis = with_tops(make_analysis(class_names=names))
    facts = Facts(analysis)
    card = evidence.card(facts, 0)
    tops = card[card.index('<div class="tops">') :]
    assert len(re.findall(r'<img src="data:image/png;base64,', tops)) == 10
    assert "10 of 10: &lt;i&gt;&quot;d&quot;&lt;/i&gt;" in card
    assert "<i>" not in card
    for number in range(10):
        assert f"image {number} of the data, drive 2.5" in tops
    assert "class entropy 0.00 nats<br>99 random sets: 1.25<br>p 0.01, " in card
    other = [analysis.class_names[label] for label in analysis.top_images.labels[1]]
    shown = re.findall(r"alt=\"(.*?)\"", evidence.card(facts, 1).split('class="tops"')[1])
    assert [name.replace("&lt;i&gt;&quot;d&quot;&lt;/i&gt;", names[3]) for name in shown] == other


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3] * 10, "10 of 10: Dress"),
        ([3] * 4 + [1] * 6, "6 of 10: Trouser"),
        ([8, 1, 8, 1, 8, 1, 8, 1, 0, 0], "4 each: Bag, Trouser"),
        (list(range(10)), "10 classes"),
    ],
)
def test_the_commonest_class_and_its_count(
    both: Analysis, labels: list[int], expected: str
) -> None:
    every = np.tile(labels, (len(both.subclusters), 1))
    facts = Facts(replace(both, top_images=replace(both.top_images, labels=every)))
    assert top_images.commonest(facts, 0) == expected


def test_a_declared_share_is_said_in_words(both: Analysis) -> None:
    tops = replace(both.top_images, entropy_controls=np.where(both.tested, 1.25, np.nan)[:, None]
                   * np.ones((1, 999)))  # fmt: skip
    facts = Facts(replace(both, top_images=tops))
    said = "Its top images share a class more than those of random sets do."
    assert said in evidence.card(facts, 0)
    assert said not in evidence.card(facts, 1)
    assert "Do the images that drive them most share a class more?" in overview.summary(facts)
    assert any(
        "Yes for 1 of" in words and "[image_entropy]" in words for words in overview.in_words(facts)
    )
    without = Facts(replace(both, top_images=None))
    assert not any("image_entropy" in words for words in overview.in_words(without))


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
    ("shape", "small"), [((8, 8, 1), (8, 8)), ((32, 32, 3), (32, 32)), ((50, 64, 3), (44, 56))]
)
def test_images_come_in_the_size_they_are_shown_in(
    make_analysis: Make, shape: tuple[int, int, int], small: tuple[int, int]
) -> None:
    """Bokeh would drop rows of pixels; only tiny pictures are left to be enlarged by it."""
    drawing = features.draw(Facts(with_tops(make_analysis(image=shape), shape=shape)))
    name = columns(drawing, "hits")[0]["name"]
    assert [m["image"].shape for m in inside(drawing, name, "pictures")][2:] == [small] * 4


def test_resizing_keeps_a_picture_and_its_brightness() -> None:
    image = np.zeros((64, 64, 3), dtype=np.float32)
    image[:, :32, 0], image[:32, :, 1] = 1.0, 0.5
    smaller = pictures.resized(image, 32, 16)
    assert smaller.shape == (16, 32, 3)
    assert smaller.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=1e-3)
    assert smaller[2, 2] == pytest.approx([1, 0.5, 0], abs=0.01)
    assert smaller[12, 28] == pytest.approx([0, 0, 0], abs=0.01)
    assert pictures.resized(image, 64, 64) is image


def test_the_report_brings_the_images_along(both: Analysis, tmp_path: Path) -> None:
    plain = report(replace(both, top_images=None), tmp_path / "plain.html").stat().st_size
    whole = report(both, tmp_path / "whole.html")
    html = whole.read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") >= 10 * int(both.tested.sum())
    # noise does not compress: real images take less
    assert whole.stat().st_size - plain < 40_000 * int(both.tested.sum())
