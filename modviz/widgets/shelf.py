"""Where explorers keep the checkpoints of their runs: which are there, how far each is, and room.

One folder a run, named after what decides its results, so that a changed setting gets another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modviz.core.archive import HEADER, MOST_HEADER, RATIO, SPARE, in_words
from modviz.core.checkpoint import VERSION, Peek, discard, in_use, peek
from modviz.core.jsontext import checked_json
from modviz.core.ziplist import checked, inflated, opened
from modviz.widgets.files import file_stem
from modviz.widgets.stale import applicable

#: Names the folder, in place of the one for caches of this platform.
VARIABLE = "MODVIZ_CHECKPOINTS"
#: What is kept at most.
MOST, MOST_BYTES = 10, 2 * 2**30

#: Stages whose results make a run that is worth going on with, by the names of their pieces.
_MEASURED = ("lesions", "images", "features", "support")
_COUNTS, _PICTURES, _GRAPH = "counts-", "pictures-of-", "graph-"
#: Letters of a model's name in that of a folder; systems of files take 255 bytes at most.
_LONGEST = 60
_FOLDER = re.compile(r"[a-z0-9-]+-[0-9a-f]{16}")


def usual_root() -> Path:
    """The folder named in `VARIABLE`, else one in the user's cache; it need not exist.

    Raises
    ------
    RuntimeError
        If there is no home folder.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "modviz" / "checkpoints"


@dataclass(frozen=True)
class Extent:
    """How far a recorded run is.

    Attributes
    ----------
    stages : tuple of str
        Measurements that it has to make, in order.
    finished : frozenset of str
        Those that are recorded as a whole.
    lesions : float or None
        The share of the lesions that is recorded, 0 .. 1; None = not known, or none has begun.
    rounds : int
        Rounds of adaptive controls that have begun.
    pictures : int
        Feature images that are recorded.
    began : bool
        Whether something is recorded that took long.
    """

    stages: tuple[str, ...]
    finished: frozenset[str]
    lesions: float | None = None
    rounds: int = 0
    pictures: int = 0
    began: bool = True

    @classmethod
    def of(cls, found: Peek) -> Extent:
        """That of a checkpoint."""
        settings = found.identity.get("settings")
        settings = dict(settings) if isinstance(settings, Mapping) else {}
        settings["partition"] = found.identity.get("partition")
        stages = tuple(stage for stage in applicable(settings) if stage in _MEASURED)
        counts = [name for name in found.pieces if name.startswith(_COUNTS)]
        pictures = [name for name in found.pieces if name.startswith(_PICTURES)]
        adaptive = settings.get("controls") == "adaptive"
        made = _done(found.path, pictures[-1]) if pictures else None
        return cls(
            stages,
            frozenset(found.pieces).intersection(_MEASURED),
            None if adaptive or len(counts) != 1 else _share(found, counts[0]),
            len(counts) if adaptive else 0,
            made if isinstance(made, int) else 0,
            any(n in _MEASURED or n.startswith((_COUNTS, _PICTURES, _GRAPH)) for n in found.pieces),
        )

    @property
    def complete(self) -> bool:
        """Whether everything is recorded."""
        return self.finished.issuperset(self.stages)

    @property
    def words(self) -> str:
        """Where it stands: ``"63 % of the lesions"``."""
        following = next((stage for stage in self.stages if stage not in self.finished), "")
        if following == "features" and self.pictures:
            return f"{self.pictures:,} feature images"
        if following != "lesions":
            return {
                "images": "the end of the lesions",
                "features": f"the end of the {'top images' if self._has('images') else 'lesions'}",
                "support": f"the end of the {self._last_pictures()}",
            }.get(following, "the end")
        if self.rounds:
            return f"round {self.rounds} of the lesions"
        if self.lesions is None:
            return "the lesions"
        return f"{int(100 * self.lesions)} % of the lesions"

    def _has(self, stage: str) -> bool:
        return stage in self.stages

    def _last_pictures(self) -> str:
        if self._has("features"):
            return "feature images"
        return "top images" if self._has("images") else "lesions"


class Shelf:
    """The checkpoints of explorers, in one folder.

    Parameters
    ----------
    root : Path
        Made when something is recorded.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, identity: Mapping[str, Any]) -> Path:
        """The folder of a run, by its identity without the versions."""
        # a checkpoint of another format is none that could be gone on with
        deciding = dict(identity) | {"versions": VERSION}
        digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
        return self.root / f"{file_stem(identity['model']['name'])[:_LONGEST]}-{digest}"

    def runs(self) -> list[Peek]:
        """All checkpoints that this modviz can read, the newest first."""
        found = [peek(folder) for folder in self._folders()]
        return sorted((run for run in found if run), key=lambda run: run.changed, reverse=True)

    def waiting(self) -> list[tuple[Peek, Extent]]:
        """Those to go on with or to open: nobody works on them, and they hold something."""
        runs = [(run, Extent.of(run)) for run in self.runs() if not in_use(run.path)]
        return [(run, extent) for run, extent in runs if extent.began]

    def make_room(self, path: Path) -> None:
        """Delete old checkpoints until another one, `path`, may be begun; never one in use.

        First those that can't be read or hold nothing that took long, then finished ones, then
        unfinished ones, the oldest first. One that can't be deleted stays.
        """
        known = {run.path: run for run in self.runs()}
        sizes = {folder: _size(folder) for folder in self._folders() if folder != path}

        def order(folder: Path) -> tuple[int, float]:
            run = known.get(folder)
            if run is None:
                return 0, 0.0
            extent = Extent.of(run)
            return 0 if not extent.began else 1 if extent.complete else 2, run.changed

        for folder in sorted(sizes, key=order):
            if len(sizes) < MOST and sum(sizes.values()) <= MOST_BYTES:
                return
            with suppress(OSError):
                if discard(folder):
                    del sizes[folder]

    def _folders(self) -> list[Path]:
        try:
            return [f for f in self.root.iterdir() if _FOLDER.fullmatch(f.name) and f.is_dir()]
        except OSError:  # there is none yet
            return []


def shelf_of(checkpoint: Any) -> Shelf | None:
    """Where an explorer records its runs; None = nowhere.

    Parameters
    ----------
    checkpoint : bool, str or path
        True: the usual place. False: nowhere. Otherwise the folder that holds a folder of each run.

    Raises
    ------
    TypeError, ValueError
        If it is something else, or a file.
    """
    if isinstance(checkpoint, (str, os.PathLike)):
        root = Path(checkpoint).expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise ValueError(
                f"checkpoint={os.fspath(checkpoint)!r} is a file; explore() expects the name of a "
                "folder, in which each run gets a folder of its own"
            )
        return Shelf(root)
    if not isinstance(checkpoint, bool):
        raise TypeError(
            f"checkpoint={checkpoint!r}; explore() expects True, False or the name of a folder"
        )
    try:
        return Shelf(usual_root().absolute()) if checkpoint else None
    except (RuntimeError, OSError):  # there is no home folder, or no current one
        return None


def _share(found: Peek, name: str) -> float | None:
    """The share of the lesions that a record of counts holds."""
    data = found.identity.get("data")
    total = data.get("images") if isinstance(data, Mapping) else None
    header = _header(found.path, name)
    try:
        images, of_batch = header["done"]
        batch = min(header["batch_size"], total - images)
        return float(min(1.0, max(0.0, (images + of_batch * batch) / total)))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _done(folder: Path, name: str) -> Any:
    return _header(folder, name).get("done")


def _header(folder: Path, name: str) -> dict[str, Any]:
    """The header of a piece without its arrays; empty if it can't be read."""
    try:
        path = folder / f"{name}.piece"
        with path.open("rb") as file, in_words(path):
            size = file.seek(0, os.SEEK_END)
            with opened(file, size) as archive:
                member = checked(archive, file, size, most=SPARE + RATIO * size)[HEADER]
                if member.file_size > MOST_HEADER:
                    return {}
                found = checked_json(inflated(archive, member))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError):  # what goes away meanwhile takes no room
        for file in folder.iterdir():
            total += file.stat().st_size
    return total
