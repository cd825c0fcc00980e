"""The floating-point operations that lesions of a network leave to any exact method of this kind.

A multiplication and an addition are two operations. Layers count as they are defined; minimal
filtering (Winograd) computes a convolution with fewer multiplications, so it may go beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import fx, nn

from benchmarks import networks
from modviz import examples
from modviz.measure.network import Network


class Operations:
    """Floating-point operations of a network's layers for one image.

    What has no weights counts nothing, and is taken to act on every channel alone: so it is in the
    networks here.

    Parameters
    ----------
    network : Network
    inside : bool
        Leave out products with the zeros that pad an image.
    """

    def __init__(self, network: Network, *, inside: bool = False) -> None:
        self.network = network
        self.of: dict[fx.Node, float] = {}
        for layer in network.layers:
            for node in network.layer_nodes(layer.name):
                positions = math.prod(network.shapes[node][1:]) // layer.n_units
                share = self._inside(node) if inside else 1.0
                self.of[node] = 2.0 * network.weight(layer.name).numel() * positions * share

    def _inside(self, node: fx.Node) -> float:
        """Share of the taps of a convolution that fall into the image."""
        conv = self.network.replay.module(node)
        if not isinstance(conv, nn.Conv2d):
            return 1.0
        size, kernel = self.network.shapes[node.all_input_nodes[0]][2:], conv.kernel_size
        seen = F.conv2d(
            torch.ones(1, 1, *size),
            torch.ones(1, 1, *kernel),
            None,
            conv.stride,
            conv.padding,
            conv.dilation,
        )
        return float(seen.mean()) / math.prod(kernel)

    @property
    def whole(self) -> float:
        """Of a pass of the whole network."""
        return sum(self.of.values())

    def before(self, layer: str) -> float:
        """Of all layers that a layer needs, without itself."""
        (node, *_) = self.network.layer_nodes(layer)
        needed = self.network.replay.before([node])
        return sum(self.of.get(n, 0.0) for n in needed if n is not node)

    def lesion(self, layer: str, share: float, *, through_sums: bool = False) -> float:
        """Of what follows a lesion of a share of a layer's units; their readers as differences.

        Parameters
        ----------
        layer : str
        share : float
        through_sums : bool
            Whether a difference is also taken where changed channels pass a sum or an activation
            before the next layer reads them, as behind a residual block.
        """
        cuts = self.network.lesion_nodes(layer)
        changed = dict.fromkeys(cuts, share)
        total = 0.0
        for node in self.network.replay.after(cuts):
            own = max(changed.get(n, 0.0) for n in node.all_input_nodes)
            direct = any(n in cuts for n in node.all_input_nodes)
            if node in self.of:
                total += self.of[node] * (own if direct or through_sums else 1.0)
                own = 1.0
            changed[node] = max(own, changed.get(node, 0.0))
        return total

    def bound(self, share: float = 1 / 16, *, through_sums: bool = False) -> float:
        """A full pass, as a multiple of the mean lesion: as many lesions in every layer."""
        layers = [layer.name for layer in self.network.hidden]
        each = [self.lesion(layer, share, through_sums=through_sums) for layer in layers]
        return self.whole / float(np.mean(each))


def bounds() -> Iterator[str]:
    """The bound by operations of the benchmark's networks."""
    yield "| network | Mflop a pass | bound | without padding | differences through sums |"
    yield "|---|--:|--:|--:|--:|"
    for name, model, shape in (
        ("MLP 4x256", examples.mlp(), (1, 28, 28)),
        ("CNN 3x64 + 128", examples.cnn(), (1, 28, 28)),
        ("VGG16-BN, 32 px", networks.vgg16_bn(), (3, 32, 32)),
        ("ResNet-20", networks.resnet20(), (3, 32, 32)),
    ):
        network = Network(model.eval(), torch.rand(2, *shape))
        every, inside = Operations(network), Operations(network, inside=True)
        yield (
            f"| {name} | {every.whole / 1e6:.3g} | {every.bound():.2f}x "
            f"| {inside.bound():.2f}x, pass {inside.whole / every.whole:.0%} "
            f"| {every.bound(through_sums=True):.2f}x |"
        )
