"""Results as plain arrays and JSON, and back, to the last bit: for the pieces of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from modviz.core.sequential import SequentialRule

Results = TypeVar("Results")


def parted(results: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The fields of a results object: what goes into JSON, and arrays.

    Numbers with a fraction are arrays, too: JSON knows no NaN.
    """
    header: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(results):
        value = getattr(results, field.name)
        if isinstance(value, (np.ndarray, float)):
            arrays[field.name] = np.asarray(value)
        else:
            header[field.name] = asdict(value) if is_dataclass(value) else value  # type: ignore[arg-type]
    return header, arrays


def joined(
    kind: type[Results], header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Results:
    """The results object of what `parted` gave."""
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in arrays:
            array = np.array(arrays[field.name])  # its own, and writable
            values[field.name] = array if array.ndim else float(array)
        elif field.name in header:
            value = header[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    if isinstance(values.get("rule"), Mapping):
        rule = dict(values["rule"])
        values["rule"] = SequentialRule(**(rule | {"looks": tuple(rule["looks"])}))
    return kind(**values)
