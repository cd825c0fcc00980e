from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modviz.widgets import explore
from tests.widgets.gates import DATA, Gate, ended, problem


def more(analysis: Any, n_controls: int, calls: Any = None) -> Any:
    settings = {**analysis.settings, "n_controls": n_controls, "n_image_controls": 3}
    return replace(analysis, settings=settings | ({"more_controls": calls} if calls else {}))


def test_more_controls_for_all_move_the_control_too(runs: Any, explorer: Any) -> None:
    before = explorer.analysis
    assert "More controls: 19 for all subclusters." in explorer._desk.further.plan.value
    runs.more_body = gate = Gate(None, lambda: more(before, 19))
    explorer._desk.further.more.click()
    assert gate.reached.wait(20)
    assert explorer.status == "running"
    assert explorer.analysis is before
    assert explorer._desk.bar.message.value == "lesions: 3 of 12 · about 12 s left"
    assert explorer._controls.n_clusters.disabled
    gate.opened.set()
    assert ended(explorer).status == "complete"
    assert runs.more_calls == [{"analysis": before, "subclusters": None, "n_controls": 19}]
    assert explorer._desk.bar.message.value.startswith("Finished: 19 controls for all subclusters")
    assert explorer._controls.n_controls.value == 19
    assert not explorer.stale
    assert "n_controls=19, n_image_controls=3" in explorer.code()


def test_more_controls_for_some_stand_in_the_script(runs: Any, explorer: Any) -> None:
    before = explorer.analysis
    call = {"subclusters": ["B2"], "n_controls": 99}
    runs.more_body = lambda progress, cancel: replace(
        before, settings={**before.settings, "more_controls": [call]}
    )
    explorer.more_controls([("fc2", 1)], 99)
    assert ended(explorer).status == "complete"
    assert runs.more_calls[0]["subclusters"] == ["B2"]
    assert explorer._controls.n_controls.value == 3
    assert not explorer.stale
    line = 'modviz.more_controls(analysis, model, data, subclusters=["B2"], n_controls=99)'
    assert line in explorer.code()


def test_the_page_can_ask_for_more_controls(runs: Any, explorer: Any) -> None:
    before = explorer.analysis
    runs.more_body = lambda progress, cancel: more(before, 99)
    ask = {"client": "one", "kind": "command", "name": "more_controls"}
    explorer._live._handle_custom_msg(ask | {"arguments": {"names": [], "n_controls": 99}}, [])
    ended(explorer)
    assert runs.more_calls[-1]["subclusters"] is None
    arguments = {"names": ["A1"], "n_controls": 99}
    explorer._live._handle_custom_msg(ask | {"arguments": arguments}, [])
    ended(explorer)
    assert runs.more_calls[-1]["subclusters"] == ["A1"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("explode", {}, "the page asks for &#x27;explode&#x27;"),
        ("more_controls", {"names": ["Z9"], "n_controls": 99}, "no subcluster &#x27;Z9&#x27;"),
        ("more_controls", {"names": ["A1"], "n_controls": 0.5}, "expected a whole number"),
    ],
)
def test_what_the_page_asks_in_vain_is_explained(
    explorer: Any, name: str, arguments: dict[str, Any], words: str
) -> None:
    explorer._command(name, arguments)
    assert words in problem(explorer)
    assert explorer.status == "complete"
    assert not explorer._desk.bar.run.disabled


def test_more_controls_that_fail_or_are_cancelled_change_nothing(runs: Any, explorer: Any) -> None:
    before = explorer.analysis

    def broken(progress: Any, cancel: Any) -> Any:
        raise ValueError("the data have 3 images")

    runs.more_body = broken
    explorer.more_controls()
    assert ended(explorer).status == "failed"
    assert "More controls failed; the panels show the analysis before it." in problem(explorer)
    assert explorer.analysis is before
    runs.more_body = lambda progress, cancel: before  # as after a cancel
    explorer.more_controls()
    assert ended(explorer).status == "cancelled"
    assert explorer._desk.bar.message.value == "Cancelled: no controls were added"
    assert problem(explorer) == ""


def test_more_controls_need_an_analysis_and_known_names(
    runs: Any, model: Any, explorer: Any
) -> None:
    with pytest.raises(RuntimeError, match=r"there is no analysis yet; run\(\) first"):
        explore(model, DATA).more_controls()
    with pytest.raises(ValueError, match="no subcluster 'Q1'; there are A1, B1, A2, B2"):
        explorer.more_controls(["Q1"])
    with pytest.raises(TypeError, match=r"names='B2' is one string; expected a list: \['B2'\]"):
        explorer.more_controls("B2")
