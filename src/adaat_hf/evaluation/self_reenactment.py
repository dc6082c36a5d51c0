"""Self-reenactment: paint later frames of a clip from its first one and compare with what really happened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.landmarks import FaceLandmarker
from ..video import VideoReader
from .metrics import Score, compare


Painter = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A source and a driving frame of one clip.

    Args:
        clip (`str`): File name without suffix.
        frame (`int`): Number of the driving frame; the source is frame 0.
        source, driving (`np.ndarray` of shape (S, S, 3)): Frames, uint8.
        source_points, driving_points (`np.ndarray` of shape (96, 2)): Landmarks in pixels.
    """

    clip: str
    frame: int
    source: np.ndarray
    driving: np.ndarray
    source_points: np.ndarray
    driving_points: np.ndarray


def driving_frames(count: int) -> list[int]:
    """Numbers of the four driving frames, spread over a clip of `count` frames after its first quarter."""
    return np.linspace(count // 4, count - 1, 4).astype(int).tolist()


def read_cases(folder: Path, landmarker: FaceLandmarker, size: int | None = None) -> Iterator[Case]:
    """The cases of all square clips in a folder; frames without a face are left out.

    Args:
        folder (`Path`): Searched for mp4 files.
        landmarker (`FaceLandmarker`): Finds the key points.
        size (`int`, *optional*): Side to which the frames are reduced; their own by default.

    Raises:
        FileNotFoundError: if the folder holds no mp4.
    """
    clips = sorted(folder.glob("*.mp4"))
    if not clips:
        raise FileNotFoundError(f"There is no mp4 in {str(folder)!r}.")
    for clip in clips:
        frames = list(VideoReader(clip))
        source = _reduced(frames[0], size)
        start = _points(source, landmarker)
        for number in driving_frames(len(frames)):
            driving = _reduced(frames[number], size)
            there = _points(driving, landmarker)
            if start is not None and there is not None:
                yield Case(clip.stem, number, source, driving, start, there)


def _reduced(frame: np.ndarray, size: int | None) -> np.ndarray:
    return frame if size is None else cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


def _points(frame: np.ndarray, landmarker: FaceLandmarker) -> np.ndarray | None:
    faces = landmarker.detect(frame[None])[0]
    return faces[0].as_face96()[0] if faces else None


def paint_case(case: Case, paint: Painter) -> np.ndarray:
    """The painted picture (S, S, 3), uint8, of a case.

    Args:
        case ([`Case`]): What to paint.
        paint (`Callable`): From source (1, 3, S, S) in [0, 1] and both key points (1, 96, 2) in [-1, 1] to a picture.
    """
    height, width = case.source.shape[:2]
    source = torch.from_numpy(case.source).permute(2, 0, 1)[None].float() / 255
    here, there = (
        AdaATImageProcessor.normalize_keypoints(torch.from_numpy(points)[None], height, width)
        for points in (case.source_points, case.driving_points)
    )
    painted = paint(source, here, there)[0].float().clamp(0, 1).cpu()
    return (painted.permute(1, 2, 0) * 255).round().byte().numpy()


def score_case(case: Case, painted: np.ndarray, lpips: nn.Module, landmarker: FaceLandmarker) -> Score:
    """Compare a painted picture (S, S, 3), uint8, with the driving frame."""
    first, second = (torch.from_numpy(p).permute(2, 0, 1).float() / 255 for p in (painted, case.driving))
    likeness = compare(first, second, lpips)
    found = _points(painted, landmarker)
    distance = float("nan")
    if found is not None:
        distance = float(np.linalg.norm(found - case.driving_points, axis=-1).mean())
    return Score(likeness.ssim, likeness.lpips, likeness.l1, distance)
