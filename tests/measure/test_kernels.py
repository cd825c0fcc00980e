"""Every form of a layer gives what torch's own functions give, up to rounding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modviz.measure.affine import Affine, affine, folded, is_plain
from modviz.measure.kernels import Kernel, forms


@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([2, 4, 6]),
    units=st.sampled_from([2, 4, 8]),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    padding=st.integers(1, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    relu=st.booleans(),
    with_sum=st.booleans(),
    lasting=st.booleans(),
)
def test_convolutions(
    channels, units, size, kernel, stride, padding, dilation, groups, bias, relu, with_sum, lasting
):
    if any(n + 2 * padding < dilation * (k - 1) + 1 for n, k in zip(size, kernel, strict=True)):
        return
    torch.manual_seed(0)
    module = nn.Conv2d(
        channels, units, kernel, stride, padding, dilation, groups, bias=bias
    ).requires_grad_(False)
    value = torch.randn(3, channels, *size)
    expected = module(value)
    added = torch.randn_like(expected) if with_sum else None
    if added is not None:
        expected = expected + added
    expected = expected.relu() if relu else expected
    layer = affine(module)
    layer = Affine(layer.weight, layer.bias, layer.options, relu)
    found = forms(layer, value, lasting=lasting)
    assert len(found) >= 1 + torch.backends.mkldnn.is_available()
    for form in found:
        for given_value in (value, value.contiguous(memory_format=torch.channels_last)):
            kept = None if added is None else added.clone()
            torch.testing.assert_close(form(given_value, kept), expected, rtol=1e-4, atol=1e-5)
            assert added is None or torch.equal(kept, added)  # what is added is read only


def test_a_small_map_is_unrolled():
    layer = affine(nn.Conv2d(4, 6, 3, padding=1).requires_grad_(False))
    names = [form.__qualname__ for form in forms(layer, torch.randn(2, 4, 2, 2))]
    assert any("_unrolled" in name for name in names)
    names = [form.__qualname__ for form in forms(layer, torch.randn(2, 4, 5, 5))]
    assert not any("_unrolled" in name for name in names)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("tokens", [False, True])
def test_linear_layers(relu, tokens):
    module = nn.Linear(7, 5).requires_grad_(False)
    value = torch.randn(4, 3, 7) if tokens else torch.randn(4, 7)
    layer = affine(module)
    layer = Affine(layer.weight, layer.bias, {}, relu)
    expected = F.relu(module(value)) if relu else module(value)
    for form in forms(layer, value, lasting=True):
        torch.testing.assert_close(form(value, None), expected, rtol=1e-4, atol=1e-5)
        more = torch.ones_like(expected)
        plus = F.relu(module(value) + 1) if relu else expected + 1
        torch.testing.assert_close(form(value, more), plus, rtol=1e-4, atol=1e-5)


def test_what_some_channels_give_is_the_difference_they_make():
    conv = nn.Conv2d(6, 4, 3, padding=1).requires_grad_(False)
    value = torch.randn(2, 6, 5, 5)
    columns = torch.tensor([1, 4])
    silenced = value.index_fill(1, columns, 0.0)
    response = affine(conv).response_to(columns)
    for form in forms(response, value[:, columns]):
        torch.testing.assert_close(
            form(value[:, columns], conv(value)), conv(silenced), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("has_affine", [True, False])
def test_batch_norm_becomes_part_of_the_weights(has_affine):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 3).requires_grad_(False)
    norm = nn.BatchNorm2d(5, affine=has_affine).requires_grad_(False)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    if has_affine:
        norm.weight.normal_()
        norm.bias.normal_()
    norm.eval()
    value = torch.randn(2, 3, 6, 6)
    layer = folded(affine(conv), norm)
    for form in forms(layer, value):
        torch.testing.assert_close(form(value, None), norm(conv(value)), rtol=1e-4, atol=1e-5)


def test_what_is_not_plain_is_left_alone():
    class Own(nn.Linear):
        """May do anything in its forward."""

    watched = nn.Linear(2, 2)
    watched.register_forward_hook(lambda *_: None)
    patched = nn.Linear(2, 2)
    patched.forward = lambda x: x
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    for module in (Own(2, 2), watched, patched, normed, nn.ReLU(), nn.ConvTranspose2d(2, 2, 1)):
        assert affine(module) is None
    assert affine(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")) is None
    assert affine(nn.Conv2d(2, 2, 2, padding="same")) is None  # more on one side
    assert not is_plain(watched)
    statistics_of_the_batch = nn.BatchNorm1d(2, track_running_stats=False)
    assert folded(affine(nn.Linear(2, 2)), statistics_of_the_batch) is None


def test_a_kernel_keeps_the_form_that_was_quickest(monkeypatch):
    tried: list[int] = []

    def slow_first(candidates, value, added):
        tried.append(len(candidates))
        return len(candidates) - 1

    monkeypatch.setattr("modviz.measure.kernels._quickest", slow_first)
    layer = affine(nn.Linear(6, 5).requires_grad_(False))
    kernel = Kernel(layer)
    value = torch.randn(8, 6)
    for _ in range(3):
        torch.testing.assert_close(
            kernel(value), F.linear(value, layer.weight, layer.bias), rtol=1e-4, atol=1e-5
        )
    assert len(tried) == 1


def test_not_a_number_stays_what_it_is():
    """ReLU of NaN is NaN; a form that gave 0 would change answers."""
    for module, shape in ((nn.Linear(4, 3), (2, 4)), (nn.Conv2d(4, 3, 3, padding=1), (2, 4, 5, 5))):
        layer = affine(module.requires_grad_(False))
        layer = Affine(layer.weight, layer.bias, layer.options, relu=True)
        value = torch.randn(shape)
        value[1] = torch.nan
        for form in forms(layer, value):
            for added in (None, torch.zeros_like(module(value))):
                out = form(value, added)
                assert out[0].isfinite().all()
                assert out[1].isnan().all()
