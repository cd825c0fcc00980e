"""Models and options that no reading could make sense of are refused here, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from modviz.measure.tensors import tensor_of
from modviz.measure.trace import Head, NetworkError


def require_module(model: object) -> None:
    """Raise a TypeError for what is no torch module, a NetworkError for one without its values."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}; expected a torch.nn.Module")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(tensor):
            raise NetworkError(
                f"{name!r} of the model has no shape yet: it is a lazy module; run the model once "
                "on a few inputs"
            )
        if tensor.is_meta:
            raise NetworkError(
                f"{name!r} of the model is on torch's device 'meta', which holds no values; load "
                "the weights first"
            )


def refuse_broken(model: nn.Module) -> None:
    """Raise a NetworkError for a model whose parameters or buffers can't be computed with."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_inference():
            raise NetworkError(
                f"{name!r} of the model was made in torch.inference_mode, where nothing can be "
                "derived; build or load the model outside of it"
            )
        if tensor.is_complex() and isinstance(tensor, nn.Parameter):
            raise NetworkError(
                f"{name!r} of the model is {tensor.dtype}; modviz compares real activations and "
                "weights only"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NetworkError(
                f"{name!r} of the model holds NaN or infinite values: training diverged or the "
                "checkpoint is damaged; load a sound one"
            )


def alike(output: object, expected: torch.Tensor) -> bool:
    """Whether a reading of a model gave what the model itself gives, but for rounding."""
    if not isinstance(output, torch.Tensor) or output.shape != expected.shape:
        return False
    return torch.allclose(output.to(expected), expected, rtol=1e-4, atol=1e-5, equal_nan=True)


def checked_example(example: object) -> torch.Tensor:
    """At most two inputs of an example, as a tensor; or an error that says what was expected."""
    if not isinstance(example, torch.Tensor):
        raise TypeError(f"example_input is {type(example).__name__}; expected a torch.Tensor")
    tensor = tensor_of("example_input", example)
    if tensor.ndim < 2 or not tensor.numel():
        raise ValueError(
            f"example_input has shape {tuple(tensor.shape)}; expected (images, ...), with one "
            "input at least"
        )
    tensor = tensor.detach()[:2]
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise ValueError("example_input holds NaN or infinite values; give inputs without them")
    return tensor


def checked_head(head: Any) -> Head:
    """`head` as the position or the key of an output."""
    if isinstance(head, np.integer):
        return int(head)
    if isinstance(head, bool) or not isinstance(head, (int, str, type(None))):
        raise TypeError(f"head={head!r}; expected the position or the name of one output")
    return head


def checked_pairs(connections: Any) -> list[list[str]] | None:
    """`connections` as lists of two names, or None."""
    if connections is None:
        return None
    if isinstance(connections, str) or not isinstance(connections, Iterable):
        raise TypeError(f"connections={connections!r}; expected a list of pairs (source, target)")
    pairs = list(connections)
    for pair in pairs:
        named = isinstance(pair, (tuple, list)) and all(isinstance(name, str) for name in pair)
        if not named or len(pair) != 2:
            raise TypeError(f"connections hold {pair!r}; expected pairs of names (source, target)")
    return [list(pair) for pair in pairs]
