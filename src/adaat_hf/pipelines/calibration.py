"""What a pipeline gives its network while it animates real clips, for the ranges of 8-bit activations."""

from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from ..inference.graph import PaintGraph
from ..inference.plan import InferencePlan, PlannedSource
from ..inference.runtimes import as_arrays
from ..models.limb_warp import PreparedSources
from ..models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput
from ..video import VideoError, VideoReader, find_videos
from .base import AdaATPipeline
from .face_animation import FaceAnimationPipeline
from .pipeline_face_reenactment import FaceReenactmentPipeline


POSES_PER_CLIP = 4
FRAMES_PER_CLIP = 25


class _Recorder(InferencePlan):
    """Remembers what it paints with."""

    def __init__(self, generator: AdaATGenerator) -> None:
        super().__init__(generator)
        self.inputs: list[dict[str, np.ndarray]] = []

    def forward(
        self,
        source: PlannedSource,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        values, _ = PaintGraph(self, 1).prepare(source, driving_keypoints, driving_visibility, prepared)
        self.inputs.append(as_arrays(values))
        return super().forward(source, driving_keypoints, driving_visibility, prepared)


def calibration_inputs(pipe: AdaATPipeline, folder: str | Path, samples: int) -> list[dict[str, np.ndarray]]:
    """Let the first frame of each clip of a folder be moved by the clip itself, and by the clip before it.

    Args:
        pipe ([`AdaATPipeline`]): A face pipeline, on the CPU.
        folder (`str` or `Path`): Folder with videos of faces.
        samples (`int`): Number of poses to take.

    Returns:
        `list[dict[str, np.ndarray]]`: Arguments of [`PaintGraph`], one pose each.

    Raises:
        ValueError: if the pipeline is not for faces, or the folder has no clip with a face.
    """
    if not isinstance(pipe, FaceAnimationPipeline):
        raise ValueError(f"8-bit export is for face pipelines, but this is a {type(pipe).__name__}.")
    clips = find_videos(folder)
    wanted = -(-samples // (2 * POSES_PER_CLIP))
    chosen = clips[:: max(1, len(clips) // wanted)][:wanted]
    reenact = FaceReenactmentPipeline(pipe.generator, pipe.face_model, pipe.image_processor, pipe.landmarker)
    reenact.set_progress_bar_config(disable=True)
    recorder = _Recorder(pipe.generator)
    reenact.paint_with(recorder)
    for number, clip in enumerate(tqdm(chosen, desc="reading calibration clips", unit="clip")):
        try:
            frames = [frame for frame, _ in zip(VideoReader(clip), range(FRAMES_PER_CLIP), strict=False)]
            step = max(1, len(frames) // POSES_PER_CLIP)
            for source in (clip, chosen[number - 1]):
                first = next(iter(VideoReader(source)))
                reenact(first, frames[::step][:POSES_PER_CLIP], batch_size=1, smoothing=False, crop_only=True)
        except (VideoError, ValueError):
            continue  # a clip without a face is no loss
    if not recorder.inputs:
        raise ValueError(f"None of the clips in {str(folder)!r} shows a face.")
    return recorder.inputs[:samples]


__all__ = ["calibration_inputs"]
