"""Digests: short names of a model's parameters and of images, for telling whether they changed.

Unlike the checksums of `modviz.measure.contents` they are meant to be kept: equal in every process
and on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
        """Take in some images; gives the sum of their digests alone."""
        head = repr((str(images.dtype), tuple(images.shape[1:]))).encode()
        pixels = _bytes(images)
        found = 0
        for image, label in zip(pixels, labels.tolist(), strict=True):
            digest = hashlib.blake2b(image, digest_size=16, key=head[:64])
            digest.update(str(label).encode())
            found += int.from_bytes(digest.digest(), "little")
        found %= _MODULUS
        self.total = (self.total + found) % _MODULUS
        self.n_images += len(labels)
        return found

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
    tracing sees it.
    """
    whole = hashlib.sha256()
    for part in parameters.items():
        whole.update(repr(part).encode())
    for name, module in network.model.named_modules():
        whole.update(repr((name, type(module).__qualname__, settings_of(module))).encode())
    for node in network.replay.nodes:
        whole.update(_operation(node).encode())
    return f"sha256:{whole.hexdigest()}"


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
