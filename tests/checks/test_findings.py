"""How findings are said."""

from __future__ import annotations

from modviz.checks.findings import Checkup, Finding

FINE = Finding("Python", "fine", "3.12.1")
SLOW = Finding("Memory", "warning", "1.0 GB free: enough for small networks", "end other programs")
BAD = Finding("Widgets", "will not work", "no <extension>", "pip install jupyterlab_widgets")


def test_only_what_will_not_work_makes_a_bad_status():
    assert Checkup((FINE,)).status == 0
    assert Checkup((FINE, SLOW)).status == 0
    assert Checkup((FINE, BAD, SLOW)).status == 1


def test_text_says_verdict_subject_words_and_what_to_do():
    lines = str(Checkup((FINE, SLOW, BAD))).splitlines()
    assert lines[0] == "modviz doctor: 1 fine, 1 warning, 1 will not work"
    assert lines[2].split() == ["fine", "Python", "3.12.1"]
    assert lines[3].split()[:3] == ["warning", "Memory", "1.0"]
    assert lines[4].strip() == "To do: end other programs"
    assert lines[5].startswith("will not work  Widgets        no <extension>")
    assert repr(Checkup((FINE,))) == str(Checkup((FINE,)))


def test_long_words_are_folded_in_their_column():
    words = "word " * 60
    lines = str(Checkup((Finding("Packages", "fine", words),))).splitlines()[2:]
    assert len(lines) > 3
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(" " * 30 + "word") for line in lines[1:])
    assert " ".join(lines).split()[2:] == words.split()


def test_html_is_a_table_with_headers_and_escaped_words():
    html = Checkup((FINE, BAD))._repr_html_()
    assert html.count('scope="row"') == 2
    assert html.count('scope="col"') == 3
    assert "no &lt;extension&gt;" in html
    assert ">will not work</span>" in html
    assert "<b>To do:</b> pip install jupyterlab_widgets" in html
