"""`modviz.plot` in a real browser: as a file, and as a notebook shows it."""

from __future__ import annotations

import pytest

import modviz
from tests.view.test_choice import choice_of
from tests.view.test_interactions import made

pytestmark = pytest.mark.browser

#: Where the cell of A1 and B1 is on the screen.
_CELL = """() => {
  const figure = Bokeh.documents[0].get_model_by_name("modviz-interactions")
  const view = Bokeh.index.find_one(figure)
  const {left, right, top, bottom, tip} = figure.renderers[0].data_source.data
  const k = [...tip].findIndex((text) => text.includes("A1 + B1"))
  const box = view.canvas_view.el.getBoundingClientRect()
  return {
    x: box.x + view.frame.x_scale.compute((left[k] + right[k]) / 2),
    y: box.y + view.frame.y_scale.compute((top[k] + bottom[k]) / 2),
  }
}"""


def test_the_file_is_whole_and_answers_the_mouse(open_window, tmp_path):
    path = modviz.plot(made()).save(tmp_path / "x.html")
    window = open_window()
    window.page.goto(path.as_uri())
    window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle")
    place = window.page.evaluate(_CELL)
    window.page.mouse.move(place["x"], place["y"])
    tip = window.page.get_by_text("random pairs on average")
    tip.first.wait_for()
    assert "interaction −15.0 points" in tip.first.inner_text()
    assert window.errors == window.refused == []


def test_a_notebook_gives_it_the_height_it_needs(open_window, tmp_path):
    page = tmp_path / "cell.html"
    page.write_text(modviz.plot(made(4, 5, n=19))._repr_html_(), encoding="utf-8")
    window = open_window()
    window.page.goto(page.as_uri())
    inside = window.page.frame_locator("iframe")
    inside.get_by_text("Double lesions").wait_for()
    window.page.wait_for_function(
        "() => parseInt(document.querySelector('iframe').style.height) > 800"
    )
    box = inside.get_by_text("pairs of random groups").bounding_box()
    frame = window.page.locator("iframe").bounding_box()
    assert box["y"] + box["height"] <= frame["y"] + frame["height"]
    assert window.errors == window.refused == []


def test_the_choice_of_k_is_drawn_too(open_window, tmp_path):
    path = modviz.plot(choice_of()).save(tmp_path / "k.html")
    window = open_window()
    window.page.goto(path.as_uri())
    window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle")
    window.page.get_by_text(choice_of().reason[:20]).first.wait_for()
    assert window.errors == window.refused == []
