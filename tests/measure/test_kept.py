"""What an earlier run left is used again where nothing changed, and results are to the last bit."""

from __future__ import annotations

import inspect
import threading
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import modviz
from modviz.core.settings import Settings
from modviz.measure.kept import Kept
from modviz.measure.run import analyze
from tests.measure.again import DATA, QUICK, STAGES, fresh, frozen, model_of, run, same, stages_done
from tests.measure.small import four_by_four, left_alone

#: What a user changes between two runs, one of them at a time or several.
CHANGES = {
    "n_clusters": [3, 4],
    "n_controls": [4, 5, 9],
    "n_image_controls": [2, 3],
    "seed": [0, 1],
    "lesion": ["zero", "mean"],
    "edges": ["weights", "activations"],
    "scope": ["global", "local"],
    "kernel_norm": ["l1", "l2"],
    "layers": [None, ["fc1", "fc2"]],
    "features": [True, False],
    "top_images": [True, False],
    "support": [True, False],
    "controls": ["fixed", "adaptive"],
}


def change(name: str) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({name: st.sampled_from(CHANGES[name])})


step = st.sampled_from(sorted(CHANGES)).flatmap(change)
stop_at = st.sampled_from([None, None, None, "lesions", "images", "features", "support"])


@pytest.mark.slow
@settings(max_examples=12)
@given(st.sampled_from(["mlp", "cnn"]), st.lists(st.tuples(step, stop_at), min_size=2, max_size=6))
def test_a_chain_of_runs_gives_what_each_gives_alone(kind, steps):
    model, kept, chosen = model_of(kind), Kept(), {}
    for changed, stage in steps:
        chosen = chosen | changed
        if kind == "cnn" and chosen.get("layers"):
            chosen["layers"] = ["conv1", "conv2"]
        told, cancel = [], threading.Event()

        def tell(p, told=told, cancel=cancel, stage=stage):
            told.append(p)
            if p.stage == stage:
                cancel.set()

        planned = set(kept.planned(QUICK | chosen))
        given_ = QUICK | chosen | {"progress": tell, "cancel": cancel}
        with left_alone(model):
            analysis = modviz.analyze(model, DATA, kept=kept, **given_)
        if analysis.status == "complete":
            same(analysis, fresh(kind, frozen(chosen)))
            assert stages_done(told) <= planned
            assert kept.planned(QUICK | chosen) == ()


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, ()),
        ({"class_names": list("wxyz")}, ()),
        ({"workers": 2}, ()),
        ({"n_clusters": 4}, ("partition", "lesions", "images", "features", "support")),
        ({"n_controls": 9}, ("lesions", "images")),
        ({"n_controls": 4}, ("images",)),
        ({"n_image_controls": 3}, ("features",)),
        ({"lesion": "mean"}, ("lesions",)),
        ({"features": False}, ()),
        ({"preprocess": torch.clone}, ("features",)),
        ({"kernel_norm": "l2"}, ("graph", "partition", "support")),
        ({"support": False}, ()),
        ({"seed": 1}, ("partition", "lesions", "images", "features", "support")),
        ({"head": None, "connections": None, "activation_images": None}, ()),
        ({"memory_limit": 2**28}, ("features",)),
    ],
    ids=lambda value: ",".join(map(str, value)),
)
def test_only_what_changed_is_done(changed, done):
    kept = Kept()
    assert kept.planned(QUICK) == STAGES
    before, first = run(kept)
    assert first == set(STAGES)
    planned = kept.planned(QUICK | changed)
    after, second = run(kept, **changed)
    assert second == set(done)
    assert set(done) <= set(planned)
    if changed != {"kernel_norm": "l2"}:  # its clusters turn out to be those of before
        assert planned == done
    if "graph" not in done:
        assert after.partition.graph is before.partition.graph
    same(after, fresh("mlp", frozen(changed)))


def test_another_k_and_edges_of_activations_go_through_the_images_once():
    """The activations behind the correlations are not computed again for another k."""
    kept = Kept()
    quick = {"features": False, "top_images": False, "edges": "activations"}
    before, _ = run(kept, activation_images=DATA, **quick)
    for changed in ({"n_clusters": 4}, {"scope": "local"}, {"kernel_norm": "l1"}):
        after, done = run(kept, activation_images=DATA, **quick | changed)
        assert after.partition.graph is before.partition.graph
        assert not done & {"reading", "graph"}
    for changed in ({"seed": 1}, {"activation_images": four_by_four(60, seed=3)}):
        _, done = run(kept, **quick | {"activation_images": DATA} | changed)
        assert "graph" in done


def test_edges_go_to_the_others_and_back_without_a_graph_anew():
    """The graph that the agreement came from is the graph of the other edges."""
    kept, quick = Kept(), {"features": False, "top_images": False}
    run(kept, **quick)
    for edges in ("activations", "weights", "activations"):
        changed = quick | {"edges": edges}
        assert "graph" not in kept.planned(QUICK | changed)
        after, done = run(kept, **changed)
        assert "graph" not in done
        assert done >= {"partition", "support"}
        same(after, fresh("mlp", frozen(changed)))
    assert kept.planned(QUICK | {"n_clusters": 4, "edges": "weights"})[0] == "partition"


def test_a_partition_of_the_same_clusters_is_the_same_subject():
    kept = Kept()
    before, _ = run(kept)
    mine = modviz.Partition(before.partition.labels.copy(), 3, before.partition.graph)
    assert kept.planned({**QUICK, "partition": mine}) == ()
    assert run(kept, partition=mine)[1] == set()
    other = modviz.Partition(np.roll(mine.labels, 1), 3, mine.graph)
    assert kept.planned({**QUICK, "partition": other}) == ("lesions", "images", "features")
    after, done = run(kept, partition=other)
    assert done == {"lesions", "images", "features"}
    same(after, modviz.analyze(model_of("mlp"), DATA, partition=other, **QUICK))


def test_a_data_set_that_gives_other_images_gets_no_controls_beside_the_old_ones():
    """What a Dataset gives is not looked at, but its answers without a lesion are compared."""

    class Drifting(TensorDataset):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image if self.before else 1 - image, label

    data, kept = Drifting(*DATA), Kept()
    data.before = True
    quick = {"features": False, "top_images": False, "support": False}
    run(kept, data=data, **quick)
    longer, done = run(kept, data=data, n_controls=9, **quick)
    assert done == {"lesions"}
    same(longer, fresh("mlp", frozen({"n_controls": 9, **quick})))
    data.before = False
    anew, _ = run(kept, data=data, n_controls=14, **quick)
    same(anew, modviz.analyze(model_of("mlp"), data, **QUICK | quick | {"n_controls": 14}))
    kept.clear()
    assert kept.planned(QUICK) == STAGES


def test_a_loader_is_taken_at_its_word():
    kept, loader = Kept(), DataLoader(TensorDataset(*DATA), batch_size=25)
    run(kept, data=loader)
    after, done = run(kept, data=loader, n_clusters=4)
    assert not done & {"reading", "graph"}
    same(after, modviz.analyze(model_of("mlp"), loader, **QUICK | {"n_clusters": 4}))
    assert "reading" in run(kept, data=DataLoader(TensorDataset(*DATA), batch_size=25))[1]


def test_a_cancelled_run_leaves_what_it_finished_and_shows_old_controls_on_the_way():
    kept, shown, cancel = Kept(), [], threading.Event()
    run(kept, features=False, top_images=False)

    def stop(p):
        if p.stage == "lesions" and p.analysis is not None:
            shown.append(p.analysis)
            cancel.set()

    more = QUICK | {"n_controls": 9, "progress": stop, "cancel": cancel}
    analysis = modviz.analyze(model_of("mlp"), DATA, kept=kept, **more)
    assert analysis.status == "cancelled"
    first = fresh("mlp", ())
    for some in (shown[0], analysis):
        assert np.array_equal(some.lesions.controls, first.lesions.controls, equal_nan=True)
        assert some.counts("accuracy")[1].max() == 5
    assert kept.planned({**QUICK, "features": False, "top_images": False}) == ()
    after, done = run(kept, n_controls=9)
    assert done == {"lesions", "images", "features"}
    same(after, fresh("mlp", frozen({"n_controls": 9})))


def test_bad_keywords_are_named():
    with pytest.raises(TypeError, match=r"kept is dict; expected a modviz.measure.kept.Kept"):
        modviz.analyze(model_of("mlp"), DATA, kept={}, **QUICK)
    with pytest.raises(TypeError, match="unknown keyword 'n_cluster'; did you mean 'n_clusters'"):
        Kept().planned({"n_cluster": 3})
    with pytest.raises(ValueError, match="n_clusters=1; expected at least 2"):
        Kept().planned({"n_clusters": 1})
    every = [n for n in inspect.signature(analyze).parameters if n not in ("model", "data")]
    defaults = {name: inspect.signature(analyze).parameters[name].default for name in every[:-1]}
    assert set(defaults) >= {f.name for f in fields(Settings)}
    assert Kept().planned(defaults) == STAGES
