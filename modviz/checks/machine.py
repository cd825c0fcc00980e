"""Checks of the machine: processors, memory, accelerators, folders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from modviz.checks.findings import Finding

_GIB: Final = 2**30
#: Gigabytes: what Python and torch alone take, what small networks need, what a VGG-16 needs.
_NOTHING, _SMALL, _LARGE = 0.5, 1.5, 5.0


def memory(free: int | None) -> Finding:
    """Free memory, in bytes, against what analyses need; rough: networks differ."""
    if free is None:
        return Finding("Memory", "warning", "this system does not say how much is free")
    words = f"{free / _GIB:.1f} GB free"
    if free < _NOTHING * _GIB:
        advice = "end other programs or kernels, or take a larger machine"
        return Finding("Memory", "will not work", f"{words}: too little for torch alone", advice)
    if free < _SMALL * _GIB:
        return Finding(
            "Memory",
            "warning",
            f"{words}: enough for saved analyses and small networks",
            "give modviz.analyze a memory_limit (bytes) for more than those",
        )
    if free < _LARGE * _GIB:
        words += f"; enough for most networks, a VGG-16 needs about {_LARGE:.0f} GB"
    return Finding("Memory", "fine", words)


def cores(count: int) -> Finding:
    """Processor cores that this process may use."""
    one = "1 core: controls are measured one after the other"
    return Finding("Processor", "fine", one if count == 1 else f"{count} cores")


def accelerators(torch: Any) -> Finding:
    """What torch can compute on; None = there is no torch to ask."""
    if torch is None:
        return Finding("Accelerator", "fine", "not known without torch")
    found = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free = torch.cuda.mem_get_info(index)[0] / _GIB
            name = torch.cuda.get_device_name(index)
            found.append(f"{name} (cuda:{index}, {free:.0f} GB free)")
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        found.append("Apple GPU (mps)")
    if not found:
        return Finding("Accelerator", "fine", "none: networks run on the processor")
    move = "modviz works on the device that your model is on"
    return Finding("Accelerator", "fine", f"{', '.join(found)}; {move}")


def folder(path: Path) -> Finding:
    """Whether results can be saved in a folder."""
    try:
        with tempfile.NamedTemporaryFile(dir=path):
            pass
    except OSError as error:
        return Finding(
            "Folder",
            "warning",
            f"{path} cannot be written to ({error.strerror}): Save and Report fail there",
            "change the folder (os.chdir), or give save() and report() a whole path",
        )
    return Finding("Folder", "fine", f"{path} can be written to")
