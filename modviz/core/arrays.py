"""Arrays of numbers that a user gives, in whatever form, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def real_numbers(name: str, values: Any) -> NDArray[np.float64]:
    """The argument `name` as an array of float64, of whatever shape.

    Parameters
    ----------
    name : str
        What messages call it.
    values : array_like
        Numbers in lists, arrays, pandas objects or torch tensors (of which the gradient is left
        behind). None among them and what a masked array hides become NaN.

    Raises
    ------
    TypeError
        If these are no real numbers, or their shape is not that of an array.
    """
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    try:
        if values is None:
            raise TypeError("nothing was given")
        given = _of_tensor(values) if hasattr(values, "detach") else values
        if isinstance(given, np.ma.MaskedArray):  # an array would show what the mask hides
            given = np.ma.filled(given.astype(np.float64), np.nan)
        array = np.asarray(given)
        if array.dtype.kind == "O":
            if any(isinstance(value, (str, bytes)) for value in array.flat):
                raise TypeError("it holds text")
            array = array.astype(np.float64)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"it holds values of type {array.dtype}")
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise TypeError(
            f"{name} is {type(values).__name__}; expected real numbers, as an array or as lists of "
            f"equal lengths ({error})"
        ) from error
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float64)


def whole_numbers(name: str, values: Any) -> NDArray[np.int64]:
    """The argument `name` as an array of int64, of whatever shape.

    Raises
    ------
    TypeError
        If these are no numbers.
    ValueError
        If one is a fraction, NaN or too large.
    """
    if type(values) is np.ndarray and values.dtype == np.int64:
        return values
    numbers = real_numbers(name, values)
    wrong = ~(np.abs(numbers) < 2**53) | (numbers != np.rint(numbers))
    if wrong.any():
        raise ValueError(f"{name} holds {numbers[wrong][0]:g}; expected whole numbers")
    return numbers.astype(np.int64)


def _of_tensor(values: Any) -> Any:
    """A torch tensor, which core does not know, as an array."""
    tensor = values.detach().cpu()
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()
