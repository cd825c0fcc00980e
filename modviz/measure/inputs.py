"""What a user gives to a measurement, checked: a model, data, a partition of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from modviz.core.partition import Partition
from modviz.core.settings import whole_number
from modviz.measure.by_hand import Pairs
from modviz.measure.data import LabelledData
from modviz.measure.memory import LEAST
from modviz.measure.network import Network, dtype_of
from modviz.measure.sound import require_module
from modviz.measure.trace import Head


def check_kinds(
    *,
    cancel: Any = None,
    progress: Any = False,
    preprocess: Any = None,
    class_names: Any = None,
    workers: Any = None,
    executor: Any = None,
    memory_limit: Any = None,
) -> None:
    """Refuse arguments of the wrong kind."""
    if workers is not None:
        whole_number("workers", workers, 1)
    if memory_limit is not None:
        whole_number("memory_limit", memory_limit, LEAST)
    if cancel is not None and not _can(cancel, "is_set"):
        raise TypeError(f"cancel is {type(cancel).__name__}; expected a threading.Event")
    if executor is not None and not _can(executor, "submit"):
        raise TypeError(
            f"executor is {type(executor).__name__}; expected a concurrent.futures.Executor, such "
            "as ProcessPoolExecutor(4), or client.get_executor() of a dask.distributed.Client"
        )
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress={progress!r}; expected True, False or a function of a Progress")
    if preprocess is not None and not callable(preprocess):
        raise TypeError(f"preprocess={preprocess!r}; expected a function of pictures")
    named = class_names is None or isinstance(class_names, Iterable)
    if isinstance(class_names, (str, bytes)) or not named:
        raise TypeError(f"class_names={class_names!r}; expected a list of names")


def _can(thing: Any, verb: str) -> bool:
    """Whether a thing, which is no class, has a method."""
    return not isinstance(thing, type) and callable(getattr(thing, verb, None))


def module_of(model: nn.Module | Network) -> nn.Module:
    """The torch module, also of a `modviz.Network`; a TypeError for anything else."""
    module = model.model if isinstance(model, Network) else model
    require_module(module)
    return module


def read_inputs(
    model: nn.Module | Network, data: Any, head: Head, connections: Pairs | None
) -> tuple[Network, LabelledData]:
    """A network and its data; errors say what can't be used, and why."""
    if isinstance(model, Network):
        if head is not None or connections is not None:
            raise TypeError(
                "head and connections belong to modviz.Network(model, example_input, ...), which "
                "was given; say them there"
            )
        network, labelled = model, LabelledData(data, dtype=dtype_of(model.model))
        require_shape(network, labelled)
    else:
        require_module(model)
        labelled = LabelledData(data, dtype=dtype_of(model))
        network = Network(model, labelled.first(), head=head, connections=connections)
    network.choose(None)
    return network, labelled


def require_shape(network: Network, data: LabelledData) -> None:
    """Raise a ValueError for images of another shape than a network was read with."""
    shape = data.image_shape
    if shape != network.input_shape:
        raise ValueError(
            f"images have shape {shape}, but the Network was read with inputs of shape "
            f"{network.input_shape}; give such images, or make a new modviz.Network with one of "
            "these"
        )


def fitting(partition: Partition, network: Network) -> Partition:
    """The partition, if it is one of this network's units."""
    if not isinstance(partition, Partition):
        raise TypeError(f"partition is {type(partition).__name__}; expected a modviz.Partition")
    sizes = {layer.name: layer.n_units for layer in network.layers}
    for layer in partition.graph.layers:
        if layer.role == "hidden" and sizes.get(layer.name) != layer.n_units:
            raise ValueError(
                f"the partition has a layer {layer.name!r} of {layer.n_units} units, the model "
                f"{sizes.get(layer.name, 'none of that name')}; give a partition of this "
                "model's graph"
            )
    return partition


def names_of_classes(
    given: Sequence[str] | None, data: LabelledData, n_classes: int
) -> tuple[str, ...]:
    """A name for each class: as given, else those of the data, else numbers."""
    given = None if given is None else list(given)
    if given is not None and len(given) != n_classes:
        raise ValueError(
            f"class_names has {len(given)} names, but the model tells {n_classes} classes apart"
        )
    names = given if given is not None else data.classes
    if names is None or len(names) != n_classes:
        names = [str(c) for c in range(n_classes)]
    return tuple(str(name) for name in names)
