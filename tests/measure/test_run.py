"""analyze(): results, progress, cancel, a model left alone, and what it says to bad input."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import modviz
from modviz.core.progress import Cancelled
from tests.measure.small import left_alone, tiny_mlp, trained

QUICK = {"n_clusters": 3, "n_controls": 9, "progress": False}


@pytest.fixture
def mlp(data) -> nn.Module:
    return trained(tiny_mlp(), data, steps=60)


def test_the_same_seed_gives_the_same_analysis_whatever_the_workers(model, data):
    first = modviz.analyze(model, data, workers=1, **QUICK)
    again = modviz.analyze(model, data, workers=2, **QUICK)
    other = modviz.analyze(model, data, seed=1, **QUICK)
    assert first.table().equals(again.table())
    assert first.class_changes().equals(again.class_changes())
    assert not first.table().equals(other.table())


def test_a_row_per_subcluster_and_what_the_settings_were(mlp, data):
    analysis = modviz.analyze(mlp, data, **QUICK)
    table = analysis.table()
    assert len(table) == len(analysis.partition.subclusters)
    assert table.loc[analysis.tested].notna()["accuracy_p"].all()
    assert table.loc[~analysis.tested, "accuracy_p"].isna().all()
    assert analysis.status == "complete"
    assert analysis.settings["n_clusters"] == 3
    assert analysis.settings["lesion"] == "zero"
    assert analysis.lesions.n_images == len(data[0])
    assert analysis.features.score_controls.shape[1] == 9
    assert analysis.summary().loc["accuracy", "resolution"] == pytest.approx(0.1)


def test_images_have_nineteen_controls_unless_told_otherwise(mlp, data):
    shape = modviz.analyze(mlp, data, n_clusters=3, n_controls=25, progress=False)
    assert shape.features.score_controls.shape[1] == 19
    fewer = modviz.analyze(mlp, data, n_image_controls=4, **QUICK)
    assert fewer.features.score_controls.shape[1] == 4
    none = modviz.analyze(mlp, data, features=False, **QUICK)
    assert none.features is None
    assert none.table()["score_p"].isna().all()


def test_lesions_and_pictures_share_their_controls(mlp, data):
    """The first draws are the same however many there are, so pictures show what was lesioned."""
    from modviz.core.controls import draw_controls

    partition = modviz.analyze(mlp, data, features=False, **QUICK).partition
    many, few = draw_controls(partition, 9, 0), draw_controls(partition, 4, 0)
    for layer, labels in few.items():
        assert np.array_equal(many[layer][:4], labels)
        assert np.array_equal(np.sort(labels, axis=1)[0], np.sort(labels, axis=1)[3])


def test_layers_inputs_outputs_and_norm_reach_the_graph(mlp, data):
    analysis = modviz.analyze(
        mlp,
        data,
        layers=("fc1", "fc2"),
        include_inputs=True,
        include_outputs=True,
        features=False,
        kernel_norm="l2",
        **QUICK,
    )
    names = [layer.name for layer in analysis.partition.graph.layers]
    assert names == ["input", "fc1", "fc2", "output"]
    assert set(analysis.table()["layer"]) == {"fc1", "fc2"}


@pytest.mark.parametrize("scope", ["global", "local"])
def test_edges_of_activations_and_both_scopes_reach_the_partition(model, data, scope, tmp_path):
    quick = QUICK | {"features": False, "top_images": False, "scope": scope, "edges": "activations"}
    train = (data[0][:100], data[1][:100])
    with left_alone(model):
        analysis = modviz.analyze(model, data, activation_images=train, **quick)
    graph = modviz.activation_graph(model, train)
    assert analysis.partition.graph.layers == graph.layers
    assert np.abs(analysis.partition.graph.adjacency - graph.adjacency).mean() < 1e-6
    expected = modviz.spectral_partition(analysis.partition.graph, 3, scope=scope)
    assert np.array_equal(analysis.partition.labels, expected.labels)
    assert {"edges": "activations", "scope": scope, "n_clusters": 3}.items() <= (
        analysis.settings.items()
    )
    assert analysis.status == "complete"
    assert analysis.table().loc[analysis.tested, "accuracy_p"].notna().all()
    analysis.save(tmp_path / "x.modviz")
    loaded = modviz.load(tmp_path / "x.modviz")
    assert loaded.table().equals(analysis.table())
    assert loaded.partition.scope == scope
    assert loaded.partition.ncut == analysis.partition.ncut
    page = modviz.report(loaded, tmp_path / "x.html").read_text()
    assert "squared rank correlations" in page
    assert ("letters are per layer" in page) == (scope == "local")
    # without images of their own, the correlations are those of the data
    plain = modviz.analyze(model, data, **quick).partition.graph
    own = modviz.activation_graph(model, data)
    assert np.abs(plain.adjacency - own.adjacency).mean() < 1e-6
    assert np.abs(plain.adjacency - graph.adjacency).mean() > 1e-4


def test_images_for_edges_that_do_not_need_them_are_refused(mlp, data):
    with pytest.raises(ValueError, match="are only used with edges='activations'"):
        modviz.analyze(mlp, data, activation_images=data, **QUICK)


def test_a_cancel_before_there_is_a_partition_has_nothing_to_return(mlp, data):
    stop = threading.Event()
    stop.set()
    with left_alone(mlp), pytest.raises(Cancelled):
        modviz.analyze(mlp, data, edges="activations", cancel=stop, **QUICK)


def test_a_partition_of_ones_own_is_tested(mlp, data):
    graph = modviz.weight_graph(mlp, data[0])
    mine = modviz.Partition(np.arange(graph.n_units) % 2, 2, graph)
    analysis = modviz.analyze(mlp, data, partition=mine, features=False, **QUICK)
    assert np.array_equal(analysis.partition.labels, mine.labels)
    assert analysis.settings["n_clusters"] == 2
    other = modviz.weight_graph(
        nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)), torch.rand(2, 4)
    )
    wrong = modviz.Partition(np.zeros(10), 2, other)
    with pytest.raises(ValueError, match="the partition has a layer '0' of 5 units"):
        modviz.analyze(mlp, data, partition=wrong, **QUICK)
    with pytest.raises(TypeError, match="partition is list; expected a modviz.Partition"):
        modviz.analyze(mlp, data, partition=[0, 1], **QUICK)


def test_progress_tells_stages_in_order_and_brings_results(mlp, data):
    told = []
    result = modviz.analyze(mlp, data, **QUICK | {"progress": told.append})
    stages = list(dict.fromkeys(p.stage for p in told))
    assert stages == [
        *("reading", "partition", "lesions", "images", "features", "support"),
        "finished",
    ]
    brought = [p.analysis for p in told if p.analysis is not None]
    assert brought[0].lesions is None  # the partition comes first
    assert brought[0].status == "running"
    assert any(a.lesions is not None and a.features is None for a in brought)
    images = [a.lesions.n_images for a in brought if a.lesions is not None]
    assert images == sorted(images)
    assert len(set(images)) > 2
    assert brought[-1].status == "complete"
    assert brought[-1].table().equals(result.table())
    timed = [p.seconds_left for p in told if p.total]
    assert timed
    assert all(left is None or left >= 0 for left in timed)


@pytest.mark.parametrize("stage", ["partition", "lesions", "images", "features", "support"])
def test_a_cancel_keeps_what_is_finished_and_leaves_the_model_alone(mlp, data, stage):
    stop = threading.Event()
    seen = []

    def progress(p):
        seen.append(p)
        if p.stage == stage and (p.analysis is not None or stage == "partition"):
            stop.set()

    with left_alone(mlp):
        analysis = modviz.analyze(mlp, data, cancel=stop, **QUICK | {"progress": progress})
    assert analysis.status == "cancelled"
    assert analysis.partition.n_clusters == 3
    assert (analysis.lesions is None) == (stage == "partition")
    assert (analysis.top_images is None) == (stage in ("partition", "lesions"))
    assert (analysis.features is None) == (stage not in ("features", "support"))
    assert len(analysis.table()) == len(analysis.subclusters)
    assert analysis.summary().shape[0] == 4 + (analysis.top_images is not None)


def test_an_interrupt_keeps_what_is_finished(mlp, data):
    def progress(p):
        if p.stage == "features":
            raise KeyboardInterrupt

    with left_alone(mlp), pytest.warns(UserWarning, match="keeps what was finished"):
        analysis = modviz.analyze(mlp, data, **QUICK | {"progress": progress})
    assert analysis.status == "cancelled"
    assert analysis.measured("accuracy").any()


def test_success_and_failure_leave_the_model_alone(model, data):
    model.train()
    model.fc1.weight.grad = torch.full_like(model.fc1.weight, 2.0)
    model.output.bias.requires_grad_(False)
    model.fc1.register_forward_pre_hook(lambda *_: None)
    with left_alone(model):
        modviz.analyze(model, data, **QUICK)

    def failing(pictures):
        raise RuntimeError("preprocess broke")

    with left_alone(model), pytest.raises(RuntimeError, match="preprocess broke"):
        modviz.analyze(model, data, preprocess=failing, **QUICK)


def test_a_model_in_training_mode_is_evaluated_in_eval_mode(data):
    model = tiny_mlp()  # has dropout: in training mode two passes would differ
    model.train()
    one = modviz.analyze(model, data, features=False, **QUICK)
    model.eval()
    two = modviz.analyze(model, data, features=False, **QUICK)
    assert one.table().equals(two.table())


def test_double_precision_models_are_measured_in_double(data):
    analysis = modviz.analyze(tiny_mlp().double(), data, **QUICK)
    assert analysis.status == "complete"
    assert np.isfinite(analysis.features.score[analysis.tested]).all()


def test_one_model_is_analysed_once_at_a_time(data):
    """Two runs would put the model back under each other's feet."""
    model = tiny_mlp().train()
    inside, done = threading.Event(), threading.Event()

    def wait(p):
        if p.stage == "lesions":
            inside.set()
            done.wait(60)

    quick = QUICK | {"features": False, "progress": wait}
    with left_alone(model):
        first = threading.Thread(target=lambda: modviz.analyze(model, data, **quick))
        first.start()
        assert inside.wait(60)
        with pytest.raises(RuntimeError, match="is being analysed by another run; wait"):
            modviz.analyze(model, data, **QUICK)
        done.set()
        first.join(60)
    assert modviz.analyze(model, data, features=False, **QUICK).status == "complete"


def test_a_late_error_keeps_what_was_finished(mlp, data):
    calls = []

    def breaks(pictures):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("too late")
        return pictures

    with left_alone(mlp), pytest.raises(RuntimeError, match="too late") as caught:
        modviz.analyze(mlp, data, preprocess=breaks, **QUICK)
    kept = caught.value.analysis
    assert kept.status == "cancelled"
    assert kept.lesions.n_images == len(data[0])


def test_numpy_settings_and_layer_ranges_survive_a_file(mlp, data, tmp_path):
    settings = QUICK | {"n_clusters": np.int64(3), "features": np.bool_(False)}
    analysis = modviz.analyze(mlp, data, layers=("fc1", "fc3"), **settings)
    analysis.save(tmp_path / "x.modviz")
    back = modviz.load(tmp_path / "x.modviz")
    assert back.settings == analysis.settings
    assert back.settings["layers"] == ("fc1", "fc3")
    again = modviz.analyze(mlp, data, progress=False, **back.settings)
    assert again.table().equals(analysis.table())
    mine = modviz.Partition(analysis.partition.labels, np.int64(3), analysis.partition.graph)
    modviz.analyze(mlp, data, partition=mine, features=False, **QUICK).save(tmp_path / "y.modviz")


def test_inference_mode_does_not_matter(mlp, data):
    plain = modviz.analyze(mlp, data, **QUICK)
    with torch.inference_mode():
        assert modviz.analyze(mlp, data, **QUICK).table().equals(plain.table())
        frozen = tiny_mlp()
    with pytest.raises(ValueError, match="'fc1.weight' of the model was made in torch.inference"):
        modviz.analyze(frozen, data, **QUICK)


def test_answers_that_are_nan_are_refused(data):
    images = data[0].clone()
    images[200] = 3e38  # overflows in the first layer
    model = tiny_mlp()
    with left_alone(model), pytest.raises(ValueError, match="gives NaN for some images"):
        modviz.analyze(model, (images, data[1]), **QUICK | {"features": False})
