"""Tensors that a user gives, in whatever form, checked."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

#: Long numbers, which torch does not know, and what they become.
_TYPES: dict[str, Any] = {"g": np.float64, "G": np.complex128}


def tensor_of(name: str, values: Any) -> torch.Tensor:
    """The argument `name` as a dense tensor that holds its values.

    Parameters
    ----------
    name : str
        What messages call it.
    values : tensor, array, or list of numbers, of arrays or of tensors

    Raises
    ------
    TypeError
        If these are no numbers, or no array.
    ValueError
        If they hide some of their values, or are no tensor of numbers in memory.
    """
    if isinstance(values, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in values):
        values = _stacked(name, values)
    tensor = values if isinstance(values, torch.Tensor) else _of_array(name, values)
    if tensor.is_meta:
        raise ValueError(f"{name} are on torch's device 'meta', which holds no values; load them")
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        kind = "nested" if tensor.is_nested else "quantized" if tensor.is_quantized else "sparse"
        raise ValueError(f"{name} are a {kind} tensor; expected a dense one, such as .to_dense()")
    return tensor


def _stacked(name: str, values: Any) -> torch.Tensor:
    try:
        parts = (
            v if isinstance(v, torch.Tensor) else torch.tensor(v, device="cpu") for v in values
        )
        return torch.stack(list(parts))
    except (RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name} is a {type(values).__name__} of tensors that can't be stacked into one "
            f"({error}); expected tensors of one shape and type"
        ) from error


def _of_array(name: str, values: Any) -> torch.Tensor:
    if np.ma.is_masked(values):
        raise ValueError(f"{name} are a masked array that hides values; leave these images out")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{name} is {type(values).__name__}; expected an array or tensor ({error})"
        ) from error
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} is {type(values).__name__} of {array.dtype}; expected an array or tensor of "
            "numbers"
        )
    # as torch takes them: native, of its own types, forwards
    array = array.astype(_TYPES.get(array.dtype.char, array.dtype.newbyteorder("=")), copy=False)
    if min(array.strides, default=0) < 0:
        array = array.copy()
    with warnings.catch_warnings():  # of a read-only array: nothing of modviz writes into it
        warnings.simplefilter("ignore", UserWarning)
        return torch.as_tensor(array, device="cpu")
