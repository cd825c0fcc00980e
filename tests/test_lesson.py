"""The lesson: its checks, and the way through it with right, wrong and no answers."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

import modviz
from tests.students import ANSWERS, NOTEBOOKS, beside_notebooks, walk

TEACHING = (NOTEBOOKS.parent / "docs" / "teaching.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def scripts():
    with beside_notebooks() as import_module:
        yield import_module


@pytest.fixture(scope="module")
def lesson(scripts):
    return scripts("lesson")


@pytest.fixture(scope="module")
def opened(lesson):
    return lesson.open_bundles()


def test_right_answers_are_right():
    replies = walk([right for right, _ in ANSWERS])
    assert [reply.state for reply in replies[:-1]] == ["right"] * 14
    assert replies[-1].state == "open"


def test_wrong_answers_get_a_hint():
    replies = walk([wrong for _, wrong in ANSWERS])
    assert [reply.state for reply in replies] == ["wrong"] * 15
    hints = [reply.text for reply in replies]
    assert all(len(hint) > 20 for hint in hints)
    assert hints[0].startswith("'sequoia' is no class; there are ash, beech")
    assert "one more group" in hints[5]
    assert "impossible" in hints[6]
    assert "fair comparison" in hints[7]
    assert "Turn the comparison" in hints[8]
    assert "chose after looking" in hints[9]
    assert "which column is q" in hints[11]
    assert "1/339" not in hints[12]  # a hint, not the answer


def test_without_answers_it_runs_and_gives_nothing_away(opened):
    replies = walk([None] * len(ANSWERS))
    assert {reply.state for reply in replies} == {"open"}
    a, b, _ = opened
    for reply, (analysis, name) in zip(
        replies, [(a, "B2"), (a, "D3"), (b, "A2"), (b, "B3"), (b, "D4")], strict=False
    ):
        assert reply.figure is None
        assert str(analysis.class_changes().loc[name].idxmin()) not in repr(reply).replace(name, "")


def test_pictures_can_be_told_apart_in_one_of_sixteen_ways(lesson, opened):
    names = ("C1", "B3", "D3", "E4")
    states = [
        lesson.check_pictures(opened[1], dict(zip(names, sides, strict=True))).state
        for sides in itertools.product(("left", "right"), repeat=4)
    ]
    assert states.count("right") == 1


# ---- single checks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "state", "hint"),
    [
        (0.5, "right", "4 of 9"),
        (0.4, "wrong", "1 groups cost exactly as much"),
        (0.7, "wrong", "cost less"),
        (4 / 9, "wrong", "one more group"),
        (1.2, "wrong", "no share"),
        (0.9, "wrong", "negative change"),
        ("half", "wrong", "should be one number"),
        (float("nan"), "wrong", "should be one number"),
        (True, "wrong", "should be one number"),
        (..., "open", "in place of the dots"),
    ],
)
def test_p_is_counted_with_ties_and_with_the_subcluster(lesson, p, state, hint):
    drawn = [-0.5, -0.4, -0.3, -0.2, -0.1, -0.1, 0, 0, 0.1]  # one of them ties
    reply = lesson.check_p(-0.2, drawn, p)
    assert (reply.state, hint in reply.text) == (state, True), reply


@pytest.mark.parametrize(
    ("layer", "size", "state", "hint"),
    [
        ("fc4", 5, "right", "the groups are different"),
        ("fc4", 40, "wrong", "no result that way"),
        ("fc9", 5, "wrong", "choose one of fc1, fc2, fc3, fc4"),
        ("fc1", 65, "wrong", "from 1 to"),
        ("fc1", 2.5, "wrong", "whole number"),
        ("fc1", ..., "open", ""),
    ],
)
def test_unfair_comparisons(lesson, opened, layer, size, state, hint):
    _, b, network = opened
    reply = lesson.check_cheat(network, b, "C1", layer, size, n=199)
    assert (reply.state, hint in reply.text) == (state, True), reply


def test_how_many_groups_are_needed_is_what_benjamini_and_hochberg_say(lesson):
    for n_tests in (3, 17, 40):
        ps = (np.r_[1 / (r + 1), np.ones(n_tests - 1)] for r in itertools.count(1))
        q = (modviz.statistics.benjamini_hochberg(p)[0] for p in ps)
        least = next(r for r, value in enumerate(q, start=1) if value <= 0.05 + 1e-12)
        assert lesson.check_needed(n_tests, least).state == "right"
        assert "fewer would do" in lesson.check_needed(n_tests, least + 1).text
        assert lesson.check_needed(n_tests, least - 1).state == "wrong"


def test_an_unknown_subcluster_is_an_error_that_names_those_there_are(lesson, opened):
    with pytest.raises(ValueError, match=r"no subcluster 'Z9'; there are A1, B1"):
        lesson.drivers(opened[0], "Z9")


def test_replies_show_text_of_students_as_text(lesson, opened):
    shown = lesson.check_prediction(opened[0], "B2", "<script>x</script>")._repr_html_()
    assert "<script" not in shown


def test_fewer_controls_are_the_first_ones(lesson, opened):
    _, b, _ = opened
    whole = b.table().loc[b.tested]
    table = lesson.with_fewer(b, 999)
    assert np.array_equal(table["p"], whole["accuracy_p"])
    assert np.array_equal(table["q"], whole["accuracy_q"])
    assert not lesson.with_fewer(b, 19)["declared"].any()


def test_partitions_of_nothing_give_the_alarms_that_chance_gives(lesson, opened):
    _, b, _ = opened
    p = lesson.partitions_of_nothing(b)
    assert p.shape == (999, 17)
    _, controls = b.samples("accuracy")
    first = np.flatnonzero(b.tested)[0]
    assert p[4, 0] == (controls[first] <= controls[first, 4]).mean()
    assert (p <= 0.05).mean() <= 0.05  # ties make it less
    assert (p <= 0.05).mean() > 0.045


# ---- where it runs ------------------------------------------------------------------------------


def test_it_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None; import lesson; "
        "a, b, network = lesson.open_bundles(); lesson.rule_for_random_groups(network, b, 3)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=NOTEBOOKS, check=True)


def test_the_teachers_notes_have_the_answers(lesson, opened):
    a, b, network = opened
    table = b.table()
    own = (b.lesions.lesioned - b.lesions.intact)[lesson.place_of(b, "D3")]
    controls = (b.lesions.controls - b.lesions.intact)[lesson.place_of(b, "D3")]
    right = lesson.rule_of_thumb(b)["right"].mean()
    shares = lesson.rule_for_random_groups(network, b)
    expected = {
        1: [s for n in ("B2", "D3") for s in a.class_changes().loc[n].nsmallest(2).index],
        2: [f"{table.loc['B3', 'accuracy_p']:.2f}"],
        3: ["0.05", "0.01", "0.001"],
        5: [
            f"{(1 + (shares >= right).sum()) / (1 + len(shares)):.2f}",
            f"{right:.0%}",
            f"{shares.mean():.0%}",
        ],
        6: [f"{lesson.p_value(own.min(), controls.min(axis=1)):.3f}"],
        7: ["0.85"],
        8: list(table.index[table["accuracy_q"] <= 0.05]),
        9: ["339"],
        10: ["a false, b true, c false, d true, e false"],
    }
    for exercise, answers in expected.items():
        (row,) = re.findall(rf"^\| {exercise} \|.*$", TEACHING, re.MULTILINE)
        assert all(str(answer) in row for answer in answers), (exercise, answers)
