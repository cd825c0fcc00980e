"""What an analysis leaves for the next one on the same model and data: only what changed is redone.

Every stage has a key: what its result depends on, apart from the stages before it. A stage is taken
over if its key is the one that it was made with. After the partition it is the labels that decide,
not how they came about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from modviz.core.analysis import TopImages
from modviz.core.partition import Partition
from modviz.core.results import FeatureResults
from modviz.core.settings import Settings, refuse_unknown
from modviz.core.spectral import Partitioner
from modviz.measure.by_hand import Pairs
from modviz.measure.contents import Same, content_of_data, content_of_module, versions
from modviz.measure.data import LabelledData
from modviz.measure.inputs import module_of, read_inputs
from modviz.measure.lesion import Measured
from modviz.measure.network import Network
from modviz.measure.sound import checked_pairs
from modviz.measure.trace import Head

#: Keywords of `modviz.analyze` that are no settings.
_OTHERS = (
    *("activation_images", "partition", "preprocess", "class_names", "head", "connections"),
    *("workers", "executor", "memory_limit", "kept", "checkpoint", "progress", "cancel"),
)


#: Where a graph is kept: that of the partition, or the one with the other kind of edges.
Slot = Literal["graph", "other graph"]


class Kept:
    """What earlier runs left: give the same one to every run on a model and its data.

    ``modviz.analyze(..., kept=kept)`` takes from it what its settings leave as it was, does the
    rest, and leaves all of it here. Results are those of a run without it, to the last bit;
    only `LesionResults.near_ties` counts the lesions that were run, also those no longer shown.

    It holds what the last runs gave, one of each stage (reading, graph with its eigenvectors,
    partition, lesions, top images, feature images, support), the graph with the other kind of
    edges, and with them the model and the data.

    Notes
    -----
    Everything is done anew if another model or other data are given, and if these changed. That is
    seen by a checksum of all parameters, buffers, images and labels, by the modules' types, hooks
    and plain attributes, at every run. It is not seen if the code of ``forward`` changes, or what
    it reads from elsewhere; nor if a Dataset or DataLoader, as long as it is the same object,
    gives other images (also by random changes, where results are those of some run without `Kept`):
    call `clear` then. A function to preprocess pictures must be the same object.

    More controls extend the lesions that there are, as the first draws do not depend on how many
    follow; fewer cut them. Top images and feature images are then found anew: how many are
    computed together decides how they are rounded. A run that was cancelled leaves the stages that
    were finished.

    One run at a time may use it.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[Any, Any]] = {}
        self._versions: Any = None
        self._watched: tuple[Any, Any] = (None, None)

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def planned(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The stages that a run on the same model and data has to do anew; nothing is done.

        Parameters
        ----------
        settings : mapping
            Keywords of `modviz.analyze`; those left out are as by default.

        Returns
        -------
        tuple of str
            Out of ``"reading"``, ``"graph"``, ``"partition"``, ``"lesions"``, ``"images"``,
            ``"features"`` and ``"support"``, in this order. Lesions to which only controls are
            added are among them. So are all stages behind a partition that is not known yet, though
            it may turn out to be the one before. That weights changed is seen as far as torch
            counts such changes.
        """
        names = [f.name for f in fields(Settings)]
        refuse_unknown("planned", settings, [*names, *_OTHERS])
        wanted = Settings(**{name: settings[name] for name in names if name in settings})
        own: Partition | None = settings.get("partition")
        behind = ["lesions"] + ["images"] * wanted.top_images + ["features"] * wanted.features
        behind += ["support"] * (wanted.support and own is None)
        before = [] if own is not None else ["graph", "partition"]
        key = self._found.get("reading", (None, None))[0]
        said = (settings.get("head"), checked_pairs(settings.get("connections")))
        if key is None or key[1:3] != said or self._versions != versions(*self._watched):
            return ("reading", *before, *behind)
        graph = graph_key(wanted, settings.get("activation_images"))
        if own is None:
            if self.get("other graph", graph) is not None:
                return ("partition", *behind)
            if self.get("graph", graph) is None:
                return (*before, *behind)
            own = self.get("partition", partition_key(wanted))
            if own is None:
                return ("partition", *behind)
        done = {
            "lesions": self.lesions(own, wanted, whole=True),
            "images": self.top_images(own, wanted),
            "features": self.features(own, wanted, *_picture_options(settings)),
            "support": self.get("support", support_key(graph, own, wanted)),
        }
        return tuple(stage for stage in behind if done[stage] is None)

    def __repr__(self) -> str:
        return f"Kept({', '.join(self._found) or 'nothing'})"

    # ---- for the stages --------------------------------------------------------------------------

    def get(self, stage: str, key: Any) -> Any:
        """What a stage gave, if it was for this key; None if there is nothing."""
        known, value = self._found.get(stage, (None, None))
        return value if known is not None and known == key else None

    def put(self, stage: str, key: Any, value: Any) -> None:
        """What a stage gave, in place of what it gave before."""
        self._found[stage] = (key, value)
        if stage == "graph":
            self._found.pop("partition", None)  # its key does not name the graph

    def reading(
        self, model: nn.Module | Network, data: Any, head: Head, connections: Pairs | None
    ) -> tuple[Network, LabelledData, bool]:
        """See `modviz.measure.inputs.read_inputs`; and whether it was read before.

        If anything about model or data is not as it was, everything else is forgotten.
        """
        content = content_of_module(module_of(model)), content_of_data(data)
        key = (Same(model), head, checked_pairs(connections), content)
        network: Network | None = self.get("reading", key)
        if network is not None:  # images anew: what was seen of them belongs to a run
            return *read_inputs(network, data, None, None), True
        network, labelled = read_inputs(model, data, head, connections)
        self.clear()
        self.put("reading", key, network)
        self._watched = network.model, data
        self._versions = versions(network.model, data)
        return network, labelled, False

    def lesions(
        self, partition: Partition, settings: Settings, *, whole: bool = False
    ) -> Measured | None:
        """Lesions of this partition; unless `whole`, with any number of controls."""
        found: Measured | None = self.get("lesions", lesions_key(partition, settings))
        if found is None or settings.controls == "adaptive" or not whole:
            return found
        enough = (found[0].draws >= settings.n_controls) | np.isnan(found[0].lesioned).any(axis=1)
        return found if bool(enough.all()) else None

    def top_images(self, partition: Partition, settings: Settings) -> TopImages | None:
        """Top images of this partition with these controls."""
        found: TopImages | None = self.get("images", images_key(partition, settings))
        return found

    def features(
        self, partition: Partition, settings: Settings, *options: Any
    ) -> FeatureResults | None:
        """Feature images of this partition with these controls and options."""
        found: FeatureResults | None = self.get(
            "features", features_key(partition, settings, *options)
        )
        return found

    def partitioner(
        self,
        settings: Settings,
        activation_images: Any,
        build: Callable[[], Partitioner],
        slot: Slot = "graph",
    ) -> tuple[Partitioner, bool]:
        """The graph with its eigenvectors, and whether it was there."""
        key = graph_key(settings, activation_images)
        if slot == "graph" and self.get("other graph", key) is not None:
            # the edges were changed for the others: the two graphs change places
            before = self._found["graph"]
            self.put("graph", *self._found["other graph"])
            self._found["other graph"] = before
        found: Partitioner | None = self.get(slot, key)
        if found is not None:
            return found, True
        made = build()
        self.put(slot, key, made)
        return made, False


def check_kept(kept: object) -> None:
    """Refuse what is not a `Kept` or None."""
    if kept is not None and not isinstance(kept, Kept):
        raise TypeError(
            f"kept is {type(kept).__name__}; expected a modviz.measure.kept.Kept, the same one for "
            "every run on a model and its data: kept = Kept()"
        )


def graph_key(settings: Settings, activation_images: Any) -> tuple[Any, ...]:
    """What a graph depends on, beside model and data."""
    layers = settings.layers
    chosen = list(layers) if isinstance(layers, list) else layers
    ends = settings.include_inputs, settings.include_outputs
    key = (settings.edges, chosen, settings.kernel_norm, *ends)
    if settings.edges != "activations":
        return key
    images = None if activation_images is None else content_of_data(activation_images)
    return (*key, settings.seed, images)


def partition_key(settings: Settings) -> tuple[Any, ...]:
    """What a partition depends on, beside its graph."""
    return settings.n_clusters, settings.scope, settings.seed


def _subject(partition: Partition) -> tuple[Any, ...]:
    """What measurements are made on: which units of which layers are together."""
    return partition.graph.layers, partition.labels.tobytes()


def lesions_key(partition: Partition, settings: Settings) -> tuple[Any, ...]:
    """What lesions depend on; a fixed number of controls can be cut and extended."""
    rule = settings.n_controls if settings.controls == "adaptive" else None
    return *_subject(partition), settings.lesion, settings.seed, rule


def images_key(partition: Partition, settings: Settings) -> tuple[Any, ...]:
    """What top images depend on."""
    return *_subject(partition), settings.n_controls, settings.seed


def features_key(
    partition: Partition,
    settings: Settings,
    preprocess: Any,
    memory_limit: int | None,
    workers: int | None,
) -> tuple[Any, ...]:
    """What feature images depend on; a limit of memory, shared by workers, decides the batches."""
    shared = None if memory_limit is None else workers
    options = Same(preprocess), memory_limit, shared
    return *_subject(partition), settings.image_controls, settings.seed, *options


def support_key(
    graph: tuple[Any, ...], partition: Partition, settings: Settings
) -> tuple[Any, ...]:
    """What stability and agreement depend on: `graph_key`, which tells both graphs, and the cut."""
    return *graph, *partition_key(settings), *_subject(partition)


def _picture_options(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    workers = settings.get("workers") or torch.get_num_threads()
    return settings.get("preprocess"), settings.get("memory_limit"), workers
