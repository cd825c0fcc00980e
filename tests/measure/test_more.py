"""More controls for an analysis: those of a larger run, of all or only where they can decide."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import modviz
from modviz.core.analysis import Analysis
from modviz.measure.kept import Kept
from tests.measure.again import DATA, QUICK, fresh, frozen, model_of, same, stepped
from tests.measure.small import four_by_four, left_alone, tiny_mlp, trained

QUIET = {"progress": False}


def with_controls(n: int, **changed) -> Analysis:
    return fresh("mlp", frozen({"n_controls": n, **changed}))


def more(analysis: Analysis, n: int, names=None, **options) -> Analysis:
    given = (analysis, model_of("mlp"), DATA)
    return modviz.more_controls(*given, subclusters=names, n_controls=n, **QUIET | options)


def unsurpassed(analysis: Analysis) -> list[str]:
    pairs = zip(analysis.subclusters, analysis.lesions.unsurpassed, strict=True)
    return [s.name for s, good in pairs if good]


# ---- of all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"memory_limit": 2**27}], ids=str)
def test_more_for_all_is_a_larger_run(options):
    with left_alone(model_of("mlp")):
        result = more(with_controls(5), 14, **options)
    assert result.features is with_controls(5).features
    if "memory_limit" in options:  # feature images round by the size of their batches
        expected = with_controls(14, features=False)
        assert np.array_equal(result.lesions.controls, expected.lesions.controls, equal_nan=True)
    else:
        same(result, with_controls(14))
    assert result.lesions.near_ties == with_controls(14).lesions.near_ties


def test_feature_images_get_more_controls_where_they_had_fewer_for_that_reason_alone():
    few = {"n_image_controls": None, "n_clusters": 2, "layers": ["fc2", "fc3"]}
    result = more(with_controls(3, **few), 5)
    assert result.features.score_controls.shape[1] == 5
    same(result, with_controls(5, **few))


def test_more_for_all_after_more_for_some():
    first = with_controls(5)
    some = more(more(first, 9, unsurpassed(first)[:1]), 9, unsurpassed(first)[1:2])
    assert len(some.settings["more_controls"]) == 2
    same(more(some, 14), with_controls(14))
    same(more(some, 9), with_controls(9))


def test_what_the_analysis_lacks_is_not_made():
    bare = with_controls(5, features=False, top_images=False)
    same(more(bare, 9), with_controls(9, features=False, top_images=False))
    partial = with_controls(5)
    score = partial.features.score.copy()
    score[np.flatnonzero(partial.tested)[-1]] = np.nan
    partial = replace(partial, status="cancelled", features=replace(partial.features, score=score))
    result = more(partial, 9)
    assert result.status == "cancelled"
    assert result.features is partial.features
    assert np.array_equal(
        result.lesions.controls, with_controls(9).lesions.controls, equal_nan=True
    )


# ---- of some -------------------------------------------------------------------------------------


def test_more_for_some_are_the_draws_of_a_larger_run():
    before, larger = with_controls(5), with_controls(14)
    names = unsurpassed(before)
    assert len(names) > 1
    with left_alone(model_of("mlp")):
        after = more(before, 14, names[:1])
    row = [s.name for s in before.subclusters].index(names[0])
    assert after.lesions.draws[row] == 14
    assert np.array_equal(after.lesions.controls[row], larger.lesions.controls[row])
    rest = np.arange(len(before.subclusters)) != row
    old = before.lesions.controls[rest]
    assert np.array_equal(after.lesions.controls[rest, :5], old, equal_nan=True)
    assert np.isnan(after.lesions.controls[rest, 5:]).all()
    columns = [c for c in after.table() if not c.endswith("_q")]  # q depends on all p
    pd.testing.assert_frame_equal(after.table()[columns][rest], before.table()[columns][rest])
    for statistic in ("accuracy", "range"):
        went_on = before.counts(statistic)[0][row] == 0
        p = (larger if went_on else before).p_values(statistic)[row]
        assert after.p_values(statistic)[row] == p
    assert after.settings["more_controls"] == [{"subclusters": names[:1], "n_controls": 14}]
    assert after.status == "complete"
    assert after.features is before.features


def test_the_settings_tell_how_to_get_there_again(tmp_path):
    before = with_controls(5)
    steps = more(before, 9, unsurpassed(before))
    for n in (19, 39):
        still = unsurpassed(steps)
        assert still
        steps = more(steps, n, still[:1])
    steps.save(tmp_path / "x.modviz")
    settings = dict(modviz.load(tmp_path / "x.modviz").settings)
    with pytest.raises(TypeError, match="are calls that followed: leave them out here"):
        modviz.analyze(model_of("mlp"), DATA, **QUIET, **settings)
    calls = settings.pop("more_controls")
    assert [call["n_controls"] for call in calls] == [9, 19, 39]
    again = modviz.analyze(model_of("mlp"), DATA, **QUIET, **settings)
    for call in calls:
        again = modviz.more_controls(again, model_of("mlp"), DATA, **QUIET, **call)
    same(again, steps)


def test_pairs_of_layer_and_cluster_name_a_subcluster_too():
    before = with_controls(5)
    chosen = before.subclusters[int(np.flatnonzero(before.lesions.unsurpassed)[0])]
    same(more(before, 9, [chosen.key]), more(before, 9, [chosen.name]))


def test_an_analysis_from_a_file_and_workers_of_an_executor_do(tmp_path):
    before = with_controls(5)
    before.save(tmp_path / "x.modviz")
    loaded, names = modviz.load(tmp_path / "x.modviz"), unsurpassed(before)
    with ThreadPoolExecutor(2) as pool:
        shared = more(loaded, 9, names, executor=pool)
    pd.testing.assert_frame_equal(shared.table(), more(before, 9, names).table(), check_exact=True)


@pytest.mark.parametrize("named", [True, False])
def test_what_was_kept_is_used_and_what_is_new_is_left(named):
    kept, told = Kept(), []
    quick = QUICK | {"features": False}
    before = modviz.analyze(model_of("mlp"), DATA, kept=kept, **quick)
    more(before, 9, unsurpassed(before) if named else None, kept=kept)
    later = {**quick, "n_controls": 9}
    assert kept.planned(later) == (("lesions", "images") if named else ())
    assert kept.planned(quick) == (() if named else ("images",))
    for n in (9, 5, 14):
        result = modviz.analyze(
            model_of("mlp"), DATA, kept=kept, **later | {"n_controls": n, "progress": told.append}
        )
        same(result, with_controls(n, features=False))
    lesions = [p.message for p in told if p.stage == "lesions"]
    assert all("kept" in message for message in lesions)


# ---- stopped -------------------------------------------------------------------------------------


def test_a_cancel_keeps_the_analysis():
    before = with_controls(5)
    for stage, names in (("reading", None), ("lesions", None), ("lesions", unsurpassed(before))):
        cancel = threading.Event()

        def stop(p, stage=stage, cancel=cancel):
            if p.stage == stage:
                cancel.set()

        with left_alone(model_of("mlp")):
            assert more(before, 9, names, cancel=cancel, progress=stop) is before


def test_lesions_that_were_finished_outlast_a_cancel():
    before, cancel = with_controls(5), threading.Event()

    def stop(p):
        if p.stage == "images":
            cancel.set()

    result = more(before, 9, cancel=cancel, progress=stop)
    assert result.status == "cancelled"
    assert result.settings["n_controls"] == 9
    expected = with_controls(9).lesions.controls
    assert np.array_equal(result.lesions.controls, expected, equal_nan=True)
    assert result.top_images is before.top_images


def test_an_interrupt_keeps_the_analysis():
    def interrupt(p):
        if p.stage == "lesions":
            raise KeyboardInterrupt

    before = with_controls(5)
    with pytest.warns(UserWarning, match="the analysis stays as it was"):
        assert more(before, 9, unsurpassed(before), progress=interrupt) is before


def test_progress_goes_forward_and_ends_with_the_result():
    told, before = [], with_controls(5)
    result = more(before, 9, unsurpassed(before), progress=told.append)
    assert [p.stage for p in told][-1] == "finished"
    assert told[-1].analysis is result
    n = 4 * len(unsurpassed(before))
    assert f"lesions: {n} more on 60 images" in [p.message for p in told]


# ---- refused -------------------------------------------------------------------------------------


def test_those_that_a_control_has_equalled_are_refused():
    before = with_controls(5)
    lost = before.lesions.measured & ~before.lesions.unsurpassed
    name = before.subclusters[int(np.flatnonzero(lost)[0])].name
    with pytest.raises(ValueError, match=rf"'{name}' has 5 controls, and \d are as extreme.*None"):
        more(before, 9, [name, *unsurpassed(before)])


def test_other_models_and_data_are_refused():
    before, names = with_controls(5), unsurpassed(with_controls(5))
    model = trained(tiny_mlp(), DATA, steps=60)
    stepped(model, DATA)
    for chosen in (names, None):
        with pytest.raises(ValueError, match="give other answers than those of the analysis"):
            modviz.more_controls(before, model, DATA, subclusters=chosen, n_controls=9, **QUIET)
    with pytest.raises(ValueError, match="data have 30 images, but the lesions .* are of 60"):
        modviz.more_controls(before, model_of("mlp"), four_by_four(30), n_controls=9, **QUIET)
    other = four_by_four(60, seed=4)
    with pytest.raises(ValueError, match="give other answers"):
        modviz.more_controls(before, model_of("mlp"), other, n_controls=9, **QUIET)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 4))
    with pytest.raises(ValueError, match="the partition has a layer 'fc1'"):
        modviz.more_controls(before, wide, DATA, n_controls=9, **QUIET)


def test_bad_input_is_named():
    before = with_controls(5)
    many = with_controls(5, n_clusters=12, features=False, top_images=False)
    small = next(s.name for s, t in zip(many.subclusters, many.tested, strict=True) if not t)
    with pytest.raises(ValueError, match=f"'{small}' has no lesion: [12] unit"):
        more(many, 9, [small])
    bad = [
        ({"n_controls": 5}, ValueError, "n_controls=5, but there are 5 already"),
        ({"n_controls": 9.5}, TypeError, "n_controls=9.5; expected a whole number"),
        ({"names": unsurpassed(before), "n_controls": 4}, ValueError, "has 5 controls; give a lar"),
        ({"names": ["Z9"]}, ValueError, "no subcluster 'Z9'; those with lesions: A1"),
        ({"names": [3]}, ValueError, "no subcluster 3"),
        ({"names": "A1"}, TypeError, "subclusters='A1'; expected a list of names"),
        ({"names": []}, TypeError, "or None for all"),
        ({"workers": 0}, ValueError, "workers=0; expected at least 1"),
        ({"kept": 3}, TypeError, "kept is int; expected"),
        ({"cancel": 3}, TypeError, "cancel is int"),
        ({"n_control": 3}, TypeError, "more_controls.. got an unknown keyword 'n_control'"),
    ]
    for options, error, match in bad:
        given = {"n": options.pop("n_controls", 9)} | options
        with pytest.raises(error, match=match):
            more(before, **given)
    with pytest.raises(TypeError, match="analysis is int; expected a modviz.Analysis"):
        modviz.more_controls(3, model_of("mlp"), DATA, n_controls=9)


def test_analyses_that_can_not_have_more_are_refused():
    before = with_controls(5)
    adaptive = with_controls(5, controls="adaptive", features=False, top_images=False)
    with pytest.raises(ValueError, match="controls='adaptive': its p are made for at most n_contr"):
        more(adaptive, 9)
    for without in (None, replace(before.lesions, lesioned=np.full((9, 4), np.nan))):
        with pytest.raises(ValueError, match="stopped before its lesions were finished"):
            more(replace(before, lesions=without), 9)
    with pytest.raises(ValueError, match="do not tell the seed of its controls"):
        more(replace(before, settings={}), 9)


def test_a_cancelled_analysis_of_some_images_is_refused():
    cancel = threading.Event()

    def stop(p):
        if p.stage == "lesions" and p.analysis is not None:
            cancel.set()

    torch.manual_seed(0)
    data = four_by_four(3000)
    quick = QUICK | {"features": False, "progress": stop, "cancel": cancel}
    part = modviz.analyze(model_of("mlp"), data, **quick)
    assert 0 < part.lesions.n_images < 3000
    with pytest.raises(ValueError, match="an analysis whose lesions were not cancelled"):
        modviz.more_controls(part, model_of("mlp"), data, n_controls=9, **QUIET)
