"""Bundles of other versions: every one that was ever written opens, newer ones as far as known."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import modviz
from modviz.core import bundle_restore
from tests.core.mutants import signed, unzipped, zipped
from tests.core.samples import FOLDER

SAMPLES = sorted(FOLDER.glob("*.modviz"))


def kept_table(path: Path) -> pd.DataFrame:
    """The table that the analysis had when the sample was written."""
    stored = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    table = pd.DataFrame(stored["data"], index=stored["index"], columns=stored["columns"])
    numbers = table.columns.drop("layer")
    return table.astype(dict.fromkeys(numbers, float))


def test_there_are_samples_of_all_versions():
    versions = {path.name.split("-")[0] for path in SAMPLES}
    assert versions >= {"1.0", ".".join(map(str, bundle_restore.VERSION))}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_opens_and_its_table_is_what_it_was(path):
    loaded = modviz.load(path)
    table, kept = loaded.table(), kept_table(path)
    assert table["layer"].tolist() == kept["layer"].tolist()
    assert table.index.tolist() == kept.index.tolist()
    columns = kept.columns.drop("layer")
    # tables of version 1 were kept with 9 decimals; and libraries may come to change a last bit
    np.testing.assert_allclose(
        table[columns].to_numpy(float), kept[columns], rtol=1e-12, atol=6e-10, equal_nan=True
    )
    loaded.summary()
    loaded.class_changes()
    pictures = [r.images for r in (loaded.features, loaded.top_images) if r is not None]
    for images in pictures:
        values = np.asarray(images)
        assert values.dtype == np.float32
        assert 0 <= np.nanmin(values) <= np.nanmax(values) <= 1


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_saved_in_the_format_of_today_without_a_loss(path, tmp_path):
    loaded = modviz.load(path)
    loaded.save(tmp_path / "now.modviz", exact_graph=loaded.partition.graph.exact)
    now = modviz.load(tmp_path / "now.modviz")
    pd.testing.assert_frame_equal(now.table(), loaded.table(), check_exact=True)
    pd.testing.assert_frame_equal(now.summary(), loaded.summary(), check_exact=True)
    assert repr(now) == repr(loaded)
    assert now.settings == loaded.settings
    for pair, block in loaded.partition.graph.blocks.items():
        assert now.partition.graph.blocks[pair].tobytes() == block.tobytes()


@pytest.mark.parametrize(
    ("gone", "part", "found"),
    [
        (("top_images",), "top_images", None),
        (("support",), "support", None),
        (("lesions_rule", "lesions_near_ties"), "lesions.rule", None),
        (("lesions_rule", "lesions_near_ties"), "lesions.near_ties", 0),
        (("lesions_has_rounds",), "lesions.rounds", None),
        (("scope", "cuts"), "partition.scope", "global"),
    ],
    ids=str,
)
def test_files_from_before_something_was_measured_open(gone, part, found, tmp_path):
    """Version 1 grew: its first files lack what later ones have."""
    sample = FOLDER / "1.0-whole.modviz"
    members = {
        name: data
        for name, data in unzipped(sample.read_bytes()).items()
        if not name.startswith(tuple(f"{word}/" for word in gone))
    }
    header = json.loads(members["analysis.json"])
    older = {name: value for name, value in header.items() if not name.startswith(gone)}
    assert len(older) <= len(header) - len(gone)
    members["analysis.json"] = json.dumps(older).encode()
    (tmp_path / "older.modviz").write_bytes(zipped(members))
    loaded = modviz.load(tmp_path / "older.modviz")
    assert attrgetter(part)(loaded) == found
    table, before = loaded.table(), modviz.load(sample).table()
    columns = [name for name in table if not name.startswith("image")]
    pd.testing.assert_frame_equal(table[columns], before[columns], check_exact=True)


@pytest.mark.parametrize("name", ["rounds", "change_error"])
def test_a_file_of_version_1_that_lacks_what_it_says_it_has_is_damaged(name, tmp_path):
    members = unzipped((FOLDER / "1.0-continued.modviz").read_bytes())
    del members[f"lesions/{name}.npy"]
    (tmp_path / "less.modviz").write_bytes(zipped(members))
    with pytest.raises(modviz.BundleError, match=f"'lesions/{name}' is missing"):
        modviz.load(tmp_path / "less.modviz")


def newer(path: Path, version: object, **more: object) -> None:
    """The file as a later modviz might have written it."""
    members = unzipped(path.read_bytes())
    header = json.loads(members["analysis.json"]) | {"version": version}
    for place, value in more.items():
        holder = header
        *way, last = place.split("__")
        for step in way:
            holder = holder[step]
        holder[last] = value
    members["analysis.json"] = json.dumps(header).encode()
    members["saliency/maps.npy"] = members["tested.npy"]
    path.write_bytes(signed(members))


def test_a_newer_minor_version_opens_and_says_what_is_left_out(small_analysis, tmp_path):
    path = tmp_path / "newer.modviz"
    small_analysis.save(path)
    newer(path, "2.7", saliency={"a": 1}, lesions__depth=3, graph__layers=[
        {"name": f"fc{k}", "kind": "linear", "n_units": 8, "role": "hidden", "number": k, "x": 0}
        for k in (1, 2)
    ])  # fmt: skip
    with pytest.warns(UserWarning, match=r"version 2\.7; this modviz reads 2\.0") as caught:
        loaded = modviz.load(path)
    words = str(caught[0].message)
    for name in ("saliency", "lesions.depth", "graph.layers[0].x", "saliency/maps"):
        assert name in words
    assert "Update modviz-nn" in words
    assert caught[0].filename == __file__
    pd.testing.assert_frame_equal(loaded.table(), small_analysis.table(), check_exact=True)


def test_what_a_newer_minor_version_means_otherwise_asks_for_an_update(small_analysis, tmp_path):
    path = tmp_path / "newer.modviz"
    small_analysis.save(path)
    newer(path, "2.7", partition__scope="by family")
    with pytest.raises(modviz.BundleError, match=r"'by family'.*version 2\.7: update modviz-nn"):
        modviz.load(path)


def test_what_nobody_knows_is_refused_in_a_file_of_today(small_analysis, tmp_path):
    path = tmp_path / "today.modviz"
    small_analysis.save(path)
    newer(path, "2.0")
    with pytest.raises(modviz.BundleError, match="holds 'saliency/maps', which no file"):
        modviz.load(path)
    newer(path, "2.0", lesions__depth=3)
    with pytest.raises(modviz.BundleError, match=r"lesions\.depth is there, which nobody knows"):
        modviz.load(path)


@pytest.mark.parametrize("version", ["3.0", "12.4", 3])
def test_a_newer_major_version_asks_for_a_newer_modviz(small_analysis, tmp_path, version):
    path = tmp_path / "newer.modviz"
    small_analysis.save(path)
    newer(path, version)
    with pytest.raises(
        modviz.BundleError, match=r"version \d+\.\d; .* up to 2\.x: update modviz-nn"
    ):
        modviz.load(path)


@pytest.mark.parametrize(
    "version", [None, 0, 1.0, 2, True, "2", "2.0.1", "1.0", "x", [2], "-2.0"], ids=repr
)
def test_what_is_no_version_is_damage(small_analysis, tmp_path, version):
    path = tmp_path / "strange.modviz"
    small_analysis.save(path)
    newer(path, version)
    with pytest.raises(modviz.BundleError, match=r"damaged|expected the pattern"):
        modviz.load(path)
