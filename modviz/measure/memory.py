"""How much memory there is, and how much of it a measurement may take."""

from __future__ import annotations

import os
from pathlib import Path

import torch

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
    known = [value for value in (_of_machine(), _of_container()) if value is not None]
    return min(known, default=_UNKNOWN)


def _of_machine() -> int | None:
    about = Path("/proc/meminfo")
    if about.exists():
        for line in about.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _of_container() -> int | None:
    """What the limit of a control group (versions 2 and 1) leaves; None if there is no limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        folder = Path("/sys/fs/cgroup")
        try:
            total = int((folder / limit).read_text(encoding="ascii"))
            taken = int((folder / used).read_text(encoding="ascii"))
        except (OSError, ValueError):  # no such version, or "max"
            continue
        return max(0, total - taken)
    return None
