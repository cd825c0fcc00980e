"""The page as a document: it keeps its models, its link key, and its selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, Div, Plot

from modviz.core.analysis import Analysis, size_rule
from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition
from modviz.core.spectral import spectral_partition
from modviz.view.page import Page

Make = Callable[..., Analysis]


def sources(page: Page, *names: str) -> list[ColumnDataSource]:
    return [s for s in page.document.select({"type": ColumnDataSource}) if s.name in names]


def source(page: Page, *layers: str) -> dict[str, ColumnDataSource]:
    """All sources of the one figure that has these layers, by layer."""
    (found,) = [
        {r.name: r.data_source for r in plot.renderers}
        for plot in page.document.select({"type": Plot})
        if set(layers) <= {r.name for r in plot.renderers}
    ]
    return found


@pytest.fixture(scope="module")
def shared(analysis: Analysis) -> Page:
    return Page(analysis)


def test_the_document_has_a_card_and_a_page(shared: Page) -> None:
    assert [(root.name, root.width) for root in shared.document.roots] == [
        ("card", 280),
        ("page", 936),
    ]
    assert shared.document.get_model_by_name("modviz-selection").data == {"name": []}


def test_every_hit_layer_keeps_the_key_that_holoviews_would_drop(shared: Page) -> None:
    linked = sources(shared, "hits", "columns")
    assert len(linked) == 9
    for hit in linked:
        assert {"name", "left", "right", "top", "bottom"} <= set(hit.data)
        assert len(hit.data["name"]) == len(hit.data["left"]) > 0


def test_hit_layers_hold_the_subclusters_that_their_panel_shows(
    shared: Page, analysis: Analysis
) -> None:
    every = [s.name for s in analysis.subclusters]
    tested = {name for name, ok in zip(every, analysis.tested, strict=True) if ok}
    assert set(source(shared, "bars", "sides")["hits"].data["name"]) == set(every)
    assert source(shared, "image")["hits"].data["name"] == sorted(every)  # cluster, then layer
    assert set(source(shared, "dots")["hits"].data["name"]) == tested
    assert (
        source(shared, "dots")["hits"].data["name"] == source(shared, "cells")["hits"].data["name"]
    )
    assert set(source(shared, "pictures")["hits"].data["name"]) == tested


def test_lesions_are_sorted_by_their_loss(shared: Page, analysis: Analysis) -> None:
    change = analysis.table()["accuracy_change"].dropna()
    names = list(dict.fromkeys(source(shared, "dots")["hits"].data["name"]))
    assert change[names].is_monotonic_increasing


def test_a_dot_is_filled_only_if_worse_than_all_controls(shared: Page, analysis: Analysis) -> None:
    layers = source(shared, "dots", "controls")
    change, controls = analysis.samples("accuracy")
    index = {s.name: i for i, s in enumerate(analysis.subclusters)}
    for name, fill in zip(layers["hits"].data["name"], layers["dots"].data["fill"], strict=True):
        i = index[name]
        assert (fill != "#ffffff") == bool(change[i] < controls[i].min())


def test_update_changes_data_and_keeps_models(make_analysis: Make, analysis: Analysis) -> None:
    page = Page(analysis)
    page.select(["B2"])
    before = {model.id for model in page.document.models}
    old = source(page, "dots")["hits"].data["name"]
    page.update(make_analysis(n_clusters=3, n_layers=2, units=48, seed=4))
    assert {model.id for model in page.document.models} == before
    assert source(page, "dots")["hits"].data["name"] != old
    matrix = page.document.get_model_by_name("modviz-adjacency")
    assert (matrix.x_range.start, matrix.x_range.end) == (0, 96)
    assert (matrix.y_range.start, matrix.y_range.end) == (96, 0)
    assert matrix.y_range.reset_start == 96


def test_selection_survives_an_update_where_its_name_does(make_analysis: Make) -> None:
    page = Page(make_analysis(n_clusters=6))
    page.select(["A1", "F2"])
    assert page.selected == ("A1", "F2")
    page.update(make_analysis(n_clusters=6, seed=1))
    assert page.selected == ("A1", "F2")
    page.update(make_analysis(n_clusters=3))
    assert page.selected == ("A1",)


def test_only_what_changed_is_drawn_again(analysis: Analysis) -> None:
    page = Page(replace(analysis, features=None))
    image = source(page, "image")["image"].data["image"]
    dots = source(page, "dots")["dots"].data["x"]
    page.zoom(0, 8, 0, 8)
    zoomed = source(page, "image")["image"].data["image"]
    page.update(analysis)  # features came; a zoomed matrix stays zoomed
    assert source(page, "image")["image"].data["image"] is zoomed is not image
    assert source(page, "dots")["dots"].data["x"] is dots
    assert len(source(page, "pictures")["pictures"].data["image"]) == 2 * int(analysis.tested.sum())


@pytest.mark.parametrize("stage", ["partition", "lesions", "features"])
def test_partial_results_have_all_rows(make_analysis: Make, stage: str) -> None:
    partial = make_analysis(stage=stage)
    page = Page(partial)
    rows = source(page, "dots")
    assert len(rows["hits"].data["name"]) == int(partial.tested.sum())
    assert len(rows["dots"].data["x"]) == int(partial.measured("accuracy").sum())
    assert source(page, "pictures")["pictures"].data["image"] == []
    page.update(make_analysis())
    assert len(source(page, "dots")["dots"].data["x"]) == int(partial.tested.sum())


def test_an_empty_page_says_how_to_begin(make_analysis: Make) -> None:
    page = Page()
    welcome, panels = page.document.roots[1].children
    assert "then press Run." in welcome.text.replace("\n", " ")
    assert (welcome.visible, panels.visible) == (True, False)
    assert "Choose the layers and the number of clusters" in page.document.roots[0].text
    page.update(make_analysis())
    assert (welcome.visible, panels.visible) == (False, True)
    assert "Whole partition" in page.document.roots[0].text


def test_selecting_an_unknown_name_lists_the_known_ones(shared: Page) -> None:
    with pytest.raises(ValueError, match=r"no subcluster 'Z9'; there are: A1, .*F4"):
        shared.select(["A1", "Z9"])
    with pytest.raises(ValueError, match=r"there are: none yet; update the page"):
        Page().select(["A1"])
    with pytest.raises(TypeError, match=r"expected a sequence: \('B2',\)"):
        shared.select("B2")


def test_the_card_follows_the_selection(analysis: Analysis) -> None:
    page = Page(analysis)
    card = page.document.roots[0]
    page.select(["B2"])
    assert '<span class="name">B2</span>' in card.text
    page.select(["A1", "B2"])
    assert "2 selected: A1, B2" in card.text
    page.select([])
    assert "Whole partition" in card.text


def test_zoom_shows_single_units_exactly(analysis: Analysis) -> None:
    page = Page(analysis)
    partition = analysis.partition
    clusters = np.where(partition.labels < 0, partition.n_clusters, partition.labels)
    order = np.argsort(clusters, kind="stable")
    dense = partition.graph.adjacency.toarray()[np.ix_(order, order)]
    page.zoom(10.4, 30.2, 100, 140)
    shown = source(page, "image")["image"].data
    np.testing.assert_array_equal(shown["image"][0], dense[100:140, 10:31].astype(np.float32))
    assert (shown["x"], shown["y"], shown["dw"], shown["dh"]) == ([10], [100], [21], [40])
    page.zoom(0, 256, 0, 256)
    whole = source(page, "image")["image"].data["image"][0]
    np.testing.assert_array_equal(whole, dense.astype(np.float32))


def test_zoom_without_an_analysis_changes_nothing() -> None:
    page = Page()
    page.zoom(0, 1, 0, 1)
    assert page.selected == ()


def test_a_local_partition_says_that_letters_are_per_layer(analysis: Analysis) -> None:
    graph = analysis.partition.graph
    local = spectral_partition(graph, analysis.partition.n_clusters, scope="local")
    page = Page(Analysis(local, size_rule(local), analysis.class_names))
    text = " ".join(div.text for div in page.document.select({"type": Div}))
    assert "letters are per layer" in text
    assert "Each layer is clustered by itself" in text
    table = source(page, "swatches", "rows")
    names = [name for name in table["names"].data["text"] if name.startswith("Layer")]
    assert names == [f"Layer {la.number}" for la in graph.layers]
    assert set(table["hits"].data["name"]) == {s.name for s in local.subclusters}
    figures = table["figures"].data["text"]
    assert f"{local.cuts[0].ncut:.2f}" in figures
    # the matrix stands in layers; its borders are between them
    borders = sorted(set(source(page, "image")["borders"].data["x0"]) - {0.0})
    assert borders == graph.offsets[1:-1].tolist()
    strips = sources(page, "colors")
    assert [len(s.data["left"]) >= len(local.subclusters) for s in strips] == [True, True]
    page.select(["A1", "A2"])
    assert page.selected == ("A1", "A2")


def test_edges_of_activations_are_named(analysis: Analysis) -> None:
    graph = analysis.partition.graph
    other = NeuronGraph(graph.layers, graph.blocks, edges="activations")
    partition = Partition(analysis.partition.labels, analysis.partition.n_clusters, other)
    page = Page(Analysis(partition, size_rule(partition), analysis.class_names))
    text = " ".join(div.text for div in page.document.select({"type": Div}))
    assert "Correlations" in text
    assert "mean ρ²" in text
    (groups,) = [s for s in page.document.select({"type": ColumnDataSource}) if "measure" in s.data]
    assert set(groups.data["measure"]) == {"ρ²"}
