from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any

import bokeh
import pytest
from bokeh.core.serialization import Buffer
from bokeh.document import Document
from bokeh.models import ColumnDataSource, Div
from bokeh.plotting import figure

from modviz.widgets.bokeh_pane import BokehJS, BokehPane, LiveDocument


class Rig:
    """A live document and what happened to it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[Exception] = []
        self.commands: list[tuple[str, dict[str, Any]]] = []
        # beside what the explorer's tests need: a second matrix, and how the page is sorted
        self.other = figure(name="modviz-adjacency-by-layer", x_range=(0, 10), y_range=(0, 10))
        self.other.scatter("x", "y", source=ColumnDataSource({"x": [1], "y": [1]}))
        self.view = ColumnDataSource({"json": ["{}"]}, name="modviz-view")
        page.text.tags = [*page.text.tags, self.view]
        page.document.roots[1].children = [*page.document.roots[1].children, self.other]
        self.live = LiveDocument(
            self.page.document,
            on_select=self.select,
            on_zoom=self.page.zoom,
            on_error=self.errors.append,
            on_command=self.command,
        )

    def command(self, name: str, arguments: dict[str, Any]) -> None:
        if name == "fail":
            raise LookupError("no such thing")
        self.commands.append((name, arguments))

    def select(self, names: tuple[str, ...]) -> tuple[str, ...]:
        known = tuple(name for name in names if name.startswith("A"))
        self.page.select(known)
        return known

    def hear(self, client: str, kind: str, **more: Any) -> None:
        self.live._handle_custom_msg({"client": client, "kind": kind, **more}, [])


@pytest.fixture
def rig(sent: list[Any], small_page: type) -> Rig:
    return Rig(small_page())


def unpacked(message: dict[str, Any], buffers: list[bytes]) -> tuple[str, list[bytes]]:
    """The JSON and the buffers of a message, which travel gzipped if they are large."""
    if "packed" not in message:
        return message["json"], buffers
    whole, parts = gzip.decompress(buffers[0]), []
    for size in message["packed"]:
        parts.append(whole[:size])
        whole = whole[size:]
    assert whole == b""
    return parts[0].decode(), parts[1:]


def content(message: dict[str, Any], buffers: list[bytes]) -> Any:
    """The JSON of a message with its buffers put back, as a browser would."""
    text, buffers = unpacked(message, buffers)

    def restore(value: dict[str, Any]) -> Any:
        if value.get("type") == "bytes" and isinstance(value["data"], dict):
            index = message["buffers"].index(value["data"]["id"])
            return {"type": "bytes", "data": Buffer(value["data"]["id"], buffers[index])}
        return value

    return json.loads(text, object_hook=restore)


def copy_of(sent: list[Any]) -> Document:
    [(message, buffers)] = [m for m in sent if m[0]["kind"] == "document"]
    return Document.from_json(content(message, buffers))


def test_the_library_is_read_from_the_wheel_once_per_kernel() -> None:
    first, second = BokehJS.shared(), BokehJS.shared()
    assert first is second
    assert first.version == bokeh.__version__
    code = gzip.decompress(first.code)
    static = Path(bokeh.__file__).parent / "server" / "static" / "js"
    assert (static / "bokeh-widgets.min.js").read_bytes() in code


def test_opening_gives_the_document_as_it_is_now(rig: Rig, sent: list[Any]) -> None:
    rig.page.select(["A1"])
    assert sent == []  # nobody looks yet
    rig.hear("one", "open")
    [(message, _)] = sent
    assert message["client"] == "one"
    copy = copy_of(sent)
    assert [root.name for root in copy.roots] == ["card", "page"]
    assert copy.select_one({"name": "modviz-selection"}).data["name"] == ["A1"]


def test_changes_travel_as_one_patch_that_a_copy_can_apply(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    copy = copy_of(sent)
    del sent[:]
    with rig.live.changes():
        rig.page.text.text = "first"
        rig.page.text.text = "second"
        rig.page.select(["A1", "B2"])
        rig.page.text.tags = [*rig.page.text.tags, ColumnDataSource({"x": [1, 2]}, name="new")]
    assert [message["kind"] for message, _ in sent] == ["patch"]
    patch = content(*sent[0])
    assert len(patch["events"]) == 3  # the two texts have become one
    copy.apply_json_patch(patch)
    assert copy.select_one({"type": Div}).text == "second"
    assert copy.select_one({"name": "modviz-selection"}).data["name"] == ["A1", "B2"]
    assert copy.select_one({"name": "new"}).data["x"] == [1, 2]


def test_a_change_outside_of_a_gesture_is_sent_at_once(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    rig.page.text.text = "changed"
    assert content(*sent[-1])["events"][0]["new"] == "changed"


def test_arrays_travel_as_bytes(rig: Rig, sent: list[Any]) -> None:
    import numpy as np

    source = ColumnDataSource({"x": np.arange(50, dtype=np.uint8)})
    rig.page.text.tags = [*rig.page.text.tags, source]
    rig.hear("one", "open")
    [(message, buffers)] = sent
    assert bytes(range(50)) in buffers
    assert len(message["buffers"]) == len(buffers)


def test_a_click_is_not_sent_back_but_other_windows_hear_of_it(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    rig.hear("two", "open")
    del sent[:]
    rig.hear("one", "select", names=["A1", "X9"], sequence=7)
    patch, answer = sent[0][0], sent[1][0]
    assert (patch["kind"], patch["except"]) == ("patch", "one")
    assert answer == {"kind": "selected", "client": "one", "names": ["A1"], "sequence": 7}


def test_a_click_in_the_only_window_sends_the_answer_alone(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    rig.hear("two", "open")
    rig.hear("two", "close")
    del sent[:]
    rig.hear("one", "select", names=["A1"], sequence=1)
    assert [message["kind"] for message, _ in sent] == ["selected"]
    assert rig.page.selected == ("A1",)


def edges(plot: Any) -> tuple[float, ...]:
    return (plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end)


@pytest.mark.parametrize("by_layer", [False, True])
def test_zooming_asks_for_detail_and_moves_the_kernels_copy(
    rig: Rig, sent: list[Any], by_layer: bool
) -> None:
    rig.hear("one", "open")
    del sent[:]
    zoomed, still = (rig.other, rig.page.panel)[:: 1 if by_layer else -1]
    rig.hear("one", "zoom", figure=zoomed.name, range=[1, 2, 3, 4])
    assert rig.page.zooms == [(1.0, 2.0, 3.0, 4.0, zoomed.name)]
    assert edges(zoomed) == (1, 2, 3, 4)
    assert edges(still) == (0, 10, 0, 10)
    patch, answer = sent
    assert [event["attr"] for event in content(*patch)["events"]] == ["text"]  # no ranges back
    assert answer[0] == {"kind": "zoomed", "client": "one"}
    assert rig.errors == []


def test_a_second_window_zooms_along(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    rig.hear("two", "open")
    del sent[:]
    rig.hear("one", "zoom", figure=rig.other.name, range=[1, 2, 3, 4])
    (detail, ranges, answer) = sent
    assert "except" not in detail[0] or detail[0]["except"] is None
    assert ranges[0]["except"] == "one"
    changed = {(e["model"]["id"], e["attr"], e["new"]) for e in content(*ranges)["events"]}
    assert changed == {
        (rig.other.x_range.id, "start", 1.0),
        (rig.other.x_range.id, "end", 2.0),
        (rig.other.y_range.id, "start", 3.0),
        (rig.other.y_range.id, "end", 4.0),
    }
    assert answer[0] == {"kind": "zoomed", "client": "one"}


def test_a_zoom_of_a_figure_that_is_not_there_still_gets_its_answer(
    rig: Rig, sent: list[Any]
) -> None:
    rig.hear("one", "open")
    rig.hear("one", "zoom", range=[1, 2, 3, 4])
    assert "figure" in str(rig.errors[0])
    assert sent[-1][0] == {"kind": "zoomed", "client": "one"}
    assert edges(rig.page.panel) == edges(rig.other) == (0, 10, 0, 10)


def test_how_the_page_is_sorted_reaches_other_windows_and_lasts(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    rig.hear("two", "open")
    del sent[:]
    state = '{"sort": "p", "layer": "", "show": "all", "order": "layer"}'
    rig.hear("one", "view", json=state)
    assert rig.view.data == {"json": [state]}
    ((patch, buffers),) = sent
    assert (patch["kind"], patch["except"]) == ("patch", "one")
    (event,) = content(patch, buffers)["events"]
    assert event["model"]["id"] == rig.view.id
    rig.hear("three", "open")
    copy = Document.from_json(content(*sent[-1]))
    assert copy.select_one({"name": "modviz-view"}).data["json"] == [state]
    assert rig.errors == []


def test_a_button_of_the_page_asks_python(rig: Rig) -> None:
    rig.hear("one", "open")
    arguments = {"names": ["B2"], "n_controls": 379}
    rig.hear("one", "command", name="more_controls", arguments=arguments)
    assert rig.commands == [("more_controls", arguments)]
    rig.hear("one", "command", name="fail", arguments={})
    assert [str(error) for error in rig.errors] == ["no such thing"]


def test_without_a_listener_commands_are_dropped(sent: list[Any], small_page: type) -> None:
    page = small_page()
    errors: list[Exception] = []
    live = LiveDocument(
        page.document, on_select=lambda names: names, on_zoom=page.zoom, on_error=errors.append
    )
    live._handle_custom_msg({"client": "one", "kind": "command", "name": "x", "arguments": {}}, [])
    assert (sent, errors) == ([], [])


def test_a_callback_that_fails_is_told_and_the_front_end_goes_on(
    rig: Rig, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.hear("one", "open")
    rig.hear("one", "zoom", figure="modviz-adjacency", range=["far", 2, 3, 4])
    assert "could not convert" in str(rig.errors[0])
    assert sent[-1][0]["kind"] == "zoomed"


def test_changes_from_two_threads_wait_for_each_other(rig: Rig, sent: list[Any]) -> None:
    rig.hear("one", "open")
    del sent[:]
    other = threading.Thread(target=lambda: setattr(rig.page.text, "text", "from a thread"))
    with rig.live.changes():
        other.start()
        rig.page.select(["A1"])
        rig.page.select(["A2"])
        assert sent == []
    other.join(10)
    events = [event for message in sent for event in content(*message)["events"]]
    assert len(sent) == 2  # the thread waited for the end of the gesture
    assert events[-1]["new"] == "from a thread"
    assert rig.page.text.text == "from a thread"


def test_two_panes_share_one_document(rig: Rig) -> None:
    page, card = (BokehPane(document=rig.live, root=root) for root in ("page", "card"))
    states = [pane.get_state(["document", "root"]) for pane in (page, card)]
    assert states[0]["document"] == states[1]["document"] == f"IPY_MODEL_{rig.live.model_id}"
    assert [state["root"] for state in states] == ["page", "card"]
