"""The folder of an explorer's checkpoints: which are there, how far each is, and room for more."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modviz.core.checkpoint import Folder
from modviz.widgets import shelf as shelf_module
from modviz.widgets.shelf import Extent, Shelf, shelf_of, usual_root

SETTINGS = {
    "n_clusters": 3,
    "controls": "fixed",
    "features": True,
    "top_images": True,
    "support": True,
}
IDENTITY = {
    "settings": SETTINGS,
    "model": {"name": "Small Net"},
    "data": {"images": 400},
    "partition": None,
    "versions": {"modviz": "1"},
}
COUNTS = {"batch_size": 100, "done": [100, 0.5]}


def made(shelf: Shelf, seed: int, pieces: dict[str, Any], age: float = 0, **more: Any) -> Path:
    """A checkpoint with these pieces, last changed `age` seconds after 1970-01-02."""
    identity = IDENTITY | {"settings": SETTINGS | {"seed": seed} | more}
    shelf.root.mkdir(parents=True, exist_ok=True)
    folder = Folder(shelf.place(identity), identity)
    for name, header in pieces.items():
        assert folder.write(name, header, {"x": np.zeros(10)})
    folder.close()
    for file in folder.path.iterdir():
        os.utime(file, (86_400 + age, 86_400 + age))
    return folder.path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "not" / "there yet")


def test_a_folder_stands_for_all_that_decides_a_run_but_versions(shelf: Shelf) -> None:
    place = shelf.place(IDENTITY)
    assert place.parent == shelf.root
    assert place.name.startswith("small-net-")
    assert shelf.place(IDENTITY | {"versions": {"modviz": "2"}}) == place
    again = json.loads(json.dumps(IDENTITY, sort_keys=True))
    assert shelf.place(again) == place
    for other in (
        {"settings": SETTINGS | {"n_clusters": 4}},
        {"data": {"images": 401}},
        {"model": {"name": "Small Net", "digest": "0"}},
    ):
        assert shelf.place(IDENTITY | other) != place


def test_a_model_of_any_name_has_a_folder(shelf: Shelf) -> None:
    for name in ("x" * 300, "\u7f51\u7edc", "CON", "A.B", ""):
        path = made(shelf, 1, {"lesions": {}}, model={"name": name})
        assert path in {run.path for run, _ in shelf.waiting()}, name
        assert len(path.name) < 100  # most disks take 255 bytes


@pytest.mark.parametrize(
    ("pieces", "more", "words"),
    [
        ({"partition": {}}, {}, None),
        ({"counts-1": COUNTS}, {}, "37 % of the lesions"),  # 150 of 400 images
        ({"counts-1": {"batch_size": 300, "done": [300, 0.5]}}, {}, "87 % of the lesions"),
        ({"counts-1": {"batch_size": 500, "done": [0, 0.999]}}, {}, "99 % of the lesions"),
        ({"counts-1": {}}, {}, "the lesions"),  # of a modviz that does not tell
        ({"counts-1": {"batch_size": "x", "done": 3}}, {}, "the lesions"),
        ({"graph-activations": {}}, {}, "the lesions"),
        ({"counts-1": COUNTS, "counts-2": COUNTS}, {"controls": "adaptive"}, "round 2 of the"),
        ({"lesions": {}}, {}, "the end of the lesions"),
        ({"lesions": {}}, {"top_images": False}, "the end of the lesions"),
        ({"lesions": {}, "images": {}}, {}, "the end of the top images"),
        (
            {"lesions": {}, "images": {}, "pictures-of-00000": {"done": 20}}
            | {"pictures-of-00001": {"done": 1240}},
            {},
            "1,240 feature images",
        ),
        ({"lesions": {}, "images": {}, "features": {}}, {}, "the end of the feature images"),
    ],
)
def test_how_far_a_run_is_in_words(
    shelf: Shelf, pieces: dict[str, Any], more: dict[str, Any], words: str | None
) -> None:
    made(shelf, 1, pieces, **more)
    waiting = shelf.waiting()
    if words is None:
        assert waiting == []  # nothing that took long
        return
    ((_, extent),) = waiting
    assert words in extent.words
    assert not extent.complete


def test_a_run_is_complete_when_all_that_it_has_to_measure_is_there(shelf: Shelf) -> None:
    everything = {"lesions": {}, "images": {}, "features": {}, "support": {}}
    made(shelf, 1, everything)
    made(shelf, 2, {"lesions": {}}, features=False, top_images=False, support=False)
    assert [extent.complete for _, extent in shelf.waiting()] == [True, True]


def test_one_that_is_open_or_damaged_is_not_waiting(shelf: Shelf) -> None:
    kept, opened, damaged = (made(shelf, seed, {"lesions": {}}) for seed in (1, 2, 3))
    (damaged / "identity.json").write_text("{")
    held = Folder(opened, {})
    assert [run.path for run, _ in shelf.waiting()] == [kept]
    held.close()
    assert {run.path for run, _ in shelf.waiting()} == {kept, opened}


def test_a_damaged_record_tells_nothing_and_breaks_nothing(shelf: Shelf) -> None:
    path = made(shelf, 1, {"counts-1": COUNTS})
    piece = path / "counts-1.piece"
    whole = piece.read_bytes()
    for content in (b"", whole[:-30], whole[:40] + b"\xff" * 20 + whole[60:], b"PK" * 500):
        piece.write_bytes(content)
        ((_, extent),) = shelf.waiting()
        assert extent.lesions is None or extent.lesions == 0.375
    piece.write_bytes(whole)
    assert Extent.of(shelf.runs()[0]).lesions == 0.375


def test_the_oldest_finished_ones_make_room(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "MOST", 4)
    alone = {"features": False, "top_images": False, "support": False}
    oldest = made(shelf, 1, {"counts-1": COUNTS}, 10)
    finished = [made(shelf, n, {"lesions": {}}, 10 * n, **alone) for n in (2, 3, 4)]
    foreign = shelf.root / "my thesis"
    foreign.mkdir()
    (foreign / "x.piece").write_text("mine")
    shelf.make_room(finished[0])  # which goes on: only three others
    assert len(shelf.runs()) == 4

    held = Folder(finished[0], {})
    shelf.make_room(shelf.root / "new")
    assert {run.path for run in shelf.runs()} == {oldest, finished[0], finished[2]}
    held.close()
    monkeypatch.setattr(shelf_module, "MOST", 2)
    shelf.make_room(shelf.root / "new")
    assert [run.path for run in shelf.runs()] == [oldest]  # unfinished: hours may be in it
    monkeypatch.setattr(shelf_module, "MOST_BYTES", 10)
    shelf.make_room(shelf.root / "new")
    assert shelf.runs() == []
    assert not oldest.exists()
    assert (foreign / "x.piece").read_text() == "mine"


def test_what_holds_nothing_goes_before_what_is_finished(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_module, "MOST", 3)
    alone = {"features": False, "top_images": False, "support": False}
    finished = [made(shelf, n, {"lesions": {}}, n, **alone) for n in (1, 2)]
    empty = made(shelf, 3, {"partition": {}}, 90)
    shelf.make_room(shelf.root / "new")
    assert {run.path for run in shelf.runs()} == set(finished)
    assert not empty.exists()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/modviz/checkpoints"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/modviz/checkpoints"),
        ("darwin", {}, "/home/me/Library/Caches/modviz/checkpoints"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/modviz/checkpoints"),
        ("win32", {"LOCALAPPDATA": ""}, "/home/me/AppData/Local/modviz/checkpoints"),
        ("linux", {"MODVIZ_CHECKPOINTS": "~/here"}, "/home/me/here"),
    ],
)
def test_the_usual_place_is_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in ({"HOME": "/home/me", "MODVIZ_CHECKPOINTS": ""} | variables).items():
        monkeypatch.setenv(name, value)
    assert usual_root() == Path(expected)


def test_without_a_home_there_is_no_shelf(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MODVIZ_CHECKPOINTS")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert shelf_of(True) is None
    assert shelf_of(False) is None


def test_what_checkpoint_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = shelf_of("runs")
    assert found is not None
    assert found.root == tmp_path / "runs"
    assert not found.root.exists()  # until something is recorded
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="'file' is a file; explore.. expects the name of a fol"):
        shelf_of("file")
    with pytest.raises(TypeError, match="checkpoint=3; explore.. expects True, False or the name"):
        shelf_of(3)
