from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modviz.core import choosing
from modviz.core.choice import ClusterChoice
from modviz.core.partition import Partition
from modviz.measure.activations import activation_graph
from modviz.measure.edges import weight_graph
from modviz.widgets import explore
from tests.measure.small import four_by_four, tiny_cnn
from tests.widgets.gates import Make, banner, ended


def chosen(suggested: bool = True) -> ClusterChoice:
    """A choice where 3 clusters stand out, or none do."""
    gaps = np.array([0.1, 0.9 if suggested else 0.1, 0.1])
    null = np.full((19, 3), 0.2) + np.arange(19)[:, None] / 1000
    ncut = np.array([0.1, 0.1, 0.1])
    return ClusterChoice(np.array([2, 3, 4]), gaps, ncut, np.ones(3), null, null + 5)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What choose_n_clusters is asked, and what it answers."""
    asked = SimpleNamespace(graphs=[], seeds=[], answer=chosen())

    def choose(graph: Any, *, seed: int, workers: Any, progress: Any) -> ClusterChoice:
        asked.graphs.append(graph)
        asked.seeds.append(seed)
        progress(1, 21)
        return asked.answer

    monkeypatch.setattr(choosing, "choose_n_clusters", choose)
    return asked


def test_a_suggested_number_is_shown_and_can_be_used(explorer: Any, compared: Any) -> None:
    further = explorer._desk.further
    assert further.use.layout.display == "none"
    seen: list[str] = []
    explorer.observe(lambda change: seen.append(change.new), "status")
    further.suggest.click()
    assert ended(explorer).choice is compared.answer
    assert seen == ["running", "complete"]
    assert compared.graphs == [explorer.analysis.partition.graph]
    assert compared.seeds == [5]
    assert explorer.page.choices == [compared.answer]
    assert further.reason.value.startswith("3 clusters stand out")
    assert further.use.description == "Use k = 3"
    assert further.use.layout.display == ""
    further.use.click()
    assert explorer._controls.n_clusters.value == 3
    assert "3 clusters instead of 2" in banner(explorer)
    assert "choice = modviz.choose_n_clusters(analysis.partition.graph, seed=5)" in explorer.code()


def test_without_a_suggestion_there_is_only_the_reason(explorer: Any, compared: Any) -> None:
    compared.answer = chosen(suggested=False)
    explorer.suggest_n_clusters()
    ended(explorer)
    assert explorer._desk.further.reason.value.startswith("No number stands out")
    assert explorer._desk.further.use.layout.display == "none"


def test_comparing_can_be_cancelled(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(graph: Any, *, progress: Any, **others: Any) -> Any:
        assert explorer._commands._work._job.cancelled.wait(20)
        progress(1, 21)
        raise AssertionError("the cancel was not seen")

    monkeypatch.setattr(choosing, "choose_n_clusters", choose)
    explorer.suggest_n_clusters()
    explorer.cancel()
    assert ended(explorer).status == "complete"  # of the analysis nothing changed
    assert explorer.choice is None
    words = "Cancelled before numbers of clusters were compared"
    assert explorer._desk.bar.message.value == words


def test_a_choice_goes_when_another_graph_is_shown(
    explorer: Any, compared: Any, make_analysis: Make
) -> None:
    explorer.suggest_n_clusters()
    ended(explorer)
    explorer.analysis = make_analysis(n_clusters=3)  # of the same graph
    assert explorer.choice is compared.answer
    other = make_analysis()
    graph = other.partition.graph
    changed = type(graph)(graph.layers, {(0, 1): 2 * np.ones((8, 8))})
    explorer.analysis = replace(other, partition=Partition(other.partition.labels, 2, changed))
    assert explorer.choice is None
    assert explorer.page.choices[-1] is None
    assert explorer._desk.further.reason.value == ""


def test_other_settings_than_those_shown_have_a_graph_of_their_own(
    explorer: Any, compared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def graph(settings: Any) -> str:
        built.append(settings)
        return "another graph"

    monkeypatch.setattr(explorer._commands._tasks, "graph", graph)
    explorer._controls.n_clusters.value = 7  # of the same graph
    explorer.suggest_n_clusters()
    ended(explorer)
    assert built == []
    explorer._controls.layers.index = (0, 0)
    explorer.suggest_n_clusters()
    ended(explorer)
    assert built[0]["layers"] == ("fc1", "fc1")
    assert compared.graphs[-1] == "another graph"


def test_a_saved_analysis_can_be_compared_too(make_analysis: Make, compared: Any) -> None:
    explorer = explore(make_analysis())
    assert explorer._desk.bar.section.layout.display == "none"
    explorer._desk.further.suggest.click()
    assert ended(explorer).choice is compared.answer
    assert explorer.status == "complete"
    assert explorer._desk.bar.section.layout.display == ""
    assert explorer._desk.further.use.layout.display == "none"  # nothing could be run with it


def test_before_a_run_the_graph_is_that_of_the_controls(compared: Any) -> None:
    data = four_by_four()
    model = tiny_cnn()
    explorer = explore(model, data, edges="activations", layers=("conv1", "conv2"), seed=2)
    explorer.suggest_n_clusters()
    assert ended(explorer).status == "empty"
    wanted = activation_graph(model, data, layers=("conv1", "conv2"), seed=2)
    assert compared.graphs[0].layers == wanted.layers
    np.testing.assert_array_equal(
        compared.graphs[0].adjacency.toarray(), wanted.adjacency.toarray()
    )
    explorer._controls.edges.value = "weights"
    explorer._controls.kernel_norm.value = "l2"
    explorer.suggest_n_clusters()
    ended(explorer)
    wanted = weight_graph(model, data, layers=("conv1", "conv2"), kernel_norm="l2")
    np.testing.assert_array_equal(
        compared.graphs[1].adjacency.toarray(), wanted.adjacency.toarray()
    )
