"""The tables of an analysis whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modviz.core import statistics
from modviz.core.analysis import Analysis, size_rule
from modviz.core.partition import Partition
from modviz.core.questions import STATISTICS

COLUMNS = [
    "layer", "cluster", "size", "accuracy", "accuracy_change", "range", "score", "entropy",
    "accuracy_p", "accuracy_q", "accuracy_effect",
    "range_p", "range_q", "range_effect",
    "score_p", "score_q", "score_effect",
    "entropy_p", "entropy_q", "entropy_effect",
    "accuracy_change_low", "accuracy_change_high",
    "image_entropy", "image_entropy_p", "image_entropy_q", "image_entropy_effect",
    "accuracy_draws", "range_draws",
]  # fmt: skip


def test_the_four_statistics_and_their_tails():
    assert [(s.name, s.tail) for s in STATISTICS] == [
        ("accuracy", "low"),
        ("range", "high"),
        ("score", "high"),
        ("entropy", "low"),
    ]


def test_table_has_the_columns_of_the_contract(small_analysis):
    table = small_analysis.table()
    assert table.columns.tolist() == COLUMNS
    assert table.index.tolist() == ["A1", "B1", "A2", "B2"]
    assert table.index.name == "subcluster"
    assert table["layer"].tolist() == ["fc1", "fc1", "fc2", "fc2"]
    assert table["cluster"].tolist() == [0, 1, 0, 1]
    assert table["size"].tolist() == [5, 3, 5, 3]


def test_table_by_hand(small_analysis):
    table = small_analysis.table()
    assert table.loc["A1", "accuracy"] == pytest.approx(0.6)
    assert table.loc["A1", "accuracy_change"] == pytest.approx(-0.2)
    assert table.loc["A1", "range"] == pytest.approx(3.0)
    assert table.loc["A1", ["accuracy_p", "range_p", "score_p", "entropy_p"]].tolist() == [0.05] * 4
    # four tests, one at .05: its q is .05 * 4
    assert table.loc["A1", "accuracy_q"] == pytest.approx(0.2)
    assert 1.5 < table.loc["A1", "accuracy_effect"] < 2
    # the others do what their controls do on average
    assert table.loc[["A2", "B2"], "accuracy_effect"].tolist() == pytest.approx([1.0, 1.0])
    # the wrong direction is no evidence
    assert table.loc["A2", "score_p"] == 1.0
    assert table.loc["B2", "entropy_p"] == 1.0


def test_a_lesion_without_any_effect_is_undefined_and_no_evidence(small_analysis):
    row = small_analysis.table().loc["B1"]
    assert row["accuracy_change"] == 0
    assert row["accuracy_p"] == 1.0
    assert np.isnan(row["range"])
    assert row["range_p"] == 1.0
    assert np.isnan(row["range_effect"])
    summary = small_analysis.summary()
    assert summary["undefined"].tolist() == [0, 1, 0, 0, 0]
    # a strict rule would call the same row the best there is
    assert small_analysis.p_values("range", ties="strict")[1] == 0.05


def test_the_class_entropy_of_top_images_is_tested_like_the_others(small_analysis):
    table = small_analysis.table()
    # the controls of each: 0.5 once, 1.0 eighteen times; ties count
    assert table["image_entropy_p"].tolist() == [0.05, 1.0, 0.1, 1.0]
    assert table["image_entropy_q"].tolist() == pytest.approx([0.2, 1.0, 0.2, 1.0])
    mean = 18.5 / 19
    assert table["image_entropy_effect"].tolist() == pytest.approx(
        [0.0, 2 / (1 + mean), 1 / (0.5 + mean), 4 / (2 + mean)]
    )
    tops = replace(small_analysis.top_images, entropy=np.array([np.nan, 1.0, 0.5, 2.0]))
    partial = replace(small_analysis, top_images=tops)
    assert partial.measured("image_entropy").tolist() == [False, True, True, True]
    assert partial.summary().loc["image_entropy", "n"] == 3
    # without them the summary is that of the four statistics of the method
    four = replace(small_analysis, top_images=None).summary()
    assert four.index.tolist() == [s.name for s in STATISTICS]


def test_the_table_is_a_copy(small_analysis):
    table = small_analysis.table()
    table["size"] = 0
    assert small_analysis.table()["size"].tolist() == [5, 3, 5, 3]


def test_class_changes(small_analysis):
    changes = small_analysis.class_changes()
    assert changes.columns.tolist() == ["x", "y", "z"]
    assert changes.loc["A1"].tolist() == pytest.approx([-0.6, 0, 0])
    assert changes.loc["B1"].tolist() == [0, 0, 0]


def test_summary_combines_the_rows_of_the_table(small_analysis):
    table, summary = small_analysis.table(), small_analysis.summary()
    assert summary.index.tolist() == ["accuracy", "range", "score", "entropy", "image_entropy"]
    assert summary["n"].tolist() == [4] * 5
    assert summary["resolution"].tolist() == [0.05] * 5
    assert summary["rejected"].tolist() == [0] * 5
    p = table["accuracy_p"]
    assert summary.loc["accuracy", "fisher_p"] == statistics.fisher(p, 19).p
    # the undefined range is no evidence: it does not enter Fisher's test
    defined = table["range_p"].drop("B1")
    assert summary.loc["range", "fisher_p"] == statistics.fisher(defined, 19).p
    x, controls = small_analysis.samples("score")
    overall = 2 * x.mean() / (x.mean() + controls.mean())
    assert summary.loc["score", "mean_effect"] == pytest.approx(overall)
    assert summary.loc["score", "joint_p"] == statistics.joint_test(x, controls, "high").p


def test_a_statistic_that_is_undefined_everywhere_is_no_evidence(small_analysis):
    intact = small_analysis.lesions.intact
    idle = replace(
        small_analysis.lesions,
        lesioned=np.tile(intact, (4, 1)),
        controls=np.tile(intact, (4, 19, 1)),
    )
    summary = replace(small_analysis, lesions=idle).summary()
    assert summary.loc["range", "undefined"] == 4
    assert summary.loc["range", "joint_p"] == 1.0
    assert summary.loc["range", ["fisher_p", "mean_effect"]].isna().all()
    assert summary.loc["range", "rejected"] == 0
    # no change at all is defined for the accuracy, and as ordinary as can be
    assert summary.loc["accuracy", "undefined"] == 0
    assert summary.loc["accuracy", "joint_p"] == 1.0
    assert summary.loc["accuracy", "fisher_p"] > 0.9


def test_many_controls_let_tests_be_declared(small_analysis):
    rng = np.random.default_rng(1)
    intact = small_analysis.lesions.intact
    controls = intact - rng.uniform(0.01, 0.03, (4, 99, 3))
    lesions = replace(small_analysis.lesions, controls=controls)
    summary = replace(small_analysis, lesions=lesions).summary()
    assert summary.loc["accuracy", "resolution"] == pytest.approx(0.01)
    assert summary.loc["accuracy", "rejected"] == 1


def test_rows_that_were_not_measured_stay_empty(small_analysis):
    lesioned = small_analysis.lesions.lesioned.copy()
    lesioned[2] = np.nan
    controls = small_analysis.lesions.controls.copy()
    controls[3, 7:] = np.nan  # cancelled among the controls of B2
    cut_short = replace(
        small_analysis,
        lesions=replace(small_analysis.lesions, lesioned=lesioned, controls=controls),
        status="cancelled",
    )
    assert cut_short.measured("accuracy").tolist() == [True, True, False, False]
    table = cut_short.table()
    for column in ("accuracy_p", "accuracy_q", "range_p"):
        assert table[column].isna().tolist() == [False, False, True, True]
    assert cut_short.summary().loc["accuracy", "n"] == 2
    assert "cancelled" in repr(cut_short)
    assert "lesions 2 of 4 subclusters" in repr(cut_short)


def test_nothing_measured_yet(small_analysis):
    bare = replace(small_analysis, lesions=None, features=None, top_images=None, status="running")
    table = bare.table()
    assert table.columns.tolist() == COLUMNS
    assert table.drop(columns=["layer", "cluster", "size"]).isna().all(axis=None)
    assert bare.summary()["n"].tolist() == [0, 0, 0, 0]
    assert bare.class_changes().shape == (4, 3)
    assert bare.samples("score") is None
    assert bare.samples("image_entropy") is None
    assert "not measured" in repr(bare)


def test_size_rule(chain):
    # layer of 300: 297 units are 99 %, 298 are more; 2 units are too few
    graph = chain([300, 300], lambda m, n: np.ones((m, n)))
    labels = np.array([0] * 297 + [1] * 3 + [0] * 298 + [1] * 2)
    assert size_rule(Partition(labels, 2, graph)).tolist() == [True, True, False, False]
    # dead units are not counted: 297 of 299 live units are more than 99 %
    labels[299] = -1
    assert size_rule(Partition(labels, 2, graph)).tolist() == [False, False, False, False]


def test_an_analysis_is_not_changed_in_place(small_analysis: Analysis):
    with pytest.raises(AttributeError, match="cannot assign to field 'status'"):
        small_analysis.status = "running"


def test_equal_losses_tie_whatever_their_last_bit(small_analysis):
    """Ratios of counts are summed in other orders; equal ones must still count as ties."""
    lesions = small_analysis.lesions
    rng = np.random.default_rng(0)
    right = np.array([90, 81, 73, 97, 66])  # of 100 images a class
    lost = rng.multinomial(30, np.full(5, 0.2), size=24)  # 30 in all, in other classes each time
    intact, lesioned = right / 100, (right - lost) / 100
    assert len(set((lesioned - intact).mean(axis=1).tolist())) > 1
    tied = replace(
        lesions,
        intact=intact,
        lesioned=lesioned[:4],
        controls=np.stack([lesioned[4:]] * 4),
        change_error=None,
    )
    analysis = replace(small_analysis, lesions=tied, class_names=tuple("abcde"))
    assert analysis.p_values("accuracy").tolist() == [1.0] * 4


def test_the_interval_of_a_change_lies_around_it(small_analysis):
    lesions = replace(small_analysis.lesions, change_error=np.array([0.01, 0.02, 0.0, np.nan]))
    low, high = replace(small_analysis, lesions=lesions).change_interval()
    change = small_analysis.table()["accuracy_change"].to_numpy()
    assert high - low == pytest.approx([0.0392, 0.0784, 0, np.nan], abs=1e-4, nan_ok=True)
    assert ((low + high) / 2)[:3] == pytest.approx(change[:3])
    assert np.isnan(small_analysis.change_interval()[0]).all()  # no errors were kept


def test_counts_stand_behind_p(small_analysis):
    for statistic in ("accuracy", "range", "score", "entropy", "image_entropy"):
        exceedances, draws = small_analysis.counts(statistic)
        expected = (1 + exceedances) / (1 + draws)
        assert small_analysis.p_values(statistic).tolist() == expected.tolist()
    bare = replace(small_analysis, lesions=None)
    assert bare.counts("range")[1].tolist() == [0] * 4
