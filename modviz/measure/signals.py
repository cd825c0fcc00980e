"""Who owns the values of a tensor inside a network.

Beside every tensor of a run goes a `Signal`: for each of its values, which unit of which layer it
comes from, and by how much it was scaled on the way. Operations that only move values move the
owners in the same way, so that flatten, transpose, chunk, concatenation or a channel shuffle need
no rules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

#: The name under which a network's input appears beside its layers.
INPUT = "input"


@dataclass(frozen=True, eq=False)
class Term:
    """One layer's part in a tensor of shape (images, *shape).

    Attributes
    ----------
    source : str
        The layer's name, or ``"input"``.
    units : tensor of int64, shape `shape`
        Which unit of the source each value comes from; -1 = none.
    scale : tensor of float64, shape `shape`
        Magnitude by which the unit's value was scaled on its way.
    """

    source: str
    units: torch.Tensor
    scale: torch.Tensor


@dataclass(frozen=True, eq=False)
class Signal:
    """Owners of a tensor's values.

    Attributes
    ----------
    terms : tuple of Term
        More than one where layers were added together or concatenated.
    positions : tuple of int
        Shape of the positions that a flatten folded behind each unit; () if none did.
    activated : bool
        Whether a non-linearity stands between the layer and here.
    gate : bool
        Whether the values are those of a sigmoid: factors between 0 and 1.
    """

    terms: tuple[Term, ...]
    positions: tuple[int, ...] = ()
    activated: bool = False
    gate: bool = False


@dataclass(frozen=True)
class Opaque:
    """A tensor whose values modviz can't attribute to units, and why.

    ``constant`` marks what depends on parameters alone.
    """

    node: str
    operation: str
    reason: str
    constant: bool = False


Value = Signal | Opaque


def whole(source: str, n_units: int, shape: tuple[int, ...], axis: int = 0) -> Term:
    """A tensor of shape (images, *shape) whose units stand along `axis` of `shape`, in order."""
    index = [1] * len(shape)
    index[axis] = n_units
    units = torch.arange(n_units).reshape(index).expand(shape)
    return Term(source, units, torch.ones(1, dtype=torch.float64).expand(shape))


def compact(values: torch.Tensor) -> torch.Tensor:
    """The same without the repetition of axes that were only expanded: those have size 1."""
    for axis, step in enumerate(values.stride()):
        if step == 0 and values.shape[axis] > 1:
            values = values.narrow(axis, 0, 1)
    return values


def along(values: torch.Tensor, axis: int) -> torch.Tensor | None:
    """The one vector that `values` repeat along all other axes; None if they differ there."""
    small = compact(values)
    vector = small
    for other in range(values.ndim):
        if other != axis % values.ndim:
            vector = vector.narrow(other, 0, 1)
    if small.numel() != vector.numel() and not bool((small == vector).all()):
        return None
    return vector.reshape(-1).expand(values.shape[axis])


def unit_axis(term: Term, n_units: int) -> int | None:
    """The axis along which a tensor's values are just the units in order; None if there is none."""
    for axis, size in enumerate(term.units.shape):
        if size == n_units:
            vector = along(term.units, axis)
            if vector is not None and torch.equal(vector, torch.arange(n_units)):
                return axis
    return None


def thin(values: torch.Tensor) -> torch.Tensor:
    """The same values in little memory, where they repeat one vector along all other axes."""
    for axis in range(values.ndim):
        vector = along(values, axis)
        if vector is not None:
            shape = [1] * values.ndim
            shape[axis] = -1
            return vector.clone().reshape(shape).expand(values.shape)
    return values
