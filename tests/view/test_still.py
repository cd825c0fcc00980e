"""The page as a picture and as plain HTML, for outputs without a front end."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageColor

from modviz.view import adjacency, heading, style
from modviz.view.canvas import SCALE, Canvas
from modviz.view.facts import Facts
from modviz.view.order import Sorted
from modviz.view.overview import in_words
from modviz.view.still import mimebundle, picture


def opened(png: bytes) -> Image.Image:
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return image.convert("RGB")


def share_of(image: Image.Image, color: str) -> float:
    """Share of the pixels that are about of one colour."""
    distance = np.abs(np.asarray(image, dtype=int) - ImageColor.getrgb(color)).max(axis=2)
    return float((distance <= 8).mean())


def spoken(painted: list[str], monkeypatch) -> None:
    """Note all words that reach a canvas."""
    text = Canvas.text

    def noting(self, x, y, words, **kwargs):
        painted.append(words)
        text(self, x, y, words, **kwargs)

    monkeypatch.setattr(Canvas, "text", noting)


def test_the_picture_shows_all_panels_of_the_page(analysis, monkeypatch):
    words: list[str] = []
    spoken(words, monkeypatch)
    png = picture(analysis)
    image = opened(png)
    assert image.width == SCALE * (style.PAGE + 32)
    assert SCALE * 900 < image.height < SCALE * 2500
    assert len(png) < 500_000
    said = " ".join(words)
    for title in ("Partition", "Weights", "Lesions", "Accuracy change by class", "Feature images"):
        assert title in words
    assert "6 clusters of 256 hidden units" in said
    assert {"Layer 1", "T-shirt", "Boot", "true class", "random"} <= set(words)
    assert set(Facts(analysis).names) <= set(words) | {w.split(" · ")[0] for w in words}
    for hand in ("drag", "click"):
        assert hand not in said
    for cluster in range(6):
        assert share_of(image, style.cluster_color(cluster)) > 0.002


def test_panels_stand_beside_and_below_each_other_as_on_the_page(analysis):
    image = opened(picture(analysis))
    dark = np.asarray(image.convert("L")) < 200
    gap = slice(
        SCALE * (16 + style.LEFT) + 20, SCALE * (16 + style.LEFT + style.GUTTER) - SCALE * 2
    )
    upper = dark[: SCALE * 300]
    assert upper[:, : gap.start].any()
    assert not upper[:, gap].any()
    assert upper[:, gap.stop :].any()
    margins = (dark[: SCALE * 12], dark[:, : SCALE * 14], dark[:, -SCALE * 12 :])
    assert not any(margin.any() for margin in margins)


@pytest.mark.parametrize("stage", ["partition", "lesions"])
def test_a_partial_analysis_says_what_is_missing(make_analysis, monkeypatch, stage):
    words: list[str] = []
    spoken(words, monkeypatch)
    picture(make_analysis(stage=stage))
    assert "feature images not measured yet" in " ".join(words)
    assert ("lesions not measured yet" in " ".join(words)) == (stage == "partition")


def test_panels_of_very_many_rows_are_cut_off_and_say_so(make_analysis, monkeypatch):
    words: list[str] = []
    spoken(words, monkeypatch)
    big = make_analysis(n_clusters=24, n_layers=5, units=300)
    assert len(Facts(big).rows) > 60
    image = opened(picture(big))
    assert image.height < SCALE * 3000
    assert any("The rest is in the report" in said for said in words)


def test_a_heading_is_read_back_from_its_html():
    ramp = style.ramp("points", "≤ −40", "+40", ["#ff0000", "#0000ff"])
    html = style.header(
        "A & B", "grey: x<span class='dot full'></span>worse<br>second <b>line</b>", ramp
    )
    read = heading.Heading.read(html + "<p>not of it</p>")
    assert read.title == "A & B"
    assert [line.pieces for line in read.say] == [
        ["grey: x", ("dot", "full"), "worse"],
        ["second", "line"],
    ]
    assert read.aside.pieces == ["points ≤ −40", ("ramp", "#ff0000", "#0000ff"), "+40"]
    assert read.height == style.HEADER + 16
    canvas = Canvas(400, 80)
    read.draw(canvas, 0, 0, 400)
    row = np.asarray(canvas.image)[SCALE * 28]
    assert (row == (255, 0, 0)).all(axis=1).any()
    assert (row == (0, 0, 255)).all(axis=1).any()
    assert row[-1].tolist() == [255, 255, 255]


class _Cells(HTMLParser):
    """Rows of the table in some HTML, and its images."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.images: list[dict[str, str]] = []
        self.headers: list[str] = []
        self._cell = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")
            if tag == "th":
                self.headers.append(dict(attrs)["scope"])
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        if self._cell:
            self.rows[-1][-1] += data


def test_the_bundle_holds_words_table_and_picture(analysis):
    bundle = mimebundle(analysis, "Explorer of <MLP>")
    facts = Facts(analysis)
    said = in_words(facts)
    assert bundle["text/plain"].splitlines() == ["Explorer of <MLP>", *said]
    png = base64.b64decode(bundle["image/png"])
    assert opened(png).size == opened(picture(analysis)).size

    html = bundle["text/html"]
    assert "Explorer of &lt;MLP&gt;" in html
    assert "<script" not in html
    assert "<style" not in html
    read = _Cells()
    read.feed(html)
    assert [image["src"] for image in read.images] == [
        "data:image/png;base64," + bundle["image/png"]
    ]
    assert "256" not in read.images[0]["alt"]
    assert "4 layers into 6 clusters" in read.images[0]["alt"]
    head, *rows = read.rows
    assert head == ["Subcluster", "Layer", "Units", "Accuracy change", "p", "q", "Verdict"]
    assert [row[0] for row in rows] == [facts.names[i] for i in facts.rows]
    assert read.headers == ["col"] * 7 + ["row"] * len(rows)
    table = analysis.table()
    first, i = rows[0], facts.rows[0]
    assert first[1] == table["layer"].iloc[i]
    assert int(first[2]) == table["size"].iloc[i]
    change = float(re.match(r"[−+]?[\d.]+", first[3])[0].replace("−", "-"))
    assert change == pytest.approx(100 * table["accuracy_change"].iloc[i], abs=0.051)
    assert float(first[4]) == pytest.approx(table["accuracy_p"].iloc[i], abs=0.006)
    assert float(first[5]) == pytest.approx(table["accuracy_q"].iloc[i], abs=0.0006)
    assert {row[6] for row in rows} <= {"Important", "Undecided", "No evidence"}


def test_without_an_analysis_there_is_no_picture():
    bundle = mimebundle(None, "Explorer of MLP", mark="m-1")
    assert bundle.keys() == {"text/plain", "text/html"}
    assert bundle["text/plain"] == "Explorer of MLP"
    assert bundle["text/html"].startswith('<div class="modviz-still m-1">')
    assert "<img" not in bundle["text/html"]


def test_names_of_users_are_escaped_and_long_tables_end(make_analysis):
    big = make_analysis(n_clusters=24, n_layers=5, units=300, layer_name="<b>{}")
    html = mimebundle(big, "x")["text/html"]
    assert "&lt;b&gt;1" in html
    assert "<b>1" not in html
    further = len(Facts(big).rows) - 60
    assert html.count("<tr>") == 61
    assert f"{further} further subclusters: analysis.table()" in html


def test_the_matrix_has_the_colours_of_the_page(analysis):
    # the mean edge of a block decides its colour, and all between the limits is in sight
    image = np.asarray(opened(picture(analysis)), dtype=int)
    left = SCALE * (16 + style.LEFT + style.GUTTER + adjacency.STRIP)
    top = SCALE * (16 + style.HEADER + adjacency.STRIP)
    side = SCALE * adjacency.SIDE
    shown = image[top : top + side, left : left + side]
    order = Sorted(Facts(analysis))
    tile = order.overview.image
    low, high = np.log(order.limits)
    with np.errstate(divide="ignore"):
        share = np.clip((np.log(tile) - low) / (high - low), 0, 1)
    palette = np.array([ImageColor.getrgb(color) for color in adjacency.palette()])
    wanted = palette[np.rint(share * 255).astype(int)]
    n = len(tile)
    at = ((np.arange(n) + 0.5) / n * side).astype(int)
    off = np.abs(shown[np.ix_(at, at)] - wanted).max(axis=2)
    assert (off <= 16).mean() > 0.9  # the rest is lines between clusters
    assert len(np.unique(np.rint(share * 255))) > 100
