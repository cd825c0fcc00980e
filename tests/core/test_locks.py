"""Locks: one holder at a time, whatever became of the one before."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modviz.core import locks
from modviz.core.locks import PATIENCE, locked


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = locked(path)
    with pytest.raises(BlockingIOError, match="somebody has it"):
        locked(path)
    held.close()
    locked(path).close()


def test_who_has_it_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking whether a run is at work takes its lock, and must not keep another from beginning."""
    path = tmp_path / "lock"
    other = locked(path)
    monkeypatch.setattr(locks.time, "sleep", lambda _seconds: other.close())
    locked(path, PATIENCE).close()
    assert other.closed


_FORK = """
import os, sys
from pathlib import Path
from modviz.core.locks import locked

path = Path(sys.argv[1])
lock = locked(path)
begun, has_begun = os.pipe()
end, ends = os.pipe()
child = os.fork()
if not child:  # a worker that outlives its parent
    os.close(ends)
    os.write(has_begun, b"x")
    os.read(end, 1)
    os._exit(0)
os.read(begun, 1)
lock.close()
locked(path).close()
print("free again")
os.close(ends)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_worker_does_not_hold_the_locks_of_its_parent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, str(tmp_path / "lock")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "free again\n", done.stderr[-2000:]


@pytest.mark.skipif(sys.platform == "win32", reason="no open file can be deleted there")
def test_a_lock_that_was_deleted_is_held_by_nobody(tmp_path: Path) -> None:
    """Else two could hold it: the one who has the deleted file, and the one who makes it anew."""
    path = tmp_path / "lock"

    def deleted_meanwhile(file: locks.FileIO) -> bool:
        monkeypatch.undo()
        path.unlink()
        return locks._taken(file)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(locks, "_taken", deleted_meanwhile)
        held = locked(path, PATIENCE)
    with pytest.raises(BlockingIOError):
        locked(path)
    held.close()


@pytest.mark.skipif(sys.platform == "win32", reason="locks are others there")
def test_a_disk_without_locks_is_no_lock_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="not supported") as caught:
        locked(tmp_path / "lock")
    assert not isinstance(caught.value, BlockingIOError)
