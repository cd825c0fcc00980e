"""Minimal filtering gives what a direct convolution gives, but for rounding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from hypothesis import given
from hypothesis import strategies as st

from modviz.measure import winograd as module
from modviz.measure.affine import Affine
from modviz.measure.kernels import plain
from modviz.measure.referee import NEAR
from modviz.measure.winograd import winograd

#: Largest error relative to the largest output: twice what 512 channels were seen to give, and a
#: sixth of what the engine takes for a near tie.
TOLERANCE = 1e-5


def layer(
    channels: int = 64,
    units: int = 64,
    padding: tuple[int, int] = (1, 1),
    bias: bool = True,
    relu: bool = False,
    seed: int = 0,
) -> Affine:
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(units, channels, 3, 3, generator=random) * (2 / (9 * channels)) ** 0.5
    shift = torch.randn(units, generator=random) if bias else None
    options = {"stride": [1, 1], "padding": list(padding), "dilation": [1, 1], "groups": 1}
    return Affine(weight, shift, options, relu)


def images(*shape: int, seed: int = 1) -> torch.Tensor:
    value = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).relu_()
    return value.contiguous(memory_format=torch.channels_last)


def exact(given: Affine, value: torch.Tensor, added: torch.Tensor | None = None) -> torch.Tensor:
    bias = None if given.bias is None else given.bias.double()
    out = F.conv2d(value.double(), given.weight.double(), bias, **given.options)
    out = out if added is None else out + added.double()
    return out.relu() if given.relu else out


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("length", [2, 3, 4])
def test_the_matrices_give_the_outputs_of_a_kernel_along_an_axis(length):
    out, kernel, into = module._matrices(module._POINTS[length], length)
    random = np.random.default_rng(length)
    taps, inputs = random.standard_normal(3), random.standard_normal(length + 2)
    found = out @ ((kernel @ taps) * (into @ inputs))
    np.testing.assert_allclose(found, np.correlate(inputs, taps, "valid"), atol=1e-13)
    # what float32 can hold is not rounded a first time
    for matrix in (out, into):
        np.testing.assert_array_equal(matrix, matrix.astype(np.float32))


def test_tiles_take_the_fewest_points():
    points = {size: len(module._axis(size, 1).to_points) for size in (2, 3, 4, 7, 8, 16)}
    assert points == {2: 4, 3: 5, 4: 6, 7: 12, 8: 12, 16: 24}


@given(
    sizes=st.tuples(st.integers(3, 14), st.integers(3, 14)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    channels=st.tuples(st.sampled_from([64, 80]), st.sampled_from([64, 96])),
    count=st.integers(1, 9),
    bias=st.booleans(),
    relu=st.booleans(),
    plus=st.booleans(),
)
def test_equals_the_convolution_in_double_precision(
    sizes, padding, channels, count, bias, relu, plus
):
    given = layer(*channels, padding, bias, relu)
    value = images(count, channels[0], *sizes)
    assert module._applies(given, value)
    axes = [module._axis(*pair) for pair in zip(sizes, padding, strict=True)]
    form = module._Winograd(given, *axes)  # also where it wouldn't win
    expected = exact(given, value)
    added = images(*expected.shape, seed=2) - 0.5 if plus else None
    kept = None if added is None else added.clone()

    found = form(value, added)

    assert error(found, exact(given, value, added)) < TOLERANCE
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert added is None or torch.equal(added, kept)


@pytest.mark.parametrize(("channels", "size"), [(128, 16), (256, 8), (512, 4)])
def test_rounds_a_few_times_as_much_as_a_direct_convolution(channels, size):
    given = layer(channels, channels)
    value = images(16, channels, size, size)
    form = winograd(given, value)
    assert form is not None
    expected = exact(given, value)
    of = {
        name: float((way(value, None) - expected).square().mean().sqrt() / expected.abs().max())
        for name, way in {"winograd": form, "direct": plain(given)}.items()
    }
    assert of["winograd"] < 6 * of["direct"]
    assert error(form(value, None), expected) < TOLERANCE < NEAR / 4


@pytest.mark.parametrize("size", [4, 8])
def test_takes_any_number_of_images_in_any_order_of_memory(size):
    given = layer(relu=True)
    form = winograd(given, images(64, 64, size, size))
    assert form is not None
    for count in (64, 1, 8, 9, 33, 70):
        value = images(count, 64, size, size, seed=count)
        expected = exact(given, value)
        assert error(form(value, None), expected) < TOLERANCE
        assert error(form(value.contiguous(), None), expected) < TOLERANCE
        assert error(form(value.mT.contiguous().mT, None), expected) < TOLERANCE


def test_weights_are_kept_once_for_all_numbers_of_tiles_that_want_the_same_order():
    form = winograd(layer(), images(64, 64, 4, 4))
    for count in (8, 16, 32, 64):
        form(images(count, 64, 4, 4), None)
    kept = {id(products): products[0].order for products in form._made.values()}
    assert set(form._made) == {8, 16, 32, 64}
    assert len(kept) == len(set(kept.values()))


def test_leaves_the_weights_and_the_input_alone():
    given, value = layer(), images(8, 64, 8, 8)
    weight, bias, before = given.weight.clone(), given.bias.clone(), value.clone()
    form = winograd(given, value)
    form(value, None)
    assert torch.equal(given.weight, weight)
    assert torch.equal(given.bias, bias)
    assert torch.equal(value, before)


def test_threads_do_not_disturb_each_other():
    given = layer()
    values = [images(count, 64, 8, 8, seed=count) for count in (3, 8, 16, 5) * 6]
    first = winograd(given, values[0])
    expected = [first(value, None) for value in values]
    shared = winograd(given, values[0])  # whose weights several threads will ask for at once
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda value: shared(value, None), values))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def changed(**options) -> Affine:
    return replace(layer(), options=layer().options | options)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (changed(stride=[2, 2]), images(8, 64, 8, 8)),
        (changed(stride=[1, 2]), images(8, 64, 8, 8)),
        (changed(dilation=[2, 2]), images(8, 64, 8, 8)),
        (changed(groups=2), images(8, 128, 8, 8)),
        (replace(layer(), weight=torch.randn(64, 64, 5, 5)), images(8, 64, 8, 8)),
        (replace(layer(), weight=torch.randn(64, 64, 1, 1)), images(8, 64, 8, 8)),
        (replace(layer(), weight=torch.randn(64, 64)), images(8, 64, 8, 8)),
        (layer(channels=16), images(8, 16, 8, 8)),
        (layer(units=16), images(8, 64, 8, 8)),
        (layer(channels=65), images(8, 65, 8, 8)),
        (layer(units=100), images(8, 64, 8, 8)),
        (layer(), images(8, 64, 2, 2)),
        (layer(), images(8, 64, 1, 9)),
        (layer(padding=(0, 0)), images(8, 64, 2, 2)),
        (layer(), images(8, 64, 8, 8).double()),
        (layer(), images(8, 64, 8, 8).to("meta")),
        (layer(), images(1, 64, 8, 8)[0]),
    ],
)
def test_none_where_it_does_not_apply_or_can_not_win(given, value):
    assert winograd(given, value) is None
