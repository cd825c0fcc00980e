"""The graph of an analysis, with edges of either kind, as its settings say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from modviz.core.graph import NeuronGraph
from modviz.core.settings import Settings
from modviz.measure.activations import correlation_graph, labelled_images
from modviz.measure.data import LabelledData
from modviz.measure.edges import weight_graph
from modviz.measure.network import Network, dtype_of


def graph_of(
    network: Network,
    data: LabelledData,
    settings: Settings,
    activation_images: Any = None,
    *,
    report: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> NeuronGraph:
    """The graph that the settings ask for.

    Parameters
    ----------
    network : Network
    data : LabelledData
        What correlations of activations come from, unless there are `activation_images`.
    settings : Settings
    activation_images : images, (images, labels), Dataset or DataLoader, optional
    report, cancel : optional
        See `modviz.measure.activations.correlation_graph`.

    Returns
    -------
    NeuronGraph

    Raises
    ------
    ValueError, NetworkError
        Those of `weight_graph` and `activation_graph`.
    Cancelled
        If `cancel` was set while correlations were computed.
    """
    if settings.edges == "activations":
        if activation_images is not None:
            data = labelled_images(activation_images, dtype_of(network.model))
        return correlation_graph(
            network,
            data,
            layers=settings.layers,
            seed=settings.seed,
            kernel_norm=settings.kernel_norm,
            include_inputs=settings.include_inputs,
            include_outputs=settings.include_outputs,
            report=report,
            cancel=cancel,
        )
    return weight_graph(
        network,
        layers=settings.layers,
        kernel_norm=settings.kernel_norm,
        include_inputs=settings.include_inputs,
        include_outputs=settings.include_outputs,
    )
