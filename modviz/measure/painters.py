"""Who optimises the batches of pictures: threads of this process, or the workers of an executor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network, device_of
from modviz.measure.optimise import STEPS, Batch, Optimised, ToInputs, noise, optimise
from modviz.measure.remote import Workers


def here(
    network: Network,
    batches: Iterator[Batch],
    preprocess: ToInputs,
    pool: ThreadPoolExecutor,
    n_workers: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Batch, Optimised]]:
    """Batches and their pictures, in order; `advance` is told of picture steps as they are done.

    Whatever `advance` raises ends the work.
    """

    def step(batch: Batch) -> None:
        advance(len(batch.rows))

    waiting: deque[tuple[Batch, Future[Optimised]]] = deque()
    try:
        while True:
            for batch in islice(batches, n_workers + 1 - len(waiting)):  # no more in memory
                waiting.append((batch, pool.submit(optimise, network, batch, preprocess, step)))
            if not waiting:
                return
            batch, future = waiting.popleft()
            yield batch, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def there(
    network: Network,
    batches: Iterator[Batch],
    preprocess: ToInputs,
    seed: int,
    executor: Executor,
    advance: Callable[[int], None],
    cancel: threading.Event | None,
) -> Iterator[tuple[Batch, Optimised]]:
    """Batches and their pictures, as they come; `advance` is told when a batch is finished."""
    sent: dict[int, Batch] = {}

    def jobs() -> Iterator[tuple[Any, ...]]:
        for number, batch in enumerate(batches):
            sent[number] = batch
            # not the pictures' parameters: a worker makes the same noise itself
            yield number, batch.layer, batch.rows, batch.masks, batch.at_once, seed

    given = network.model, network.example, network.options, preprocess
    with Workers(executor, painter, given) as workers:
        for (number, *_), pictures in workers.results(paint, jobs(), cancel):
            batch = sent.pop(number)
            advance(STEPS * len(batch.rows))
            yield batch, pictures


def painter(
    model: nn.Module, example: torch.Tensor, options: dict[str, Any], preprocess: ToInputs
) -> tuple[Network, ToInputs]:
    """In a worker: what optimises pictures."""
    return Network(model, example, **options), preprocess


def paint(
    given: tuple[Network, ToInputs],
    _number: int,
    layer: str,
    rows: NDArray[Any],
    masks: torch.Tensor,
    at_once: int,
    seed: int,
) -> Optimised:
    """In a worker: the pictures of a batch."""
    network, preprocess = given
    parameters, image = noise(network.input_shape, len(rows), seed)
    batch = Batch(layer, rows, masks, parameters, image, at_once)
    with evaluating(network.model), worker_pool(device_of(network.model), 1):
        return optimise(network, batch, preprocess)
