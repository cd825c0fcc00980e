"""The page as a document: it keeps its models, its link key, and its selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from bokeh.models import ColumnDataSource

from modviz.core.analysis import Analysis, size_rule
from modviz.core.graph import NeuronGraph
from modviz.core.partition import Partition
from modviz.core.spectral import spectral_partition
from modviz.view.page import Page
from tests.view.models import BY_CLUSTER, BY_LAYER, source, sources, text, weights

Make = Callable[..., Analysis]


@pytest.fixture(scope="module")
def shared(analysis: Analysis) -> Page:
    return Page(analysis)


def test_the_document_has_a_card_and_a_page(shared: Page) -> None:
    roots = [(root.name, root.width, root.sizing_mode) for root in shared.document.roots]
    # both take the width they are given
    assert roots == [("card", None, "stretch_width"), ("page", None, "stretch_width")]
    assert shared.document.get_model_by_name("modviz-selection").data == {"name": []}


def test_every_hit_layer_keeps_the_key_that_holoviews_would_drop(shared: Page) -> None:
    linked = sources(shared, "hits", "columns")
    assert len(linked) == 13  # five panels and the table, and two matrices of four layers each
    for hit in linked:
        assert {"name", "left", "right", "top", "bottom"} <= set(hit.data)
        assert len(hit.data["name"]) == len(hit.data["left"]) > 0


def test_hit_layers_hold_the_subclusters_that_their_panel_shows(
    shared: Page, analysis: Analysis
) -> None:
    every = [s.name for s in analysis.subclusters]
    tested = {name for name, ok in zip(every, analysis.tested, strict=True) if ok}
    assert set(source(shared, "bars", "sides")["hits"].data["name"]) == set(every)
    by_cluster, by_layer = (source(shared, "image", figure=f) for f in (BY_CLUSTER, BY_LAYER))
    assert by_cluster["hits"].data["name"] == sorted(every)  # cluster, then layer
    turned = sorted(every, key=lambda name: (name[1:], name[0]))
    assert by_layer["hits"].data["name"] == turned != sorted(every)
    for layers in (by_cluster, by_layer):
        assert layers["columns"].data["name"] == layers["hits"].data["name"]
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
    for name in (BY_CLUSTER, BY_LAYER):
        matrix = page.document.get_model_by_name(name)
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
    matrix = source(page, "image", figure=BY_CLUSTER)["image"]
    image = matrix.data["image"]
    dots = source(page, "dots")["dots"].data["x"]
    page.zoom(0, 8, 0, 8)
    zoomed = matrix.data["image"]
    (tiles,) = sources(page, "tiles")
    assert tiles.data["tile"] == []
    page.update(analysis)  # features came; a zoomed matrix stays zoomed
    assert matrix.data["image"] is zoomed is not image
    assert source(page, "dots")["dots"].data["x"] is dots
    assert len(tiles.data["tile"]) == 2 * int(analysis.tested.sum())


@pytest.mark.parametrize("stage", ["partition", "lesions", "features"])
def test_partial_results_have_all_rows(make_analysis: Make, stage: str) -> None:
    partial = make_analysis(stage=stage)
    page = Page(partial)
    rows = source(page, "dots")
    assert len(rows["hits"].data["name"]) == int(partial.tested.sum())
    assert len(rows["dots"].data["x"]) == int(partial.measured("accuracy").sum())
    (tiles,) = sources(page, "tiles")
    assert tiles.data["tile"] == []
    page.update(make_analysis())
    assert len(source(page, "dots")["dots"].data["x"]) == int(partial.tested.sum())


def test_an_empty_page_says_how_to_begin(make_analysis: Make) -> None:
    page = Page()
    welcome, bar, panels, *_ = page.document.roots[1].children
    assert "then press Run." in welcome.text.replace("\n", " ")
    assert (welcome.visible, bar.visible, panels.visible) == (True, False, False)
    assert "Choose the layers and the number of clusters" in page.document.roots[0].text
    page.update(make_analysis())
    assert (welcome.visible, bar.visible, panels.visible) == (False, True, True)
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
    assert '<h2 class="name">B2</h2>' in card.text
    page.select(["A1", "B2"])
    assert "2 selected: A1, B2" in card.text
    page.select([])
    assert "Whole partition" in card.text


def dense(analysis: Analysis, *, by_layer: bool = False) -> np.ndarray:
    """The whole matrix in the order of the page."""
    partition = analysis.partition
    clusters = np.where(partition.labels < 0, partition.n_clusters, partition.labels)
    layers = np.repeat(range(4), [layer.n_units for layer in partition.graph.layers])
    keys = (clusters, layers) if by_layer else (layers, clusters)
    order = np.lexsort(keys)  # the last key counts first; units in their own order within
    return np.asarray(partition.graph.adjacency.toarray()[np.ix_(order, order)])


def test_zoom_shows_single_units_to_a_thousandth(analysis: Analysis) -> None:
    page = Page(analysis)
    whole = dense(analysis)
    shown = source(page, "image", figure=BY_CLUSTER)["image"]
    page.zoom(10.4, 30.2, 100, 140)
    found = weights(shown.data["image"][0], page)
    expected = whole[100:140, 10:31]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0)  # no edge is exactly none
    assert (expected == 0).any()
    assert (expected > 0).any()
    place = {key: shown.data[key] for key in ("x", "y", "dw", "dh")}
    assert place == {"x": [10], "y": [100], "dw": [21], "dh": [40]}
    page.zoom(0, 256, 0, 256)
    np.testing.assert_allclose(weights(shown.data["image"][0], page), whole, rtol=1e-3, atol=0)


def test_zoom_shows_the_order_that_the_page_shows(analysis: Analysis) -> None:
    page = Page(analysis)
    by_cluster, by_layer = (
        source(page, "image", figure=f)["image"] for f in (BY_CLUSTER, BY_LAYER)
    )
    first = by_cluster.data["image"]
    whole = dense(analysis, by_layer=True)
    np.testing.assert_allclose(weights(by_layer.data["image"][0], page), whole, rtol=1e-3, atol=0)
    view = page.document.get_model_by_name("modviz-view")
    view.data = {"json": ['{"sort": "effect", "layer": "", "show": "all", "order": "layer"}']}
    assert page.view["order"] == "layer"
    page.zoom(60, 70, 3, 9)
    found = weights(by_layer.data["image"][0], page)
    np.testing.assert_allclose(found, whole[3:9, 60:70], rtol=1e-3, atol=0)
    assert by_cluster.data["image"] is first


def test_zoom_can_name_the_matrix_that_is_meant(analysis: Analysis) -> None:
    page = Page(analysis)
    images = [source(page, "image", figure=f)["image"] for f in (BY_CLUSTER, BY_LAYER)]
    first = images[0].data["image"]
    page.zoom(60, 70, 3, 9, figure=BY_LAYER)
    found = weights(images[1].data["image"][0], page)
    whole = dense(analysis, by_layer=True)
    np.testing.assert_allclose(found, whole[3:9, 60:70], rtol=1e-3, atol=0)
    assert images[0].data["image"] is first
    with pytest.raises(ValueError, match="no matrix 'else'; there are: modviz-adjacency, modviz"):
        page.zoom(0, 8, 0, 8, figure="else")


def test_zoom_without_an_analysis_changes_nothing() -> None:
    page = Page()
    page.zoom(0, 1, 0, 1)
    assert page.selected == ()


def test_a_local_partition_says_that_letters_are_per_layer(analysis: Analysis) -> None:
    graph = analysis.partition.graph
    local = spectral_partition(graph, analysis.partition.n_clusters, scope="local")
    page = Page(Analysis(local, size_rule(local), analysis.class_names))
    assert "letters are per layer" in text(page)
    assert "Each layer is clustered by itself" in text(page)
    table = source(page, "swatches", "rows")
    names = [name for name in table["names"].data["text"] if name.startswith("Layer")]
    assert names == [f"Layer {la.number}" for la in graph.layers]
    assert set(table["hits"].data["name"]) == {s.name for s in local.subclusters}
    figures = table["figures"].data["text"]
    assert f"{local.cuts[0].ncut:.2f}" in figures
    # the matrix stands in layers in both orders; its borders are between them
    for name in (BY_CLUSTER, BY_LAYER):
        borders = source(page, "image", figure=name)["borders"]
        assert sorted(set(borders.data["x0"]) - {0.0}) == graph.offsets[1:-1].tolist()
    strips = sources(page, "colors")
    assert [len(s.data["left"]) >= len(local.subclusters) for s in strips] == [True] * 4
    page.select(["A1", "A2"])
    assert page.selected == ("A1", "A2")


def test_edges_of_activations_are_named(analysis: Analysis) -> None:
    graph = analysis.partition.graph
    other = NeuronGraph(graph.layers, graph.blocks, edges="activations")
    partition = Partition(analysis.partition.labels, analysis.partition.n_clusters, other)
    page = Page(Analysis(partition, size_rule(partition), analysis.class_names))
    assert "Correlations" in text(page)
    assert "mean ρ²" in text(page)
    groups = [s for s in page.document.select({"type": ColumnDataSource}) if "measure" in s.data]
    assert [set(source.data["measure"]) for source in groups] == [{"ρ²"}] * 2
