"""What an explorer records of its runs, and what it finds of earlier ones on its model and data.

Recording is a courtesy: whatever is in its way is said in words, and the run goes on without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modviz.core.analysis import Analysis
from modviz.core.checkpoint import HEARS, CheckpointError, Folder, discard, in_use, peek
from modviz.core.progress import Progress
from modviz.core.settings import Settings
from modviz.widgets.estimating import twin
from modviz.widgets.shelf import Extent

if TYPE_CHECKING:
    from modviz.widgets.subject import Subject

_NAMES = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True)
class EarlierRun:
    """A recorded run on the same model and data.

    Attributes
    ----------
    path : Path
    settings : dict
        Keywords of `modviz.analyze` that decide its results.
    extent : Extent
        How far it is.
    changed : float
        When something was last recorded, in seconds since 1970.
    otherwise : tuple of str
        Versions that differ, in words.
    """

    path: Path
    settings: dict[str, Any]
    extent: Extent
    changed: float
    otherwise: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Reading:
    """A model and data as they were read, and what shows whether they have changed since."""

    network: Any
    data: Any
    digests: Any
    stamp: Any


class Recorder:
    """Records the runs of an explorer.

    Parameters
    ----------
    subject : Subject
        Whose shelf says where; None there = nowhere.
    tell : callable
        Gets what is in the way, in words.
    """

    def __init__(self, subject: Subject, tell: Callable[[str], None]) -> None:
        self._subject, self._tell = subject, tell
        self._reading: _Reading | None = None
        self._path: Path | None = None
        self._complete: tuple[Analysis, Path] | None = None

    # ---------------------------------------------------------------- a run

    def analyze(self, settings: Mapping[str, Any], *, progress: Any, cancel: Any) -> Analysis:
        """`modviz.analyze` with these settings, recorded if it can be."""
        from modviz.measure.run import analyze

        subject, self._path = self._subject, None
        run = partial(analyze, subject.model, subject.data, **settings, kept=subject.kept)
        run = partial(run, progress=progress, cancel=cancel)
        progress(Progress("reading", 0, 0, "reading the model"))
        path = self._begun(settings)
        if path is None:
            return run()
        token = HEARS.set(lambda words: self._tell(f"{words[:1].upper()}{words[1:]}."))
        try:
            found = run(checkpoint=path)
        except CheckpointError as error:  # another one was quicker
            self._tell(f"This run is not recorded: {error}.")
            return run()
        finally:
            HEARS.reset(token)
        if found.status == "complete":
            self._complete = found, path
        return found

    def _begun(self, settings: Mapping[str, Any]) -> Path | None:
        """The folder to record a run in; None = nowhere."""
        shelf = self._subject.shelf
        if shelf is None:
            return None
        try:
            self._reading = self._read_for_run(settings)
            identity = _identity(self._reading, settings)
        except Exception:  # noqa: BLE001  (the run itself meets it again, and says it)
            return None
        path = shelf.place(identity)
        try:
            shelf.root.mkdir(parents=True, exist_ok=True)
            if in_use(path):
                self._tell(
                    "This run is not recorded: another one with the same settings is working, in "
                    "this kernel or in another."
                )
                return None
            shelf.make_room(path)
            try:
                Folder(path, identity).close()
            except CheckpointError as error:
                if isinstance(error.__cause__, OSError):  # nothing is wrong with what is there
                    raise
                discard(path)  # so damaged that nobody can go on with it
                Folder(path, identity).close()
        except CheckpointError as error:
            self._tell(f"This run is not recorded: {error}.")
            return None
        except OSError as error:
            why = error.strerror or error
            self._tell(f"This run is not recorded: nothing can be written to {shelf.root} ({why}).")
            return None
        self._path = path
        return path

    def left(self) -> str:
        """Where a run like the last one would go on, in words; empty if from the start."""
        found = None if self._path is None else peek(self._path)
        extent = None if found is None else Extent.of(found)
        if extent is None or not extent.began or extent.complete:
            return ""
        return f"Run goes on from {extent.words}"

    def follows(self, analysis: Analysis, more: Analysis) -> None:
        """An analysis has become another one, which holds all of it."""
        if self._complete is not None and self._complete[0] is analysis:
            self._complete = more, self._complete[1]

    def saved(self, analysis: Analysis) -> None:
        """An analysis was written to a file, so that its record is not needed any more."""
        if self._complete is not None and self._complete[0] is analysis:
            path, self._complete = self._complete[1], None
            try:
                discard(path)
            except OSError as error:
                self._tell(f"The record of this run is still there: {error}.")

    # ---------------------------------------------------------------- earlier runs

    def extent(self, settings: Mapping[str, Any]) -> Extent | None:
        """What is recorded of a run with these settings, if model and data are known by now."""
        shelf, reading = self._subject.shelf, self._reading
        if shelf is None or reading is None or reading.stamp != self._stamp():
            return None
        found = peek(shelf.place(_identity(reading, settings)))
        extent = None if found is None else Extent.of(found)
        return extent if extent is not None and extent.began else None

    def has_earlier(self) -> bool:
        """Whether it is worth to look for earlier runs; costs next to nothing."""
        shelf = self._subject.shelf
        return shelf is not None and shelf.root.is_dir()

    def earlier(
        self, settings: Mapping[str, Any], fits: Callable[[Mapping[str, Any]], bool]
    ) -> list[EarlierRun]:
        """Runs on this model and these data to go on with or to open, the newest first.

        Takes as long as reading the model and all images in memory if there may be any.

        Parameters
        ----------
        settings : mapping
            Keywords of `modviz.analyze`: what can't be set by a control has to be the same.
        fits : callable
            Whether the controls can stand for some settings.
        """
        from modviz.measure.identity import refuse_others

        shelf = self._subject.shelf
        waiting = [] if shelf is None else shelf.waiting()
        waiting = [(run, extent) for run, extent in waiting if self._named(run.identity)]
        if not waiting:
            return []
        reading = self._read_beside(settings)
        if self._reading is None:
            self._reading = reading
        now, found = _identity(reading, settings), []
        for run, extent in waiting:
            chosen = _settings(run.identity)
            same = now | {"settings": run.identity["settings"]}
            if run.identity.get("partition") or chosen.get("edges") == "weights":
                same["activation_images"] = None  # not used there
            try:
                otherwise = refuse_others(run.path, run.identity, same)
                if fits(chosen):
                    known = EarlierRun(run.path, chosen, extent, run.changed, tuple(otherwise))
                    found.append(known)
            except (CheckpointError, TypeError, KeyError):  # of something else
                continue
        return found

    def _named(self, identity: Mapping[str, Any]) -> bool:
        model, settings = identity.get("model"), identity.get("settings")
        return (
            isinstance(model, Mapping)
            and isinstance(settings, Mapping)
            and model.get("name") == self._subject.name
        )

    # ---------------------------------------------------------------- model and data

    def _read_for_run(self, settings: Mapping[str, Any]) -> _Reading:
        """As the run will find it: kept for it."""
        from modviz.measure.identity import Digests

        subject = self._subject
        layout = settings.get("head"), settings.get("connections")
        network, data, _ = subject.kept.reading(subject.model, subject.data, *layout)
        digests = subject.kept.get("digests", ())
        if digests is None:
            digests = Digests.of(network, data)
            subject.kept.put("digests", (), digests)
        return _Reading(network, data, digests, self._stamp())

    def _read_beside(self, settings: Mapping[str, Any]) -> _Reading:
        """While others may work with the model."""
        from modviz.measure.identity import Digests
        from modviz.measure.inputs import read_inputs

        subject, stamp = self._subject, self._stamp()
        layout = settings.get("head"), settings.get("connections")
        network, data = read_inputs(twin(subject.model), subject.data, *layout)
        return _Reading(network, data, Digests.of(network, data), stamp)

    def _stamp(self) -> Any:
        from modviz.measure.contents import versions
        from modviz.measure.inputs import module_of

        return versions(module_of(self._subject.model), self._subject.data)


def _identity(reading: _Reading, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoint of a run with these settings is known by."""
    from modviz.measure.identity import identity_of
    from modviz.measure.inputs import names_of_classes

    network, data = reading.network, reading.data
    found = identity_of(
        network,
        data,
        Settings(**{name: settings[name] for name in _NAMES if name in settings}),
        reading.digests,
        partition=settings.get("partition"),
        activation_images=settings.get("activation_images"),
        preprocess=settings.get("preprocess"),
        class_names=names_of_classes(settings.get("class_names"), data, network.n_classes),
    )
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _settings(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that stand in an identity."""
    settings = dict(identity["settings"])
    layers = settings.get("layers")
    if isinstance(layers, Mapping):
        settings["layers"] = tuple(layers.get("range", ()))
    return {name: value for name, value in settings.items() if name in _NAMES}
