"""Face landmarks by the bundled networks ([`AdaATLandmarker`]): batched, on any device, without further packages."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.modeling_landmarker import AdaATLandmarker
from .boxes import suppress_overlaps
from .landmarks import FaceLandmarks


@dataclass(frozen=True)
class _Candidate:
    """A square (centre x, y; side; angle) of frame `frame` that may hold a face, in picture pixels."""

    frame: int
    x: float
    y: float
    side: float
    angle: float = 0.0


class TorchLandmarker:
    """Find faces and their 96 landmarks with [`AdaATLandmarker`].

    Args:
        model (`AdaATLandmarker`): The networks, on the device where they shall run.
        max_faces (`int`, *optional*, defaults to 8): Most faces returned per frame.
        threshold (`float`, *optional*, defaults to 0.15): Detector score from which a place is examined, in [0, 1].
        presence (`float`, *optional*, defaults to 0.5): Score of the landmark network from which it counts as a face.
    """

    def __init__(
        self, model: AdaATLandmarker, max_faces: int = 8, threshold: float = 0.15, presence: float = 0.5
    ) -> None:
        self.model = model.eval()
        self.max_faces, self.threshold, self.presence = max_faces, threshold, presence

    @torch.no_grad()
    def detect(self, frames: np.ndarray) -> list[list[FaceLandmarks]]:
        """See [`FaceLandmarker.detect`]; layout `"face96"`."""
        faces: list[list[FaceLandmarks]] = [[] for _ in frames]
        longest = max(frames.shape[1:3])
        size = self.model.config.detector_size
        # Small faces show up only at higher resolution, which is searched where nothing was found.
        while True:
            missing = [number for number, found in enumerate(faces) if not found]
            for number, found in zip(missing, self._search(frames[missing], size), strict=True):
                faces[number] = found
            if all(faces) or size >= longest or size >= 4 * self.model.config.detector_size:
                return faces
            size *= 2

    def _search(self, frames: np.ndarray, size: int) -> list[list[FaceLandmarks]]:
        candidates = self._candidates(frames, size)
        found: list[list[FaceLandmarks]] = [[] for _ in frames]
        if not candidates:
            return found
        points, _ = self._predict(frames, candidates)
        points, scores = self._predict(frames, [self._refined(c, p) for c, p in zip(candidates, points, strict=True)])
        for candidate, place, score in zip(candidates, points, scores, strict=True):
            if score >= self.presence:
                seen = np.ones(len(place), np.float32)
                found[candidate.frame].append(FaceLandmarks(place, self.model.config.layout, seen, float(score)))
        return [self._distinct(faces) for faces in found]

    def _distinct(self, faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
        if not faces:
            return faces
        boxes = np.array([face.box for face in faces])
        kept = suppress_overlaps(boxes, np.array([face.score for face in faces]))
        return sorted((faces[index] for index in kept), key=lambda face: -face.size)[: self.max_faces]

    def _candidates(self, frames: np.ndarray, size: int) -> list[_Candidate]:
        height, width = frames.shape[1:3]
        zoom = size / max(height, width)
        extent = (max(1, round(width * zoom)), max(1, round(height * zoom)))
        way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        small = np.stack([cv2.resize(frame, extent, interpolation=way) for frame in frames])
        seen = self.model.find(self._to_tensor(small))
        probability = seen.scores.float().sigmoid()
        peaks = (probability == F.max_pool2d(probability, 3, 1, 1)) & (probability > self.threshold)
        stride = self.model.config.detector_stride
        candidates: list[tuple[float, _Candidate]] = []
        for frame, _, row, column in peaks.nonzero().tolist():
            offset = seen.offsets[frame, :, row, column].float().tolist()
            side = float(seen.sizes[frame, 0, row, column].float().exp()) * stride
            x, y = (column + 0.5 + offset[0]) * stride / zoom, (row + 0.5 + offset[1]) * stride / zoom
            margin = self.model.config.crop_margin
            score = float(probability[frame, 0, row, column])
            candidates.append((score, _Candidate(frame, x - 0.5, y - 0.5, margin * side / zoom)))
        candidates.sort(key=lambda item: -item[0])
        per_frame = [[c for _, c in candidates if c.frame == n][: 2 * self.max_faces] for n in range(len(frames))]
        return [candidate for found in per_frame for candidate in found]

    def _refined(self, candidate: _Candidate, points: np.ndarray) -> _Candidate:
        """A tighter, upright square around landmarks (96, 2) found in a first look."""
        eyes = points[42:48].mean(0) - points[36:42].mean(0)
        angle = float(np.arctan2(eyes[1], eyes[0]))
        low, high = points.min(0), points.max(0)
        centre = (low + high) / 2
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned = (points - centre) @ turn.T
        low, high = turned.min(0), turned.max(0)
        x, y = centre + turn.T @ ((low + high) / 2)
        side = self.model.config.crop_margin * float((high - low).max())
        return _Candidate(candidate.frame, float(x), float(y), max(side, 4.0), angle)

    def _predict(self, frames: np.ndarray, candidates: list[_Candidate]) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks (N, 96, 2) in picture pixels and presence scores (N,) for squares of the frames."""
        size = self.model.config.crop_size
        matrices = [_to_crop(candidate, size) for candidate in candidates]
        crops = np.stack(
            [_cut(frames[c.frame], m, c.side / size, size) for c, m in zip(candidates, matrices, strict=True)]
        )
        result = self.model(self._to_tensor(crops))
        inside = (result.points.float().cpu().numpy() + 1) / 2 * (size - 1)
        points = [
            p @ back[:, :2].T + back[:, 2]
            for p, back in zip(inside, map(cv2.invertAffineTransform, matrices), strict=True)
        ]
        return np.array(points, np.float32), result.presence.float().sigmoid().cpu().numpy()

    def _to_tensor(self, pictures: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(pictures).to(self.model.device).permute(0, 3, 1, 2)
        return tensor.to(self.model.dtype) / 255


def _to_crop(candidate: _Candidate, size: int) -> np.ndarray:
    zoom = size / candidate.side
    cosine, sine = zoom * np.cos(candidate.angle), zoom * np.sin(candidate.angle)
    linear = np.array([[cosine, sine], [-sine, cosine]])
    return np.c_[linear, (size - 1) / 2 - linear @ [candidate.x, candidate.y]]


def _cut(frame: np.ndarray, matrix: np.ndarray, shrink: float, size: int) -> np.ndarray:
    """Warp a frame into a crop; a strongly reduced region is first averaged down to avoid aliasing."""
    if shrink > 2:
        factor = 1 / int(shrink)
        frame = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        matrix = matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ np.full(2, (1 / factor - 1) / 2)
        matrix[:, :2] /= factor
    return cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
