"""A batch of images after its intact pass, and copies of it with lesions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from modviz.measure.network import Network
from modviz.measure.replay import Env


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch of images after its intact pass."""

    inputs: torch.Tensor
    env: Env
    near: torch.Tensor  # (images,), near ties without a lesion
    one_hot: torch.Tensor  # (images, classes)
    labels: torch.Tensor
    was_right: torch.Tensor  # (images,), 1 = right without a lesion
    images: NDArray[np.int64]  # (classes,)
    intact: NDArray[np.int64]  # (classes,)

    def part(self, network: Network, images: slice) -> Batch:
        """Some images of the batch; counts stay those of all of them."""
        env = {node: network.part(node, value, images) for node, value in self.env.items()}
        # copies: a part must not hold the whole in memory
        env = {n: v.clone() if isinstance(v, torch.Tensor) else v for n, v in env.items()}
        return replace(
            self,
            inputs=self.inputs[images],
            env=env,
            near=self.near[images],
            one_hot=self.one_hot[images],
            labels=self.labels[images],
            was_right=self.was_right[images],
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """Copies of a batch, a lesion each, one after the other along the first dimension."""

    output: torch.Tensor  # (lesions, images, classes)
    values: Env = field(default_factory=dict)  # what was kept for a second lesion
    silenced: dict[fx.Node, torch.Tensor] = field(default_factory=dict)  # (lesions, units) a cut


def integers(counts: torch.Tensor) -> NDArray[np.int64]:
    """Whole numbers that were counted in floating point."""
    return np.asarray(counts.round().long().cpu().numpy(), dtype=np.int64)
