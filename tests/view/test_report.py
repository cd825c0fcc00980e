"""The report as a file: whole, escaped, and without anything to load."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from modviz.core.analysis import Analysis
from modviz.view.report import report

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&"


def own_text(html: str) -> str:
    """The report without the two scripts of Bokeh."""
    parts = re.split(r"<script>|</script>", html)
    assert len(parts) == 7
    return parts[0] + parts[5] + parts[6]


@pytest.fixture(scope="module")
def html(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = report(analysis, tmp_path_factory.mktemp("report") / "a.html")
    return path.read_text(encoding="utf-8")


def test_it_loads_nothing(html: str) -> None:
    own = own_text(html)
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", own)
    assert "@import" not in own
    # the one address is of a blob, which the page makes from bytes that it holds
    assert set(re.findall(r"url\((?!data:)[^)]*\)", own)) == {"url(${url})"}
    made = set(re.findall(r"const url = ([^;\\]*)", own))
    assert made == {"URL.createObjectURL(blob)", "urls.get(kind)"}
    assert not re.search(r"<script[^>]*\ssrc|<link", html)
    assert "default-src 'none'" in html
    assert re.findall(r"img-src (.*?);", html) == ["data: blob:"]


def test_it_says_what_was_analysed_and_found(html: str) -> None:
    assert "MLP 4 × 64" in html
    assert "6 clusters with a normalised cut of" in html
    assert "Does the network need them more than random units?" in html
    assert re.search(r"of 20 subclusters", html)


def test_hostile_names_stay_text(make_analysis: Callable[..., Analysis], tmp_path: Path) -> None:
    hostile = make_analysis(
        model_name=HOSTILE, layer_name=HOSTILE + "{}", class_names=(HOSTILE, HOSTILE + "2")
    )
    html = report(hostile, tmp_path / "h.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert len(re.findall("</script>", html)) == 3
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_it_returns_the_path_and_leaves_no_other_file(analysis: Analysis, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    target.write_text("old")
    assert report(analysis, os.fspath(target)) == target
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert target.stat().st_size > 1_000_000


def test_writing_it_says_nothing_on_the_console(
    analysis: Analysis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report(analysis, tmp_path / "r.html")
    assert caplog.messages == []  # Bokeh's checks of the document, above all


def test_a_failure_keeps_the_old_file(analysis: Analysis, tmp_path: Path) -> None:
    folder = tmp_path / "r.html"
    folder.mkdir()
    with pytest.raises(OSError, match=r"r\.html"):
        report(analysis, folder)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_anything_but_an_analysis_is_named(tmp_path: Path) -> None:
    hint = r"open the file first, modviz.load\('a.modviz'\)"
    with pytest.raises(TypeError, match=f"a str; expected a modviz Analysis: {hint}"):
        report("a.modviz", tmp_path / "x.html")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="analysis is a dict; expected a modviz Analysis"):
        report({}, tmp_path / "x.html")  # type: ignore[arg-type]
