"""Writing files so that nothing a user made is ever lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def file_path(path: str | os.PathLike[str]) -> Path:
    """The path of a file, given as a text or path; an error that says so for anything else."""
    given: object = path  # what a user gives need not be what the signature says
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(f"path is {type(given).__name__}; expected a file's name, as text or Path")
    if not os.fspath(given) or "\0" in str(os.fspath(given)):
        raise ValueError(f"path={given!r} names no file; give a name such as 'analysis.modviz'")
    return Path(given)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` when it is whole, and vanishes if it never is.

    Parameters
    ----------
    path : str or path
        Its folder must exist.

    Raises
    ------
    TypeError, ValueError
        If `path` can't be that of a file.
    FileNotFoundError, IsADirectoryError
        If there is no such folder, or `path` is one itself.
    """
    target = file_path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(target.parent)!r} to write {target.name} to; make it first"
        )
    handle, temporary = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}-", suffix=".part"
    )
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp gives 0600; these files are made to be shared
        os.replace(temporary, target)
        _settle(target.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _settle(folder: Path) -> None:
    """Have the disk keep a folder's names, too: a power cut would bring back the former file."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some disks of networks refuse
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
