"""A folder in which long work keeps what is finished, so that it can go on after any end.

Every piece is a file of its own, written beside and put in place when it is whole, so a kill at any
moment leaves the pieces before it as they were. What the work is stands in ``identity.json``: a
folder of other work is refused, never overwritten.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from modviz.core.archive import Archive, BundleError, read_archive, write_archive
from modviz.core.files import replacing
from modviz.core.locks import PATIENCE, locked

FORMAT, VERSION = "modviz checkpoint", 1

#: Seconds between two records of work that is under way, the least.
EVERY = 2.0
#: Of the time spent on it, the share that may be lost, and the share that recording may take.
_LOST, _TAKEN = 0.01, 0.02

_IDENTITY, _LOCK, _ENDING = "identity.json", "lock", ".piece"

#: Who hears what checkpoints opened in this context have to say; None = Python's warnings.
HEARS: ContextVar[Callable[[str], None] | None] = ContextVar("modviz-checkpoint", default=None)


class CheckpointError(ValueError):
    """A checkpoint that belongs to other work, is in use, or is none."""


@dataclass(frozen=True)
class Peek:
    """What a checkpoint holds, without opening it for work.

    Attributes
    ----------
    path : Path
    identity : dict
        Of the work: see `modviz.measure.identity`.
    pieces : tuple of str
        Names of what is recorded.
    changed : float
        When something was last recorded, in seconds since 1970.
    """

    path: Path
    identity: dict[str, Any]
    pieces: tuple[str, ...]
    changed: float


def peek(path: str | os.PathLike[str]) -> Peek | None:
    """What a folder holds; None if it is no checkpoint that this modviz can read."""
    folder = Path(path)
    try:
        identity = _identity(folder)
        pieces = {file.stem: file.stat().st_mtime for file in folder.glob(f"*{_ENDING}")}
        changed = max([*pieces.values(), (folder / _IDENTITY).stat().st_mtime])
    except (OSError, CheckpointError):
        return None
    return None if identity is None else Peek(folder, identity, tuple(sorted(pieces)), changed)


def in_use(path: str | os.PathLike[str]) -> bool:
    """Whether a run has this checkpoint open, here or in another process."""
    try:
        locked(Path(path) / _LOCK).close()
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it can't be opened by anybody
        return False
    return False


def discard(path: str | os.PathLike[str]) -> bool:
    """Delete a checkpoint; False if it is in use. Files that are none of its own stay."""
    folder = Path(path)
    try:
        lock = locked(folder / _LOCK, PATIENCE)
    except BlockingIOError:
        return False
    with lock:  # the identity first: without it the rest is no checkpoint
        (folder / _IDENTITY).unlink(missing_ok=True)
        for file in [file for file in folder.iterdir() if _own(file.name) and file.name != _LOCK]:
            file.unlink(missing_ok=True)
        if sys.platform != "win32":  # held, so that whoever waits for it sees that it is gone
            (folder / _LOCK).unlink()
    with suppress(OSError):  # other files are there, or somebody has begun anew
        if sys.platform == "win32":  # where nobody can delete what another one has open
            (folder / _LOCK).unlink()
        folder.rmdir()
    return True


class Folder:
    """An open checkpoint. One process at a time has it; `close` gives it back.

    Parameters
    ----------
    path : str or path
        Of the folder. It is made if need be, the folder that it stands in is not.
    identity : mapping
        JSON. Written if the folder is new.

    Attributes
    ----------
    path : Path
    before : dict or None
        The identity that stands there; None if the folder is new.
    sound : set of str
        Names of the pieces that this process has read or written.

    Raises
    ------
    CheckpointError
        If the folder holds something else, or another run has it open.
    FileNotFoundError
        If the folder that it shall stand in does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._warned, self._hears = False, HEARS.get()
        self.sound: set[str] = set()
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(
                f"checkpoint={str(path)!r} is a file; expected a folder, or a name that is free"
            )
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {str(self.path.parent)!r} to make the checkpoint "
                f"{self.path.name!r} in; make it first"
            )
        if self.path.is_dir() and not (self.path / _IDENTITY).exists():
            foreign = [f.name for f in self.path.iterdir() if not _own(f.name)]
            if foreign:
                raise CheckpointError(
                    f"checkpoint={str(path)!r} is a folder with other things in it "
                    f"({min(foreign)!r}, ...); name a new or an empty one"
                )
        try:
            self.path.mkdir(exist_ok=True)
            self._lock = locked(self.path / _LOCK, PATIENCE)
            with ExitStack() as failed:
                failed.callback(self.close)
                self.before = self._begun(identity)
                failed.pop_all()
        except BlockingIOError as error:
            raise CheckpointError(
                f"the checkpoint {str(path)!r} is in use by another run; wait for its end, or "
                "name another folder"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"checkpoint={str(path)!r} can't be written ({error}); make room, or name another "
                "folder"
            ) from error

    def _begun(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """The identity that stands there; if there is none, the one given is written."""
        before = _identity(self.path)
        useless = [*self.path.glob(".*.part")]
        if before is None:  # nobody knows what its pieces are of: deleting it was cut off
            useless += self.path.glob(f"*{_ENDING}")
        for left in useless:
            left.unlink(missing_ok=True)
        if before is None:
            with replacing(self.path / _IDENTITY) as file:
                head = {"format": FORMAT, "version": VERSION, "identity": dict(identity)}
                file.write(json.dumps(head, indent=1).encode())
        return before

    def close(self) -> None:
        """Let others open it."""
        self._lock.close()

    def say(self, words: str, category: type[Warning] = UserWarning) -> None:
        """Tell whoever hears this checkpoint, or warn."""
        if self._hears is None:
            warnings.warn(words, category, stacklevel=3)
        else:
            self._hears(words)

    def read(self, name: str) -> Archive | None:
        """A piece; None if there is none, or if it is damaged (which is told as a warning)."""
        file = self.path / f"{name}{_ENDING}"
        try:
            found = read_archive(file)
        except FileNotFoundError:
            return None
        except (BundleError, OSError) as error:
            self.say(f"a piece of the checkpoint can't be read and its work is done again: {error}")
            return None
        self.sound.add(name)
        return found

    def write(
        self, name: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> bool:
        """Put a piece in place, or the next one of its name.

        A full or vanished disk must not end hours of work: then a warning says so once, False comes
        back, and what was there before stays.
        """
        try:
            with replacing(self.path / f"{name}{_ENDING}") as file:
                write_archive(file, header, arrays)
        except (OSError, ValueError) as error:  # no room; or more than fits into one file
            if not self._warned:
                self._warned = True
                self.say(
                    f"the checkpoint {str(self.path)!r} can't be written ({error}); the work goes "
                    "on without, what was recorded before stays. Make room: it is tried again",
                    RuntimeWarning,
                )
            return False
        self._warned = False
        self.sound.add(name)
        return True

    def drop(self, name: str) -> None:
        """Take a piece away, if it is there and the disk lets it go."""
        self.sound.discard(name)
        with suppress(OSError):  # no reason to end hours of work: it is superfluous, or made anew
            (self.path / f"{name}{_ENDING}").unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Names of all pieces, in order."""
        return sorted(file.stem for file in self.path.glob(f"*{_ENDING}"))


class Pace:
    """When work under way is to be recorded: often at first, later after a share of its time."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._cost = 0.0

    def due(self) -> bool:
        """Whether it is time for another record."""
        now = time.monotonic()
        wait = max(EVERY, _LOST * (now - self._began), self._cost / _TAKEN)
        return now - self._last >= wait

    def recorded(self, began: float) -> None:
        """A record was made, begun at that time (`time.monotonic`)."""
        self._last = time.monotonic()
        self._cost = self._last - began


def _own(name: str) -> bool:
    return name == _LOCK or name.endswith((_ENDING, ".part"))


def _identity(folder: Path) -> dict[str, Any] | None:
    """What stands in a folder's identity; None if it has none yet."""
    try:
        found = json.loads((folder / _IDENTITY).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{str(folder / _IDENTITY)!r} is damaged ({error}), so nobody knows what the "
            "checkpoint is of; name another folder"
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise CheckpointError(f"{str(folder)!r} is no checkpoint of modviz; name another folder")
    if found.get("version") != VERSION or not isinstance(found.get("identity"), dict):
        raise CheckpointError(
            f"{str(folder)!r} is a checkpoint of version {found.get('version')!r}; this modviz "
            f"reads {VERSION}. Go on with the modviz that wrote it, or name another folder"
        )
    identity: dict[str, Any] = found["identity"]
    return identity
