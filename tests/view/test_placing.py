"""Places that the page's scripts start from: each mark lies in the row or cell that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modviz.core.analysis import Analysis
from modviz.view import classes, features, gallery, lesions, style
from modviz.view.drawing import GEOMETRY, Drawing
from modviz.view.facts import Facts
from tests.view.pictured import with_tops

ACROSS, ALONG = ("left", "right", "x", "x0", "x1"), ("top", "bottom", "y", "y0", "y1")
#: Words of `of` that are no subcluster: nowhere, below the rows, between them.
OTHERS = {"", lesions.END, "grid"}


def marks(drawing: Drawing) -> list[tuple[str, str, list[float], list[float]]]:
    """Of every mark its layer, whose it is, and its extent across and along."""
    found = []
    for key, layer in drawing.layers.items():
        columns = layer.columns
        places = GEOMETRY[layer.kind]
        for k, of in enumerate(columns["of"]):
            across = [float(columns[name][k]) for name in places if name in ACROSS]
            along = [float(columns[name][k]) for name in places if name in ALONG]
            if "dw" in places:
                across.append(across[0] + float(columns["dw"][k]))
                along.append(along[0] + float(columns["dh"][k]))
            found.append((key, str(of), across, along))
    return found


@pytest.fixture(scope="module", params=["complete", "lesions", "partition"])
def facts(request: pytest.FixtureRequest, make_analysis: Callable[..., Analysis]) -> Facts:
    analysis = make_analysis(stage=request.param, n_clusters=7, units=40)
    tested = analysis.tested.copy()
    tested[3] = False
    return Facts(replace(analysis, tested=tested))


def test_every_mark_of_a_row_lies_in_it(facts: Facts) -> None:
    anchors = lesions.anchors(facts)
    assert anchors["names"] == [facts.names[i] for i in facts.rows]
    assert facts.names[3] not in anchors["names"]
    assert anchors["pitch"] == style.ROW
    assert np.diff(anchors["y"]).tolist() == [style.ROW] * (len(facts.rows) - 1)
    assert anchors["top"] == anchors["y"][0]
    tops = dict(zip(anchors["names"], anchors["y"], strict=True))
    last = anchors["y"][-1] + style.ROW
    for drawing in (lesions.draw(facts, 60), classes.draw(facts, 60)):
        rowed = set()
        for layer, of, _, along in marks(drawing):
            if of in tops:
                rowed.add(of)
                assert tops[of] <= min(along), layer
                assert max(along) <= tops[of] + style.ROW, layer
            elif of == lesions.END:
                assert min(along) > last, layer
            elif of == "grid":
                assert (along[0], along[1]) == (anchors["top"], last)
            else:
                assert of == ""
                assert max(along) < anchors["top"], layer
        assert rowed == set(tops)


def test_every_mark_of_a_cell_lies_in_it(facts: Facts) -> None:
    check_cells(facts)


def check_cells(facts: Facts) -> None:
    anchors = gallery.anchors(facts)
    cells = {m["name"]: m for layer in anchors["layers"] for m in layer["members"]}
    titles = {layer["key"]: layer for layer in anchors["layers"]}
    assert set(cells) == {facts.names[i] for i in np.flatnonzero(facts.tested)}
    assert not set(titles) & set(cells)
    drawn = set()
    for layer, of, across, along in marks(features.draw(facts)):
        if of in titles:
            assert (layer, across[0], along[0]) == ("words", titles[of]["x"], titles[of]["y"])
            continue
        drawn.add(of)
        cell = cells[of]
        assert cell["x"] - 3 <= min(across), layer
        assert max(across) <= cell["x"] + anchors["wide"] + 3, layer
        assert cell["y"] - 5 <= min(along), layer
        assert max(along) <= cell["y"] + anchors["tall"], layer
    assert drawn == set(cells)


def test_layers_hold_their_own_cells_in_order(analysis: Analysis) -> None:
    facts = Facts(analysis)
    anchors = gallery.anchors(facts)
    for layer, found in zip(facts.hidden_layers, anchors["layers"], strict=True):
        expected = [s.name for s in analysis.subclusters if s.layer == layer.name]
        tested = [name for name in expected if facts.tested[facts.names.index(name)]]
        assert [member["name"] for member in found["members"]] == tested
        assert found["key"] == f"layer {layer.number}"


def test_cells_with_real_images_hold_their_marks(make_analysis: Callable[..., Analysis]) -> None:
    both = with_tops(make_analysis(n_layers=2, units=30))
    for analysis in (both, replace(both, features=None)):
        check_cells(Facts(analysis))


def test_before_there_is_anything_the_script_finds_what_it_reads(analysis: Analysis) -> None:
    nothing: dict[str, Any] = gallery.NONE
    assert set(nothing) == set(gallery.anchors(Facts(analysis)))
    for drawing in (lesions.draw(None, 46), classes.draw(None, 46), features.draw(None)):
        assert all(of in OTHERS for _, of, _, _ in marks(drawing))
