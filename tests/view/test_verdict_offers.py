"""What the card's buttons offer can be had, also where some were given more controls before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modviz.measure.asked import rows_of
from modviz.view.facts import Facts
from modviz.view.verdict import verdict
from tests.view.hand_made import judged


def test_both_offers_are_accepted_after_more_for_one_alone() -> None:
    before = judged([-0.3, -0.3, *[0.0] * 8], control=0.0, n_controls=19).analysis
    assert before.lesions is not None
    s, _, n_classes = before.lesions.controls.shape
    controls = np.full((s, 999, n_classes), np.nan)
    controls[:, :19] = before.lesions.controls
    controls[0] = before.lesions.intact
    rounds = np.full((s, 2), 19)
    rounds[0, 1] = 999
    analysis = replace(
        before,
        lesions=replace(before.lesions, controls=controls, rounds=rounds),
        settings={"seed": 0, "lesion": "zero", "n_controls": 19},
    )
    facts = Facts(analysis)
    assert [verdict(facts, i).badge for i in (0, 1, 2)] == ["Important", "Undecided", "No evidence"]
    alone, everyone = verdict(facts, 1).needed
    assert np.flatnonzero(rows_of(analysis, [facts.names[1]], alone)).tolist() == [1]
    assert everyone == 999  # 99 would decide, but the first one has 999
    assert rows_of(analysis, None, everyone).sum() == analysis.tested.sum()
