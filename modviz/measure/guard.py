"""The one way in which modviz may change a user's model: here, and only until the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from modviz.core.progress import Cancelled

Result = TypeVar("Result")

#: Which thread holds which model (by id), and the models that this thread holds.
_HOLDERS: dict[int, int] = {}
_HOLDING = threading.Lock()
_STATE = threading.local()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Hold a model in eval mode, with frozen parameters and no in-place activations.

    Whatever happens in the block, every module gets back its own training flag, ``inplace`` flag
    and buffers, and every parameter its ``requires_grad`` and ``grad``. Autocast, inference
    mode and default device of the caller do not count in the block.

    Parameters
    ----------
    model : torch.nn.Module

    Raises
    ------
    RuntimeError
        If another thread holds the same model: two runs would restore each other's changes.
    """
    me = threading.get_ident()
    with _HOLDING:
        holder = _HOLDERS.setdefault(id(model), me)
    if holder != me:
        raise RuntimeError(
            "this model is being analysed by another run; wait for its end or cancel it, or "
            "analyse a copy (copy.deepcopy(model))"
        )
    nested = getattr(_STATE, "models", ())
    if any(held is model for held in nested):
        yield
        return
    with ExitStack() as undo:
        undo.callback(_HOLDERS.pop, id(model))
        _plainly(undo)
        undo.callback(setattr, _STATE, "models", nested)
        _STATE.models = (*nested, model)
        for module in model.modules():
            _set(undo, module, "training", False)
            if getattr(module, "inplace", False):  # would overwrite a value that a replay keeps
                _set(undo, module, "inplace", False)
            for name, buffer in module._buffers.items():  # noqa: SLF001 - forward may change them
                if buffer is not None and not buffer.is_inference():
                    undo.callback(_put_back, module, name, buffer, buffer.clone())
        for parameter in model.parameters():
            if parameter.is_inference():
                continue  # it can have no gradient, and may not be changed
            undo.callback(setattr, parameter, "grad", parameter.grad)
            undo.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.requires_grad_(False)
        yield


def _plainly(undo: ExitStack) -> None:
    """Leave modes of the caller's that other threads would not have, or that forbid gradients."""
    if torch.is_inference_mode_enabled():
        undo.enter_context(torch.inference_mode(False))
    if torch.get_default_device().type != "cpu":
        undo.enter_context(torch.device("cpu"))
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            undo.enter_context(torch.autocast(device, enabled=False))


def _set(undo: ExitStack, owner: Any, attribute: str, value: object) -> None:
    undo.callback(setattr, owner, attribute, getattr(owner, attribute))
    setattr(owner, attribute, value)


def _put_back(module: nn.Module, name: str, buffer: torch.Tensor, value: torch.Tensor) -> None:
    """Give a module back the buffer that it had, with the value that it had."""
    module._buffers[name] = buffer  # noqa: SLF001
    if not torch.equal(buffer, value):
        with torch.no_grad():
            buffer.copy_(value)


@contextmanager
def worker_pool(
    device: torch.device, workers: int | None
) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Threads that share the work on a model, and how many they are.

    On a CPU every torch operation then uses one thread: many small ones side by side are quicker
    than one after the other with all threads. A GPU gets a single worker, and whole float32
    numbers: the short ones that some multiply by default would give other answers than a CPU.
    """
    before = torch.get_num_threads()
    on_cpu = device.type == "cpu"
    n_workers = (workers or before) if on_cpu else 1
    each = 1 if on_cpu else before
    torch.set_num_threads(each)
    short = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        # a new thread does not take over this setting by itself: its matrix products would start
        # threads of their own, which wait for each other on a busy machine
        with ThreadPoolExecutor(
            n_workers, initializer=torch.set_num_threads, initargs=(each,)
        ) as pool:
            yield pool, n_workers
    finally:
        torch.set_num_threads(before)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = short


def shared(
    tasks: Iterator[Callable[[], Result]],
    pool: ThreadPoolExecutor,
    cancel: threading.Event | None,
) -> Iterator[Result]:
    """Run tasks in the pool; whatever ends the loop, none of them goes on."""
    futures = [pool.submit(task) for task in tasks]
    try:
        for future in as_completed(futures):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
