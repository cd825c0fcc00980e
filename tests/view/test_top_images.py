"""Top images on their way to the page, on the card, and in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bokeh.core.serialization import Buffer

from modviz.core.analysis import Analysis
from modviz.view import evidence, features, gallery, overview, top_images
from modviz.view.facts import Facts
from modviz.view.page import Page
from modviz.view.report import report
from modviz.view.sheets import sheet_of
from tests.view.models import source, sources
from tests.view.pictured import columns, inside, kinds, with_tops

Make = Callable[..., Analysis]


@pytest.fixture(scope="module")
def both(analysis: Analysis) -> Analysis:
    return with_tops(analysis)


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


def test_the_page_shows_top_images_when_they_come(make_analysis: Make) -> None:
    running = replace(make_analysis(stage="features"), status="running")
    page = Page(running)
    models = {model.id for model in page.document.models}
    shown = source(page, "pictures", "blanks")["pictures"]
    (tiles,), (sheet,) = sources(page, "tiles"), kinds(page, "tops")
    assert tiles.data["tile"] == []
    assert len(sheet.data["bytes"][0]) == 0
    final = with_tops(running)
    page.update(final)
    tested = np.flatnonzero(running.tested)
    assert tiles.data["sheet"] == ["tops"] * 8 * len(tested)
    cells = gallery.arrange(Facts(final)).cells
    expected = [(running.subclusters[c.i].name, 10 * c.i + t) for c in cells for t in range(8)]
    assert list(zip(tiles.data["of"], tiles.data["tile"], strict=True)) == expected
    assert "image" not in tiles.data  # the browser cuts them out of the sheet
    assert len(shown.data["image"]) == 0
    assert bytes(sheet.data["bytes"][0]) == sheet_of(final.top_images, "tops").data
    assert {model.id for model in page.document.models} == models


def test_the_card_has_all_ten_with_the_names_of_their_classes(make_analysis: Make) -> None:
    names = ("a", "b", "c", '<i>"d"</i>', "e")
    analysis = with_tops(make_analysis(class_names=names))
    facts = Facts(analysis)
    card = evidence.card(facts, 0)
    tops = card[card.index('<div class="sheet">') :]
    sheet = sheet_of(analysis.top_images, "tops")
    assert re.findall(r'class="pic tops" .*? style="(.*?)"', tops) == [
        sheet.place(number) for number in range(10)
    ]
    assert "10 of 10: &lt;i&gt;&quot;d&quot;&lt;/i&gt;" in card
    assert "<i>" not in card
    for number in range(10):
        assert f"image {number} of the data, drive 2.5" in tops
    assert "class entropy 0.00 nats<br>99 random groups: 1.25<br>p 0.01, " in card
    second = evidence.card(facts, 1).split('class="sheet"')[1]
    places = re.findall(r'style="(.*?)"', second)
    assert places == [sheet.place(number) for number in range(10, 20)]
    other = [analysis.class_names[label] for label in analysis.top_images.labels[1]]
    shown = re.findall(r"aria-label=\"(.*?)\"", second)
    assert [name.replace("&lt;i&gt;&quot;d&quot;&lt;/i&gt;", names[3]) for name in shown] == other


def test_the_card_shows_both_optimised_pictures_and_says_which_is_which(both: Analysis) -> None:
    s, sheet = len(both.subclusters), sheet_of(both.features, "features")
    for i in (0, 3):
        card = evidence.card(Facts(both), i)
        pair = re.findall(
            r'class="pic features" role="img" aria-label="(.*?)".*?style="(.*?)"', card
        )
        assert pair == [
            ("feature image", sheet.place(i)),
            ("feature image of a random group", sheet.place(s + i)),
        ]
        assert "Enlarge pictures" in card


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
    said = "Its top images share a class more than those of random groups do."
    assert said in evidence.card(facts, 0)
    assert said not in evidence.card(facts, 1)
    assert "Do the images that drive them most share a class more?" in overview.summary(facts)
    assert any(
        "Yes for 1 of" in words and "[image_entropy]" in words for words in overview.in_words(facts)
    )
    without = Facts(replace(both, top_images=None))
    assert not any("image_entropy" in words for words in overview.in_words(without))


def test_the_report_brings_the_images_along_once(both: Analysis, tmp_path: Path) -> None:
    plain = report(replace(both, top_images=None), tmp_path / "plain.html").stat().st_size
    whole = report(both, tmp_path / "whole.html")
    html = whole.read_text(encoding="utf-8")
    for results, kind in ((both.features, "features"), (both.top_images, "tops")):
        sheet = sheet_of(results, kind)
        assert html.count(Buffer("", sheet.data).to_base64()) == 1
    own = html.rsplit("<script>", 1)[1]
    assert "data:image" not in own
    assert "<img" not in own
    # noise does not compress: real images take less
    assert whole.stat().st_size - plain < 1.5 * len(sheet.data) + 12_000 * int(both.tested.sum())
