"""Feature visualizations: the picture that drives a subcluster most, and its controls' pictures.

Lucent gives the parametrisation of pictures (a spectrum behind a sigmoid) and the objective; the
pictures of a whole layer, subclusters and controls alike, are optimised as one batch, from the same
noise, by a forward pass that stops at the layer. This is the only file that imports Lucent.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from lucent.optvis import objectives, param
from numpy.typing import NDArray

from modviz.core.analysis import FeatureResults
from modviz.core.controls import layer_groups
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.replay import Env

#: The paper's recipe: Adam steps and their size.
STEPS, STEP_SIZE = 64, 0.05

#: Bytes of the largest tensor of one batch; fixed, so that results do not depend on the machine.
_BATCH_BYTES = 64 * 2**20

#: Pictures in 0 .. 1, shape (n, channels, ...), to inputs of the model.
Preprocess = Callable[[torch.Tensor], torch.Tensor]

#: Called with (picture steps done, all of them, results so far or None).
FeatureCallback = Callable[[int, int, FeatureResults | None], None]


@dataclass(frozen=True, eq=False)
class _Batch:
    """Pictures of one layer that are optimised together."""

    layer: str
    rows: NDArray[np.int64]  # (pictures, 2): subcluster, and 0 = itself or 1 + control
    masks: torch.Tensor  # (pictures, units), 1 = the unit is in the objective
    parameters: list[torch.Tensor]
    image: Callable[[], torch.Tensor]


@dataclass(frozen=True, eq=False)
class _Pictures:
    images: NDArray[np.float32]  # (pictures, H, W, D)
    score: NDArray[np.float64]
    entropy: NDArray[np.float64]


def measure_features(
    network: Network,
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    *,
    preprocess: Preprocess,
    seed: int = 0,
    workers: int = 1,
    report: FeatureCallback | None = None,
    cancel: threading.Event | None = None,
) -> FeatureResults:
    """Optimise a picture for every tested subcluster and each of its controls.

    The objective is the sum over units of |mean over positions of the pre-activation channel|, at
    the network's own input size, 64 Adam steps of 0.05 without transformations.

    Parameters
    ----------
    network : Network
    partition : Partition
    tested : array of bool, shape (subclusters,)
    controls : dict of str to array
        From `modviz.core.controls.draw_controls`.
    preprocess : callable
        Turns pictures in 0 .. 1 into inputs as the network expects them.
    seed : int
        The noise that all pictures start from.
    workers : int
        Threads that share the batches.
    report : callable, optional
    cancel : threading.Event, optional
        Checked at every step.

    Returns
    -------
    FeatureResults

    Raises
    ------
    Cancelled
        If `cancel` was set; ``report`` has then got all that was finished.
    """
    device = device_of(network.model)
    like = torch.empty(0, device=device, dtype=dtype_of(network.model))
    height, width, depth = picture_shape(network.input_shape)
    n_controls = len(next(iter(controls.values()), ()))
    n = len(tested)
    score = np.full((n, 1 + n_controls), np.nan)
    entropy = np.full((n, 1 + n_controls), np.nan)
    images = np.full((n, 2, height, width, depth), np.nan, dtype=np.float32)
    batches = _batches(network, partition, tested, controls, seed, like)
    total = STEPS * int(tested.sum()) * (1 + n_controls)
    done, lock, stop = 0, threading.Lock(), threading.Event()

    def step(batch: _Batch) -> None:
        nonlocal done
        if stop.is_set() or (cancel is not None and cancel.is_set()):
            raise Cancelled
        with lock:
            done += len(batch.rows)
            if report is not None:
                report(done, total, None)

    def results() -> FeatureResults:
        return FeatureResults(
            score=score[:, 0].copy(),
            entropy=entropy[:, 0].copy(),
            score_controls=score[:, 1:].copy(),
            entropy_controls=entropy[:, 1:].copy(),
            images=images[:, 0].copy(),
            control_images=images[:, 1].copy(),
        )

    with evaluating(network.model), worker_pool(device, workers) as (pool, n_workers):
        waiting: deque[tuple[_Batch, Future[_Pictures]]] = deque()
        try:
            while True:
                for batch in islice(batches, n_workers + 1 - len(waiting)):  # no more in memory
                    waiting.append(
                        (batch, pool.submit(_optimise, network, batch, preprocess, step))
                    )
                if not waiting:
                    break
                batch, future = waiting.popleft()
                pictures = future.result()
                subcluster, draw = batch.rows.T
                score[subcluster, draw] = pictures.score
                entropy[subcluster, draw] = pictures.entropy
                shown = draw < 2
                images[subcluster[shown], draw[shown]] = pictures.images[shown]
                if report is not None:
                    with lock:
                        report(done, total, results())
        finally:
            stop.set()  # whatever ends the loop, none of the others goes on
            for _, future in waiting:
                future.cancel()
    return results()


def check_pictures(network: Network, preprocess: Preprocess) -> None:
    """Refuse a network or a preprocessing through which no picture can be optimised.

    Raises
    ------
    ValueError
        If the network can't take what `preprocess` makes of a picture, or nothing can be derived.
    """
    picture = torch.full(
        (1, *network.input_shape),
        0.5,
        device=device_of(network.model),
        dtype=dtype_of(network.model),
    ).requires_grad_()
    with evaluating(network.model), torch.enable_grad():
        made = preprocess(picture)
        if not isinstance(made, torch.Tensor):
            raise ValueError(f"preprocess gives {type(made).__name__}; expected a tensor of inputs")
        try:
            output = network.replay.forward(made)[network.replay.output]
        except RuntimeError as error:
            raise ValueError(
                f"preprocess turns pictures of shape {tuple(picture.shape)} into "
                f"{tuple(made.shape)}, {made.dtype}, which the model can't take: {error}"
            ) from error
    if not output.requires_grad:
        raise ValueError(
            "the model's output can't be derived by its input (something detaches it), so no "
            "picture can be optimised; use features=False"
        )


def picture_shape(input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and depth of the picture of one input; a flat input is wrapped into rows."""
    if len(input_shape) == 1:
        width = int(np.ceil(np.sqrt(input_shape[0])))
        return int(np.ceil(input_shape[0] / width)), width, 1
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return height, width, 3 if channels == 3 else 1
    raise ValueError(
        f"inputs have shape {input_shape}; feature visualizations need images (channels, height, "
        "width) or flat inputs (values,): use features=False for this model"
    )


def _batches(
    network: Network,
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    seed: int,
    like: torch.Tensor,
) -> Iterator[_Batch]:
    size = max(1, _BATCH_BYTES // max(1, network.bytes_per_image))
    for groups in layer_groups(partition, tested, controls):
        rows, stacked = groups.rows, torch.from_numpy(groups.masks).to(like)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            parameters, image = _noise(network.input_shape, len(rows[part]), seed)
            yield _Batch(groups.layer, rows[part], stacked[part], parameters, image)


def _noise(
    input_shape: tuple[int, ...], n: int, seed: int
) -> tuple[list[torch.Tensor], Callable[[], torch.Tensor]]:
    """Lucent's picture parameters for `n` pictures, all at the same noise."""
    with torch.random.fork_rng(devices=[]):  # Lucent draws on the CPU
        torch.manual_seed(seed)
        if len(input_shape) == 1:
            parameters, image = param.image(input_shape[0], 1, batch=n, channels=1, fft=False)
        else:
            channels, height, width = input_shape
            # without `channels` Lucent takes three and decorrelates their colours
            depth = None if channels == 3 else channels
            parameters, image = param.image(width, height, batch=n, channels=depth)
    for parameter in parameters:  # only the units may differ between a picture and its controls
        parameter.data[:] = parameter.data[:1].clone()
    return parameters, image


def unit_drives(value: torch.Tensor, axis: int) -> torch.Tensor:
    """|mean over positions| of every unit, shape (images, units); units stand along `axis`."""
    value = value.movedim(axis, 1)
    mean = value.flatten(2).mean(dim=2) if value.ndim > 2 else value
    return mean.abs()


def _objective(layer: str, chosen: torch.Tensor, axis: int) -> objectives.Objective:
    """Lucent objective (to be minimised), one value per picture; units stand along `axis`."""

    def drive(activation: Callable[[str], torch.Tensor]) -> torch.Tensor:
        return -(unit_drives(activation(layer), axis) * chosen).sum(dim=1)

    return objectives.Objective(drive, name=f"units of {layer}")


def _optimise(
    network: Network, batch: _Batch, preprocess: Preprocess, step: Callable[[_Batch], None]
) -> _Pictures:
    replay, node = network.replay, network.pre_activation_node(batch.layer)
    to_layer = replay.before([node])
    objective = _objective(batch.layer, batch.masks, network.unit_axis(node, batch.layer))
    shape = (-1, *network.input_shape)

    def activation(picture: torch.Tensor) -> Callable[[str], torch.Tensor]:
        env: Env = {replay.input: preprocess(picture)}
        replay.run(env, to_layer, frozenset({node}))
        return lambda _: env[node]  # there is just this one layer to ask for

    def picture() -> torch.Tensor:
        return batch.image().to(batch.masks).reshape(shape)

    optimizer = torch.optim.Adam(batch.parameters, lr=STEP_SIZE)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            objective(activation(picture())).sum().backward()
            optimizer.step()
            step(batch)
    with torch.no_grad():
        final = picture()
        score = -objective(activation(final))
        output = replay.forward(preprocess(final))[replay.output]
    return _Pictures(
        shown(final, network.input_shape),
        score.cpu().double().numpy(),
        _entropy(output.cpu().double()).numpy(),
    )


def _entropy(output: torch.Tensor) -> torch.Tensor:
    """Entropy of the class probabilities in nats; `output` may be any form of them."""
    sums_to_one = torch.allclose(output.sum(dim=1), torch.ones_like(output[:, 0]), atol=1e-4)
    are_probabilities = sums_to_one and bool((output >= 0).all())
    # the softmax of log-probabilities gives the probabilities back
    p = output if are_probabilities else torch.softmax(output, dim=1)
    return torch.as_tensor(torch.special.entr(p).sum(dim=1))


def shown(pictures: torch.Tensor, input_shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Pictures as stored, (n, H, W, D): grey or RGB; other numbers of channels are averaged."""
    height, width, depth = picture_shape(input_shape)
    values = pictures.float().cpu().numpy()
    if len(input_shape) == 1:
        shown = np.full((len(values), height * width), np.nan, dtype=np.float32)
        shown[:, : input_shape[0]] = values
        return shown.reshape(-1, height, width, 1)
    if depth == 1:
        values = values.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1), dtype=np.float32)
