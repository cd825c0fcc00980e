"""How long an analysis will take and how much memory, before it begins.

A small batch is timed through the network, operation by operation, and a few steps of a batch of
pictures; the rest is counting. That takes about a second and is right to about a factor of two, on
a machine that has as much time for the analysis as it had for the estimate.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from modviz.core.estimates import STAGES, Estimate
from modviz.core.settings import Settings, refuse_unknown, whole_number
from modviz.measure import costs, footprint
from modviz.measure.activations import N_SAMPLES, labelled_images
from modviz.measure.data import LabelledData
from modviz.measure.features import picture_shape
from modviz.measure.inputs import fitting, module_of, read_inputs
from modviz.measure.memory import default_limit
from modviz.measure.network import Network, device_of, dtype_of
from modviz.measure.pace import Clock, Pace, pace_of, picture_pace
from modviz.measure.run import analyze
from modviz.measure.workload import Workload, workload_of


def estimate(
    model: nn.Module | Network,
    data: Any,
    *,
    planned: Iterable[str] | None = None,
    n_subclusters: int | None = None,
    clock: Clock = time.perf_counter,
    **settings: Any,
) -> Estimate:
    """How long `modviz.analyze` will take with the same arguments, and how much memory.

    Parameters
    ----------
    model : torch.nn.Module or modviz.Network
        It is run on the device where it is, in eval mode, and left exactly as it was. A Network
        need not be read again, and counts no time for that.
    data : (images, labels), torch Dataset or DataLoader
        A few images are read.
    planned : iterable of str, optional
        The stages that will be done, of "reading", "graph", "partition", "lesions", "images",
        "features" and "support"; by default all that the settings ask for.
    n_subclusters : int, optional
        How many subclusters will be tested, if an earlier analysis with the same partition tells.
        Without it a partition that is cheap is made to count them; else as many are assumed as
        partitions of other networks have, given k and the sizes of layers.
    clock : callable
        Gives seconds since any moment.
    **settings
        Keywords of `modviz.analyze`. With ``partition=`` the subclusters are known. An `executor`
        is taken to be as quick as `workers` of this machine.

    Returns
    -------
    Estimate

    Raises
    ------
    TypeError, ValueError, NetworkError
        Those of `modviz.analyze` for the same arguments, and for a stage that is none.
    """
    parameters = inspect.signature(analyze).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    refuse_unknown("estimate", settings, known)
    names = [field.name for field in fields(Settings)]
    chosen = Settings(**{name: settings[name] for name in names if name in settings})
    stages = _planned(planned, chosen, settings.get("partition") is not None)
    module_of(model)  # refuses what is no model before anything else does
    with torch.inference_mode(False):
        begin = clock()
        network, labelled = read_inputs(
            model, data, settings.get("head"), settings.get("connections")
        )
        seconds = {"reading": 0.0 if network is model else clock() - begin}
        work = _workload(network, labelled, chosen, n_subclusters, settings)
        n_samples = _samples(network, labelled, settings.get("activation_images"))
        seconds |= _seconds(
            work, None if footprint.data_bytes(data) else labelled, n_samples, stages, clock
        )
    used = {name: seconds.get(name, 0.0) if name in stages else 0.0 for name in STAGES}
    return Estimate.of_stages(used, _memory(work, data, n_samples, stages))


def _planned(planned: Iterable[str] | None, settings: Settings, is_given: bool) -> set[str]:
    """The stages that will be done; `is_given` says whether there is a partition already."""
    asked = {"reading", "lesions"}
    asked |= set() if is_given else {"graph", "partition"}
    asked |= {"images"} if settings.top_images else set()
    asked |= {"features"} if settings.features else set()
    asked |= {"support"} if settings.support and not is_given else set()
    if planned is None:
        return asked
    given = set(planned)
    if given - set(STAGES):
        raise ValueError(f"planned holds {sorted(given - set(STAGES))}; expected some of {STAGES}")
    return asked & given


def _workload(
    network: Network,
    data: LabelledData,
    settings: Settings,
    n_subclusters: int | None,
    given: Mapping[str, Any],
) -> Workload:
    device, partition = device_of(network.model), given.get("partition")
    if n_subclusters is not None:
        whole_number("n_subclusters", n_subclusters, 0)
    for name in ("workers", "memory_limit"):
        if given.get(name) is not None:
            whole_number(name, given[name], 1)
    on_cpu = device.type == "cpu"
    return workload_of(
        network,
        settings,
        n_images=data.n_images,
        workers=(given.get("workers") or torch.get_num_threads()) if on_cpu else 1,
        memory_limit=given.get("memory_limit") or default_limit(device),
        partition=None if partition is None else fitting(partition, network),
        n_subclusters=n_subclusters,
    )


def _samples(network: Network, data: LabelledData, images: Any) -> float:
    """How many images correlations of activations rest on."""
    if images is not None:
        data = labelled_images(images, dtype_of(network.model))
    return float(N_SAMPLES if data.n_images is None else min(N_SAMPLES, data.n_images))


def _seconds(
    work: Workload, data: LabelledData | None, n_samples: float, stages: set[str], clock: Clock
) -> dict[str, float]:
    """Of the stages behind the reading; those that are not planned may be left out.

    `data` is None if they are in memory.
    """
    seconds = {"partition": costs.partition_seconds(work)}
    runs = {"lesions", "images", "features"}
    # images go through the network for the graph of activations, whichever stage it is of
    runs.add("graph" if work.settings.edges == "activations" else "support")
    # nothing is timed if nothing is left to do
    pace = pace_of(work.network, data, clock) if runs & stages else Pace({}, 0.0)
    seconds["graph"] = costs.graph_seconds(work, pace, n_samples)
    seconds["lesions"] = costs.lesion_seconds(work, pace)
    seconds["images"] = costs.image_seconds(work, pace)
    seconds["support"] = costs.support_seconds(work, pace, n_samples)
    if "features" in stages:
        picture_shape(work.network.input_shape)
        names = [layer.name for layer in work.network.hidden]
        total = sum(work.pictures(name) for name in names)
        counts = total / max(1, sum(n > 0 for n in work.tested.values())), total
        first, last = (picture_pace(work.network, n, counts, clock) for n in (names[0], names[-1]))
        seconds["features"] = costs.picture_seconds(work, pace, first, last)
    return seconds


def _memory(work: Workload, data: Any, n_samples: float, stages: set[str]) -> int:
    """Model, data and graph, and the stage that takes most beside them."""
    most = {
        "graph": footprint.graph_bytes(work, n_samples),
        "lesions": footprint.lesion_bytes(work),
        "images": footprint.image_bytes(work),
        "features": footprint.picture_bytes(work),
        "support": footprint.support_bytes(work, n_samples),
    }
    stored = sum(p.nbytes for p in work.network.model.parameters()) + footprint.data_bytes(data)
    graph = 8 * work.n_edges
    return int(stored + graph + max((n for name, n in most.items() if name in stages), default=0))
