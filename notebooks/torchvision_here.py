"""torchvision, also beside a build of torch for the processor alone.

The torchvision that pip finds is built for CUDA. Beside a CPU build of torch it stops at its own
import with "operator torchvision::nms does not exist", because two of its operators, which no
classifier uses, are in the part that could not be loaded. To name them first is enough. Where
torchvision fits its torch nothing is done.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_KEPT: list[torch.library.Library] = []


def torchvision() -> ModuleType:
    """The package torchvision.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:  # what the failed import has left would be taken for the package
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)  # it has to live as long as torchvision does
    return importlib.import_module("torchvision")
