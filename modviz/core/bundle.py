"""An Analysis as one file, and back, without pickle and without torch.

The file is an archive of `modviz.core.archive`: a JSON header that says what is inside, arrays, and
pictures. Neither the model nor the data are in it. docs/bundle-format.md describes it for others.
"""

from __future__ import annotations

import json
import os
import re
import warnings
import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.analysis import Analysis
from modviz.core.archive import Archive, BundleError, in_words, read_archive, write_archive
from modviz.core.bundle_graph import graph_out
from modviz.core.bundle_pictures import Written
from modviz.core.bundle_restore import RATIO, SPARE, VERSION, decoded_bytes, restored
from modviz.core.bundle_results import (
    features_out,
    lesions_out,
    or_null,
    support_out,
    top_images_out,
)
from modviz.core.contents import smallest
from modviz.core.files import replacing

__all__ = ["FORMAT", "VERSION", "BundleError", "load", "save_bundle"]

FORMAT = "modviz analysis"
#: How each kind of result is written.
_RESULTS: dict[str, Callable[[Any], Written]] = {
    "lesions": lesions_out,
    "features": features_out,
    "top_images": top_images_out,
    "support": support_out,
}


def save_bundle(
    analysis: Analysis, path: str | os.PathLike[str], *, exact_graph: bool = False
) -> None:
    """Write `analysis` to `path`; an existing file is replaced only by a complete one.

    See `Analysis.save`.
    """
    partition, graph = analysis.partition, analysis.partition.graph
    if exact_graph and not graph.exact:
        raise ValueError(
            "exact_graph=True, but the graph of this analysis has rounded weights: it comes from a "
            "file that was saved without; save the analysis where it was made"
        )
    about, arrays = graph_out(graph, exact=exact_graph)
    arrays |= {
        "partition/labels": smallest(partition.labels),
        "partition/shares": partition.inside.shares,
        "tested": np.asarray(analysis.tested, dtype=bool),
    }
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": ".".join(map(str, VERSION)),
        "model_name": analysis.model_name,
        "status": analysis.status,
        "settings": _settings_out(analysis.settings),
        "provenance": dict(analysis.provenance),
        "class_names": list(analysis.class_names),
        "graph": about,
        "partition": {
            "n_clusters": partition.n_clusters,
            "scope": partition.scope,
            "cuts": [
                {"n_clusters": cut.n_clusters, "ncut": or_null(cut.ncut)} for cut in partition.cuts
            ],
            "inside": {
                "ncut": or_null(partition.inside.ncut),
                "kept": or_null(partition.inside.kept),
                "mixed": or_null(partition.inside.mixed),
            },
        },
    }
    blobs: dict[str, bytes] = {}
    for name, written in _RESULTS.items():
        result = getattr(analysis, name)
        header[name] = None
        if result is not None:
            header[name], more, pictures = written(result)
            arrays |= more
            blobs |= pictures
    plain = json.loads(json.dumps(header, allow_nan=False, default=_plain))
    blobs |= _padding(plain, arrays, blobs)
    # what is written must be readable, so it passes the checks that a foreign file has to pass
    restored(Archive(deepcopy(plain), arrays, blobs, size=2**40))
    with replacing(path) as file:
        write_archive(file, plain, arrays, blobs)


def load(path: str | os.PathLike[str]) -> Analysis:
    """Read an analysis that `Analysis.save` wrote. Needs no torch and runs nothing from the file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Analysis
        Its pictures are decoded when somebody looks at them. Its graph has rounded weights
        (``analysis.partition.graph.exact`` is False) unless it was saved with
        ``exact_graph=True``; all measurements are as they were saved, to the last bit.

    Raises
    ------
    TypeError
        If `path` is none.
    FileNotFoundError
        If there is no such file; any other OSError of opening it is raised as it is, too.
    BundleError
        If the file is no modviz bundle, is damaged, or is of a newer major version.

    Warns
    -----
    UserWarning
        If the file is of a newer minor version: what this modviz does not know is left out.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> analysis = modviz.analyze(
    ...     planted.model, planted.data, n_clusters=2, features=False, progress=False
    ... )
    >>> analysis.save("planted.modviz")
    >>> loaded = modviz.load("planted.modviz")
    >>> loaded.table().equals(analysis.table())
    True
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path is {type(path).__name__}; expected the path of a .modviz file")
    archive = read_archive(path)
    version = archive.header.get("version")
    with in_words(path):
        _refuse_foreign(archive.header, path)
        analysis, left_out = restored(archive)
    if left_out:
        warnings.warn(
            f"{os.fspath(path)!r} has format version {version}; this modviz reads "
            f"{'.'.join(map(str, VERSION))} and leaves out: {', '.join(left_out[:20])}"
            f"{' and more' if len(left_out) > 20 else ''}. Update modviz-nn to see it",
            stacklevel=2,
        )
    return analysis


def _refuse_foreign(header: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Raise an error in words for what is whole, but not a file that this modviz can read."""
    where, version = os.fspath(path), header.get("version")
    if header.get("format") != FORMAT:
        kind = f" (it says {header['format']!r:.100})" if "format" in header else ""
        raise BundleError(
            f"{where!r} is an archive but no modviz bundle{kind}; expected a file written by "
            "Analysis.save"
        )
    known = version == 1 and not isinstance(version, (bool, float))
    if not known and not (isinstance(version, str) and re.fullmatch(r"\d{1,4}\.\d{1,4}", version)):
        if not isinstance(version, int) or version <= VERSION[0]:
            raise ValueError(f"its format version is {version!r:.100}")
        version = f"{version}.0"
    if not known and int(str(version).split(".")[0]) > VERSION[0]:
        raise BundleError(
            f"{where!r} has format version {version:.9}; this modviz reads up to {VERSION[0]}.x: "
            "update modviz-nn"
        )


def _padding(
    header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], blobs: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Zeros, where an honest file would be refused as too small for what it decodes to."""
    lacking = (decoded_bytes(header) - SPARE) // RATIO - sum(map(len, blobs.values()))
    if lacking > 0:
        lacking -= sum(len(zlib.compress(array.tobytes(), 1)) for array in arrays.values())
    return {"padding": bytes(lacking)} if lacking > 0 else {}


def _settings_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for JSON, which does not know a range of layers from a list of them."""
    layers = settings.get("layers")
    if not isinstance(layers, tuple):
        return dict(settings)
    return {**settings, "layers": {"range": list(layers)}}


def _plain(value: Any) -> Any:
    """Numbers of numpy, as they come in settings."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"settings or provenance hold a {type(value).__name__}; expected what JSON has: numbers, "
        "text, lists and mappings"
    )
