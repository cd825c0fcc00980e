"""What a model and data hold, in a form that can be compared later to see whether it changed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

#: Kinds of a module's attributes that a forward pass may read and that are quickly compared.
_PLAIN = (bool, int, float, str, type(None))
#: Those among them that modviz itself sets for a while.
_SET_HERE = ("training", "inplace")


@dataclass(frozen=True, eq=False)
class Same:
    """Equal to another one of the very same object."""

    held: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]


def content_of_module(module: nn.Module) -> Any:
    """Everything about a module that `modviz.measure.kept.Kept` sees change."""
    parts = [
        (
            name,
            type(part),
            settings_of(part),
            [list(vars(part)[key]) for key in ("_forward_hooks", "_forward_pre_hooks")],
        )
        for name, part in module.named_modules()
    ]
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return parts, [(name, content_of(tensor)) for name, tensor in tensors]


def settings_of(module: nn.Module) -> list[tuple[str, Any]]:
    """The plain attributes of a module that its forward pass may read, in order."""
    return [(key, value) for key, value in sorted(vars(module).items()) if _is_setting(key, value)]


def _is_setting(name: str, value: Any) -> bool:
    if name in _SET_HERE:
        return False
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(one, _PLAIN) for one in values)


def content_of_data(data: Any) -> Any:
    """Everything about data that `modviz.measure.kept.Kept` sees change."""
    if type(data) is TensorDataset:
        return type(data), [content_of(value) for value in data.tensors]
    if isinstance(data, (torch.Tensor, np.ndarray)):
        return content_of(data)
    if isinstance(data, Sequence) and len(data) == 2:
        return type(data), [content_of(value) for value in data]
    return Same(data)


def content_of(value: Any) -> Any:
    """A checksum of a tensor or what becomes an array, with its form; else the object itself."""
    if isinstance(value, torch.Tensor):
        form = type(value), str(value.device), value.dtype, tuple(value.shape)
        try:
            flat = value.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy()
        except (RuntimeError, TypeError, NotImplementedError):  # sparse, quantised, ...
            return *form, Same(value), _changes(value)
        return *form, value.stride(), zlib.crc32(flat.data)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return Same(value)
    if array.dtype.hasobject:
        return Same(value)
    return array.dtype.str, array.shape, zlib.crc32(np.ascontiguousarray(array).data)


def versions(model: nn.Module, data: Any) -> Any:
    """What changes with most changes of a model and data, and costs nothing to look at.

    Not with those that go by torch: of arrays, or of ``parameter.data``.
    """
    given: list[Any] = [data]
    if type(data) is TensorDataset:
        given = list(data.tensors)
    elif isinstance(data, Sequence) and len(data) == 2:
        given = list(data)
    given += [*model.parameters(), *model.buffers()]
    return [(id(value), _changes(value)) for value in given]


def _changes(value: Any) -> Any:
    """Where a tensor's values are, and how often torch has changed them."""
    if not isinstance(value, torch.Tensor) or value.is_inference():
        return None
    address = value.data_ptr() if value.layout == torch.strided else None
    return address, value._version  # noqa: SLF001 - there is no public name for it
