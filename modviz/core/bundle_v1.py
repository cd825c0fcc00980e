"""Bundles of format version 1, from before the first release, as if they were of today's format.

They have no table of members and no checksums but those of zip, graphs with all their digits, and
pictures as arrays of float32. All that is checked about today's files is checked about them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

#: Of lesions: what later files of this version added; the first have fixed controls, no counts.
_LESIONS = {"near_ties": 0, "rule": None}


def upgraded(
    header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays as version 2.0 has them.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If the header lacks what all files of version 1 have, or an array that it says there is.
    """
    new: dict[str, Any] = {
        name: header[name]
        for name in ("format", "model_name", "status", "class_names", "settings", "support")
        if name in header
    }
    new |= {"version": "2.0", "provenance": {}, "support": header.get("support")}
    found = {_renamed(name): array for name, array in arrays.items()}
    blocks = [
        {"layers": [i, j], "sparse": False, "least": None, "most": None}
        for i, j in header["blocks"]
    ]
    new["graph"] = {
        "edges": header["edges"],
        "exact": True,
        "layers": header["layers"],
        "blocks": blocks,
    }
    new["partition"] = {
        "n_clusters": header["n_clusters"],
        "scope": header.get("scope", "global"),
        "cuts": [{"n_clusters": n, "ncut": ncut} for n, ncut in header.get("cuts", [])],
    }
    new |= {"lesions": None, "features": None, "top_images": None}
    if header["lesions"]:
        for name in ("change_error", "rounds"):
            if header.get(f"lesions_has_{name}", False) != (f"lesions/{name}" in found):
                raise ValueError(f"the array 'lesions/{name}' is missing, or should not be there")
        rest = {name: header.get(f"lesions_{name}", value) for name, value in _LESIONS.items()}
        new["lesions"] = {"n_images": header["lesions_n_images"], **rest}
    if header["features"]:
        new["features"] = {
            name: _pictures(found[f"features/{name}"]) for name in ("images", "control_images")
        }
    if header.get("top_images"):
        images = None
        if header["top_images_has_images"]:
            images = _pictures(found["top_images/images"])
        new["top_images"] = {"n_images": header["top_images_n_images"], "images": images}
    return new, found


def _renamed(name: str) -> str:
    if name.startswith("edges/"):
        return f"graph/{name.removeprefix('edges/')}.weights"
    return "partition/labels" if name == "labels" else name


def _pictures(array: NDArray[Any]) -> dict[str, Any]:
    return {"files": None, "size": list(array.shape[-3:])}
