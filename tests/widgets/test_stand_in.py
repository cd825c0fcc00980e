"""What a notebook keeps of an explorer for readers without a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import IPython.display
import pytest

from modviz.core.analysis import Analysis
from modviz.widgets.explorer import Explorer

Make = Callable[..., Analysis]


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], str | None]]:
    """What is displayed and renewed: how, the bundle, under which name."""
    heard: list[tuple[str, dict[str, Any], str | None]] = []

    def listen(how: str) -> Callable[..., None]:
        def put(bundle: dict[str, Any], *, raw: bool, display_id: str | None = None) -> None:
            assert raw
            heard.append((how, bundle, display_id))

        return put

    monkeypatch.setattr(IPython.display, "display", listen("display"))
    monkeypatch.setattr(IPython.display, "update_display", listen("update"))
    return heard


def test_the_picture_is_an_output_of_its_own(make_analysis: Make, outputs: list[Any]) -> None:
    explorer = Explorer(make_analysis())
    explorer._ipython_display_()
    (_, widget, unnamed), (_, still, name) = outputs
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert unnamed is None
    assert set(still) == {"text/plain", "text/html", "image/png"}
    assert f'class="modviz-still {name}"' in still["text/html"]
    assert explorer._desk.panels.still == name  # the panels hide it once they are drawn


def test_it_follows_the_analysis_once_it_is_shown(make_analysis: Make, outputs: list[Any]) -> None:
    explorer = Explorer(make_analysis())
    explorer.analysis = make_analysis(n_clusters=4)
    assert outputs == []  # nobody has displayed it
    explorer._ipython_display_()
    del outputs[:]
    explorer.analysis = make_analysis()
    assert [(how, name) for how, _, name in outputs] == [("update", explorer._desk.panels.still)]
