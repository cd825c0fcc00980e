"""How much memory there is, and how much of it a measurement may take."""

from __future__ import annotations

import torch

from modviz.core import machine

#: Share of the memory that is free when a measurement begins, and the most that is of use.
_SHARE, _MOST = 0.25, 2 * 2**30

#: The least that one may ask for: below it hardly an image fits.
LEAST = 64 * 2**20

#: What is taken for granted where the system does not tell.
_UNKNOWN = 4 * 2**30


def default_limit(device: torch.device) -> int:
    """Bytes that a measurement may take for its own values unless told otherwise."""
    most = _MOST if device.type == "cpu" else 4 * _MOST
    return int(min(most, _SHARE * free_bytes(device)))


def free_bytes(device: torch.device) -> int:
    """Memory that is left on a device, in bytes; on a CPU that of the machine or its container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = machine.free_bytes()
    return _UNKNOWN if free is None else free
