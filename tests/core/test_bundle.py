"""An analysis as one file and back; files that are something else."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import modviz
from modviz.core import bundle
from modviz.core.partition import LayerCut, Partition
from modviz.core.sequential import SequentialRule


@pytest.fixture
def saved(small_analysis, tmp_path: Path) -> Path:
    path = tmp_path / "x.modviz"
    small_analysis.save(path)
    return path


def rewrite(path: Path, **members: bytes | None) -> None:
    """Replace members of a zip file (None = leave out)."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content.update({name.replace("__", "/"): data for name, data in members.items()})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def header_of(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("analysis.json"))


def test_round_trip_gives_the_same_analysis(small_analysis, saved):
    loaded = modviz.load(saved)
    pd.testing.assert_frame_equal(loaded.table(), small_analysis.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), small_analysis.summary(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.class_changes(), small_analysis.class_changes())
    for name in ("class_names", "settings", "model_name", "status"):
        assert getattr(loaded, name) == getattr(small_analysis, name)
    assert np.array_equal(loaded.tested, small_analysis.tested)
    for part in ("lesions", "features", "top_images"):
        before, after = getattr(small_analysis, part), getattr(loaded, part)
        for f in fields(before):
            value, expected = getattr(after, f.name), getattr(before, f.name)
            assert np.array_equal(value, expected), f.name
            assert np.asarray(value).dtype == np.asarray(expected).dtype, f.name
    graph, expected = loaded.partition.graph, small_analysis.partition.graph
    assert graph.layers == expected.layers
    assert graph.edges == expected.edges
    assert (graph.adjacency != expected.adjacency).nnz == 0
    assert np.array_equal(loaded.partition.labels, small_analysis.partition.labels)
    assert loaded.partition.ncut == small_analysis.partition.ncut


def test_round_trip_without_measurements(small_analysis, tmp_path):
    bare = replace(small_analysis, lesions=None, features=None, top_images=None, status="cancelled")
    bare.save(tmp_path / "bare.modviz")
    loaded = modviz.load(str(tmp_path / "bare.modviz"))
    assert loaded.lesions is None
    assert loaded.features is None
    assert loaded.top_images is None
    assert loaded.status == "cancelled"


def test_top_images_without_pictures_come_back(small_analysis, tmp_path):
    signals = replace(small_analysis.top_images, images=None)
    replace(small_analysis, top_images=signals).save(tmp_path / "s.modviz")
    loaded = modviz.load(tmp_path / "s.modviz").top_images
    assert loaded.images is None
    assert np.array_equal(loaded.numbers, signals.numbers)


def test_a_file_from_before_top_images_opens(small_analysis, saved):
    header = {k: v for k, v in header_of(saved).items() if not k.startswith("top_images")}
    header["settings"].pop("top_images", None)
    gone = {f"top_images__{f.name}.npy": None for f in fields(small_analysis.top_images)}
    rewrite(saved, **{"analysis.json": json.dumps(header).encode()}, **gone)
    loaded = modviz.load(saved)
    assert loaded.top_images is None
    expected = replace(small_analysis, top_images=None)
    pd.testing.assert_frame_equal(loaded.table(), expected.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), expected.summary(), check_exact=True)


def test_a_failed_save_leaves_the_old_file_and_no_other(small_analysis, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(bundle.np, "save", full)
    with pytest.raises(OSError, match="no space left"):
        small_analysis.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_again_replaces_the_file(small_analysis, saved):
    replace(small_analysis, model_name="another").save(saved)
    assert modviz.load(saved).model_name == "another"
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_to_no_folder_says_so(small_analysis, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.* to write x.modviz to"):
        small_analysis.save(tmp_path / "nowhere" / "x.modviz")


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.modviz"):
        modviz.load(tmp_path / "none.modviz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 but no more", bytes(10_000)])
def test_a_foreign_file_is_no_bundle(tmp_path, content):
    path = tmp_path / "foreign.modviz"
    path.write_bytes(content)
    with pytest.raises(modviz.BundleError, match=r"foreign\.modviz.*expected a file written by"):
        modviz.load(path)


@pytest.mark.parametrize(
    "header", [b'{"format": "something else"}', b"{}", b"not json", b'{"format": 3}']
)
def test_a_zip_file_of_something_else_is_no_bundle(saved, header):
    rewrite(saved, **{"analysis.json": header})
    with pytest.raises(modviz.BundleError, match="no modviz bundle"):
        modviz.load(saved)


def test_a_newer_file_asks_for_a_newer_modviz(saved):
    newer = json.dumps(header_of(saved) | {"version": bundle.VERSION + 1}).encode()
    rewrite(saved, **{"analysis.json": newer})
    with pytest.raises(modviz.BundleError, match=r"format version 2; .* up to 1: update modviz-nn"):
        modviz.load(saved)


@pytest.mark.parametrize("member", ["labels.npy", "edges__0-1.npy", "features__score.npy"])
def test_a_missing_array_is_damage(saved, member):
    rewrite(saved, **{member: None})
    with pytest.raises(modviz.BundleError, match="damaged"):
        modviz.load(saved)


def test_nothing_in_a_file_is_unpickled(saved):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the file was unpickled",))

    member = io.BytesIO()
    np.save(member, np.array([Trap()], dtype=object), allow_pickle=True)
    rewrite(saved, **{"labels.npy": member.getvalue()})
    with pytest.raises(modviz.BundleError, match=r"damaged .*allow_pickle=False"):
        modviz.load(saved)


def test_files_hold_no_objects(saved):
    with zipfile.ZipFile(saved) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                assert array.dtype != object


def test_damage_anywhere_is_a_bundle_error(small_analysis, saved):
    """A cut or a flipped byte gives a BundleError or, where it hits slack, the same analysis."""
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    expected = small_analysis.table()
    refused = 0
    for place in rng.integers(0, len(whole), 150):
        for damaged in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :],
        ):
            saved.write_bytes(damaged)
            try:
                loaded = modviz.load(saved)
            except modviz.BundleError:
                refused += 1
            else:
                pd.testing.assert_frame_equal(loaded.table(), expected)
    assert refused > 250


def test_a_local_partition_keeps_its_scope_and_cuts(small_analysis, tmp_path):
    before = small_analysis.partition
    cuts = (LayerCut(2, 0.75), LayerCut(1, np.nan))
    local = Partition(before.labels, 2, before.graph, scope="local", cuts=cuts)
    replace(small_analysis, partition=local).save(tmp_path / "local.modviz")
    loaded = modviz.load(tmp_path / "local.modviz").partition
    assert loaded.scope == "local"
    assert [cut.n_clusters for cut in loaded.cuts] == [2, 1]
    assert loaded.ncut == local.ncut == 0.75


def test_a_file_from_before_there_were_scopes_is_global(small_analysis, saved):
    header = header_of(saved)
    older = {key: value for key, value in header.items() if key not in ("scope", "cuts")}
    assert len(older) == len(header) - 2
    rewrite(saved, **{"analysis.json": json.dumps(older).encode()})
    loaded = modviz.load(saved).partition
    assert (loaded.scope, loaded.cuts) == ("global", ())
    assert loaded.ncut == small_analysis.partition.ncut


def test_a_rule_comes_back_with_the_controls_that_were_drawn(small_analysis, tmp_path):
    controls = small_analysis.lesions.controls.copy()
    controls[1:, 9:] = np.nan
    rule = SequentialRule(19, looks=(5, 9), enough=4, confidence=0.8, level=0.1)
    lesions = replace(small_analysis.lesions, controls=controls, rule=rule)
    adaptive = replace(small_analysis, lesions=lesions)
    adaptive.save(tmp_path / "adaptive.modviz")
    loaded = modviz.load(tmp_path / "adaptive.modviz")
    assert loaded.lesions.rule == rule
    assert loaded.lesions.draws.tolist() == [19, 9, 9, 9]
    pd.testing.assert_frame_equal(loaded.table(), adaptive.table(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.summary(), adaptive.summary(), check_exact=True)


def test_a_file_from_before_there_were_rules_has_fixed_controls(small_analysis, saved):
    header = header_of(saved)
    assert header.pop("lesions_rule") is None
    rewrite(saved, **{"analysis.json": json.dumps(header).encode()})
    loaded = modviz.load(saved)
    assert loaded.lesions.rule is None
    pd.testing.assert_frame_equal(loaded.table(), small_analysis.table(), check_exact=True)


def test_a_rule_that_makes_no_sense_is_damage(small_analysis, saved):
    header = header_of(saved)
    header["lesions_rule"] = {"n_controls": 19, "looks": [30]}
    rewrite(saved, **{"analysis.json": json.dumps(header).encode()})
    with pytest.raises(modviz.BundleError, match=r"damaged .*looks=\(30,\)"):
        modviz.load(saved)
