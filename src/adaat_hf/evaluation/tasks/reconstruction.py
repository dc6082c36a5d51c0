"""Self-reenactment: paint a clip from its first frame and the key points of the others, and compare with the film."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.keypoint_maps import thin_plate_flow
from ...processing.face_tracking import track_face
from ...processing.image_processing_adaat import AdaATImageProcessor
from ...video import VideoReader
from ..footage import EvaluationError, Footage
from ..generators import open_generator
from ..protocols import PROTOCOLS
from .base import Painter, PaintingTask, middle


BATCH = 8
WARP_REGULARIZATION = 0.002


@dataclass(frozen=True)
class FilmedFace:
    """A clip of one face.

    Args:
        name (`str`): Its file's name without suffix.
        source (`np.ndarray` of shape (H, W, 3)): Its first frame, uint8.
        film (`list[np.ndarray]`): Frames to paint, in which a face is found.
        source_points (`np.ndarray` of shape (96, 2)), points (`np.ndarray` of shape (T, 96, 2)): Landmarks in pixels.
        fps (`float`): Frame rate.
    """

    name: str
    source: np.ndarray
    film: list[np.ndarray]
    source_points: np.ndarray
    points: np.ndarray
    fps: float


class Reconstruction(PaintingTask[FilmedFace]):
    """Clips of faces, painted from their first frame; `items` are video files."""

    protocol = PROTOCOLS["voxceleb-reconstruction"]
    baselines = ("copy-source", "warp-source", "film")

    def read(self, item: Path) -> FilmedFace | None:
        """Decode a clip and find its landmarks; `None` if the first frame, or all others, show no face."""
        if self.tools.landmarker is None:
            raise EvaluationError("Painting faces needs a landmark detector.")
        reader = VideoReader(item)
        frames = [reduced(frame, self.settings.size) for frame in reader]
        if len(frames) < 2:
            raise EvaluationError(f"{str(item)!r} has a single frame, a clip is painted from its first one.")
        chosen = frames[1:][middle(len(frames) - 1, self.settings.frames)]
        track = track_face([frames[0], *chosen], self.tools.landmarker)
        if not track.found[0] or track.found[1:].sum() < 2:
            return None
        found = track.found[1:]
        film = [frame for frame, seen in zip(chosen, found, strict=True) if seen]
        return FilmedFace(item.stem, frames[0], film, track.points[0], track.points[1:][found], float(reader.fps))

    def reference(self, case: FilmedFace) -> tuple[Footage, Footage | None]:
        """The film, and its first frame."""
        return Footage.of(case.name, case.film, case.fps), Footage.of("source", [case.source])

    def baseline(self, name: str) -> Painter:
        """The source as it is, bent by its key points, or the film itself, which shows what the measures err by."""
        painters: dict[str, Painter] = {
            "copy-source": lambda case: [case.source] * len(case.film),
            "warp-source": lambda case: _paint(case, warp_source),
            "film": lambda case: case.film,
        }
        return painters[name]

    def network(self, folder: str) -> Painter:
        """A generator, which gets the landmarks as they were found."""
        model = open_generator(folder, self.settings.device)
        count = model.config.num_keypoints

        @torch.no_grad()
        def network(source: Tensor, here: Tensor, there: Tensor) -> Tensor:
            inputs = (tensor.to(self.settings.device) for tensor in (source, here[:, :count], there[:, :count]))
            return torch.as_tensor(model(*inputs).images)

        return lambda case: _paint(case, network)


def warp_source(source: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) bent by their key points (N, 96, 2) in [-1, 1], without a network."""
    flow = thin_plate_flow(here, there, *source.shape[2:], regularization=WARP_REGULARIZATION)
    return F.grid_sample(source, flow, padding_mode="border", align_corners=True)


def _paint(case: FilmedFace, paint: Callable[[Tensor, Tensor, Tensor], Tensor]) -> list[np.ndarray]:
    height, width = case.source.shape[:2]
    source = torch.from_numpy(case.source).permute(2, 0, 1)[None].float() / 255
    here, there = (
        AdaATImageProcessor.normalize_keypoints(torch.from_numpy(points), height, width)
        for points in (case.source_points[None], case.points)
    )
    painted = []
    for batch in there.split(BATCH):
        count = len(batch)
        pictures = paint(source.expand(count, -1, -1, -1), here.expand(count, -1, -1), batch)
        painted += list(as_frames(pictures, case.name))
    return painted


def as_frames(pictures: Tensor, name: str) -> np.ndarray:
    """Painted pictures (N, 3, H, W) in [0, 1] as frames (N, H, W, 3), uint8.

    Raises:
        EvaluationError: if a value is not finite.
    """
    if not torch.isfinite(pictures).all():
        raise EvaluationError(f"A painted picture of {name!r} has values that are not finite (NaN or infinite).")
    return (pictures.float().clamp(0, 1).cpu().permute(0, 2, 3, 1) * 255).round().byte().numpy()


def reduced(frame: np.ndarray, size: int | None) -> np.ndarray:
    """A frame whose shorter side is reduced to this size."""
    if size is None:
        return frame
    scale = size / min(frame.shape[:2])
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


__all__ = ["FilmedFace", "Reconstruction", "as_frames", "reduced", "warp_source"]
