"""Work on other processes and machines, through any `concurrent.futures.Executor`.

What all tasks need (a model, groups of units) is sent once and set up once in every worker; a task
then carries no more than its own images. Whatever a worker that dies had at hand is done again,
here if need be, so that results are those of one process.
"""

from __future__ import annotations

import io
import os
import pickle
import tempfile
import threading
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from modviz.core.progress import Cancelled

#: Tasks that are sent before one of them is done.
_IN_FLIGHT = 64
#: States that a worker keeps: of this measurement, and of one beside it.
_KEPT = 2
#: How often the end of a task is interrupted to look whether to stop, in seconds.
_LOOK = 0.2

#: In a worker: what was set up, by token; and whoever works with it.
_STATES: OrderedDict[str, Any] = OrderedDict()
_WORKING = threading.Lock()


@dataclass(frozen=True)
class _Missing:
    """A worker's answer if it has not got what the task needs."""


@dataclass(frozen=True)
class _Failed:
    """A worker's answer if the work itself raised an error."""

    error: Exception


class Workers:
    """The workers of an executor, with something set up in each.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    build : callable
        A function of a module; gives what the tasks work with.
    given : tuple
        Its arguments, sent to every worker once.
    """

    def __init__(
        self, executor: Executor, build: Callable[..., Any], given: tuple[Any, ...]
    ) -> None:
        self._executor = executor
        self._content = packed((build, given))
        self._token = uuid.uuid4().hex
        handle, self._path = tempfile.mkstemp(prefix="modviz-", suffix=".work")
        with os.fdopen(handle, "wb") as file:
            file.write(self._content)
        self._whole: Any = None  # the content where the executor keeps it for its workers
        scatter = getattr(getattr(executor, "_client", None), "scatter", None)
        if scatter is not None:  # dask.distributed: one copy a worker, kept by the scheduler
            self._whole = scatter(self._content, broadcast=True, hash=False)
        self._own: Any = None
        self._warned = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        Path(self._path).unlink(missing_ok=True)

    def results(
        self,
        function: Callable[..., Any],
        jobs: Iterable[tuple[Any, ...]],
        cancel: threading.Event | None,
    ) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """Each job and what `function(state, *job)` gave for it, as they come.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        Exception
            Whatever the function raised.
        """
        source = iter(jobs)
        waiting: dict[Future[Any], tuple[Any, ...]] = {}
        try:
            while True:
                for job in islice(source, _IN_FLIGHT - len(waiting)):
                    future = self._sent(function, job)
                    if future is None:
                        yield job, self._here(function, job)
                    else:
                        waiting[future] = job
                if not waiting:
                    return
                done, _ = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                for future in done:
                    job = waiting.pop(future)
                    answer = self._answer(future)
                    if isinstance(answer, _Failed):
                        raise answer.error
                    if isinstance(answer, _Missing):
                        again = self._sent(function, job, whole=True)
                        if again is not None:
                            waiting[again] = job
                            continue
                        answer = None
                    yield job, self._here(function, job) if answer is None else answer
        finally:
            for future in waiting:
                future.cancel()

    def _sent(
        self, function: Callable[..., Any], job: tuple[Any, ...], *, whole: bool = False
    ) -> Future[Any] | None:
        """A job on its way; None if the executor takes no more."""
        content = self._whole if self._whole is not None else self._content if whole else None
        where = self._token, self._path, os.getpid()
        try:
            return self._executor.submit(_perform, where, content, function, job)
        except RuntimeError as error:  # broken, or shut down
            self._lost(error)
            return None

    def _answer(self, future: Future[Any]) -> Any:
        """What a worker answered; None if it died."""
        try:
            return future.result()
        except Exception as error:  # noqa: BLE001 - of the executor: the work's own come as answers
            self._lost(error)
            return None

    def _here(self, function: Callable[..., Any], job: tuple[Any, ...]) -> Any:
        """The result of a job, in this process."""
        if self._own is None:
            self._own = _unpacked(self._content)
        return function(self._own, *job)

    def _lost(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"a worker of the executor was lost ({type(error).__name__}: {error}); what it had at "
            "hand is done in this process",
            RuntimeWarning,
            stacklevel=4,
        )


def _perform(
    where: tuple[str, str, int],
    content: bytes | None,
    function: Callable[..., Any],
    job: tuple[Any, ...],
) -> Any:
    """In a worker: the result of a job, with whatever was set up before."""
    token, path, sender = where
    if os.getpid() != sender:
        # a worker is one of several, and threads do not outlive the fork that may have made it
        torch.set_num_threads(1)
    with _WORKING:
        try:
            if token not in _STATES:
                if content is None and Path(path).exists():
                    content = Path(path).read_bytes()
                if content is None:
                    return _Missing()
                _STATES[token] = _unpacked(content)
                while len(_STATES) > _KEPT:
                    _STATES.popitem(last=False)
            return function(_STATES[token], *job)
        except Exception as error:  # noqa: BLE001 - to be raised where somebody reads it
            return _Failed(error)


def packed(content: Any) -> bytes:
    """Anything that can be pickled, with tensors and modules in it, as bytes.

    Raises
    ------
    TypeError
        If it can't be pickled.
    """
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer, pickle_module=_pickler())
    except Exception as error:
        raise TypeError(
            f"the model can't be sent to other processes ({error}); define it in a module that "
            "workers can import, install cloudpickle, or leave executor out"
        ) from error
    return buffer.getvalue()


def _unpacked(content: bytes) -> Any:
    """What `packed` was given: a function and its arguments; the function is called."""
    build, given = torch.load(io.BytesIO(content), weights_only=False)
    return build(*given)


def _pickler() -> ModuleType:
    """The cloudpickle module, which also takes what a notebook defined, or pickle."""
    try:
        import cloudpickle
    except ImportError:
        return pickle
    return cloudpickle  # type: ignore[no-any-return]
