"""What makes an analysis the one that it is: settings, model and data, and in what two differ."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

import modviz
from modviz.core.checkpoint import CheckpointError
from modviz.core.partition import Partition
from modviz.core.settings import Settings
from modviz.measure.activations import activation_data
from modviz.measure.data import LabelledData
from modviz.measure.digests import (
    ImagesDigest,
    function_name,
    model_digest,
    parameter_digests,
)
from modviz.measure.network import Network, device_of, dtype_of

#: Names shown of what differs, at most; images of a Dataset or DataLoader that are compared.
_SHOWN, _FIRST = 3, 8


@dataclass(frozen=True)
class Digests:
    """Of a model and data.

    Attributes
    ----------
    model : str
    parameters : dict of str to str
        Of every parameter and buffer.
    data : str or None
        None if they come from a Dataset or DataLoader: it takes a pass to know.
    source : LabelledData or None
        The data if these are such.
    """

    model: str
    parameters: dict[str, str]
    data: str | None
    source: LabelledData | None = field(default=None, repr=False, compare=False)
    _told: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, network: Network, data: LabelledData) -> Digests:
        """Those of a model and data."""
        parameters = parameter_digests(network.model)
        source = None if data.in_memory is not None else data
        return cls(model_digest(network, parameters), parameters, digest_of(data), source)

    @cached_property
    def first(self) -> str | None:
        """Of the first images of a Dataset or DataLoader, which are read once for it."""
        return None if self.source is None else _first_of(self.source)

    def of_images(self, images: Any, network: Network) -> dict[str, Any] | None:
        """What an identity says about images of one's own for the graph; None of none.

        They are read once as long as they are the same.
        """
        if images is None:
            return None
        if not self._told or self._told[0] is not images:
            data = activation_data(network, images)
            found = {"digest": digest_of(data), "images": data.n_images, "first": _first_of(data)}
            self._told[:] = images, found
        told: dict[str, Any] = self._told[1]
        return told


def identity_of(
    network: Network,
    data: LabelledData,
    settings: Settings,
    digests: Digests,
    *,
    partition: Partition | None = None,
    activation_images: Any = None,
    preprocess: Callable[..., Any] | None = None,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """All that decides the results of an analysis, as JSON.

    Of data that a Dataset or DataLoader gives only the number and the first few images are known
    beforehand; what is counted on them is compared image by image.
    """
    layers = settings.layers
    return {
        "settings": settings.as_dict()
        | {"layers": {"range": list(layers)} if isinstance(layers, tuple) else layers},
        "model": {
            "name": type(network.model).__name__,
            "digest": digests.model,
            "parameters": digests.parameters,
            "options": network.options,
        },
        "data": {"digest": digests.data, "images": data.n_images, "first": digests.first},
        "partition": None if partition is None else _of_partition(partition),
        "activation_images": digests.of_images(activation_images, network),
        "preprocess": _of_preprocess(preprocess, network, used=settings.features),
        "class_names": list(class_names),
        "versions": versions() | {"device": str(device_of(network.model).type)},
    }


def provenance_of(
    network: Network, data: LabelledData, digests: Digests, images: str | None
) -> dict[str, Any]:
    """What an analysis says about where it comes from, as JSON; `images` is the data's digest."""
    return {
        "versions": versions() | {"device": str(device_of(network.model).type)},
        "model": {"digest": digests.model},
        "data": {"digest": images, "images": data.n_images},
    }


def digest_of(data: LabelledData) -> str | None:
    """The digest of images and labels that are in memory; None of a Dataset or DataLoader."""
    if data.in_memory is None:
        return None
    digest, (images, labels) = ImagesDigest(), data.in_memory
    for some, of_them in zip(images.split(1024), labels.split(1024), strict=True):
        digest.add(some, of_them)
    return digest.text


def _first_of(data: LabelledData) -> str | None:
    """The digest of the first images that a Dataset or DataLoader gives; None of data in memory.

    None, too, if they are others when read twice: nobody could compare them.
    """
    if data.in_memory is not None:
        return None
    first, again = _digest_of_first(data), _digest_of_first(data)
    return first if first == again else None


def versions() -> dict[str, str]:
    """Versions of what results may depend on."""
    found = {"modviz": modviz.__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scipy", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    found["torch"] = str(torch.__version__)  # with the kind of build
    return found


def refuse_others(path: Any, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Refuse a checkpoint of another analysis; what may differ comes back, in words.

    Raises
    ------
    CheckpointError
        The message says what differs.
    """
    found = differences(before, now)
    if found:
        raise CheckpointError(
            f"checkpoint={str(path)!r} is of another analysis: {'; '.join(found)}. Call it with "
            "the same again to go on, name another folder for this one, or delete the folder"
        )
    was, has = _table(before, "versions"), _table(now, "versions")
    return [f"{name} {was.get(name)} -> {has[name]}" for name in has if was.get(name) != has[name]]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two identities differ, but for versions, in words: what was -> what is."""
    was, has = _table(before, "settings"), _table(now, "settings")
    found = [
        f"{name} was {_value(was.get(name))}, now {_value(has.get(name))}"
        for name in {**was, **has}
        if was.get(name) != has.get(name)
    ]
    found += _of_model(_table(before, "model"), _table(now, "model"))
    was, has = _table(before, "data"), _table(now, "data")
    if was.get("images") != has.get("images"):
        found.append(f"the data had {was.get('images')} images, now {has.get('images')}")
    elif (was.get("digest"), was.get("first")) != (has.get("digest"), has.get("first")):
        found.append("the data hold other images or labels, or in another form")
    for name in ("partition", "activation_images", "preprocess", "class_names"):
        if before.get(name) != now.get(name):
            plural = name in ("activation_images", "class_names")
            found.append(f"{name} differ" if plural else f"{name} differs")
    return found


def _of_model(was: Mapping[str, Any], has: Mapping[str, Any]) -> list[str]:
    if was.get("digest") == has.get("digest") and was.get("options") == has.get("options"):
        return []
    if was.get("name") != has.get("name"):
        return [f"the model was a {was.get('name')}, now it is a {has.get('name')}"]
    old, new = _table(was, "parameters"), _table(has, "parameters")
    other = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if other:
        more = ", ..." if len(other) > _SHOWN else ""
        which = f"({', '.join(other[:_SHOWN])}{more})"
        return [f"{len(other)} of the model's {len(new)} parameters and buffers differ {which}"]
    return ["the model's modules, their settings or its forward() differ"]


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("range"), list):
        return repr(tuple(value["range"]))
    return repr(value)


def _of_partition(partition: Partition) -> str:
    names = [(layer.name, layer.n_units) for layer in partition.graph.layers]
    found = hashlib.sha256(repr((names, partition.n_clusters, partition.scope)).encode())
    found.update(np.ascontiguousarray(partition.labels).data)
    return found.hexdigest()


def _digest_of_first(data: LabelledData) -> str:
    digest = ImagesDigest()
    images = data.first(_FIRST)
    digest.add(images, torch.zeros(len(images)))
    return digest.text


def _of_preprocess(function: Callable[..., Any] | None, network: Network, *, used: bool) -> Any:
    """A function's name, and roughly what it makes of a picture: a lambda says nothing by its name.

    In three digits, which no other version or processor rounds otherwise.
    """
    if function is None or not used:
        return None if function is None else function_name(function)
    shape = network.input_shape
    ramp = torch.linspace(0, 1, math.prod(shape)).reshape(1, *shape)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            made = function(ramp.to(device_of(network.model), dtype_of(network.model)))
            values = made.double().cpu().flatten()
        except Exception:  # noqa: BLE001 - the stage that uses it says it in words
            return function_name(function)
    places = torch.linspace(0, 1, len(values), dtype=torch.float64)
    size = float(values.square().mean().sqrt())
    means = (float(mean) / (size or 1.0) for mean in (values.mean(), (values * places).mean()))
    # 0.0 takes the sign from a zero
    numbers = f"{size:.3g}", *(f"{round(mean, 3) + 0.0:g}" for mean in means)
    return " ".join([function_name(function), *numbers])
