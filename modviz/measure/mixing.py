"""Rules of operations that add values of several owners, or scale them.

Normalisation over several units (layer norm, group norm) and gates (squeeze and excitation) scale
values by something that other units have a say in. modviz counts them as scaling, not as edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.calls import Call
from modviz.measure.moving import elementwise
from modviz.measure.signals import Opaque, Signal, Term, Value, thin


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
