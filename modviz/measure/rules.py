"""What each operation of a network does to the owners of values.

An operation is a rule from the signals it reads to the signal it gives. The tables at the end give
the rule of every operation that modviz can follow; teaching it another is a rule and an entry.

Normalisation over several units (layer norm, group norm) and gates (squeeze and excitation) scale
values by something that other units have a say in. modviz counts them as scaling, not as edges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from modviz.measure import ops
from modviz.measure.signals import INPUT, Opaque, Signal, Term, Value, along, thin

#: Owners may also come as a tuple, as chunk and split give them.
Values = Value | tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One operation as it ran on the example: what it read and what came out.

    Attributes
    ----------
    inputs, tensors, nodes : tuple
        Signals that it reads, in order, the tensors they belong to, and the nodes of these.
    output : tensor or tuple of tensors
    rerun : callable
        The operation on other tensors in place of `tensors`.
    """

    node: fx.Node
    module: nn.Module | None
    operation: str
    inputs: tuple[Value, ...]
    tensors: tuple[torch.Tensor, ...]
    nodes: tuple[fx.Node, ...]
    output: Any
    rerun: Callable[[Sequence[torch.Tensor]], Any]

    def opaque(self, reason: str) -> Opaque:
        """What comes out if no rule can say who owns the values."""
        where = str(self.node.target) if self.module is not None else self.node.name
        constant = all(isinstance(v, Opaque) and v.constant for v in self.inputs)
        return Opaque(where, self.operation, reason, constant=constant)

    def only(self) -> Value:
        """The one signal it reads; parameters beside it do not count."""
        signals = [v for v in self.inputs if not (isinstance(v, Opaque) and v.constant)]
        if len(signals) != 1:
            return self.opaque("it merges two tensors" if signals else "it reads no units")
        return signals[0]

    def shape(self) -> tuple[int, ...]:
        """Shape of the output without the images."""
        return tuple(self.output.shape[1:])


Rule = Callable[[Call], Values]


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
    blanks = [_batched(torch.full((), -1).expand(t.shape[1:]), batch) for t in call.tensors]
    ones = [
        _batched(torch.ones((), dtype=torch.float64).expand(t.shape[1:]), batch)
        for t in call.tensors
    ]
    n_parts = len(call.output) if isinstance(call.output, (tuple, list)) else 1
    terms: list[list[Term]] = [[] for _ in range(n_parts)]
    for k, signal in enumerate(signals):
        for term in signal.terms:
            owners, scales = list(blanks), list(ones)
            owners[k], scales[k] = _batched(term.units, batch), _batched(term.scale, batch)
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


def _batched(values: torch.Tensor, batch: int) -> torch.Tensor:
    return values.expand(batch, *values.shape)


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


def merge(call: Call) -> Value:
    """A sum: every source reaches every reader."""
    signals = [v for v in call.inputs if isinstance(v, Signal)]
    for value in call.inputs:
        if isinstance(value, Opaque) and not value.constant:
            return value
    if not signals:
        return call.opaque("it does not come from units")
    shape = call.shape()
    alpha = call.node.kwargs.get("alpha", 1)
    factors = [1.0] * len(call.inputs)
    if isinstance(alpha, (int, float)) and len(factors) == 2:
        factors[1] = abs(float(alpha))
    elif alpha != 1:
        return call.opaque(f"it adds with alpha={alpha}")
    terms = tuple(
        Term(term.source, term.units.expand(shape), (term.scale * factor).expand(shape))
        for value, factor in zip(call.inputs, factors, strict=True)
        if isinstance(value, Signal)
        for term in value.terms
    )
    if len(signals) == 1:
        return replace(signals[0], terms=terms)
    positions = {signal.positions for signal in signals}
    return Signal(
        _summed(terms),
        positions.pop() if len(positions) == 1 else (),
        activated=any(signal.activated for signal in signals),
    )


def _summed(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The same terms with those of the same units in the same places made one."""
    kept: list[Term] = []
    for term in terms:
        for k, other in enumerate(kept):
            if other.source == term.source and torch.equal(other.units, term.units):
                kept[k] = replace(other, scale=thin(other.scale + term.scale))
                break
        else:
            kept.append(term)
    return tuple(kept)


def product(call: Call) -> Value:
    """Values times a constant, or times a gate, which counts as scaling."""
    signals = [
        (v, t) for v, t in zip(call.inputs, call.tensors, strict=True) if isinstance(v, Signal)
    ]
    constants = [
        t for v, t in zip(call.inputs, call.tensors, strict=True) if not isinstance(v, Signal)
    ]
    for value in call.inputs:
        if isinstance(value, Opaque) and not value.constant:
            return value
    if len(signals) == 2:
        gates = [v.gate or _smaller(t, call.output) for v, t in signals]
        if sum(gates) != 1:
            return call.opaque("it multiplies units with units")
        signals = [pair for pair, is_gate in zip(signals, gates, strict=True) if not is_gate]
    if len(signals) != 1:
        return call.opaque("it does not come from units")
    signal = signals[0][0]
    factor = torch.ones((), dtype=torch.float64)
    given = (*call.node.args, *(call.node.kwargs.get(name) for name in ("other", "value")))
    numbers = [a for a in given if isinstance(a, (int, float))]
    for constant in [*constants, *(torch.tensor(float(number)) for number in numbers)]:
        magnitude = constant.detach().cpu().double().abs()
        divides = call.operation in ("truediv", "div") and constant is not call.tensors[0]
        factor = factor / magnitude if divides else factor * magnitude
    shape = call.shape()
    if factor.ndim > len(shape):
        factor = factor[0]
    return replace(
        signal,
        terms=tuple(
            Term(t.source, t.units.expand(shape), (t.scale * factor).expand(shape))
            for t in signal.terms
        ),
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
        owners = call.rerun([_batched(term.units + 1, batch)])[0] - 1
        terms.append(Term(term.source, owners, call.rerun([_batched(term.scale, batch)])[0]))
    return replace(signal, terms=tuple(terms))


def addcmul(call: Call) -> Value:
    """A constant plus units times a constant."""
    read = dict(zip(call.nodes, zip(call.inputs, call.tensors, strict=True), strict=True))
    given = [read.get(n) for n in call.node.args[:3] if isinstance(n, fx.Node)]
    if len(given) < 3 or any(pair is None for pair in given):
        return call.opaque("it does not read three tensors")
    base, *factors = [pair for pair in given if pair is not None]
    constants = [isinstance(value, Opaque) and value.constant for value, _ in (base, *factors)]
    if constants.count(False) != 1 or not constants[0]:
        return call.opaque("it multiplies or adds units in a way modviz does not follow")
    inputs, tensors = zip(*factors, strict=True)
    return product(replace(call, inputs=inputs, tensors=tensors))


def _smaller(tensor: torch.Tensor, output: torch.Tensor) -> bool:
    return tensor[0].numel() < output[0].numel()


def scaling(call: Call) -> Value:
    """A normalisation over several values: each is scaled by the magnitude of its weight."""
    signal = elementwise(call)
    if isinstance(signal, Opaque):
        return signal
    weight: Any = getattr(call.module, "weight", None)
    if call.module is None:
        constants = [
            t
            for v, t in zip(call.inputs, call.tensors, strict=True)
            if isinstance(v, Opaque) and v.constant
        ]
        weight = constants[0] if constants else None
    if not isinstance(weight, torch.Tensor):
        return signal
    magnitude = weight.detach().double().cpu().abs()
    last = isinstance(call.module, nn.LayerNorm) or call.operation == "layer_norm"
    if not last:  # weights of channels, which come first
        magnitude = magnitude.reshape(-1, *[1] * (len(call.shape()) - 1))
    return replace(signal, terms=tuple(replace(t, scale=t.scale * magnitude) for t in signal.terms))


MODULE_RULES: dict[tuple[type[nn.Module], ...], Rule] = {
    ops.ACTIVATIONS: activation,
    ops.GATES: gate,
    ops.PASSES: elementwise,
    ops.MOVES: move,
    ops.POOLS: pool,
    ops.SCALINGS: scaling,
}

#: Functions (torch.*, nn.functional.*) and tensor methods, by name.
FUNCTION_RULES: dict[str, Rule] = {
    **dict.fromkeys(ops.ACTIVATION_FUNCTIONS, activation),
    **dict.fromkeys(ops.GATE_FUNCTIONS, gate),
    **dict.fromkeys(ops.PASS_FUNCTIONS, elementwise),
    **dict.fromkeys(ops.POOL_FUNCTIONS, pool),
    **dict.fromkeys(ops.REDUCTIONS, reduction),
    **dict.fromkeys(ops.MOVE_FUNCTIONS, move),
    **dict.fromkeys(("add", "sub", "rsub"), merge),
    **dict.fromkeys(("mul", "truediv", "div"), product),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    "addcmul": addcmul,
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), scaling),
}
