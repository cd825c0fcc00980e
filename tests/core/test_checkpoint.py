"""The folder of a checkpoint: half deleted, used by others, damaged, or on a disk without locks."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modviz.core import checkpoint
from modviz.core.checkpoint import CheckpointError, Folder, discard, in_use, peek

ARRAYS = {"x": np.arange(4)}


def begun(path: Path, identity: dict[str, Any] | None = None) -> Folder:
    """An open checkpoint with a piece in it."""
    folder = Folder(path, identity or {"of": "one"})
    assert folder.write("lesions", {}, ARRAYS)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_pieces_without_an_identity_are_nobodys(path: Path) -> None:
    """Deleting a checkpoint begins with its identity, and may be cut off behind it."""
    begun(path).close()
    (path / "identity.json").unlink()
    folder = Folder(path, {"of": "another"})
    assert folder.before is None
    assert folder.names() == []
    assert folder.read("lesions") is None
    folder.close()
    again = Folder(path, {"of": "another"})
    assert again.before == {"of": "another"}
    again.close()


def test_what_is_deleted_is_gone_and_what_is_in_use_is_not(path: Path) -> None:
    folder = begun(path)
    assert in_use(path)
    assert not discard(path)
    assert peek(path) is not None
    folder.close()
    assert not in_use(path)
    assert discard(path)
    assert not path.exists()


def test_things_of_others_stay_where_a_checkpoint_is_deleted(path: Path) -> None:
    begun(path).close()
    (path / "note.txt").write_text("mine")
    assert discard(path)
    assert [file.name for file in path.iterdir()] == ["note.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="no open file can be deleted there")
def test_nobody_begins_in_a_checkpoint_that_is_being_deleted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who got the lock before it was deleted held nothing: another one could begin beside it."""
    begun(path).close()
    unlink, told = Path.unlink, []

    def at_the_lock(self: Path, missing_ok: bool = False) -> None:
        if self.name == "lock":
            monkeypatch.setattr(Path, "unlink", unlink)
            with pytest.raises(CheckpointError, match="in use"):
                Folder(path, {"of": "another"})
            told.append("refused")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", at_the_lock)
    assert discard(path)
    assert told == ["refused"]
    assert not path.exists()


def test_a_piece_that_cannot_be_deleted_ends_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows while somebody looks into it, or on a disk that has become read-only."""
    folder = begun(path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "used by another process")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        folder.drop("lesions")
    assert "lesions" not in folder.sound
    folder.close()


def test_a_disk_without_locks_is_said_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(checkpoint, "locked", without)
    with pytest.raises(CheckpointError, match="can't be written .*Operation not supported"):
        Folder(path, {})


def test_a_damaged_piece_is_none_and_says_so(path: Path) -> None:
    folder = begun(path)
    piece = path / "lesions.piece"
    whole = piece.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    n_cut = len(damaged)
    damaged += [  # among them dates of members, which nobody needs
        whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(len(whole))
    ]
    said: list[str] = []
    folder._hears = said.append
    refused = []
    for content in damaged:
        piece.write_bytes(content)
        folder.sound.clear()
        found = folder.read("lesions")
        refused.append(found is None)
        assert ("lesions" in folder.sound) == (found is not None)
        if found is not None:
            np.testing.assert_array_equal(found.arrays["x"], ARRAYS["x"])
            assert found.header == {}
    assert all(refused[:n_cut])
    assert sum(refused[n_cut:]) > len(whole) / 2
    assert len(said) == sum(refused)
    assert all("can't be read and its work is done again" in words for words in said)
    assert folder.write("lesions", {}, ARRAYS)
    assert folder.read("lesions") is not None
    folder.close()
