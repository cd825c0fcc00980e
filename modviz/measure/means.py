"""What a unit gives on average: the value that a mean lesion puts in its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import torch
from torch import fx

from modviz.core.progress import Cancelled
from modviz.measure.data import LabelledData
from modviz.measure.network import Network, device_of
from modviz.measure.replay import Env
from modviz.measure.trace import NetworkError


def unit_means(
    network: Network,
    places: Mapping[fx.Node, tuple[int, int]],
    data: LabelledData,
    *,
    batch_size: int,
    seed: int,
    report: Callable[[int], None],
    cancel: threading.Event | None,
) -> dict[fx.Node, torch.Tensor]:
    """Mean of some values of the intact network over all images and positions.

    Parameters
    ----------
    network : Network
    places : dict of torch.fx.Node to (int, int)
        The values, the dimension along which their units stand, and the number of units.
    data : LabelledData
    batch_size : int
    seed : int
        Order of the images.
    report : callable
        Called with the number of images done.
    cancel : threading.Event or None
        Checked between batches.

    Returns
    -------
    dict of torch.fx.Node to tensor of float64, shape (units,)
        Summed in double precision, so that batches and their order do not matter.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    NetworkError
        If a mean is not finite.
    """
    replay, device = network.replay, device_of(network.model)
    before, keep = replay.before(places), frozenset(places)
    sums: dict[fx.Node, torch.Tensor] = {}
    count = dict.fromkeys(places, 0)
    done = 0
    for images, _ in data.batches(batch_size, network.n_classes, seed=seed):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        env: Env = {replay.input: images.to(device)}
        with torch.no_grad():
            replay.run(env, before, keep)
            for node, (axis, n_units) in places.items():
                total = _by_unit(env[node], axis, n_units)
                sums[node] = sums[node] + total if node in sums else total
                count[node] += env[node].numel() // len(total)
        done += len(images)
        report(done)
    means = {node: total / count[node] for node, total in sums.items()}
    if not all(bool(mean.isfinite().all()) for mean in means.values()):
        raise NetworkError(
            "the means of some units over the data are NaN or infinite, so they can't be put in "
            "their place; in half precision values overflow early: try model.float()"
        )
    return means


def _by_unit(value: torch.Tensor, axis: int, n_units: int) -> torch.Tensor:
    """Sum over images and positions, shape (units,), in double precision."""
    if value.device.type == "mps":  # knows no double precision
        value = value.cpu()
    other = [dimension for dimension in range(value.ndim) if dimension != axis]
    return value.sum(dim=other, dtype=torch.float64).reshape(n_units, -1).sum(dim=1)
