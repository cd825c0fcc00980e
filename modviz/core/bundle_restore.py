"""From the checked members of a file to an Analysis: nothing in it is believed unchecked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from modviz.core.analysis import Analysis
from modviz.core.archive import Archive
from modviz.core.bundle_graph import graph_in
from modviz.core.bundle_pictures import decoded_size
from modviz.core.bundle_results import (
    features_in,
    lesions_in,
    or_nan,
    support_in,
    top_images_in,
)
from modviz.core.bundle_v1 import upgraded
from modviz.core.contents import Contents
from modviz.core.inside import Inside
from modviz.core.partition import LayerCut, Partition
from modviz.core.schema import Validator

#: Major and minor version of the files that are written.
VERSION = (2, 0)

#: The most that a file may decode to in memory: so many bytes, and so many times its own size.
SPARE, RATIO = 2**27, 64
#: The most subclusters: a page of more could not be read, and takes minutes to make.
_MOST_SUBCLUSTERS = 2**15

_MOST_UNITS = 2**20


def restored(archive: Archive) -> tuple[Analysis, list[str]]:
    """The analysis, and what was left out of a file of a newer minor version.

    Raises
    ------
    ValueError, or what else a damaged file gives
    """
    header, arrays = archive.header, archive.arrays
    if header["version"] == 1:
        header, arrays = upgraded(header, arrays)
    major, minor = (int(part) for part in header["version"].split("."))
    newer = (major, minor) > VERSION
    try:
        left_out = _validator().check(header, newer=newer)
        _check_sizes(header, archive.size)
        contents = Contents(arrays, archive.blobs)
        analysis = _analysis(header, contents)
    except ValueError as error:
        if not newer:
            raise
        raise ValueError(
            f"{error}; it has the newer format version {major}.{minor}: update modviz-nn"
        ) from error
    left_out += contents.left()
    if left_out and not newer:
        raise ValueError(f"it holds {left_out[0]!r}, which no file of its version has")
    return analysis, left_out


def _analysis(header: dict[str, Any], contents: Contents) -> Analysis:
    graph = graph_in(header["graph"], contents)
    about = header["partition"]
    n_clusters = about["n_clusters"]
    contents.lengths |= {"k": n_clusters, "n": graph.n_units}
    labels = contents.whole("partition/labels", "n", -1, n_clusters - 1)
    sizes = [layer.n_units for layer in graph.layers]
    groups = np.repeat(np.arange(len(sizes)), sizes) * (n_clusters + 1) + labels
    if np.unique(groups).size > _MOST_SUBCLUSTERS:
        raise ValueError(f"it has more than {_MOST_SUBCLUSTERS:,} subclusters")
    known = None
    if "inside" in about:
        shares = contents.numbers("partition/shares", "k", -1e-3, 1.001)
        inside = {name: or_nan(value) for name, value in about["inside"].items()}
        known = Inside(shares=shares, **inside)
    elif not graph.exact:
        raise ValueError("its graph has rounded weights, and nothing says what the exact ones gave")
    cuts = tuple(LayerCut(cut["n_clusters"], or_nan(cut["ncut"])) for cut in about["cuts"])
    partition = Partition(labels, n_clusters, graph, about["scope"], cuts, known)
    names = tuple(s.name for s in partition.subclusters)
    contents.lengths["S"] = len(names)
    class_names = tuple(header["class_names"])
    found: dict[str, Any] = {}
    if header["lesions"] is not None:
        found["lesions"] = lesions_in(header["lesions"], contents)
    n_classes = contents.lengths.get("C", len(class_names))
    if len(class_names) not in (0, n_classes):
        raise ValueError(f"there are {len(class_names)} names for {n_classes} classes")
    if header["features"] is not None:
        found["features"] = features_in(header["features"], contents)
    if header["top_images"] is not None:
        found["top_images"] = top_images_in(header["top_images"], contents, n_classes)
    if header["support"] is not None:
        found["support"] = support_in(header["support"], contents, names)
    contents.blob("padding")
    return Analysis(
        partition=partition,
        tested=contents.flags("tested", "S"),
        class_names=class_names,
        **found,
        status=header["status"],
        settings=_settings_in(header["settings"]),
        model_name=header["model_name"],
        provenance=header["provenance"],
    )


def decoded_bytes(header: Mapping[str, Any]) -> int:
    """Bytes that a graph and all pictures take in memory."""
    units = [layer["n_units"] for layer in header["graph"]["layers"]]
    if sum(units) > _MOST_UNITS:
        raise ValueError(f"the graph has {sum(units):,} units; expected at most {_MOST_UNITS:,}")
    pairs = [block["layers"] for block in header["graph"]["blocks"]]
    if any(i >= len(units) or j >= len(units) for i, j in pairs):
        raise ValueError(f"a block connects layers beyond the {len(units)} that there are")
    total = 8 * sum(units[i] * units[j] for i, j in pairs)
    for name in ("features", "top_images"):
        for about in (header[name] or {}).values():
            total += decoded_size(about) if isinstance(about, dict) else 0
    return int(total)


def _check_sizes(header: Mapping[str, Any], size: int) -> None:
    decoded, most = decoded_bytes(header), SPARE + RATIO * size
    if decoded > most:
        raise ValueError(
            f"graph and pictures would take {decoded:,} bytes of memory; a file of {size:,} bytes "
            f"may take {most:,}"
        )


@cache
def bundle_schema() -> dict[str, Any]:
    """The JSON Schema of the header, as it is published with the package."""
    text = files("modviz.core").joinpath("bundle.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> Validator:
    return Validator(bundle_schema())


def _settings_in(stored: dict[str, Any]) -> dict[str, Any]:
    layers = stored.get("layers")
    return {**stored, "layers": tuple(layers["range"])} if isinstance(layers, dict) else stored
