"""A photograph that moves as a camera, a stream or a file does now."""

from .animator import LiveAnimator
from .capture import Captured, LiveCapture
from .outputs import CameraOutput, LiveOutput, PageOutput, VideoOutput
from .session import LiveSession, LiveStatistics


__all__ = [
    "CameraOutput",
    "Captured",
    "LiveAnimator",
    "LiveCapture",
    "LiveOutput",
    "LiveSession",
    "LiveStatistics",
    "PageOutput",
    "VideoOutput",
]
