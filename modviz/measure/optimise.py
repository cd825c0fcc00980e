"""Optimise pictures of one layer as one batch. The only file that imports Lucent.

Lucent gives the parametrisation of pictures (a spectrum behind a sigmoid) and the objective. All
pictures of a batch start from the same noise, so that only their units differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from lucent.optvis import objectives, param
from numpy.typing import NDArray

from modviz.measure.drives import Means
from modviz.measure.layout import layouts
from modviz.measure.network import Network
from modviz.measure.replay import Env

#: The paper's recipe: Adam steps and their size.
STEPS, STEP_SIZE = 64, 0.05

#: Turns pictures in 0 .. 1, shape (n, channels, ...), into inputs of the model.
ToInputs = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one layer that are optimised together.

    Attributes
    ----------
    layer : str
    rows : array of int, shape (pictures, 2)
        Subcluster, and 0 = the subcluster itself or 1 + number of the control.
    masks : tensor, shape (pictures, units)
        1 = the unit is in the objective.
    parameters : list of tensor
        What is optimised, from `noise`.
    image : callable
        The pictures that the parameters stand for, in 0 .. 1.
    at_once : int
        How many of the finished pictures are shown to the whole network together.
    """

    layer: str
    rows: NDArray[np.int64]
    masks: torch.Tensor
    parameters: list[torch.Tensor]
    image: Callable[[], torch.Tensor]
    at_once: int = 1


@dataclass(frozen=True, eq=False)
class Optimised:
    """What came of a batch: pictures in 0 .. 1, their objective, and their entropy in nats."""

    pictures: torch.Tensor
    score: NDArray[np.float64]
    entropy: NDArray[np.float64]


def optimise(
    network: Network,
    batch: Batch,
    preprocess: ToInputs,
    step: Callable[[Batch], None] = lambda _: None,
    *,
    shortcuts: bool = True,
) -> Optimised:
    """Maximise the sum over units of |mean over positions of the pre-activation channel|.

    Parameters
    ----------
    network : Network
        Held by `modviz.measure.guard.evaluating`.
    batch : Batch
    preprocess : callable
    step : callable
        Called after every step; what it raises ends the work.
    shortcuts : bool
        As for `modviz.measure.drives.Means`.

    Returns
    -------
    Optimised
    """
    means = Means(network, batch.layer, shortcuts=shortcuts)
    objective = _objective(batch)

    def picture() -> torch.Tensor:
        return batch.image().to(batch.masks).reshape(-1, *network.input_shape)

    def loss() -> torch.Tensor:
        drives = objective(lambda _: means(preprocess(picture())))  # there is but this layer
        return torch.as_tensor(drives.sum())

    fused = batch.parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(batch.parameters, lr=STEP_SIZE, fused=fused)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
            step(batch)
    with torch.no_grad():
        final = picture()
        score = -objective(lambda _: means(preprocess(final)))
        shown = [_output(network, preprocess(part)) for part in final.split(batch.at_once)]
        output = torch.cat(shown)
    return Optimised(final, score.cpu().double().numpy(), _entropy(output.cpu().double()).numpy())


def noise(
    input_shape: tuple[int, ...], n: int, seed: int
) -> tuple[list[torch.Tensor], Callable[[], torch.Tensor]]:
    """Lucent's picture parameters for `n` pictures, all at the same noise.

    Not for several threads at once: Lucent draws from torch's global random numbers.
    """
    one, _ = _parametrised(input_shape, 1, seed)  # a draw for several differs, also in its first
    parameters, image = _parametrised(input_shape, n, seed)
    for parameter, start in zip(parameters, one, strict=True):
        parameter.data[:] = start.data
    return parameters, image


def _parametrised(
    input_shape: tuple[int, ...], n: int, seed: int
) -> tuple[list[torch.Tensor], Callable[[], torch.Tensor]]:
    # Lucent draws on the CPU, and makes numbers of torch's default type, which may be any
    with torch.random.fork_rng(devices=[]), _single_by_default():
        torch.manual_seed(seed)
        if len(input_shape) == 1:
            made = param.image(input_shape[0], 1, batch=n, channels=1, fft=False)
        else:
            channels, height, width = input_shape
            # without `channels` Lucent takes three and decorrelates their colours
            depth = None if channels == 3 else channels
            made = param.image(width, height, batch=n, channels=depth)
    parameters, image = made
    return parameters, image


@contextmanager
def _single_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _objective(batch: Batch) -> objectives.Objective:
    """Lucent objective (to be minimised), one value per picture."""

    def drive(means: Callable[[str], torch.Tensor]) -> torch.Tensor:
        return -(means(batch.layer).abs() * batch.masks).sum(dim=1)

    return objectives.Objective(drive, name=f"units of {batch.layer}")


def _output(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    replay = network.replay
    nodes = replay.before([replay.output])
    arranged = layouts(replay, nodes)
    arrange = arranged.get(replay.input)
    env: Env = {replay.input: inputs if arrange is None else arrange(inputs)}
    replay.run(env, nodes, frozenset({replay.output}), arranged)
    return torch.as_tensor(env[replay.output])


def _entropy(output: torch.Tensor) -> torch.Tensor:
    """Entropy of the class probabilities in nats; `output` may be any form of them."""
    sums_to_one = torch.allclose(output.sum(dim=1), torch.ones_like(output[:, 0]), atol=1e-4)
    are_probabilities = sums_to_one and bool((output >= 0).all())
    # the softmax of log-probabilities gives the probabilities back
    p = output if are_probabilities else torch.softmax(output, dim=1)
    return torch.as_tensor(torch.special.entr(p).sum(dim=1))
