"""An analysis as one file and back."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import modviz
from modviz.core import archive
from modviz.core.analysis import Analysis
from modviz.core.partition import LayerCut, Partition
from modviz.core.sequential import SequentialRule
from modviz.core.support import Support
from tests.core.mutants import signed, unzipped

#: Half a step of 8 bits.
ROUNDING = 0.5 / 255 + 1e-6


@pytest.fixture
def saved(small_analysis, tmp_path: Path) -> Path:
    path = tmp_path / "x.modviz"
    small_analysis.save(path)
    return path


def again(analysis: Analysis, folder: Path, **given) -> Analysis:
    analysis.save(folder / "again.modviz", **given)
    return modviz.load(str(folder / "again.modviz"))


def array_in(path: Path, name: str) -> np.ndarray:
    return np.load(io.BytesIO(unzipped(path.read_bytes())[f"{name}.npy"]))


def test_round_trip_gives_the_same_analysis(small_analysis, saved):
    loaded = modviz.load(saved)
    pd.testing.assert_frame_equal(loaded.table(), small_analysis.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), small_analysis.summary(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.class_changes(), small_analysis.class_changes())
    for name in ("class_names", "settings", "model_name", "status", "provenance"):
        assert getattr(loaded, name) == getattr(small_analysis, name)
    assert np.array_equal(loaded.tested, small_analysis.tested)
    for part in ("lesions", "features", "top_images"):
        before, after = getattr(small_analysis, part), getattr(loaded, part)
        for f in fields(before):
            value, expected = getattr(after, f.name), getattr(before, f.name)
            if "images" in f.name and isinstance(expected, np.ndarray):
                np.testing.assert_allclose(value, expected, rtol=0, atol=ROUNDING)
            else:
                assert np.array_equal(value, expected), f.name
            assert np.asarray(value).dtype == np.asarray(expected).dtype, f.name
    graph, expected = loaded.partition.graph, small_analysis.partition.graph
    assert graph.layers == expected.layers
    assert graph.edges == expected.edges
    assert np.array_equal(loaded.partition.labels, small_analysis.partition.labels)
    assert loaded.partition.ncut == small_analysis.partition.ncut
    assert repr(loaded) == repr(small_analysis)


def test_round_trip_without_measurements(small_analysis, tmp_path):
    bare = replace(small_analysis, lesions=None, features=None, top_images=None, status="cancelled")
    loaded = again(bare, tmp_path)
    assert (loaded.lesions, loaded.features, loaded.top_images) == (None, None, None)
    assert loaded.status == "cancelled"
    pd.testing.assert_frame_equal(loaded.table(), bare.table(), check_exact=True)


def test_a_file_that_is_opened_and_saved_again_is_the_same_file(small_analysis, saved, tmp_path):
    modviz.load(saved).save(tmp_path / "second.modviz")
    assert (tmp_path / "second.modviz").read_bytes() == saved.read_bytes()


def test_top_images_without_pictures_come_back(small_analysis, tmp_path):
    signals = replace(small_analysis.top_images, images=None)
    loaded = again(replace(small_analysis, top_images=signals), tmp_path).top_images
    assert loaded.images is None
    assert np.array_equal(loaded.numbers, signals.numbers)


def test_settings_and_provenance_come_back(small_analysis, tmp_path):
    settings = {
        "layers": ("first", "last"),
        "n_clusters": np.int64(4),
        "more_controls": [{"subclusters": ["A1"], "n_controls": 39}],
        "something of later": [1, None, {"a": 0.5}],
    }
    provenance = {"versions": {"modviz": "0.1.0"}, "data": {"digest": "sha256:0", "images": 300}}
    loaded = again(replace(small_analysis, settings=settings, provenance=provenance), tmp_path)
    assert loaded.settings == settings
    assert loaded.provenance == provenance
    given = replace(small_analysis, settings={"layers": ["first"]})
    assert again(given, tmp_path).settings == {"layers": ["first"]}


def test_a_local_partition_keeps_its_scope_and_cuts(small_analysis, tmp_path):
    before = small_analysis.partition
    cuts = (LayerCut(2, 0.75), LayerCut(1, np.nan))
    local = Partition(before.labels, 2, before.graph, scope="local", cuts=cuts)
    loaded = again(replace(small_analysis, partition=local), tmp_path).partition
    assert loaded.scope == "local"
    assert [cut.n_clusters for cut in loaded.cuts] == [2, 1]
    assert loaded.ncut == local.ncut == 0.75


def test_a_rule_comes_back_with_the_controls_that_were_drawn(small_analysis, tmp_path):
    controls = small_analysis.lesions.controls.copy()
    controls[1:, 9:] = np.nan
    rule = SequentialRule(19, looks=(5, 9), enough=4, confidence=0.8, level=0.1)
    lesions = replace(small_analysis.lesions, controls=controls, rule=rule)
    adaptive = replace(small_analysis, lesions=lesions)
    loaded = again(adaptive, tmp_path)
    assert loaded.lesions.rule == rule
    assert loaded.lesions.draws.tolist() == [19, 9, 9, 9]
    pd.testing.assert_frame_equal(loaded.table(), adaptive.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), adaptive.summary(), check_exact=True)


def test_rounds_and_support_come_back(small_analysis, tmp_path):
    rounds = np.array([[9, 9], [9, 19], [9, 9], [9, 19]])
    nan = np.full(4, np.nan)
    support = Support(("A1", "B1", "A2", "B2"), np.array([0.1, 0.2, 1, np.nan]), nan, nan, nan, 9)
    lesions = replace(small_analysis.lesions, rounds=rounds)
    given = replace(small_analysis, lesions=lesions, support=support)
    loaded = again(given, tmp_path)
    assert np.array_equal(loaded.lesions.rounds, rounds)
    assert loaded.lesions.rounds.dtype == np.int64
    assert repr(loaded.support) == repr(support)
    pd.testing.assert_frame_equal(loaded.support.table(), support.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.table(), given.table(), check_exact=True)


def counted(analysis: Analysis, images: np.ndarray) -> Analysis:
    """The same with accuracies that are ratios of counts; some were not measured."""
    lesions = analysis.lesions
    accuracies = {
        name: np.rint(getattr(lesions, name) * images) / images
        for name in ("intact", "lesioned", "controls")
    }
    accuracies["controls"][2, 5:] = np.nan
    return replace(analysis, lesions=replace(lesions, **accuracies, class_images=images))


@pytest.mark.parametrize(("most", "dtype"), [(254, "u1"), (255, "u2"), (70_000, "u4")])
def test_accuracies_are_kept_as_counts_and_come_back_to_the_last_bit(
    small_analysis, tmp_path, most, dtype
):
    given = counted(small_analysis, np.array([7, 31, most]))
    loaded = again(given, tmp_path)
    assert array_in(tmp_path / "again.modviz", "lesions/controls").dtype == dtype
    for name in ("intact", "lesioned", "controls", "class_images"):
        before, after = getattr(given.lesions, name), getattr(loaded.lesions, name)
        assert before.tobytes() == after.tobytes(), name
    pd.testing.assert_frame_equal(loaded.table(), given.table(), check_exact=True)


def test_accuracies_that_are_no_counts_are_kept_as_they_are(small_analysis, tmp_path):
    """The last bit tells: it is not what a division of counts gives."""
    given = counted(small_analysis, np.array([7, 31, 100]))
    given.lesions.controls[0, 0, 0] = np.nextafter(given.lesions.controls[0, 0, 0], 2)
    loaded = again(given, tmp_path)
    assert array_in(tmp_path / "again.modviz", "lesions/controls").dtype == np.float64
    assert array_in(tmp_path / "again.modviz", "lesions/lesioned").dtype == np.uint8
    assert loaded.lesions.controls.tobytes() == given.lesions.controls.tobytes()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_a_failed_save_leaves_the_old_file_and_no_other(small_analysis, saved, monkeypatch, error):
    before, write, calls = saved.read_bytes(), zipfile.ZipFile.writestr, []

    def full(self, *given, **options):
        calls.append(given)
        if len(calls) == 7:
            raise error
        return write(self, *given, **options)

    monkeypatch.setattr(archive.zipfile.ZipFile, "writestr", full)
    with pytest.raises(type(error)):
        small_analysis.save(saved)
    assert len(calls) == 7
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_again_replaces_the_file(small_analysis, saved):
    replace(small_analysis, model_name="another").save(saved)
    assert modviz.load(saved).model_name == "another"
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_to_no_folder_says_so(small_analysis, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.* to write x.modviz to"):
        small_analysis.save(tmp_path / "nowhere" / "x.modviz")


@pytest.mark.parametrize(
    ("part", "values", "error", "words"),
    [
        ("settings", {"a": object()}, TypeError, "settings or provenance hold a object"),
        ("settings", {"a": float("nan")}, ValueError, "JSON"),
        ("settings", {"n_clusters": "four"}, ValueError, r"settings\.n_clusters is 'four'"),
        ("class_names", ("x",), ValueError, "1 names for 3 classes"),
        ("tested", np.ones(3, bool), ValueError, r"tested has shape \(3,\); expected subclusters"),
        ("model_name", "x" * 10_001, ValueError, "model_name is .* at most 10000 characters"),
    ],
)
def test_what_could_not_be_opened_again_is_not_saved(
    small_analysis, saved, part, values, error, words
):
    before = saved.read_bytes()
    with pytest.raises(error, match=words):
        replace(small_analysis, **{part: values}).save(saved)
    assert saved.read_bytes() == before


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.modviz"):
        modviz.load(tmp_path / "none.modviz")


def test_what_is_no_path_is_a_type_error():
    with pytest.raises(TypeError, match="path is NoneType; expected the path of a .modviz file"):
        modviz.load(None)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 but no more", bytes(10_000)])
def test_a_foreign_file_is_no_bundle(tmp_path, content):
    path = tmp_path / "foreign.modviz"
    path.write_bytes(content)
    with pytest.raises(modviz.BundleError, match=r"foreign\.modviz.*expected a file written by"):
        modviz.load(path)


def test_an_archive_of_something_else_is_no_bundle(saved):
    members = unzipped(saved.read_bytes())
    for header in ({"format": "modviz checkpoint"}, {}, {"format": 3, "version": 1}):
        text = json.dumps(header | {"members": {}}).encode()
        saved.write_bytes(signed(members | {"analysis.json": text}))
        with pytest.raises(modviz.BundleError, match="an archive but no modviz bundle"):
            modviz.load(saved)


def test_opening_a_file_loads_nothing_that_takes_long(saved):
    """Neither torch nor the page, nor what tables and tests need."""
    slow = ("torch", "bokeh", "holoviews", "ipywidgets", "pandas", "sklearn", "scipy.stats", "PIL")
    code = f"""
import sys, modviz
loaded = modviz.load({str(saved)!r})
assert not set({slow}) & set(sys.modules), set({slow}) & set(sys.modules)
assert loaded.features.images.shape == (4, 6, 5, 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_classes_without_names_are_numbered(small_analysis, tmp_path):
    loaded = again(replace(small_analysis, class_names=()), tmp_path)
    assert loaded.class_names == ()
    assert loaded.class_changes().columns.tolist() == [0, 1, 2]
    expected = small_analysis.class_changes().to_numpy()
    np.testing.assert_array_equal(loaded.class_changes().to_numpy(), expected)
