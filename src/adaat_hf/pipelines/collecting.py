"""Put painted crops together as the frames of a clip, in memory or straight into a video."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..overlap import work_behind
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..video import VideoWriter
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics, LazyFrames, SoundFile, VideoFrames


Crop = TypeVar("Crop")


@dataclass(frozen=True)
class FrameTarget:
    """Where the frames of a clip go.

    Args:
        fps (`Fraction`): Frame rate.
        sound (`SoundFile`, *optional*): File whose sound belongs to the frames.
        output (`Path`, *optional*): The mp4 to write while the frames are made; otherwise they are kept.
        output_type (`str`): `"pil"`, `"np"` or `"pt"`.
        mark (`bool`): Whether files are marked as synthetic.
    """

    fps: Fraction
    sound: SoundFile | None
    output: Path | None
    output_type: str
    mark: bool


def collect_frames(
    crops: Iterator[Crop],
    finish: Callable[[Crop], np.ndarray],
    extent: tuple[int, int],
    target: FrameTarget,
    statistics: AnimationStatistics,
    started: float,
) -> AdaATPipelineOutput:
    """Paint, finish and keep or write all frames.

    Args:
        crops (`Iterator`): Painted crops, made as they are asked for.
        finish (`Callable`): Makes a frame (H, W, 3), uint8, of a crop; called again whenever a kept frame is looked at.
        extent (`tuple[int, int]`): Height and width of the frames.
        target ([`FrameTarget`]): Where they go.
        statistics ([`AnimationStatistics`]): Gets the times.
        started (`float`): When the call began (`time.perf_counter()`).
    """
    painting_at = time.perf_counter()
    if target.output is not None:
        with VideoWriter(target.output, target.fps, extent[1], extent[0], target.sound, mark=target.mark) as writer:
            work_behind(crops, finish, writer.write)
        frames: Any = VideoFrames(target.output, statistics.frames)
    else:
        kept = list(crops)
        frames = LazyFrames(len(kept), lambda number: finish(kept[number]))
    now = time.perf_counter()
    statistics.seconds.update(painting=now - painting_at, total=now - started)
    if target.output_type != "pil":
        tensor = torch.from_numpy(np.stack(list(frames.arrays()))).permute(0, 3, 1, 2).float() / 255
        frames = AdaATImageProcessor().postprocess(tensor, target.output_type)
    return AdaATPipelineOutput(frames, target.fps, statistics, target.sound, target.output, target.mark)
