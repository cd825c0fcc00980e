"""Feature visualizations: the picture that drives a subcluster most, and its controls' pictures.

The pictures of a whole layer, subclusters and controls alike, are optimised in batches, from the
same noise, by a forward pass that stops before the layer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modviz.core.analysis import FeatureResults
from modviz.core.checkpoint import Folder
from modviz.core.controls import layer_groups
from modviz.core.partition import Partition
from modviz.core.progress import Cancelled
from modviz.measure.batches import batch_sizes, batches_of
from modviz.measure.drives import unit_means
from modviz.measure.guard import evaluating, worker_pool
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.optimise import STEPS, ToInputs
from modviz.measure.painters import here, there
from modviz.measure.picture_record import PictureRecord

#: Pictures in 0 .. 1, shape (n, channels, ...), to inputs of the model.
Preprocess = ToInputs

#: Called with (picture steps done, all of them, results so far or None).
FeatureCallback = Callable[[int, int, FeatureResults | None], None]


def measure_features(
    network: Network,
    partition: Partition,
    tested: NDArray[np.bool_],
    controls: dict[str, NDArray[np.int64]],
    *,
    preprocess: Preprocess,
    seed: int = 0,
    workers: int = 1,
    memory_limit: int | None = None,
    executor: Executor | None = None,
    folder: Folder | None = None,
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
    memory_limit : int, optional
        Bytes that all pictures at work may take, with what their gradients need; at least one
        picture is at work whatever it takes. Without a limit a batch is as large as is quick.
        Batches of other sizes round differently, as convolutions do.
    executor : concurrent.futures.Executor, optional
        Whose workers optimise the pictures, instead of threads of this process.
    folder : Folder, optional
        Where what is finished is recorded, and taken from.
    report : callable, optional
    cancel : threading.Event, optional
        Checked at every step.

    Returns
    -------
    FeatureResults

    Raises
    ------
    ValueError
        If `memory_limit` is no positive number.
    Cancelled
        If `cancel` was set; ``report`` has then got all that was finished.
    """
    if memory_limit is not None and memory_limit < 1:
        raise ValueError(f"memory_limit={memory_limit}; expected a number of bytes, or None")
    height, width, depth = picture_shape(network.input_shape)
    n_controls = len(next(iter(controls.values()), ()))
    n = len(tested)
    score = np.full((n, 1 + n_controls), np.nan)
    entropy = np.full((n, 1 + n_controls), np.nan)
    images = np.full((n, 2, height, width, depth), np.nan, dtype=np.float32)
    record = PictureRecord(folder, score, entropy, images)
    total = STEPS * int(tested.sum()) * (1 + n_controls)
    done, lock, stop = STEPS * record.n_finished, threading.Lock(), threading.Event()

    def advance(steps: int) -> None:
        nonlocal done
        if stop.is_set() or (cancel is not None and cancel.is_set()):
            raise Cancelled
        with lock:
            done += steps
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

    groups = list(layer_groups(partition, tested, controls))
    n_pictures = {of_layer.layer: len(of_layer.rows) for of_layer in groups}
    with ExitStack() as held:
        held.enter_context(evaluating(network.model))
        held.callback(record.write)
        wanted = batch_sizes(network, n_pictures, preprocess, memory_limit, workers)
        sizes = record.sizes(wanted, memory_limit)
        batches = batches_of(network, groups, seed, sizes, record.done)
        if executor is None:
            pool, n_workers = held.enter_context(
                worker_pool(device_of(network.model), sizes.workers)
            )
            held.callback(stop.set)  # whatever ends the loop, none of the others goes on
            finished = here(network, batches, preprocess, pool, n_workers, advance)
        else:
            finished = there(network, batches, preprocess, seed, executor, advance, cancel)
        for batch, pictures in finished:
            subcluster, draw = batch.rows.T
            score[subcluster, draw] = pictures.score
            entropy[subcluster, draw] = pictures.entropy
            kept = draw < 2
            images[subcluster[kept], draw[kept]] = shown(
                pictures.pictures[torch.from_numpy(kept)], network.input_shape
            )
            record.add(batch.rows)
            if report is not None:
                with lock:
                    report(done, total, results())
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
    made: Any
    several: Any
    with evaluating(network.model), torch.enable_grad():
        try:
            made, several = preprocess(picture), preprocess(picture.expand(3, *picture.shape[1:]))
        except Exception as error:
            error.add_note(f"modviz was calling preprocess on pictures of {tuple(picture.shape)}.")
            raise
        if not isinstance(made, torch.Tensor) or not isinstance(several, torch.Tensor):
            raise ValueError(f"preprocess gives {type(made).__name__}; expected a tensor of inputs")
        if several.shape != (3, *made.shape[1:]):
            raise ValueError(
                f"preprocess gives inputs of shape {tuple(several.shape)} for 3 pictures, of "
                f"{tuple(made.shape)} for one; expected an input a picture"
            )
        if not bool(made.isfinite().all()):
            raise ValueError("preprocess gives NaN or infinite inputs for a picture that is grey")
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


def unit_drives(value: torch.Tensor, axis: int) -> torch.Tensor:
    """|mean over positions| of every unit, shape (images, units); units stand along `axis`."""
    return unit_means(value, axis).abs()


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
