"""The one connection to OpenVINO of a process."""

from functools import cache
from typing import Any


@cache
def openvino_core() -> Any:
    """The `openvino.Core` that all graphs share, never given back.

    The CPU plugin of every core gives its thread another stack for signals, and puts back, when the core ends, the one that it
    had found. Where several end in the order in which they began, that is the stack of one that is gone, and the next signal
    with a handler (Ctrl-C, the end of a child process) kills the process.

    Raises:
        ImportError: if OpenVINO is not installed.
    """
    import openvino

    return openvino.Core()


__all__ = ["openvino_core"]
