"""Linear layers and convolutions in their quickest form on this processor.

A layer can be computed in several ways whose results differ by rounding only: by torch's own call,
by oneDNN's with a sum fused into it and channels last in memory, or, where maps are hardly
larger than nothing, unrolled into one matrix. Which is quickest depends on processor and shape, so
each form is tried once on real values and the quickest stays.
"""

from __future__ import annotations

import threading
import time

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it

from modviz.measure.affine import Affine, Form
from modviz.measure.winograd import winograd

#: Runs of each form when it is tried, of which the quickest counts: at least, at most, and how
#: long there may be more than the least.
_TRIALS, _MOST_TRIALS, _TRIAL_SECONDS = 3, 20, 0.02
#: Bytes that an unrolled convolution's matrix may take.
_MOST_UNROLLED = 32 * 2**20


class Kernel:
    """The quickest form of a layer, found when it first runs.

    Parameters
    ----------
    layer : Affine
    lavish : bool
        Whether there is memory for forms that hold the weights several times.
    """

    def __init__(self, layer: Affine, *, lavish: bool = False) -> None:
        self.layer, self.lavish = layer, lavish
        self._form: Form | None = None
        self._number: int | None = None
        self._lock = threading.Lock()

    def __call__(self, value: torch.Tensor, added: torch.Tensor | None = None) -> torch.Tensor:
        """The layer's output on `value`, plus `added` if there is something, then ReLU if asked."""
        if self._form is None:
            self._form = self.form_for(self.layer, value, added)
        return self._form(value, added)

    def form_for(self, layer: Affine, value: torch.Tensor, added: torch.Tensor | None) -> Form:
        """A layer like this one, in the form that was the quickest when it was first asked for."""
        candidates = forms(layer, value, lasting=layer is self.layer and self.lavish)
        if self._number is None:
            with self._lock:
                if self._number is None:
                    self._number = _quickest(candidates, value, added)
        return candidates[min(self._number, len(candidates) - 1)]


def _quickest(candidates: list[Form], value: torch.Tensor, added: torch.Tensor | None) -> int:
    if len(candidates) == 1:
        return 0
    for form in candidates:
        form(value, added)  # the first run may prepare weights
    seconds = [_seconds(form, value, added) for form in candidates]
    begin = time.perf_counter()
    for turn in range(_MOST_TRIALS):
        if turn >= _TRIALS and time.perf_counter() - begin > _TRIAL_SECONDS:
            break
        for k, form in enumerate(candidates):
            if seconds[k] < 2 * min(seconds):  # the hopeless ones need no second try
                seconds[k] = min(seconds[k], _seconds(form, value, added))
    return seconds.index(min(seconds))


def _seconds(form: Form, value: torch.Tensor, added: torch.Tensor | None) -> float:
    begin = time.perf_counter()
    form(value, added)
    return time.perf_counter() - begin


def forms(layer: Affine, value: torch.Tensor, *, lasting: bool = False) -> list[Form]:
    """All ways to compute a layer on inputs like `value`; the first is torch's own.

    Those that take long to prepare and much memory only if the layer is `lasting`.
    """
    found = [plain(layer)]
    on_one_dnn = (
        value.device.type == "cpu"
        and value.dtype == layer.weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
    if layer.weight.ndim == 2:
        return (
            [*found, _linear(layer, lasting=lasting)] if on_one_dnn and value.ndim == 2 else found
        )
    if value.ndim == 4 and on_one_dnn:
        found.append(_convolution(layer))
        small = value.shape[2] * value.shape[3]
        kernel = layer.weight.shape[2] * layer.weight.shape[3]
        if layer.options["groups"] == 1 and kernel > 1 and small < kernel:
            unrolled = _unrolled(layer, value)
            if unrolled is not None:
                found.append(unrolled)
        fewer = winograd(layer, value) if lasting else None
        if fewer is not None:
            found.append(fewer)
    return found


def plain(layer: Affine) -> Form:
    """By torch's own function."""

    def run(value: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        if layer.weight.ndim == 2:
            out = F.linear(value, layer.weight, layer.bias)
        else:
            out = F.conv2d(value, layer.weight, layer.bias, **layer.options)
        if added is not None:
            out += added
        return out.relu_() if layer.relu else out

    return run


def _linear(layer: Affine, *, lasting: bool) -> Form:
    operation = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - torch.compile's own
    weight, bias = layer.weight.contiguous(), layer.bias
    if lasting:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)  # noqa: SLF001

    def run(value: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        out: torch.Tensor
        if added is None:
            out = operation(value, weight, bias, "none", [], "")
        else:
            out = operation.binary(value, added, weight, bias, "add")
        return out.relu_() if layer.relu else out  # oneDNN's own turns NaN into 0

    return run


def _convolution(layer: Affine) -> Form:
    operation = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - torch.compile's own
    weight = layer.weight.contiguous(memory_format=torch.channels_last)
    given = [layer.options[name] for name in ("padding", "stride", "dilation", "groups")]
    alone, with_sum = (*given, "none", [], ""), (*given, "add", 1.0, None, [], "")

    def run(value: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        value = value.contiguous(memory_format=torch.channels_last)
        out: torch.Tensor
        if added is None:
            out = operation(value, weight, layer.bias, *alone)
        else:
            added = added.contiguous(memory_format=torch.channels_last)
            out = operation.binary(value, added, weight, layer.bias, *with_sum)
        return out.relu_() if layer.relu else out  # oneDNN's own turns NaN into 0

    return run


def _unrolled(layer: Affine, value: torch.Tensor) -> Form | None:
    """A convolution as one matrix: less work where most of the kernel hangs over the border."""
    channels, height, width = value.shape[1:]
    with torch.no_grad():
        shape = F.conv2d(value[:1], layer.weight, None, **layer.options).shape[1:]
    units, high, wide = shape
    if 4 * units * high * wide * channels * height * width > _MOST_UNROLLED:
        return None
    matrix = layer.weight.new_zeros(high, wide, units, height, width, channels)
    (down, right), (top, left), (step_y, step_x) = (
        layer.options[name] for name in ("stride", "padding", "dilation")
    )
    for ky in range(layer.weight.shape[2]):
        for kx in range(layer.weight.shape[3]):
            taps = layer.weight[:, :, ky, kx]
            for y in range(high):
                for x in range(wide):
                    from_y, from_x = y * down - top + ky * step_y, x * right - left + kx * step_x
                    if 0 <= from_y < height and 0 <= from_x < width:
                        matrix[y, x, :, from_y, from_x] = taps
    bias = None if layer.bias is None else layer.bias.repeat(high * wide)
    flat = Affine(matrix.reshape(high * wide * units, -1), bias, {}, layer.relu)
    product = _linear(flat, lasting=True)

    def run(value: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        rows = value.permute(0, 2, 3, 1).reshape(len(value), -1)
        if added is not None:
            added = added.permute(0, 2, 3, 1).reshape(len(value), -1)
        out = product(rows, added)
        return out.view(len(value), high, wide, units).permute(0, 3, 1, 2)

    return run
