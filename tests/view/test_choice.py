"""The panel of numbers of clusters: marks stand where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from bokeh.embed import file_html
from bokeh.models import Div, Plot
from bokeh.resources import INLINE

from modviz.view import choice as view
from tests.view.extras import choice_of


def test_marks_stand_where_the_numbers_say() -> None:
    choice = choice_of()
    layers = view.draw(choice).layers
    dots = layers["dots"].columns
    assert len(dots["x"]) == 30  # three charts of ten numbers
    gap, depth, stable = (np.array(dots["y"][k : k + 10]) for k in (0, 10, 20))
    assert int(np.argmin(gap)) == 2  # y points down: the largest gap is the highest dot
    for places, values in ((gap, choice.eigengap), (depth, choice.z), (stable, choice.stability)):
        slope, offset = np.polyfit(values, places, 1)
        assert slope < 0
        np.testing.assert_allclose(slope * values + offset, places, atol=1e-6)
    # the band of the suggestion is around the column of 4
    band = layers["chosen"].columns
    assert band["left"][0] < dots["x"][2] < band["right"][0]
    assert len(layers["chance"].columns["left"]) == 20
    # every mark inside the figure
    drawing = view.draw(choice)
    for name in ("dots", "ticks", "numbers", "words"):
        columns = layers[name].columns
        assert (columns["x"] >= 0).all()
        assert (columns["x"] <= drawing.width).all()
        assert ((columns["y"] >= 0) & (columns["y"] <= drawing.height)).all()


def test_axes_are_named_and_the_tip_says_all() -> None:
    layers = view.draw(choice_of()).layers
    words = " ".join(layers["words"].columns["text"])
    assert "Eigengap after k clusters" in words
    assert "z against shuffled weights" in words
    assert "adjusted Rand index between seeds" in words
    assert "number of clusters k" in layers["numbers"].columns["text"]
    tip = layers["hits"].columns["tip"][2]
    assert tip.startswith(
        "<b>4 clusters</b><br>eigengap 0.5000<br>normalised cut 2.089, shuffled 3."
    )
    assert "p 0.05 (below chance)" in tip


def test_the_heading_says_the_suggestion_or_that_there_is_none() -> None:
    assert "4 suggested" in view.head(choice_of())
    unclear = choice_of(eigengap=np.full(10, 0.01))
    assert "none suggested" in view.head(unclear)
    assert "No number stands out" in view.head(unclear)
    assert not len(view.draw(unclear).layers["chosen"].columns["left"])


def test_values_that_are_missing_leave_a_gap() -> None:
    missing = choice_of(
        eigengap=np.array([0.1] * 9 + [np.nan]), null_ncut=np.ones((19, 10)), stability=np.ones(10)
    )
    layers = view.draw(missing).layers
    assert len(layers["dots"].columns["x"]) == 9 + 0 + 10
    assert "z –" in layers["hits"].columns["tip"][0]


@pytest.mark.parametrize("most", [1e-5, 0.0092, 0.044, 0.5, 1.0, 3.0, 139.0, 9999.0])
@pytest.mark.parametrize("low", [0.0, -0.3, -40.0])
def test_ticks_are_few_round_and_inside(low: float, most: float) -> None:
    ticks = view._ticks(low, most)
    assert 2 <= len(ticks) <= 5
    assert low - 1e-9 <= ticks[0]
    assert ticks[-1] <= most + 1e-9
    shown = {view.style.number(t, view._digits((low, most))) for t in ticks}
    assert len(shown) == len(ticks)


def test_the_panel_is_one_bokeh_layout_that_can_be_saved() -> None:
    layout = view.panel(choice_of())
    assert layout.name == "choice"
    assert len(list(layout.select({"type": Plot}))) == 1
    assert "stand out" in next(iter(layout.select({"type": Div}))).text
    assert "Eigengap after k clusters" in file_html(layout, INLINE)
    with pytest.raises(TypeError, match="choice is a int; expected what modviz.choose_n_clusters"):
        view.panel(3)  # type: ignore[arg-type]
