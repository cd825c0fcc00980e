"""Threads: one for each product of matrices, several for independent work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
import scipy.linalg
from threadpoolctl import ThreadpoolController

from modviz.core.machine import processors

T = TypeVar("T")
R = TypeVar("R")

_lock = threading.Lock()
_users = 0
_limit: Any = None


@cache
def _controller() -> Any:
    """The BLAS libraries of this process; to look for them takes milliseconds."""
    # numpy and scipy each bring one, which is loaded with their first product
    scipy.linalg.blas.dgemv(1.0, np.eye(1), np.ones(1))
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Products of matrices use one thread inside, in all threads of the process.

    The work here is many small products: more threads made it ten times slower on a busy machine,
    and how a sum is split among threads changes its last bits. The setting belongs to the process,
    so the first who comes makes it and the last who goes undoes it.
    """
    global _users, _limit  # noqa: PLW0603
    with _lock:
        if _users == 0:
            _limit = _controller().limit(limits=1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.restore_original_limits()


def in_turn(work: Callable[[T], R], items: Sequence[T], workers: int | None) -> Generator[R]:
    """Do the same work on many items in a pool of threads; the results come in order.

    Parameters
    ----------
    work : callable
    items : sequence
    workers : int or None
        Number of threads; None = one a processor. With 1 the work is done in the caller's thread.

    Yields
    ------
    result
        Of each item in turn. Close the iterator (`contextlib.closing`) to stop early: items in work
        are finished, no others are begun.
    """
    workers = min(processors() if workers is None else workers, len(items))
    with one_blas_thread():
        if workers <= 1:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(workers, thread_name_prefix="modviz") as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in futures:
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()
