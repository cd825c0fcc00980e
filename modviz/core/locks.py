"""Files that one process at a time can hold; its end, however it comes, frees them."""

from __future__ import annotations

import errno
import os
import sys
import time
from io import FileIO
from pathlib import Path
from weakref import WeakSet

#: Seconds for which a lock is tried again: whoever only looks holds it for a moment.
PATIENCE, _STEP = 0.25, 0.01

_HELD: WeakSet[FileIO] = WeakSet()


def locked(path: Path, patience: float = 0.0) -> FileIO:
    """An open file that nobody else can open so until it is closed.

    Parameters
    ----------
    path : Path
        Made if need be; the folder that it stands in is not.
    patience : float
        Seconds to try again.

    Raises
    ------
    BlockingIOError
        If somebody has it.
    OSError
        If it can't be opened, or there are no locks on its disk (some of networks have none).
    """
    until = time.monotonic() + patience
    while True:
        file = FileIO(path, "ab")
        try:
            if _taken(file) and _stands(file, path):
                _HELD.add(file)
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        if time.monotonic() >= until:
            raise BlockingIOError(errno.EWOULDBLOCK, "somebody has it", str(path))
        time.sleep(_STEP)


def _taken(file: FileIO) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _stands(file: FileIO, path: Path) -> bool:
    """Whether it is still the file at `path`: its holder before may have deleted it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _let_go() -> None:
    """A forked worker has every open file of its parent, and would hold its locks after its end."""
    for file in list(_HELD):
        file.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)
