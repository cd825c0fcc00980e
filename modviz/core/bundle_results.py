"""Lesions, feature images, top images and support in a file, each checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modviz.core.bundle_pictures import Written, pictures_in, pictures_out
from modviz.core.contents import Contents, smallest
from modviz.core.results import FeatureResults, LesionResults, TopImages
from modviz.core.sequential import SequentialRule
from modviz.core.support import Support

Floats = NDArray[np.float64]

#: An entropy is at most the logarithm of the number of classes.
_MOST_NATS = 100.0
_LEAST_NATS = -1e-3  # rounding
_MOST_IMAGES = 2**53


def lesions_out(lesions: LesionResults) -> Written:
    """Accuracies as counts of right answers where these give back every float to the last bit."""
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(lesions, name) for name in ("intact", "lesioned", "controls")
    }
    if lesions.class_images is not None:
        counts = {name: _counts(array, lesions.class_images) for name, array in arrays.items()}
        arrays |= {name: found for name, found in counts.items() if found is not None}
        arrays["class_images"] = smallest(lesions.class_images)
    if lesions.change_error is not None:
        arrays["change_error"] = lesions.change_error
    if lesions.rounds is not None:
        arrays["rounds"] = smallest(lesions.rounds)
    header = {
        "n_images": lesions.n_images,
        "near_ties": lesions.near_ties,
        "rule": None if lesions.rule is None else asdict(lesions.rule),
    }
    return header, {f"lesions/{name}": array for name, array in arrays.items()}, {}


def lesions_in(header: Mapping[str, Any], contents: Contents) -> LesionResults:
    """Lesions of a file; also tells `contents` the number of classes."""
    images = None
    if contents.has("lesions/class_images"):
        images = contents.whole("lesions/class_images", "C", 1, _MOST_IMAGES)
    shapes = {"intact": "C", "lesioned": "SC", "controls": "SRC"}
    accuracies = {
        name: _accuracies(f"lesions/{name}", axes, images, contents)
        for name, axes in shapes.items()
    }
    lengths = contents.lengths
    if not lengths["C"] or not lengths["R"]:
        raise ValueError(
            f"lesions have {lengths['C']} classes and {lengths['R']} controls; expected at least 1"
        )
    missing = np.isnan(accuracies["controls"])
    if (missing.any(axis=2) != missing.all(axis=2)).any():
        raise ValueError("lesions/controls has controls with some of their classes; expected all")
    error = None
    if contents.has("lesions/change_error"):
        error = contents.numbers("lesions/change_error", "S", 0, 1e6)
    rule = None
    if header["rule"] is not None:
        rule = SequentialRule(**header["rule"] | {"looks": tuple(header["rule"]["looks"])})
        if rule.n_controls < lengths["R"]:
            raise ValueError(
                f"lesions have {lengths['R']} controls each; their rule has at most "
                f"{rule.n_controls}"
            )
    return LesionResults(
        **accuracies,
        n_images=header["n_images"],
        change_error=error,
        rule=rule,
        near_ties=header["near_ties"],
        rounds=_rounds(contents, rule) if contents.has("lesions/rounds") else None,
        class_images=images,
    )


def _rounds(contents: Contents, rule: SequentialRule | None) -> NDArray[np.int64]:
    rounds = contents.whole("lesions/rounds", "SL", 1, contents.lengths["R"])
    rises = (np.diff(rounds, axis=1) >= 0).all()
    if rule is not None or not rounds.shape[1] or not rises or np.unique(rounds[:, 0]).size > 1:
        raise ValueError(
            "lesions/rounds makes no sense; expected draws that begin alike and rise, and no rule"
        )
    return rounds


def _counts(accuracies: Floats, images: NDArray[np.int64]) -> NDArray[Any] | None:
    """Right answers behind accuracies; the largest number stands for NaN. None if they are not."""
    missing = np.isnan(accuracies)
    counts = np.rint(np.where(missing, 0, accuracies) * images)
    given_back = np.where(missing, np.nan, counts / images)
    same = given_back.view(np.int64) == np.asarray(accuracies, dtype=np.float64).view(np.int64)
    if not (same | missing).all():
        return None
    most = int(images.max(initial=0))
    dtype = next(d for d in (np.uint8, np.uint16, np.uint32, np.uint64) if most < np.iinfo(d).max)
    return np.where(missing, np.iinfo(dtype).max, counts.astype(dtype))


def _accuracies(
    name: str, axes: str, images: NDArray[np.int64] | None, contents: Contents
) -> Floats:
    array = contents.array(name)
    if array.dtype.kind != "u":
        return contents.numbers(name, axes, 0, 1, undefined=name != "lesions/intact")
    if images is None:
        raise ValueError(f"{name} has counts, but there are no lesions/class_images")
    array = contents.shaped(name, axes)
    missing = array == np.iinfo(array.dtype).max
    if (array > images)[~missing].any() or (name == "lesions/intact" and missing.any()):
        raise ValueError(f"{name} has more right answers than images")
    return np.where(missing, np.nan, np.where(missing, 0, array) / images)


def features_out(features: FeatureResults) -> Written:
    """Numbers and pictures of feature visualizations."""
    names = ("score", "entropy", "score_controls", "entropy_controls")
    arrays: dict[str, NDArray[Any]] = {f"features/{n}": getattr(features, n) for n in names}
    header: dict[str, Any] = {}
    blobs: dict[str, bytes] = {}
    for name in ("images", "control_images"):
        header[name], more, files = pictures_out(f"features/{name}", getattr(features, name))
        arrays |= more
        blobs |= files
    return header, arrays, blobs


def features_in(header: Mapping[str, Any], contents: Contents) -> FeatureResults:
    """Feature visualizations of a file."""
    contents.lengths.pop("R", None)
    entropy = {
        name: contents.numbers(f"features/{name}", axes, _LEAST_NATS, _MOST_NATS)
        for name, axes in (("entropy", "S"), ("entropy_controls", "SR"))
    }
    if not contents.lengths["R"]:
        raise ValueError("features have no controls; expected at least 1")
    return FeatureResults(
        score=contents.numbers("features/score", "S"),
        score_controls=contents.numbers("features/score_controls", "SR"),
        **entropy,
        images=pictures_in("features/images", header["images"], contents, "S"),
        control_images=pictures_in(
            "features/control_images", header["control_images"], contents, "S"
        ),
    )


def top_images_out(tops: TopImages) -> Written:
    """Numbers and pictures of top images."""
    arrays: dict[str, NDArray[Any]] = {
        f"top_images/{name}": getattr(tops, name)
        for name in ("entropy", "entropy_controls", "drives")
    }
    arrays |= {f"top_images/{n}": smallest(getattr(tops, n)) for n in ("numbers", "labels")}
    if tops.images is None:
        return {"n_images": tops.n_images, "images": None}, arrays, {}
    about, more, blobs = pictures_out("top_images/images", tops.images)
    return {"n_images": tops.n_images, "images": about}, arrays | more, blobs


def top_images_in(header: Mapping[str, Any], contents: Contents, n_classes: int) -> TopImages:
    """Top images of a file; labels are positions among `n_classes` names."""
    contents.lengths.pop("R", None)
    entropy = contents.numbers("top_images/entropy", "S", _LEAST_NATS, _MOST_NATS)
    controls = contents.numbers("top_images/entropy_controls", "SR", _LEAST_NATS, _MOST_NATS)
    drives = contents.numbers("top_images/drives", "ST", 0)
    n_images = header["n_images"]
    numbers = contents.whole("top_images/numbers", "ST", -1, max(n_images - 1, -1))
    labels = contents.whole("top_images/labels", "ST", -1, n_classes - 1)
    there = ~np.isnan(entropy)
    whole = contents.lengths["T"] > 0 and contents.lengths["R"] > 0
    if there.any() and not (
        whole
        and (numbers[there] >= 0).all()
        and (labels[there] >= 0).all()
        and not np.isnan(drives[there]).any()
    ):
        raise ValueError(
            "top_images has an entropy for subclusters whose images, classes or drives are missing"
        )
    if not contents.lengths["R"]:
        raise ValueError("top_images have no controls; expected at least 1")
    images = None
    if header["images"] is not None:
        images = pictures_in("top_images/images", header["images"], contents, "ST")
    return TopImages(entropy, controls, drives, numbers, labels, images, n_images)


_OVERLAPS = ("stability", "stability_chance", "agreement", "agreement_chance")
_INDICES = ("adjusted_rand", "other_adjusted_rand")


def support_out(support: Support) -> Written:
    """What there is beside the names, which are those of the partition."""
    header: dict[str, Any] = {
        name: getattr(support, name) for name in ("n_seeds", "other_edges", "missing")
    }
    header |= {name: or_null(getattr(support, name)) for name in _INDICES}
    return header, {f"support/{name}": getattr(support, name) for name in _OVERLAPS}, {}


def support_in(header: Mapping[str, Any], contents: Contents, names: tuple[str, ...]) -> Support:
    """Support of the subclusters of these names."""
    overlaps = [contents.numbers(f"support/{name}", "S", -1e-3, 1.001) for name in _OVERLAPS]
    indices = {name: or_nan(header[name]) for name in _INDICES}
    return Support(
        names, overlaps[0], overlaps[1], overlaps[2], overlaps[3], **{**header, **indices}
    )


def or_null(value: float) -> float | None:
    """A float for JSON, which has no NaN."""
    return None if isnan(value) else float(value)


def or_nan(value: float | None) -> float:
    """The float of a JSON value."""
    return float("nan") if value is None else float(value)
