"""The panel of double lesions, and `modviz.plot`."""

from __future__ import annotations

import numpy as np
import pytest

import modviz
from modviz.view import classes, style
from modviz.view import interactions as view
from tests.view.extras import made


def cells(result) -> dict[str, list[tuple]]:
    """Cells by the pair that their hover text begins with: place and colour."""
    columns = view.draw(result).layers["cells"].columns
    found: dict[str, list[tuple]] = {}
    for left, bottom, fill, tip in zip(
        columns["left"], columns["bottom"], columns["fill"], columns["tip"], strict=True
    ):
        found.setdefault(tip.split("</b>")[0].removeprefix("<b>"), []).append((left, bottom, fill))
    return found


def test_a_cell_for_every_ordered_pair_and_its_mirror():
    result = made()
    found = cells(result)
    assert len(found) == 6 + 15
    assert view.limit(result) == 20
    (a, b), (mirror_a, mirror_b) = (c[:2] for c in found["A1 + B1"])
    offset = found["A1"][0]
    assert (a - offset[0], b - offset[1]) == (mirror_b - offset[1], mirror_a - offset[0])
    assert {c[2] for c in found["A1 + B1"]} == {classes.color(-15 / 20 * classes.FULL)}
    assert {c[2] for c in found["A1 + A2"]} == {classes.color(5 / 20 * classes.FULL)}
    assert found["A1"][0][2] == style.BAND


def test_declared_pairs_are_framed_and_bold():
    result = made()
    table = result.table()
    declared = table.index[table["q"] <= 0.05]
    assert {"A1 + B1", "A1 + A2"} <= set(declared)
    layers = view.draw(result).layers
    frames = set(
        zip(layers["frames"].columns["left"], layers["frames"].columns["bottom"], strict=True)
    )
    assert frames == {c[:2] for pair in declared for c in cells(result)[pair]}
    assert layers["bold"].columns["text"].count("−15") == 2
    assert not {"−15", "5"} & set(layers["figures"].columns["text"])


def test_layers_stand_apart_and_rows_are_named():
    layers = view.draw(made(3, 3)).layers
    assert layers["side"].columns["text"] == layers["above"].columns["text"] == made(3, 3).names
    gaps = np.diff(layers["side"].columns["y"])
    assert (gaps[[2, 5]] == gaps[0] + 6).all()
    assert len(set(gaps[[0, 1, 3, 4, 6, 7]])) == 1
    assert layers["layers"].columns["text"] == ["1  fc1", "fc1", "2  fc2", "fc2", "3  fc3", "fc3"]
    assert [style.number(100 * c, 1) for c in made(3, 3).single] == layers["alone"].columns["text"][
        1:
    ]


def test_what_was_not_measured_is_said():
    result = made(holes=True, status="cancelled")
    assert "cancelled: partial" in view.head(result)
    assert "not measured" in next(
        tip for tip in view.draw(result).layers["cells"].columns["tip"] if "B1 + A2" in tip
    )
    assert view.draw(result).layers["figures"].columns["text"].count("–") == 12
    assert "No pair" not in view.words(result)
    nothing = made()
    for values in (nothing.paired, nothing.paired_controls):
        values[:] = np.nan
    assert "No pair was measured" in view.words(nothing)
    assert view.limit(nothing) == 1


def test_many_subclusters_still_fit():
    result = made(12, 9, n=19)
    drawing = view.draw(result)
    assert drawing.width <= 900
    assert not drawing.layers["side"].columns["text"]
    assert len(drawing.layers["cells"].columns["fill"]) == 108**2


def test_words_say_what_few_controls_can_not():
    assert "one pair alone could not be declared" not in view.words(made())
    few = view.words(made(n=9))
    assert "9 controls one pair alone could not be declared" in few
    assert "redundant" in few


def test_plot_holds_everything_and_escapes_names(tmp_path):
    plot = modviz.plot(made(name="<b>&{}</b>"))
    page = plot.save(tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page
    assert "Double lesions" in page
    assert "&lt;b&gt;&amp;1&lt;/b&gt;" in page
    frame = plot._repr_html_()
    assert frame.startswith("<iframe")
    assert frame.count('"') == 6  # nothing inside ends an attribute
    assert "save" in repr(plot)


def test_plot_of_something_else_is_refused():
    with pytest.raises(
        TypeError, match="no plot of a dict; expected Interactions, ClusterChoice or Comparison"
    ):
        modviz.plot({})

    class Interactions:
        pass

    with pytest.raises(TypeError, match="no plot of a Interactions"):
        modviz.plot(Interactions())
