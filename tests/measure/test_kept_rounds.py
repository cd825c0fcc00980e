"""More controls, subcluster by subcluster, until all have them; then runs and calls for all."""

from __future__ import annotations

import numpy as np
import pytest

import modviz
from modviz.core.analysis import Analysis
from modviz.measure.kept import Kept
from tests.measure.again import same
from tests.measure.small import four_by_four, tiny_mlp, trained

DATA = four_by_four(60)
SETTINGS = {"n_clusters": 2, "features": False, "top_images": False, "support": False}


@pytest.fixture(scope="module")
def model():
    return trained(tiny_mlp(), DATA, steps=60)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def all_by_name(model, kept: Kept) -> Analysis:
    """Each had 1 control at first, and 4 more were asked for it by its name."""
    for seed in range(200):
        a = modviz.analyze(
            model, DATA, n_controls=1, seed=seed, progress=False, kept=kept, **SETTINGS
        )
        names = [s.name for s, m in zip(a.subclusters, a.lesions.unsurpassed, strict=True) if m]
        if names and len(names) == a.tested.sum():
            break
    else:
        pytest.fail("no seed without an exceedance: the model is too small for this test")
    found = modviz.more_controls(
        a, model, DATA, subclusters=names, n_controls=5, progress=False, kept=kept
    )
    assert found.lesions.draws[found.tested].tolist() == [5] * len(names)
    return found


def test_a_run_with_as_many_controls_has_them(model, kept, all_by_name) -> None:
    chosen = SETTINGS | {"seed": all_by_name.settings["seed"], "n_controls": 5, "progress": False}
    again = modviz.analyze(model, DATA, kept=kept, **chosen)
    assert again.lesions.controls.shape[1] == 5
    same(again, modviz.analyze(model, DATA, **chosen))


def test_more_for_all_sums_up_what_each_has(model, all_by_name) -> None:
    found = modviz.more_controls(all_by_name, model, DATA, n_controls=5, progress=False)
    assert found.lesions.rounds is None
    assert found.settings["n_controls"] == 5
    assert "more_controls" not in found.settings
    assert np.array_equal(found.lesions.controls, all_by_name.lesions.controls, equal_nan=True)
