"""The steps behind a lesion, cut into stages that take as many images at once as a cache holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx

from modviz.measure.data import evenly
from modviz.measure.network import Network

#: Bytes of the largest value of a stage: what fits a processor's cache.
CACHE_BYTES = 2 * 2**20

#: The value of an operation, given those that it reads.
Values = Callable[[fx.Node], Any]


@dataclass(frozen=True, eq=False)
class Step:
    """An operation, or several fused into one.

    Attributes
    ----------
    node : torch.fx.Node
        Whose value comes out.
    reads : tuple of torch.fx.Node
    bind : callable
        Of the silenced units; gives what makes the value from those that are read (`Values`).
    takes_difference : bool
        Whether it reads intact values only; they then come as a `Part`.
    """

    node: fx.Node
    reads: tuple[fx.Node, ...]
    bind: Callable[[torch.Tensor], Callable[[Any], Any]]
    takes_difference: bool = False


@dataclass(frozen=True, eq=False)
class Stage:
    """Steps that run on the same number of images.

    Attributes
    ----------
    steps : tuple of Step
    entry : torch.fx.Node or None
        The one value of the stage before that is read.
    bytes_per_image : int
        Size of the largest value.
    """

    steps: tuple[Step, ...]
    entry: fx.Node | None
    bytes_per_image: int

    @property
    def at_once(self) -> int:
        """How many images fit the cache."""
        return max(1, CACHE_BYTES // max(1, self.bytes_per_image))

    @cached_property
    def unread(self) -> dict[fx.Node, list[fx.Node]]:
        """By step: which values nobody in the stage reads after it."""
        last = {
            n: step.node for step in self.steps if not step.takes_difference for n in step.reads
        }
        found: dict[fx.Node, list[fx.Node]] = {step.node: [] for step in self.steps}
        for node, reader in last.items():
            found[reader].append(node)
        return found


def staged(
    steps: Sequence[Step], copied: frozenset[fx.Node], sizes: Mapping[fx.Node, int]
) -> list[Stage]:
    """Cut steps where values get much smaller and a single one goes on.

    Parameters
    ----------
    steps : sequence of Step
    copied : set of torch.fx.Node
        Values that are silenced before the first step.
    sizes : dict of torch.fx.Node to int
        Bytes of the values for one image.
    """
    largest = [max(sizes.get(n, 0) for n in (step.node, *step.reads)) for step in steps]
    stages: list[Stage] = []
    begin, entry = 0, None
    for end in _ends(steps, copied):
        rest = max(largest[end:], default=0)
        if end == len(steps) or 2 * rest <= max(largest[begin:end]):
            stages.append(Stage(tuple(steps[begin:end]), entry, max(largest[begin:end])))
            begin, entry = end, steps[end - 1].node
    return stages


def _ends(steps: Sequence[Step], copied: frozenset[fx.Node]) -> Iterator[int]:
    """After how many steps just one changed value is read on."""
    last: dict[fx.Node, int] = {}
    for k, step in enumerate(steps):
        if not step.takes_difference:
            last |= dict.fromkeys(step.reads, k)
    live = set(copied)
    for k, step in enumerate(steps):
        live = {node for node in (*live, step.node) if last.get(node, -1) > k}
        if live == {step.node} or k == len(steps) - 1:
            yield k + 1


def largest(value: torch.Tensor) -> torch.Tensor:
    """Largest magnitude in each image, shape (images,); NaN where there is one."""
    other = list(range(1, value.ndim))
    return torch.maximum(value.amax(dim=other), -value.amin(dim=other))


class Intact:
    """Values of the intact run, for all images of a batch or some of them.

    Parameters
    ----------
    network : Network
    env : dict of torch.fx.Node to value
    n_images : int
    """

    def __init__(self, network: Network, env: Mapping[fx.Node, Any], n_images: int) -> None:
        self._network, self._env, self.n_images = network, env, n_images
        self._parts: dict[tuple[int, int], Part] = {}

    def parts(self, size: int) -> Iterator[tuple[slice, Part]]:
        """Some images after the other, at most `size` at once."""
        size = evenly(self.n_images, size)
        for start in range(0, self.n_images, size):
            place = start, min(start + size, self.n_images)
            if place not in self._parts:
                self._parts[place] = Part(self._network, self._env, slice(*place))
            yield slice(*place), self._parts[place]


class Part(Mapping[fx.Node, Any]):
    """Values of some images of a batch, each made when it is first asked for."""

    def __init__(self, network: Network, env: Mapping[fx.Node, Any], images: slice) -> None:
        self._network, self._env, self._images = network, env, images
        self._found: dict[fx.Node, Any] = {}
        self._largest: dict[fx.Node, torch.Tensor] = {}

    def largest(self, node: fx.Node) -> torch.Tensor:
        """Largest magnitude of a value in each image, shape (images,)."""
        if node not in self._largest:
            self._largest[node] = largest(self[node])
        return self._largest[node]

    def __getitem__(self, node: fx.Node) -> Any:
        if node not in self._found:
            self._found[node] = self._network.part(node, self._env[node], self._images)
        return self._found[node]

    def __iter__(self) -> Iterator[fx.Node]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)
