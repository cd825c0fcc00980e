from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modviz.core.interactions import Interactions
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.widgets import shown
from tests.widgets.gates import Make, ended, problem


def paired(partition: Partition, status: Any = "complete") -> Interactions:
    members = np.array([0, 2])
    controls = np.zeros((2, 2, 3))
    return Interactions(
        partition,
        members,
        np.array([-0.1, -0.2]),
        np.zeros((2, 3)),
        np.array([[-0.1, -0.4], [-0.4, -0.2]]),
        controls,
        status=status,
        settings={"subclusters": ["A1", "A2"], "lesion": "zero", "n_controls": 19, "seed": 5},
    )


def test_pairs_are_of_what_is_selected_or_of_what_costs_most(runs: Any, explorer: Any) -> None:
    runs.pair_body = lambda progress, cancel: paired(explorer.analysis.partition)
    further = explorer._desk.further
    assert "Pairs: 6 pairs of A1, B1, A2, B2, 200 lesions with 19 controls" in further.plan.value
    explorer.selected = ["A2", "A1"]
    assert "Pairs: 1 pair of A1, A2, 60 lesions with 19 controls each." in further.plan.value
    further.pairs.click()
    assert ended(explorer).status == "complete"
    assert runs.pair_calls == [
        {"subclusters": ["A1", "A2"], "n_controls": 19, "lesion": "zero", "seed": 5}
    ]
    assert explorer.interactions.names == ["A1", "A2"]
    assert explorer.page.pairs == [explorer.interactions]
    assert explorer._desk.bar.message.value.startswith("Finished: 1 pair in")
    code = explorer.code()
    assert 'analysis.partition, subclusters=["A1", "A2"], seed=5' in code
    assert 'modviz.report(analysis, "model.html", interactions=pairs)' in code


def test_pairs_go_with_their_partition(runs: Any, explorer: Any, make_analysis: Make) -> None:
    runs.pair_body = lambda progress, cancel: paired(explorer.analysis.partition)
    explorer.measure_pairs(["A1", "A2"])
    ended(explorer)
    explorer.analysis = make_analysis("cancelled")  # the same subclusters
    assert explorer.interactions is not None
    explorer.analysis = make_analysis(n_clusters=3)
    assert explorer.interactions is None
    assert explorer.page.pairs[-1] is None


def test_a_cancel_keeps_the_pairs_that_were_measured(runs: Any, explorer: Any) -> None:
    def stopped(progress: Any, cancel: Any) -> Any:
        raise Cancelled

    runs.pair_body = lambda progress, cancel: paired(explorer.analysis.partition, "cancelled")
    explorer.measure_pairs(["A1", "A2"])
    assert ended(explorer).status == "complete"
    assert explorer._desk.bar.message.value == "Cancelled; kept: 1 of 1 pair"
    kept = explorer.interactions
    runs.pair_body = stopped
    explorer.measure_pairs(["A1", "A2"])
    ended(explorer)
    assert explorer.interactions is kept
    assert explorer._desk.bar.message.value == "Cancelled before a pair was measured"


def test_pairs_that_fail_leave_the_status_alone(runs: Any, explorer: Any) -> None:
    def broken(progress: Any, cancel: Any) -> Any:
        raise ValueError("B9 has 1 unit")

    runs.pair_body = broken
    explorer.measure_pairs(["A1", "A2"])
    assert ended(explorer).status == "complete"
    assert "Measuring pairs failed." in problem(explorer)
    assert str(explorer.error) == "B9 has 1 unit"
    with pytest.raises(RuntimeError, match="1 subcluster to pair; expected at least two"):
        explorer.measure_pairs(["A1"])


def test_reports_carry_them(
    runs: Any, explorer: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.pair_body = lambda progress, cancel: paired(explorer.analysis.partition)
    explorer.measure_pairs()
    ended(explorer)
    written: list[dict[str, Any]] = []
    monkeypatch.setattr(
        shown, "write_report", lambda analysis, path, **extras: written.append(extras) or path
    )
    explorer.report(tmp_path / "x.html")
    assert written == [{"choice": None, "interactions": explorer.interactions}]
