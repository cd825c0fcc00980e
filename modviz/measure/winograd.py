"""Convolutions with 3x3 kernels by fewer multiplications: Winograd's minimal filtering.

A tile of m outputs along an axis reads m + 2 inputs and takes 3m multiplications. Seen as a product
of polynomials it takes only m + 2: one for each point at which kernel and inputs are evaluated.
Along both axes, tiles of 4 x 4 take 36 multiplications instead of 144.

The price is rounding, since values at several points cancel in an output: errors are two to
three times those of a direct convolution. A value that is not finite spoils its whole tile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.measure.affine import Affine, Form

#: Points by the length of a tile, beside the one at infinity. Exact in float32; of all tried,
#: fractions with denominators up to 16, about those with the least error.
_POINTS = {2: (0, 1, -1), 3: (0, 0.5, -1, 1.5), 4: (0, 0.625, -0.625, 1.5, -1.5)}
#: What both numbers of channels must be a multiple of: grouped products are slow otherwise.
_BLOCK = 16
#: With fewer channels on either side the transforms cost more than the products save.
_FEWEST_CHANNELS = 64
#: How many times fewer multiplications must be left; transforms take the rest of the gain.
_LEAST_GAIN = 1.6
#: Tiles that pass through the products together, the most first: the quickest if they fit.
_AT_ONCE = (64, 32, 16, 8)
#: How many times as many tiles may be computed as there are, to make all groups whole.
_MOST_WASTE = 1.25


def winograd(layer: Affine, value: torch.Tensor) -> Form | None:
    """A convolution by Winograd's minimal filtering; None where it can't win.

    Parameters
    ----------
    layer : Affine
        Its weights stay as they are; they are transformed once, when the form first runs.
    value : tensor, shape (images, channels, height, width)
        An input like those to come, which may have another number of images.

    Returns
    -------
    Form or None
        A form if this is a 3x3 convolution in float32 on a processor, with stride, dilation and
        groups of 1, enough channels and maps that are worth cutting into tiles.

    References
    ----------
    Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016,
    https://doi.org/10.1109/CVPR.2016.435.
    """
    if not _applies(layer, value):
        return None
    height, width = value.shape[2:]
    top, left = layer.options["padding"]
    multiplications = len(_axis(height, top).to_points) * len(_axis(width, left).to_points)
    if _taps(height, top) * _taps(width, left) < _LEAST_GAIN * multiplications:
        return None
    return _Winograd(layer, _axis(height, top), _axis(width, left))


def _applies(layer: Affine, value: torch.Tensor) -> bool:
    weight, options = layer.weight, layer.options
    if value.ndim != 4 or weight.shape[2:] != (3, 3) or options["groups"] != 1:
        return False
    if list(options["stride"]) != [1, 1] or list(options["dilation"]) != [1, 1]:
        return False
    sizes = zip(value.shape[2:], options["padding"], strict=True)
    if min(size + 2 * padding for size, padding in sizes) < 3:
        return False
    return (
        value.device.type == weight.device.type == "cpu"
        and value.dtype == weight.dtype == torch.float32
        and all(c >= _FEWEST_CHANNELS and c % _BLOCK == 0 for c in weight.shape[:2])
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_get_mkldnn_serialized_md")
    )


def _taps(size: int, padding: int) -> int:
    """Multiplications along an axis that a direct convolution needs: none of those with padding."""
    starts = range(-padding, size + padding - 2)
    return sum(0 <= start + k < size for start in starts for k in range(3))


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of a map, cut into tiles.

    Attributes
    ----------
    points, tiles, outputs : int
        Points of one tile, tiles along the axis, outputs along the axis.
    to_points : tensor, shape (tiles * points, inputs)
        Values at all points. What hangs over the border is zero, so it has no column.
    from_points : tensor, shape (outputs of one tile, points)
    kernel : tensor of float64, shape (points, 3)
        Values of the kernel at the points.
    ones : tensor of float64, shape (points,)
        What to add at the points of a tile so that every output grows by 1.
    """

    points: int
    tiles: int
    outputs: int
    to_points: torch.Tensor
    from_points: torch.Tensor
    kernel: torch.Tensor
    ones: torch.Tensor


@cache
def _axis(size: int, padding: int) -> _Axis:
    outputs = size + 2 * padding - 2
    # the fewest points; of two tiles with as many, the shorter, which rounds less
    length = min(_POINTS, key=lambda m: (-(-outputs // m) * (m + 2), m))
    out, kernel, into = _matrices(_POINTS[length], length)
    tiles, points = -(-outputs // length), length + 2
    wide = np.zeros((tiles, points, padding + max(size, tiles * length + 2)))
    for k in range(tiles):
        wide[k, :, k * length : k * length + points] = into
    to_points = wide.reshape(tiles * points, -1)[:, padding : padding + size]
    return _Axis(
        points,
        tiles,
        outputs,
        torch.tensor(to_points, dtype=torch.float32),
        torch.tensor(out, dtype=torch.float32),
        torch.tensor(kernel),
        torch.tensor(np.linalg.pinv(out).sum(axis=1)),
    )


def _matrices(points: tuple[float, ...], length: int) -> tuple[NDArray[np.float64], ...]:
    """Three matrices with outputs = A ((G kernel) * (B inputs)), after Toom and Cook.

    Shapes (length, points), (points, 3) and (points, points).
    """
    many = len(points) + 1  # the last is infinity
    out, kernel, into = np.zeros((length, many)), np.zeros((many, 3)), np.zeros((many, many))
    for i, point in enumerate(points):
        others = [p for p in points if p != point]
        out[:, i] = point ** np.arange(length)
        kernel[i] = point ** np.arange(3) / np.prod([point - p for p in others])
        into[i, :-1] = np.poly(others)[::-1]
    out[-1, -1] = kernel[-1, -1] = 1
    into[-1] = np.poly(points)[::-1]
    return out, kernel, into


class _Winograd:
    """A convolution by minimal filtering; calls share its weights only.

    Parameters
    ----------
    layer : Affine
    rows, columns : _Axis
    """

    def __init__(self, layer: Affine, rows: _Axis, columns: _Axis) -> None:
        self._layer, self._rows, self._columns = layer, rows, columns
        self._tiles = rows.tiles * columns.tiles
        self._made: dict[int, list[_Product]] = {}
        self._lock = threading.Lock()

    def __call__(self, value: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """The layer's output on `value`, plus `added` if there is something, then ReLU if asked."""
        # pixels in rows, channels side by side
        pixels = value.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        products = self._products(_at_once(len(value) * self._tiles))
        whole = self._of_one_tile if self._tiles == 1 else self._of
        out = whole(pixels, products)[:, : self._rows.outputs, : self._columns.outputs]
        out = out.contiguous().permute(0, 3, 1, 2)
        if added is not None:
            out += added
        return out.relu_() if self._layer.relu else out

    def _of_one_tile(self, pixels: torch.Tensor, products: list[_Product]) -> torch.Tensor:
        """Maps of one tile: both axes in one step."""
        rows, columns = self._rows, self._columns
        into = torch.kron(rows.to_points, columns.to_points)
        out_of = torch.kron(rows.from_points, columns.from_points)
        out = _each(out_of, products[0](_each(into, pixels.flatten(1, 2))))
        return out.view(len(pixels), len(rows.from_points), len(columns.from_points), -1)

    def _of(self, pixels: torch.Tensor, products: list[_Product]) -> torch.Tensor:
        """Larger maps: one row of points after the other, so that its values stay in the cache.

        Every step writes what the next one reads without a copy.
        """
        rows, columns = self._rows, self._columns
        images, _, width, channels = pixels.shape
        strips = images * rows.tiles  # a strip is one row of tiles
        by_row = _each(rows.to_points, pixels.flatten(2)).view(strips, rows.points, width, channels)
        tall, wide = len(rows.from_points), len(columns.from_points)
        found = pixels.new_empty(rows.points, images * self._tiles, wide, len(self._layer.weight))
        for i, product in enumerate(products):
            points = _each(columns.to_points, by_row[:, i])
            at_points = product(points.view(-1, columns.points, channels))
            _each(columns.from_points, at_points, out=found[i])
        out = _each(rows.from_points, found.view(rows.points, strips, -1).transpose(0, 1))
        return out.view(images, rows.tiles * tall, columns.tiles * wide, -1)

    def _products(self, at_once: int) -> list[_Product]:
        """The layer at the points, a product for each row of points; for one tile a single one."""
        if at_once not in self._made:
            with self._lock:
                if at_once not in self._made:
                    self._made[at_once] = self._transformed(at_once)
        return self._made[at_once]

    def _transformed(self, at_once: int) -> list[_Product]:
        rows, columns, layer = self._rows, self._columns, self._layer
        # in double precision, so that they are rounded once
        weight, bias = layer.weight.double(), layer.bias
        pairs = weight.flatten(2).flatten(0, 1).mT.contiguous()  # of a unit and a channel
        kernels = (torch.kron(row, columns.kernel) for row in rows.kernel[:, None])
        taps = torch.stack([(kernel @ pairs).float() for kernel in kernels])
        taps = taps.unflatten(-1, weight.shape[:2])
        shifts = None
        if bias is not None:
            shifts = torch.einsum("i,j,u->iju", rows.ones, columns.ones, bias.double()).float()
        if self._tiles == 1:
            taps = taps.flatten(0, 1)[None]
            shifts = None if shifts is None else shifts.flatten(0, 1)[None]
        given = zip(taps, [None] * len(taps) if shifts is None else shifts, strict=True)
        new = [_Product(*weights, at_once) for weights in given]
        # most numbers of tiles want the same order of weights, which then are kept once
        for products in self._made.values():
            if products[0].order == new[0].order:
                return products
        return new


def _at_once(tiles: int) -> int:
    """Tiles in one group of the products."""
    fitting = (k for k in _AT_ONCE if -(-tiles // k) * k <= _MOST_WASTE * tiles)
    return next(fitting, _AT_ONCE[-1])


class _Product:
    """Products of all points of some tiles with their weights.

    Each is a convolution of 1 x 1 with a group for each point, which is oneDNN's quickest way.
    Tiles stand where pixels would, always as many in an image: how oneDNN wants the weights in
    memory depends on the pixels of an image, and to order them anew takes longer than the product.

    Parameters
    ----------
    taps : tensor, shape (points, units, channels)
    bias : tensor, shape (points, units), or None
    at_once : int
        Tiles in an image, as a rule; those that want the weights in the same order will do, too.
    """

    def __init__(self, taps: torch.Tensor, bias: torch.Tensor | None, at_once: int) -> None:
        self._points, self._units, self._channels = taps.shape
        self._bias = None if bias is None else bias.flatten()
        # padding, stride, dilation, groups
        self._options = ([0, 0], [1, 1], [1, 1], self._points)
        kernel = taps.reshape(-1, self._channels, 1, 1).to_mkldnn()
        reorder = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001 - torch.compile's own
        size = [1, self._points * self._channels, at_once, 1]
        self._kernel = reorder(kernel, *self._options, size)  # type: ignore[call-arg]

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Products of (tiles, points, channels), shape (tiles, points, units)."""
        tiles = len(values)
        at_once = _at_once(tiles)
        if tiles % at_once:
            values = torch.cat([values, values.new_zeros(-tiles % at_once, *values.shape[1:])])
        image = values.view(-1, at_once, 1, self._points * self._channels)
        out: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001 - likewise
            image.permute(0, 3, 1, 2), self._kernel, self._bias, *self._options, "none", [], ""
        )
        out = out.permute(0, 2, 3, 1).reshape(len(values), self._points, self._units)
        return out[:tiles]

    @property
    def order(self) -> bytes:
        """How the weights lie in memory, in oneDNN's words."""
        found = torch.ops.mkldnn._get_mkldnn_serialized_md(self._kernel)  # noqa: SLF001 - likewise
        return bytes(found.numpy())


def _each(
    matrix: torch.Tensor, values: torch.Tensor, out: torch.Tensor | None = None
) -> torch.Tensor:
    """A matrix times each of `values`, shape (how many, its columns, anything)."""
    return torch.bmm(matrix.expand(len(values), *matrix.shape), values, out=out)
