"""The graph in a file: rounded weights for its picture, or all digits.

Rounded weights are codes, evenly spaced in the logarithm from a block's least weight to its
largest; 0 is exactly no edge. Of a large graph the codes have 8 bits, else 16. Codes of what codes
gave are the same codes, so a file that is opened and saved again does not lose anything more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.contents import Contents
from modviz.core.graph import Layer, NeuronGraph

Floats = NDArray[np.float64]

#: Up to so many edges have codes of 16 bits.
FINE = 2**20
#: Weights below this part of the block's largest count as that: 16 bits span 12 decades with steps
#: of 0.04 %, 8 bits 6 decades with steps of 5.6 %.
_FLOOR = {16: 1e-12, 8: 1e-6}

#: The largest weight that a file may hold: beyond, sums and squares would be no numbers any more.
_MOST = 1e200


def graph_out(graph: NeuronGraph, *, exact: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What of a graph goes into the header, and its arrays."""
    edges = sum(int(np.count_nonzero(block)) for block in graph.blocks.values())
    bits = 16 if edges <= FINE else 8
    blocks: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for (i, j), block in graph.blocks.items():
        name = f"graph/{i}-{j}"
        values: NDArray[Any] = block
        about: dict[str, Any] = {"layers": [i, j], "least": None, "most": None}
        if block.size and float(block.max()) > _MOST:
            raise ValueError(
                f"the graph has a weight of {block.max():g}; files hold up to {_MOST:g}"
            )
        if exact:
            kind = "weights"
            there = values.view(np.int64) != 0  # a zero with a sign is kept, too
        else:
            kind = "codes"
            values, about["least"], about["most"] = _encoded(block, bits)
            if i == j:
                values = np.triu(values)  # the other half is the same
            there = values != 0
        sparse = values.nbytes > there.sum() * values.itemsize + -(-there.size // 8)
        if sparse:
            arrays[f"{name}.there"] = np.packbits(there)
            values = values[there]
        arrays[f"{name}.{kind}"] = values
        blocks.append(about | {"sparse": bool(sparse)})
    header = {
        "edges": graph.edges,
        "exact": exact,
        "layers": [asdict(layer) for layer in graph.layers],
        "blocks": blocks,
    }
    return header, arrays


def graph_in(header: Mapping[str, Any], contents: Contents) -> NeuronGraph:
    """The graph of a file.

    Raises
    ------
    ValueError
        If arrays do not fit the layers, or weights can't be.
    """
    layers = [Layer(**layer) for layer in header["layers"]]
    exact = header["exact"]
    blocks: dict[tuple[int, int], Floats] = {}
    for about in header["blocks"]:
        i, j = about["layers"]
        if not i <= j < len(layers) or (i, j) in blocks:
            raise ValueError(
                f"a block connects layers {i} and {j} of {len(layers)}; expected each pair once, "
                "the earlier layer first"
            )
        shape = layers[i].n_units, layers[j].n_units
        name = f"graph/{i}-{j}"
        values = contents.array(f"{name}.{'weights' if exact else 'codes'}")
        if exact and values.dtype != np.float64:
            raise ValueError(f"{name}.weights has dtype {values.dtype}; expected float64")
        if not exact:
            values = _decoded(name, values, about["least"], about["most"])
        block = _placed(name, values, contents, shape) if about["sparse"] else values
        if block.shape != shape:
            raise ValueError(f"{name} has shape {block.shape}; expected {shape}, units by units")
        if block.size and not float(block.max()) <= _MOST:
            raise ValueError(f"{name} has weights beyond {_MOST:g}, or NaN")
        blocks[i, j] = block + block.T if i == j and not exact else block
    return NeuronGraph(layers, blocks, edges=header["edges"], exact=exact)


def _placed(name: str, values: Floats, contents: Contents, shape: tuple[int, int]) -> Floats:
    """A block from its weights other than 0, in rows, and the bits that say where they are."""
    bits, size = contents.array(f"{name}.there"), shape[0] * shape[1]
    if bits.dtype != np.uint8 or bits.shape != (-(-size // 8),):
        raise ValueError(f"{name}.there has shape {bits.shape}; expected {size} bits, 8 a byte")
    there = np.unpackbits(bits, count=size).astype(bool)
    if values.shape != (count := int(there.sum()),):
        raise ValueError(f"{name} has {values.shape} weights; its bits say {count}")
    block = np.zeros(size)
    block[there] = values
    return block.reshape(shape)


def _encoded(block: Floats, bits: int) -> tuple[NDArray[Any], float | None, float | None]:
    """Codes of a block, and the weights of code 1 and of the largest code."""
    dtype = np.uint16 if bits == 16 else np.uint8
    codes = np.zeros(block.shape, dtype=dtype)
    there = block > 0
    if not there.any():
        return codes, None, None
    top = int(np.iinfo(dtype).max)
    weights = block[there]
    most = float(weights.max())
    least = max(float(weights.min()), most * _FLOOR[bits])
    span = np.log(most / least)
    steps = np.log(np.maximum(weights, least) / least) / (span or 1.0)
    codes[there] = np.clip(1 + np.rint(steps * (top - 1)), 1, top).astype(dtype)
    return codes, least, most


def _decoded(name: str, codes: NDArray[Any], least: float | None, most: float | None) -> Floats:
    if codes.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{name}.codes has dtype {codes.dtype}; expected uint8 or uint16")
    top = int(np.iinfo(codes.dtype).max)
    weights = np.zeros(top + 1)
    if least is None or most is None:
        if codes.any():
            raise ValueError(f"{name} has codes, but nothing says what weights they stand for")
        return np.asarray(weights[codes])
    if not 0 < least <= most:
        raise ValueError(f"{name} has weights from {least:g} to {most:g}; expected a range above 0")
    steps = np.arange(top) / (top - 1)
    weights[1:] = np.clip(least * np.exp(steps * np.log(most / least)), least, most)
    # exactly, so that the same least and largest weight are found when it is saved again
    weights[1], weights[top] = least, most
    return np.asarray(weights[codes])
