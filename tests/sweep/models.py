"""Small networks, whole and odd, and what must not change about them or around them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

N_CLASSES = 3


def plain_model(seed: int = 0, width: int = 7) -> nn.Sequential:
    """Two hidden layers; images of 2 x 2 pixels, 3 classes."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(4, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, N_CLASSES),
    )
    return drawn(model, generator)


def drawn(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """The model with parameters that the global random numbers have no part in."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def bits(tensor: torch.Tensor) -> bytes:
    if tensor.is_meta or not tensor.numel():
        return str(tensor.shape).encode()
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that modviz must leave alone about a model, in a form that can be compared."""
    state: dict[str, Any] = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        state[name] = id(tensor), tensor.dtype, tensor.requires_grad, id(tensor.grad)
        if not torch.nn.parameter.is_lazy(tensor):
            state[f"{name} bits"] = bits(tensor)
            state[f"{name} grad"] = None if tensor.grad is None else bits(tensor.grad)
    for name, module in model.named_modules():
        state[f"{name} flags"] = module.training, getattr(module, "inplace", None)
        state[f"{name} attributes"] = sorted(vars(module))
        for key, value in vars(module).items():
            if "hooks" in key:
                state[f"{name} {key}"] = None if value is None else list(value)
    return state


def surroundings() -> dict[str, Any]:
    """What belongs to the user's process."""
    numpy_state: Any = np.random.get_state()  # noqa: NPY002 - the user's global generator
    return {
        "torch's random numbers": torch.get_rng_state().numpy().tobytes(),
        "numpy's": numpy_state[1].tobytes() + bytes([numpy_state[2] % 256]),
        "Python's": random.getstate(),
        "threads": torch.get_num_threads(),
        "default type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "numpy's errors": np.geterr(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _require_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    assert not changed, f"changed: {changed}"


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Fail unless model and surroundings come out of the block exactly as they went in."""
    known = isinstance(model, nn.Module)
    before, around = state_of(model) if known else {}, surroundings()
    try:
        yield
    finally:
        _require_same(around, surroundings())
        if known:
            _require_same(before, state_of(model))
