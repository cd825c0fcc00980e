"""An Analysis as one file, and back, without pickle and without torch.

The file is a zip archive: ``analysis.json`` says what is inside, every array is an ``.npy`` member.
Neither the model nor the data are in it.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages
from modviz.core.files import replacing
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import LayerCut, Partition
from modviz.core.sequential import SequentialRule
from modviz.core.support import Support

FORMAT = "modviz analysis"
VERSION = 1

#: Numbers of `Support` that may be undefined.
_INDICES = ("adjusted_rand", "other_adjusted_rand")

#: What reading a damaged or foreign file may raise.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a compression or a zip version that Python does not know
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted member
)


class BundleError(ValueError):
    """A file that is no modviz bundle, is damaged, or was written by a newer modviz."""


def save_bundle(analysis: Analysis, path: str | os.PathLike[str]) -> None:
    """Write `analysis` to `path`; an existing file is replaced only by a complete one."""
    graph = analysis.partition.graph
    arrays: dict[str, NDArray[Any]] = {
        "labels": analysis.partition.labels,
        "tested": analysis.tested,
    }
    for (i, j), block in graph.blocks.items():
        arrays[f"edges/{i}-{j}"] = block
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "model_name": analysis.model_name,
        "status": analysis.status,
        "settings": _settings_out(analysis.settings),
        "class_names": list(analysis.class_names),
        "n_clusters": analysis.partition.n_clusters,
        "edges": graph.edges,
        "scope": analysis.partition.scope,
        "cuts": [
            [cut.n_clusters, None if np.isnan(cut.ncut) else cut.ncut]
            for cut in analysis.partition.cuts
        ],
        "layers": [asdict(layer) for layer in graph.layers],
        "blocks": [[i, j] for i, j in graph.blocks],
    }
    for name in ("lesions", "features", "top_images"):
        result = getattr(analysis, name)
        header[name] = result is not None
        for f in fields(result) if result is not None else ():
            value = getattr(result, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"{name}/{f.name}"] = value
    if analysis.lesions is not None:
        header["lesions_n_images"] = analysis.lesions.n_images
        header["lesions_has_change_error"] = analysis.lesions.change_error is not None
        rule = analysis.lesions.rule
        header["lesions_near_ties"] = analysis.lesions.near_ties
        header["lesions_rule"] = None if rule is None else asdict(rule)
        header["lesions_has_rounds"] = analysis.lesions.rounds is not None
    if analysis.top_images is not None:
        header["top_images_n_images"] = analysis.top_images.n_images
        header["top_images_has_images"] = analysis.top_images.images is not None
    if analysis.support is not None:
        header["support"], found = _support_out(analysis.support)
        arrays |= found
    with (
        replacing(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("analysis.json", json.dumps(header, indent=1))
        for name, array in arrays.items():
            member = BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())


def _settings_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for JSON, which does not know a range of layers from a list of them."""
    layers = settings.get("layers")
    return {**settings, "layers": {"range": list(layers)} if isinstance(layers, tuple) else layers}


def _settings_in(stored: dict[str, Any]) -> dict[str, Any]:
    layers = stored.get("layers")
    return {**stored, "layers": tuple(layers["range"]) if isinstance(layers, dict) else layers}


def _support_out(support: Support) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What of it is an array, and the rest; the names are those of the partition."""
    values = {f.name: getattr(support, f.name) for f in fields(support) if f.name != "names"}
    arrays = {f"support/{k}": v for k, v in values.items() if isinstance(v, np.ndarray)}
    # JSON has no NaN
    rest = {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in values.items()
        if not isinstance(value, np.ndarray)
    }
    return rest, arrays


def _rule_in(stored: dict[str, Any] | None) -> SequentialRule | None:
    if stored is None:
        return None
    return SequentialRule(**(stored | {"looks": tuple(stored["looks"])}))


def load(path: str | os.PathLike[str]) -> Analysis:
    """Read an analysis that `Analysis.save` wrote. Needs no torch and runs nothing from the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    BundleError
        If the file is no modviz bundle, is damaged, or is of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("analysis.json"))
            if header.get("format") != FORMAT:
                raise BundleError(f"{os.fspath(path)!r} is a zip file but no modviz bundle")
            if header["version"] > VERSION:
                raise BundleError(
                    f"{os.fspath(path)!r} has format version {header['version']}; this modviz "
                    f"reads up to {VERSION}: update modviz-nn"
                )
            return _restore(header, archive)
    except FileNotFoundError:
        raise
    except BundleError:
        raise
    except _DAMAGE as error:
        raise BundleError(
            f"{os.fspath(path)!r} is no modviz bundle or is damaged ({error}); "
            "expected a file written by Analysis.save"
        ) from error


def _restore(header: dict[str, Any], archive: zipfile.ZipFile) -> Analysis:
    def array(name: str) -> NDArray[Any]:
        data = np.load(BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
        return np.asarray(data)

    layers = [Layer(**layer) for layer in header["layers"]]
    blocks = {(i, j): array(f"edges/{i}-{j}") for i, j in header["blocks"]}
    graph = NeuronGraph(layers, blocks, edges=header["edges"])
    lesions = features = top_images = None
    if header["lesions"]:
        named = {name: array(f"lesions/{name}") for name in ("intact", "lesioned", "controls")}
        error = array("lesions/change_error") if header["lesions_has_change_error"] else None
        lesions = LesionResults(
            **named,
            n_images=header["lesions_n_images"],
            change_error=error,
            # the first files have neither rules nor rounds, and did not count ties
            rule=_rule_in(header.get("lesions_rule")),
            near_ties=header.get("lesions_near_ties", 0),
            rounds=array("lesions/rounds") if header.get("lesions_has_rounds") else None,
        )
    if header["features"]:
        features = FeatureResults(
            **{f.name: array(f"features/{f.name}") for f in fields(FeatureResults)}
        )
    if header.get("top_images"):  # the first files of this version do not know them
        keys = ("entropy", "entropy_controls", "drives", "numbers", "labels")
        named = {name: array(f"top_images/{name}") for name in keys}
        images = array("top_images/images") if header["top_images_has_images"] else None
        top_images = TopImages(**named, images=images, n_images=header["top_images_n_images"])
    partition = Partition(
        array("labels"),
        header["n_clusters"],
        graph,
        # files of the first modviz don't have these: their partitions are global
        scope=header.get("scope", "global"),
        cuts=tuple(
            LayerCut(n, np.nan if ncut is None else ncut) for n, ncut in header.get("cuts", [])
        ),
    )
    support = None
    if (stored := header.get("support")) is not None:  # nor do they know this
        support = Support(
            tuple(s.name for s in partition.subclusters),
            array("support/stability"),
            array("support/stability_chance"),
            array("support/agreement"),
            array("support/agreement_chance"),
            **stored | {k: np.nan for k in _INDICES if stored[k] is None},
        )
    return Analysis(
        partition=partition,
        tested=array("tested"),
        class_names=tuple(header["class_names"]),
        lesions=lesions,
        features=features,
        top_images=top_images,
        support=support,
        status=header["status"],
        settings=_settings_in(header["settings"]),
        model_name=header["model_name"],
    )
