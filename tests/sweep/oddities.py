"""Odd values by kind of argument, and what is to become of each."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from tests.sweep.judging import Odd

_NUMBER = (
    r"NAME( is |=).*expected (a whole|real|at least|at most)|NAME=.*; (the null|a partition) needs"
)


def _numpy(kind: type) -> Odd:
    return Odd(f"numpy {kind.__name__}", kind)


def whole(least: int, *, optional: bool = False, words: str = _NUMBER) -> list[Odd]:
    """Whole numbers of at least `least`; whether None is one, and what else is said."""
    bad: dict[str, Any] = {
        "True": lambda n: True,
        "numpy bool": lambda n: np.True_,
        "float": float,
        "numpy float": np.float32,
        "half more": lambda n: n + 0.5,
        "text": str,
        "bytes": lambda n: str(n).encode(),
        "nan": lambda n: math.nan,
        "inf": lambda n: math.inf,
        "complex": complex,
        "fraction": lambda n: Fraction(n, 1),
        "list": lambda n: [n],
        "array": np.array,
        "arrays": lambda n: np.array([n, n]),
        "tensor": torch.tensor,
        "object": lambda n: object(),
        "function": lambda n: len,
        "too small": lambda n: least - 1,
        "negative": lambda n: -n - 7,
        "hugely negative": lambda n: -(10**30),
    }
    if not optional:
        bad["None"] = lambda n: None
    good = [_numpy(kind) for kind in (np.int8, np.int64, np.uint8, np.uint64)]
    return good + [Odd(name, make, words) for name, make in bad.items()]


def flag() -> list[Odd]:
    """True or False."""
    bad = {
        "1": 1,
        "0": 0,
        "None": None,
        "text": "yes",
        "nan": math.nan,
        "list": [True],
        "array": np.array([True, False]),
        "tensor": torch.tensor(True),
    }
    words = "NAME=.*expected True or False"
    odd = [Odd(name, lambda _, value=value: value, words) for name, value in bad.items()]
    return [Odd("numpy bool", np.bool_), *odd]


def choice() -> list[Odd]:
    """One of a few words."""
    bad: dict[str, Any] = {
        "unknown": lambda word: "thoughts",
        "capital": str.upper,
        "blank": lambda word: f"{word} ",
        "empty": lambda word: "",
        "None": lambda word: None,
        "number": lambda word: 3,
        "nan": lambda word: math.nan,
        "bytes": str.encode,
        "list": lambda word: [word],
        "array": lambda word: np.array([word, word]),
        "object": lambda word: object(),
        "tensor": lambda word: torch.zeros(3),
        "series": lambda word: pd.Series([word, word]),
    }
    odd = [Odd(name, make, "NAME=.*expected .*'") for name, make in bad.items()]
    return [Odd("numpy text", np.str_), *odd]


def function(*, optional: bool = True) -> list[Odd]:
    """Something to call."""
    bad = {"number": 3, "text": "print", "list": [print], "array": np.zeros(2), "False": False}
    if not optional:
        bad["None"] = None
    words = "NAME( is |=).*expected"
    return [Odd(name, lambda _, value=value: value, words) for name, value in bad.items()]


def _every_other(x: np.ndarray) -> np.ndarray:
    wide = np.repeat(x, 2, axis=-1)
    return wide[..., ::2]


def _backwards(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[..., ::-1])[..., ::-1]


def _hidden(x: np.ndarray) -> np.ma.MaskedArray:
    """What is NaN hidden by a mask, with a number under it."""
    return np.ma.MaskedArray(np.where(np.isnan(x), 0.25, x), mask=np.isnan(x))


def _labelled(x: np.ndarray) -> Any:
    if x.ndim == 1:
        return pd.Series(x, index=range(5, 5 + len(x)))
    return pd.DataFrame(x) if x.ndim == 2 else x


def _with_none(x: np.ndarray) -> np.ndarray:
    values = x.astype(object)
    values[np.isnan(x)] = None
    return values


def _tensor(x: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).to(dtype)


def _ragged(x: np.ndarray) -> list[Any]:
    return [*x.tolist(), [1.0, [2.0]]]


def numbers() -> list[Odd]:
    """Arrays of float64 with at least one dimension, whose values float16 can hold."""
    good: dict[str, Any] = {
        "lists": np.ndarray.tolist,
        "tuples": lambda x: tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x.tolist()),
        "float16": np.float16,
        "float32": np.float32,
        "long double": np.longdouble,
        "big endian": lambda x: x.astype(">f8"),
        "fortran": np.asfortranarray,
        "every other": _every_other,
        "backwards": _backwards,
        "read-only": lambda x: np.broadcast_to(x, x.shape),
        "objects": lambda x: x.astype(object),
        "None for NaN": _with_none,
        "masked": _hidden,
        "pandas": _labelled,
        "tensor": _tensor,
        "bfloat16": lambda x: _tensor(x, torch.bfloat16),
        "with gradient": lambda x: _tensor(x).requires_grad_(),
        "strided tensor": lambda x: _tensor(_every_other(x)).movedim(0, -1).movedim(-1, 0),
    }
    bad: dict[str, Any] = {
        "None": lambda x: None,
        "text": lambda x: "numbers",
        "texts": lambda x: x.astype(str),
        "texts in lists": lambda x: x.astype(str).tolist(),
        "text objects": lambda x: x.astype(str).astype(object),
        "complex": lambda x: x + 0j,
        "complex tensor": lambda x: _tensor(x, torch.complex64),
        "meta tensor": lambda x: torch.empty(x.shape, device="meta"),
        "sparse tensor": lambda x: torch.ones(x.shape).to_sparse(),
        "sparse": lambda x: sp.csr_array(np.ones((2, 2))),
        "ragged": _ragged,
        "dates": lambda x: np.zeros(x.shape, dtype="datetime64[s]"),
        "set": lambda x: {0.5},
        "dict": lambda x: {0: 0.5},
        "iterator": lambda x: iter(x.tolist()),
        "object": lambda x: object(),
        "function": lambda x: len,
        "huge integers": lambda x: [10**400],
    }
    return [Odd(name, make) for name, make in good.items()] + [
        Odd(name, make, "NAME is .*; expected real numbers") for name, make in bad.items()
    ]
