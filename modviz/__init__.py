"""modviz: find the modules of a trained network, test them, and explore them in linked panels.

Public names load on first use. A process that only opens a saved analysis therefore loads neither
torch nor the widgets, and ``import modviz`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modviz import examples as examples
    from modviz.checks.doctor import doctor as doctor
    from modviz.core import statistics as statistics
    from modviz.core.analysis import Analysis as Analysis
    from modviz.core.archive import BundleError as BundleError
    from modviz.core.bundle import load as load
    from modviz.core.checkpoint import CheckpointError as CheckpointError
    from modviz.core.choice import ClusterChoice as ClusterChoice
    from modviz.core.choosing import choose_n_clusters as choose_n_clusters
    from modviz.core.clusterability import clusterability_test as clusterability_test
    from modviz.core.compare import compare as compare
    from modviz.core.comparison import Comparison as Comparison
    from modviz.core.graph import NeuronGraph as NeuronGraph
    from modviz.core.interactions import Interactions as Interactions
    from modviz.core.partition import Partition as Partition
    from modviz.core.partition import normalized_cut as normalized_cut
    from modviz.core.progress import Progress as Progress
    from modviz.core.spectral import spectral_partition as spectral_partition
    from modviz.core.stability import Stability as Stability
    from modviz.core.stability import stability as stability
    from modviz.measure.activations import activation_graph as activation_graph
    from modviz.measure.edges import weight_graph as weight_graph
    from modviz.measure.interactions import interactions as interactions
    from modviz.measure.more import more_controls as more_controls
    from modviz.measure.network import Network as Network
    from modviz.measure.run import analyze as analyze
    from modviz.view.plot import plot as plot
    from modviz.view.report import report as report
    from modviz.widgets.entry import explore as explore
    from modviz.widgets.explorer import Explorer as Explorer

__version__ = "0.1.0"

#: Where each public name stands; None = the name is the module itself.
_HOME: dict[str, tuple[str, str | None]] = {
    "Analysis": ("modviz.core.analysis", "Analysis"),
    "BundleError": ("modviz.core.archive", "BundleError"),
    "CheckpointError": ("modviz.core.checkpoint", "CheckpointError"),
    "ClusterChoice": ("modviz.core.choice", "ClusterChoice"),
    "Comparison": ("modviz.core.comparison", "Comparison"),
    "Explorer": ("modviz.widgets.explorer", "Explorer"),
    "Interactions": ("modviz.core.interactions", "Interactions"),
    "Network": ("modviz.measure.network", "Network"),
    "NeuronGraph": ("modviz.core.graph", "NeuronGraph"),
    "Partition": ("modviz.core.partition", "Partition"),
    "Progress": ("modviz.core.progress", "Progress"),
    "Stability": ("modviz.core.stability", "Stability"),
    "activation_graph": ("modviz.measure.activations", "activation_graph"),
    "analyze": ("modviz.measure.run", "analyze"),
    "choose_n_clusters": ("modviz.core.choosing", "choose_n_clusters"),
    "clusterability_test": ("modviz.core.clusterability", "clusterability_test"),
    "compare": ("modviz.core.compare", "compare"),
    "doctor": ("modviz.checks.doctor", "doctor"),
    "examples": ("modviz.examples", None),
    "explore": ("modviz.widgets.entry", "explore"),
    "interactions": ("modviz.measure.interactions", "interactions"),
    "load": ("modviz.core.bundle", "load"),
    "more_controls": ("modviz.measure.more", "more_controls"),
    "normalized_cut": ("modviz.core.partition", "normalized_cut"),
    "plot": ("modviz.view.plot", "plot"),
    "report": ("modviz.view.report", "report"),
    "spectral_partition": ("modviz.core.spectral", "spectral_partition"),
    "stability": ("modviz.core.stability", "stability"),
    "statistics": ("modviz.core.statistics", None),
    "weight_graph": ("modviz.measure.edges", "weight_graph"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'modviz' has no attribute {name!r}")
    module_name, attribute = _HOME[name]
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "lucent"}:
            raise
        raise ModuleNotFoundError(
            f"modviz.{name} needs {error.name}, which is not installed: install modviz-nn with its "
            "extra 'torch'. Saved analyses open without it (modviz.load)",
            name=error.name,
        ) from error
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
