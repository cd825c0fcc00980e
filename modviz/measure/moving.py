"""Rules of operations that leave values with their owners: in place, pooled, moved, or padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from modviz.measure.calls import Call, Values
from modviz.measure.signals import INPUT, Opaque, Signal, Term, Value, along, thin


def batched(values: torch.Tensor, batch: int) -> torch.Tensor:
    """Values of one image, repeated for a batch."""
    return values.expand(batch, *values.shape)


def elementwise(call: Call) -> Value:
    """Every value stays where it is."""
    signal = call.only()
    if isinstance(signal, Opaque):
        return signal
    if signal.terms[0].units.shape != call.shape():
        return call.opaque(f"it turns shape {signal.terms[0].units.shape} into {call.shape()}")
    return signal


def activation(call: Call) -> Value:
    """A non-linearity, element by element."""
    signal = elementwise(call)
    return replace(signal, activated=True) if isinstance(signal, Signal) else signal


def gate(call: Call) -> Value:
    """A sigmoid: an activation whose values may serve as factors."""
    signal = activation(call)
    return replace(signal, gate=True) if isinstance(signal, Signal) else signal


def pool(call: Call) -> Value:
    """Positions are summarised or resampled, channel by channel."""
    signal = call.only()
    if isinstance(signal, Opaque):
        return signal
    shape = call.shape()
    terms = []
    for term in signal.terms:
        units, scale = along(term.units, 0), along(term.scale, 0)
        if units is None or scale is None or units.shape != shape[:1]:
            return call.opaque("it mixes positions that belong to different units")
        spread = (-1, *[1] * (len(shape) - 1))
        terms.append(
            Term(
                term.source,
                units.reshape(spread).expand(shape),
                scale.reshape(spread).expand(shape),
            )
        )
    return replace(signal, terms=tuple(terms))


def reduction(call: Call) -> Value:
    """A mean, sum or maximum: over positions it is pooling, over anything else it mixes units."""
    given = call.node.kwargs.get("dim", call.node.args[1] if len(call.node.args) > 1 else None)
    axes = [given] if isinstance(given, int) else given
    signal = call.only()
    if isinstance(signal, Opaque):
        return signal
    rank = call.tensors[0].ndim
    if not isinstance(axes, (tuple, list)) or any(
        not isinstance(axis, int) or axis % rank == 0 for axis in axes
    ):
        return call.opaque(f"it goes over dimensions {given}, not over positions alone")
    gone = sorted((int(axis) % rank - 1 for axis in axes if isinstance(axis, int)), reverse=True)
    terms = []
    for term in signal.terms:
        units, scale = term.units, term.scale
        for axis in gone:
            first = units.narrow(axis, 0, 1)
            if not bool((units == first).all()):
                return call.opaque(f"it goes over dimensions {given}, which hold different units")
            units, scale = first, scale.mean(dim=axis, keepdim=True)
        terms.append(Term(term.source, units.reshape(call.shape()), scale.reshape(call.shape())))
    return replace(signal, terms=tuple(terms))


def move(call: Call) -> Values:
    """Values change places: run the operation on their owners."""
    signals = [v for v in call.inputs if isinstance(v, Signal)]
    if len(signals) < len(call.inputs):  # the tensor may be a tuple of them, none followed
        return next(v for v in call.inputs if isinstance(v, Opaque))
    if not _keeps_images_apart(call):
        return call.opaque("it moves values between images")
    batch = call.tensors[0].shape[0]
    blanks = [batched(torch.full((), -1).expand(t.shape[1:]), batch) for t in call.tensors]
    ones = [
        batched(torch.ones((), dtype=torch.float64).expand(t.shape[1:]), batch)
        for t in call.tensors
    ]
    n_parts = len(call.output) if isinstance(call.output, (tuple, list)) else 1
    terms: list[list[Term]] = [[] for _ in range(n_parts)]
    for k, signal in enumerate(signals):
        for term in signal.terms:
            owners, scales = list(blanks), list(ones)
            owners[k], scales[k] = batched(term.units, batch), batched(term.scale, batch)
            moved, scaled = _moved(call, owners), _moved(call, scales)
            for found, units, scale in zip(terms, moved, scaled, strict=True):
                found.append(Term(term.source, thin(units[0]), thin(scale[0])))
    made = tuple(_settled(signals, tuple(found)) for found in terms)
    return made if isinstance(call.output, (tuple, list)) else made[0]


def _keeps_images_apart(call: Call) -> bool:
    """Whether every value stays with its image: run the operation on the images' numbers."""
    numbers = torch.arange(call.tensors[0].shape[0])

    def spread(shape: torch.Size) -> torch.Tensor:
        return numbers.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)

    if any(tensor.shape[:1] != numbers.shape for tensor in call.tensors):
        return False
    made = _moved(call, [spread(tensor.shape) for tensor in call.tensors])
    parts = call.output if isinstance(call.output, (tuple, list)) else (call.output,)
    return all(
        own.shape == part.shape
        and part.shape[:1] == numbers.shape
        and torch.equal(own, spread(part.shape))
        for own, part in zip(made, parts, strict=True)
    )


def _moved(call: Call, values: list[torch.Tensor]) -> Sequence[torch.Tensor]:
    try:
        made = call.rerun(values)
    except RuntimeError:  # a view that needs values in a row, which expanded ones are not
        made = call.rerun([value.contiguous() for value in values])
    return made if isinstance(made, (tuple, list)) else (made,)


def _settled(signals: Sequence[Signal], terms: tuple[Term, ...]) -> Signal:
    """The signal after a move: without terms that are gone, with the positions a flatten folded."""
    kept = tuple(term for term in terms if bool((term.units >= 0).any())) or terms[:1]
    first = signals[0]
    positions = first.positions if len(signals) == 1 else ()
    before, after = first.terms[0].units, kept[0].units
    if len(signals) == 1 and before.ndim > 1 and after.ndim == 1:
        size = int(before[0].numel())
        if kept[0].source == INPUT and size > 1 and len(kept) == 1:
            # read position by position: pixels are the units
            pixels = torch.arange(len(after))
            return replace(first, terms=(replace(kept[0], units=pixels),))
        vector = along(before, 0)
        folded = vector is not None and torch.equal(vector.repeat_interleave(size), after)
        positions = tuple(before.shape[1:]) if folded and size > 1 else ()
    elif len(signals) == 1 and after.ndim > 1:
        positions = ()
    return Signal(
        kept,
        positions,
        activated=any(signal.activated for signal in signals),
        gate=all(signal.gate for signal in signals),
    )


def pad(call: Call) -> Value:
    """Borders are added: zeros belong to nobody."""
    given = [*call.node.args[2:], *(call.node.kwargs.get(k) for k in ("mode", "value"))]
    if any(option not in (None, "constant", 0) for option in given):
        return pool(call)  # borders of something else than zeros, channel by channel
    signal = call.only()
    if isinstance(signal, Opaque):
        return signal
    batch = call.tensors[0].shape[0]
    terms = []
    for term in signal.terms:
        owners = call.rerun([batched(term.units + 1, batch)])[0] - 1
        terms.append(Term(term.source, owners, call.rerun([batched(term.scale, batch)])[0]))
    return replace(signal, terms=tuple(terms))
