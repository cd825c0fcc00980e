"""Digests: short names of a model's parameters and of images, for telling whether they changed.

Unlike the checksums of `modviz.measure.contents` they are meant to be kept: equal in every process
and on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from modviz.measure.contents import settings_of
from modviz.measure.network import Network

_MODULUS = 2**128


@dataclass
class ImagesDigest:
    """The digest of labelled images in any order: the sum of those of each.

    Equal for the same images as arrays, as a Dataset and from a DataLoader that shuffles them.

    Attributes
    ----------
    total : int
        Sum of 128-bit digests, each of the bytes of an image with its label.
    n_images : int
    """

    total: int = 0
    n_images: int = 0

    def add(self, images: torch.Tensor, labels: torch.Tensor) -> int:
        """Take in some images; gives a digest of these alone, in their order."""
        head = repr((str(images.dtype), tuple(images.shape[1:]))).encode()
        pixels, row = _bytes(images), hashlib.blake2b(digest_size=16)
        for image, label in zip(pixels, labels.tolist(), strict=True):
            digest = hashlib.blake2b(image, digest_size=16, key=head[:64])
            digest.update(str(label).encode())
            whole = digest.digest()
            row.update(whole)
            self.total = (self.total + int.from_bytes(whole, "little")) % _MODULUS
        self.n_images += len(labels)
        return int.from_bytes(row.digest(), "little")

    @property
    def text(self) -> str:
        """The digest as it is written."""
        return f"blake2b-sum:{self.total:032x}"


def parameter_digests(model: nn.Module) -> dict[str, str]:
    """A digest of every parameter and buffer of a model, by name."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: _of_tensor(value) for name, value in named}


def model_digest(network: Network, parameters: Mapping[str, str]) -> str:
    """The digest of a model: its parameters and buffers, modules with their settings, operations.

    `parameters` are those of `parameter_digests`. What ``forward`` computes counts as far as
    tracing sees it, with tensors that it reads and that are no buffers; hooks by their names.
    """
    whole = hashlib.sha256()
    for part in parameters.items():
        whole.update(repr(part).encode())
    for name, module in network.model.named_modules():
        whole.update(repr((name, type(module).__qualname__, settings_of(module))).encode())
        for kind in ("_forward_pre_hooks", "_forward_hooks"):
            for hook in vars(module)[kind].values():
                whole.update(f"{kind} {function_name(hook)}".encode())
    for node in network.replay.nodes:
        whole.update(_operation(node).encode())
        if node.op == "get_attr" and node.target not in parameters:
            value = network.replay.call(node, {})
            if isinstance(value, torch.Tensor) and not value.is_meta:
                whole.update(_of_tensor(value).encode())
    return f"sha256:{whole.hexdigest()}"


def function_name(function: Callable[..., Any]) -> str:
    """A name of a function, as well as it can be told in another process."""
    kind: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"


def _operation(node: fx.Node) -> str:
    """An operation in words that are the same in every process."""
    target: Any = node.target
    if not isinstance(target, str):
        target = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', target)}"
    return f"{node.op} {node.name} {target} {node.args} {node.kwargs}"


def _of_tensor(value: torch.Tensor) -> str:
    head = repr((str(value.dtype), tuple(value.shape)))
    found = hashlib.sha256(head.encode())
    plain = value.detach()
    if plain.is_quantized:
        plain = plain.dequantize()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    found.update(_bytes(plain.reshape(1, -1)).data)
    return found.hexdigest()[:32]


def _bytes(values: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes of values, a row for each along the first dimension."""
    flat = values.detach().cpu().reshape(len(values), -1).contiguous()
    return np.asarray(flat.view(torch.uint8).numpy())
