"""How much memory is free, and giving back what is not needed."""

import contextlib
import ctypes

import psutil
import torch


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on a device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    return int(psutil.virtual_memory().available)


def give_memory_back() -> None:
    """Return freed memory to the system: arrays of many sizes leave gaps, and a process that runs for days would grow."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


__all__ = ["free_memory", "give_memory_back"]
