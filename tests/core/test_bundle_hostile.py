"""Whole, signed bundles whose contents make no sense: refused in words, each for its own reason."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modviz
from modviz.core.sequential import SequentialRule
from modviz.core.support import Support
from tests.core.mutants import HEADER, signed, unzipped


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture
def saved(small_analysis, folder) -> Path:
    """An analysis with everything that a file can hold."""
    images = np.array([10, 20, 30])
    lesions = small_analysis.lesions
    counts = {
        name: np.rint(getattr(lesions, name) * images) / images
        for name in ("intact", "lesioned", "controls")
    }
    rounds = np.tile([9, 19], (4, 1))
    lesions = replace(
        lesions, **counts, class_images=images, rounds=rounds, change_error=np.ones(4)
    )
    nan = np.full(4, np.nan)
    support = Support(("A1", "B1", "A2", "B2"), nan, nan, nan, nan, 9)
    path = folder / "forged.modviz"
    replace(small_analysis, lesions=lesions, support=support).save(path)
    return path


def forge(path: Path, place: str, value: Any) -> None:
    """Put something else at a place: an array of that name, or a spot in the header."""
    members = unzipped(path.read_bytes())
    if f"{place}.npy" in members or isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, np.asarray(value))
        members[f"{place}.npy"] = file.getvalue()
    else:
        header = json.loads(members[HEADER])
        *way, last = place.split(".")
        holder = header
        for step in way:
            holder = holder[int(step) if step.isdigit() else step]
        holder[int(last) if last.isdigit() else last] = value
        members[HEADER] = json.dumps(header).encode()
    path.write_bytes(signed(members))


def spoilt(array: np.ndarray, place: Any, value: float) -> np.ndarray:
    array = np.array(array)
    array[place] = value
    return array


ONES = np.ones(4)
COUNTS = np.ones((4, 19, 3), dtype=np.uint8)
#: A name, the place, what stands there, and what is said about it.
FORGED: list[tuple[str, Any, str]] = [
    ("partition/labels", np.full(16, 2, np.int8), "runs from 2 to 2; expected -1 to 1"),
    ("partition/labels", np.full(16, -2, np.int8), "expected -1 to 1"),
    ("partition/labels", np.zeros(15, np.int8), r"shape \(15,\); expected units = \(16,\)"),
    ("partition/labels", np.zeros(16), "dtype float64; expected whole numbers"),
    ("partition/shares", np.array([0.5, 2.0]), "expected numbers from -0.001 to 1.001"),
    ("partition.n_clusters", 10**9, "at most 1048576"),
    ("partition.n_clusters", 17, "more than the 16 units|expected clusters"),
    ("partition.scope", "nowhere", "expected one of"),
    ("partition.cuts", [{"n_clusters": 1, "ncut": None}], "cuts has 1 entries"),
    ("partition.inside", None, "expected object"),
    ("graph.layers.0.n_units", 9, "has shape|expected"),
    ("graph.layers.0.n_units", 2**20, "1,048,584 units; expected at most"),
    ("graph.layers.0.n_units", -1, "at least 0"),
    ("graph.layers.0.name", "fc2", "the name 'fc2'"),
    ("graph.layers.0.name", "x" * 10_001, "at most 10000 characters"),
    ("graph.layers.0.name", None, "expected string"),
    ("graph.layers.0.role", "boss", "expected one of"),
    ("graph.layers.0.number", 1.5, "expected integer"),
    ("graph.layers", [], "at least 1 entries"),
    ("graph.blocks.0.layers", [1, 0], "expected each pair once"),
    ("graph.blocks.0.layers", [0, 7], "beyond the 2"),
    ("graph.blocks.0.least", None, "nothing says what weights"),
    ("graph.blocks.0.least", 2.0, "expected a range above 0"),
    ("graph.blocks.0.most", 1e300, r"at most 1e\+200"),
    ("graph.blocks.0.sparse", True, "graph/0-1.there' is missing"),
    ("graph.exact", True, "graph/0-1.weights' is missing"),
    ("graph/0-1.codes", np.ones((8, 8)), "expected uint8 or uint16"),
    ("graph/0-1.codes", np.ones((8, 7), np.uint8), r"expected \(8, 8\), units by units"),
    ("tested", np.ones(4), "expected booleans"),
    ("tested", np.ones(5, bool), r"expected subclusters = \(4,\)"),
    ("class_names", ["x", "y"], "2 names for 3 classes"),
    ("class_names", [1, 2, 3], "expected string"),
    ("status", "fine", "expected one of"),
    ("settings", [], "expected object"),
    ("settings.n_controls", "99", "expected integer"),
    ("settings.more_controls", {"a": 1}, "expected array"),
    ("settings.layers", {"range": ["a"]}, "at least 2 entries"),
    ("provenance", None, "expected object"),
    ("lesions.n_images", -1, "at least 0"),
    ("lesions.n_images", 2**60, "at most"),
    ("lesions/intact", np.array([1.0, np.nan, 1.0]), "holds nan; expected numbers from 0 to 1"),
    ("lesions/lesioned", spoilt(np.ones((4, 3)), (0, 0), 1.1), "holds 1.1; expected"),
    ("lesions/lesioned", spoilt(np.ones((4, 3)), (0, 0), -0.1), "holds -0.1; expected"),
    ("lesions/controls", spoilt(COUNTS, (0, 0, 0), 11), "more right answers than images"),
    ("lesions/controls", spoilt(COUNTS * 1.0, (0, 0, 0), np.inf), "holds inf"),
    ("lesions/controls", spoilt(COUNTS, (0, 0, 0), 255), "with some of their classes"),
    ("lesions/controls", COUNTS[:3], "expected subclusters x controls x classes"),
    ("lesions/controls", COUNTS[:, :0], "expected subclusters|0 controls"),
    ("lesions/controls", COUNTS.view(bool), "dtype bool; expected floats"),
    ("lesions/class_images", np.array([10, 20, 0]), "expected 1 to"),
    ("lesions/class_images", np.array([10, 20]), "expected"),
    ("lesions/change_error", -ONES, "expected numbers from 0"),
    ("lesions/rounds", np.tile([19, 9], (4, 1)), "makes no sense"),
    ("lesions/rounds", spoilt(np.tile([9, 19], (4, 1)), (0, 0), 8), "makes no sense"),
    ("lesions/rounds", np.tile([0, 19], (4, 1)), "expected 1 to 19"),
    ("lesions/rounds", np.tile([9, 20], (4, 1)), "expected 1 to 19"),
    ("lesions/rounds", np.zeros((4, 0), int), "makes no sense"),
    ("lesions.rule", {"n_controls": 19}, "looks is missing"),
    ("features/score", ONES * np.inf, "holds inf"),
    ("features/score", ONES * 1e200, r"expected numbers from -1e\+100 to 1e\+100"),
    ("features/entropy", -ONES, "expected numbers from -0.001 to 100"),
    ("features/score_controls", np.ones((4, 0)), "expected subclusters x controls"),
    ("features/images.which", np.arange(1, 5), "expected -1 to 3"),
    ("features.images.files", 5, "picture 4 of the 5"),
    ("features.images.files", 10**9, "at most 65535"),
    ("features.images.files", None, "'features/images' is missing"),
    ("features.images.size", [6, 6, 1], "expected an image of 6 x 6 pixels"),
    ("features.images.size", [6, 5, 2], "expected 1 or 3 channels"),
    ("features.images.size", [16383, 16383, 3], "bytes of memory; a file of"),
    ("top_images/numbers", np.full((4, 2), 300), "expected -1 to 299"),
    ("top_images/numbers", np.full((4, 2), -1), "whose images, classes or drives are missing"),
    ("top_images/labels", np.full((4, 2), 3), "expected -1 to 2"),
    ("top_images/labels", np.full((4, 2), -1), "whose images, classes or drives are missing"),
    ("top_images/drives", np.full((4, 2), -1.0), "expected numbers from 0"),
    ("top_images/drives", np.full((4, 2), np.nan), "whose images, classes or drives are missing"),
    ("top_images/drives", np.ones((4, 3)), "has shape"),
    ("top_images/entropy", ONES * 101, "expected numbers from -0.001 to 100"),
    ("top_images.n_images", 3, "expected -1 to 2"),
    ("support/stability", ONES * 2, "expected numbers from -0.001 to 1.001"),
    ("support.n_seeds", "9", "expected integer"),
    ("support.other_edges", "hopes", "expected one of"),
    ("unheard/of", np.ones(3), "holds 'unheard/of', which no file of its version has"),
    ("unheard_of", 1, "unheard_of is there, which nobody knows"),
]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    FORGED,
    ids=[f"{k}-{place}" for k, (place, _, _) in enumerate(FORGED)],
)
def test_contents_that_make_no_sense_are_refused(saved, place, value, words):
    forge(saved, place, value)
    with pytest.raises(modviz.BundleError, match=words) as caught:
        modviz.load(saved)
    assert "forged.modviz" in str(caught.value)
    assert "expected a file written by" in str(caught.value)


def test_the_unforged_file_opens(saved):
    saved.write_bytes(signed(unzipped(saved.read_bytes())))
    assert modviz.load(saved).lesions.rounds.shape == (4, 2)


def test_a_rule_that_makes_no_sense_is_refused(small_analysis, folder):
    path = folder / "rule.modviz"
    rule = SequentialRule(19, looks=(5, 9), enough=4)
    replace(small_analysis, lesions=replace(small_analysis.lesions, rule=rule)).save(path)
    whole = path.read_bytes()
    for place, value, words in (
        ("lesions.rule.looks", [30], r"looks=\(30,\)"),
        ("lesions.rule.looks", [9, 5], r"looks=\(9, 5\)"),
        ("lesions.rule.n_controls", 18, "their rule has at most 18"),
        ("lesions.rule.n_controls", 10**9, "at most 1000000"),
        ("lesions.rule.enough", 10**6, "at most 100"),
        ("lesions.rule.confidence", 1, "less than 1"),
    ):
        path.write_bytes(whole)
        forge(path, place, value)
        with pytest.raises(modviz.BundleError, match=words):
            modviz.load(path)


def test_nothing_in_a_file_is_unpickled(saved):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the file was unpickled",))

    member = io.BytesIO()
    np.save(member, np.array([Trap()], dtype=object), allow_pickle=True)
    members = unzipped(saved.read_bytes()) | {"tested.npy": member.getvalue()}
    saved.write_bytes(signed(members))
    with pytest.raises(modviz.BundleError, match="no header as numpy writes it for an array of"):
        modviz.load(saved)


def test_words_of_a_page_stay_words(small_analysis, folder):
    """Names are kept as they are, whatever they look like; who shows them escapes them."""
    name = "<script>alert(1)</script>\x00\u202e'\"&"
    layers = [
        replace(la, name=f"{name}{la.number}") for la in small_analysis.partition.graph.layers
    ]
    graph = type(small_analysis.partition.graph)(layers, small_analysis.partition.graph.blocks)
    partition = replace(small_analysis.partition, graph=graph)
    given = replace(
        small_analysis, partition=partition, class_names=(name, "y", "z"), model_name=name
    )
    given.save(folder / "names.modviz")
    loaded = modviz.load(folder / "names.modviz")
    assert loaded.model_name == name
    assert loaded.class_names[0] == name
    assert loaded.table()["layer"].iloc[0] == f"{name}1"
