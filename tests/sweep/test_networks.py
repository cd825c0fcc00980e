"""Odd models, examples, choices of layers and surroundings: read as they are, or refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import modviz
from tests.sweep import oddities
from tests.sweep.judging import CLEAN, Odd, outcome, refusals, sweep
from tests.sweep.models import unchanged
from tests.sweep.odd_models import GOOD, ONLY_READ, REFUSED, Net, OddModel


@contextmanager
def default_type(dtype: torch.dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


#: What a user may have set around a call.
SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": ExitStack,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "double by default": lambda: default_type(torch.float64),
    "another default device": lambda: torch.device("meta"),
    "half by default": lambda: default_type(torch.bfloat16),
}

_SHAPE = r"example_input has shape|can't run on inputs of shape|images have shape"
EXAMPLES = [
    Odd("one", lambda x: x[:1]),
    Odd("many", lambda x: x.repeat(40, 1, 1, 1)),
    Odd("with gradient", lambda x: x.clone().requires_grad_()),
    Odd("from one pixel", lambda x: x[:, :, :1, :1].expand(-1, -1, 2, 2)),
    Odd("zeros", torch.zeros_like),
    Odd("no images", lambda x: x[:0], _SHAPE),
    Odd("no pixels", lambda x: x[..., :0], _SHAPE),
    Odd("larger", lambda x: x.repeat(1, 1, 2, 2), _SHAPE),
    Odd("a number", lambda x: x[0, 0, 0, 0], _SHAPE),
    Odd("a row", lambda x: x[0, 0, 0], _SHAPE),
    Odd("bytes", lambda x: x.byte(), "can't run on inputs of shape .* type torch.uint8"),
    Odd("complex", lambda x: x + 0j, "can't run on inputs of shape .* type torch.complex"),
    Odd("nan", lambda x: x * torch.nan, "example_input holds NaN"),
    Odd("meta", lambda x: x.to("meta"), "example_input are on torch's device 'meta'"),
    Odd("sparse", torch.Tensor.to_sparse, "example_input are a sparse tensor"),
    Odd("None", lambda x: None, "example_input is (NoneType|missing)"),
    Odd("text", lambda x: "image", "example_input is str|data is str"),
    Odd("dict", lambda x: {"x": x}, "example_input is dict|data is dict"),
]
_NAMES = "there is no hidden layer|layers=.*expected|layers=.*a tuple is a range|comes after"
LAYERS = [
    Odd("all", lambda names: None),
    Odd("a range", tuple),
    Odd("backwards", lambda names: names[::-1]),
    Odd("numpy texts", lambda names: [np.str_(name) for name in names]),
    Odd("range backwards", lambda names: tuple(names[::-1]), _NAMES),
    Odd("three", lambda names: (*names, names[0]), _NAMES),
    Odd("again", lambda names: names * 2, _NAMES),
    Odd("unknown", lambda names: [names[0], "conv9"], _NAMES),
    Odd("an output", lambda names: [*names, "out"], _NAMES),
    Odd("one", lambda names: names[0], _NAMES),
    Odd("empty", lambda names: [], _NAMES),
    Odd("number", lambda names: 3, _NAMES),
    Odd("numbers", lambda names: [0, 1], _NAMES),
    Odd("None in it", lambda names: [None, names[0]], _NAMES),
    Odd("lists", lambda names: [[names[0]]], _NAMES),
    Odd("arrays", lambda names: [np.array(names)] * 2, _NAMES),
    Odd("set", set, _NAMES),
    Odd("array", np.array, _NAMES),
    Odd("dict", dict.fromkeys, _NAMES),
]
_HEAD = "head="
HEADS = [
    Odd(str(value), lambda _, value=value: value, _HEAD)
    for value in (True, 1.0, [0], b"out", 7, "other", (0,), np.array([0]), len)
]
_PAIRS = "connections(=| hold| name)"
CONNECTIONS = [
    Odd(str(value), lambda _, value=value: value, _PAIRS)
    for value in (3, "ab", [], [3], ["ab"], [("fc1",)], [("fc1", "fc9")], [(1, 2)], [(["a"], "b")],
                  [("fc1", "fc2", "out")], {"fc1": "fc2"}, np.zeros(3), True)
]  # fmt: skip
TABLE = {
    "layers": LAYERS,
    "kernel_norm": oddities.choice(),
    "include_inputs": oddities.flag(),
    "include_outputs": oddities.flag(),
    "head": HEADS,
    "connections": CONNECTIONS,
}


@dataclass(frozen=True)
class Case:
    model: OddModel
    around: str
    example: Odd
    argument: str
    odd: Odd


@st.composite
def cases(draw: st.DrawFn) -> Case:
    model = draw(st.sampled_from(GOOD + ONLY_READ + REFUSED))
    around = draw(st.sampled_from(sorted(SURROUNDINGS)))
    example, argument, odd = CLEAN, "layers", CLEAN
    if model in GOOD and not model.options:
        example = draw(st.sampled_from([CLEAN] * len(EXAMPLES) + EXAMPLES))
        argument = draw(st.sampled_from(sorted(TABLE)))
        odd = draw(st.sampled_from([CLEAN] * len(TABLE[argument]) + TABLE[argument]))
    return Case(model, around, example, argument, odd)


CLEAN_VALUES: dict[str, Any] = {
    "layers": ["fc1", "fc2"],
    "kernel_norm": "l1",
    "include_inputs": False,
    "include_outputs": False,
    "head": None,
    "connections": None,
}


def judge(case: Case) -> None:
    model = case.model.make()
    dtype = next(model.parameters()).dtype if isinstance(model, Net) else torch.float32
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(5)).to(dtype)
    value = case.odd.make(CLEAN_VALUES[case.argument])
    options = dict(case.model.options) | ({} if case.odd is CLEAN else {case.argument: value})
    refused = refusals({"model": case.model, "example_input": case.example})  # type: ignore[dict-item]
    refused += refusals({case.argument: case.odd})
    with SURROUNDINGS[case.around]():
        example = case.example.make(images)
        with unchanged(model):
            graph = outcome(lambda: modviz.weight_graph(model, example, **options), refused)
    if graph is not None:
        weights = model.fc2.weight.detach().double().abs().numpy().T
        np.testing.assert_allclose(graph.blocks[0, 1], weights * scale_of(model), rtol=1e-6)


def scale_of(model: Any) -> Any:
    """What a batch norm after fc1 makes of the weights behind it."""
    norm = getattr(model, "norm", None)
    if norm is None:
        return 1
    scale = norm.weight.abs() / (norm.running_var + norm.eps).sqrt()
    return scale.detach().double().numpy()[:, None]


def test_networks():
    sweep("networks", cases(), judge)
