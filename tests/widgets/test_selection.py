from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError

from modviz.widgets import explore
from tests.widgets.gates import DATA, Make, describe


def test_writing_selected_highlights_and_announces(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer.selected = (("fc2", 1), ("fc1", 0), ("fc2", 1))
    assert explorer.selected == (("fc2", 1), ("fc1", 0))
    assert explorer.page.selected == ("B2", "A1")
    assert describe(explorer) == "modviz: complete · selected B2, A1"
    explorer.selected = ["B1"]  # a short name, and a list
    assert explorer.selected == (("fc1", 1),)
    explorer.selected = ()
    assert explorer.page.selected == ()


def test_a_click_is_seen_by_observers(make_analysis: Make, sent: list[Any]) -> None:
    explorer = explore(make_analysis())
    seen: list[Any] = []
    explorer.observe(lambda change: seen.append(change.new), "selected")
    explorer._live._handle_custom_msg({"client": "one", "kind": "open"}, [])
    click = {"client": "one", "kind": "select", "names": ["B2", "Z9"], "sequence": 1}
    explorer._live._handle_custom_msg(click, [])
    assert seen == [(("fc2", 1),)]
    assert describe(explorer) == "modviz: complete · selected B2"
    assert sent[-1][0]["names"] == ["B2"]  # Z9 is of some earlier page
    explorer._live._handle_custom_msg(click | {"sequence": 2}, [])
    assert len(seen) == 1  # the same again changes nothing


@pytest.mark.parametrize("wrong", [("fc9", 0), ("fc1", 7), "Q7", 3, ("fc1",), None])
def test_an_unknown_subcluster_is_refused_with_those_that_exist(
    make_analysis: Make, wrong: Any
) -> None:
    explorer = explore(make_analysis())
    with pytest.raises(TraitError, match=r"no subcluster; .* 'fc1': 0, 1; 'fc2': 0, 1"):
        explorer.selected = [wrong]
    assert explorer.selected == ()


def test_nothing_can_be_selected_before_there_is_an_analysis(runs: Any, model: Any) -> None:
    with pytest.raises(TraitError, match=r"there is no analysis yet to select in; run\(\) first"):
        explore(model, DATA).selected = [("fc1", 0)]


def test_new_results_keep_what_still_exists_selected(make_analysis: Make) -> None:
    explorer = explore(make_analysis(n_clusters=3))
    explorer.selected = ["C1", "A2"]
    explorer.analysis = make_analysis(n_clusters=2)
    assert explorer.selected == (("fc2", 0),)
    assert explorer.page.shown[-1] is explorer.analysis
    with pytest.raises(TraitError, match="an explorer can't be emptied"):
        explorer.analysis = None
    with pytest.raises(TraitError, match="analysis is str; expected an Analysis"):
        explorer.analysis = "results"
