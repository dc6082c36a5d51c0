"""Landmarks of faces and bodies by the bundled networks ([`AdaATLandmarker`]): batched, on any device."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.modeling_landmarker import AdaATLandmarker, heatmap_centres
from ..models.parts_network import PARTS_STRIDE
from .body_keypoints import BODY18, EARS, EYES, HIPS, NECK, BodyKeypoints
from .boxes import suppress_overlaps
from .keypoints import FACE96
from .landmarks import FaceLandmarks, Landmarks


Found = TypeVar("Found", bound=Landmarks)
_Judgement = tuple[Tensor, Tensor | None, Tensor]
# Bodies tilted further than this are examined upright.
MAX_TILT = np.deg2rad(50.0)
# A body of which less is seen is left out.
MIN_POINTS = 5
# An ear lies at most this far below the eyes, in units of their way to the neck.
LOWEST_EAR = 0.65
# Shares of `PARTS`, times 255, that say nothing.
UNSEEN = (128, 127, 0)
# How often the square is looked at in which something was seen just before.
NEAR_LOOKS = 2


@dataclass(frozen=True)
class _Candidate:
    """A square (centre x, y; side; angle) of frame `frame` that may hold a face or body, in picture pixels."""

    frame: int
    x: float
    y: float
    side: float
    angle: float = 0.0


class _TorchDetector(Generic[Found]):
    """The search that faces and bodies share: squares that a detector finds are looked at again and again, tighter every time.

    Args:
        model (`AdaATLandmarker`): The networks, on the device where they shall run.
        max_found (`int`): Most faces or bodies returned per frame.
        threshold (`float`): Detector score from which a place is examined, in [0, 1].
        presence (`float`): Score of the landmark network from which it counts, in [0, 1].
    """

    layouts: tuple[str, ...]
    # How often a square is looked at, and the least side of the next one, as a share of it.
    looks: int = 2
    least_side: float = 0.0
    # Where the largest one's score is less, it is also looked for at twice the resolution; where the followed one's is, anywhere.
    sure: float = 0.0
    # What moved further than this since it was last seen, in units of its square's side, is looked for in the whole frame.
    largest_move: float = 0.1

    def __init__(self, model: AdaATLandmarker, max_found: int, threshold: float, presence: float) -> None:
        if model.config.layout not in self.layouts:
            raise ValueError(f"The landmarker predicts {model.config.layout!r}, expected one of {self.layouts}.")
        self.model = model.eval()
        self.max_found, self.threshold, self.presence = max_found, threshold, presence

    def _upright(self, points: np.ndarray) -> float:
        """How far landmarks (K, 2) are turned clockwise, in radians."""
        raise NotImplementedError

    def _result(self, points: np.ndarray, visibility: np.ndarray, score: float) -> Found | None:
        """What is returned for landmarks (K, 2) in pixels, or `None` if they are not usable."""
        raise NotImplementedError

    @torch.no_grad()
    def detect(self, frames: np.ndarray) -> list[list[Found]]:
        """Detect in every frame (N, H, W, 3), uint8; see the protocols [`FaceLandmarker`] and [`BodyDetector`]."""
        found: list[list[Found]] = [[] for _ in frames]
        size = self.model.config.detector_size
        # Small ones show up only at higher resolution, which is searched where nothing was found, or nothing that is sure.
        for enlarged in (1, 2, 4):
            if enlarged > 1 and enlarged / 2 * size >= max(frames.shape[1:3]):
                break
            sure = self.sure if enlarged == 2 else 0.0
            again = [number for number, items in enumerate(found) if not items or items[0].score < sure]
            seen = self._search(frames[again], enlarged * size) if again else []
            for number, more in zip(again, seen, strict=True):
                found[number] = self._distinct(found[number] + more)
        return found

    @torch.no_grad()
    def detect_near(self, frames: np.ndarray, last: Found) -> list[Found | None]:
        """Find again, in every frame (N, H, W, 3), uint8, the face or body that was `last` seen just before the first one, without a
        search of the whole frame; `None` where it is gone, or has moved too far for that. What is seen with a score below `sure` should
        be searched for."""
        start = self._refined(_Candidate(0, 0.0, 0.0, 0.0), last.points)
        begun = [replace(start, frame=number) for number in range(len(frames))]
        refined, results = self._examine(frames, begun, NEAR_LOOKS, self._glance)
        steps = [np.hypot(place.x - start.x, place.y - start.y) / start.side for place in refined]
        return [None if step >= self.largest_move else result for step, result in zip(steps, results, strict=True)]

    def _search(self, frames: np.ndarray, size: int) -> list[list[Found]]:
        candidates = self._candidates(frames, size)
        found: list[list[Found]] = [[] for _ in frames]
        if candidates:
            for place, result in zip(*self._examine(frames, candidates, self.looks, self._judge), strict=True):
                if result is not None:
                    found[place.frame].append(result)
        return found

    def _examine(
        self, frames: np.ndarray, candidates: list[_Candidate], looks: int, first: Callable[[Tensor], _Judgement]
    ) -> tuple[list[_Candidate], list[Found | None]]:
        """The tighter squares of all looks but the last, which judge by `first`, and what that one finds in them."""
        for _ in range(looks - 1):
            points, _, _ = self._predict(frames, candidates, first)
            candidates = [self._refined(*item) for item in zip(candidates, points, strict=True)]
        points, seen, scores = self._predict(frames, candidates, self._judge)
        results = [
            self._result(place, visible, float(score)) if score >= self.presence else None
            for place, visible, score in zip(points, seen, scores, strict=True)
        ]
        return candidates, results

    def _distinct(self, found: list[Found]) -> list[Found]:
        if not found:
            return found
        boxes = np.array([item.box for item in found])
        kept = suppress_overlaps(boxes, np.array([item.score for item in found]))
        return sorted((found[index] for index in kept), key=lambda item: -item.size)[: self.max_found]

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
        per_frame = [[c for _, c in candidates if c.frame == n][: 2 * self.max_found] for n in range(len(frames))]
        return [candidate for found in per_frame for candidate in found]

    def _refined(self, candidate: _Candidate, points: np.ndarray) -> _Candidate:
        """A tighter, upright square around the landmarks (K, 2) that a look found, also those that it did not see."""
        return self._square(candidate, points, self._upright(points))

    def _square(self, candidate: _Candidate, points: np.ndarray, angle: float) -> _Candidate:
        low, high = points.min(0), points.max(0)
        centre = (low + high) / 2
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned = (points - centre) @ turn.T
        low, high = turned.min(0), turned.max(0)
        x, y = centre + turn.T @ ((low + high) / 2)
        side = self.model.config.crop_margin * float((high - low).max())
        least = max(self.least_side * candidate.side, 4.0)
        return _Candidate(candidate.frame, float(x), float(y), max(side, least), angle)

    def _predict(
        self, frames: np.ndarray, candidates: list[_Candidate], judge: Callable[[Tensor], _Judgement]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Landmarks (N, K, 2) in picture pixels, their visibility (N, K) and presence scores (N,) for squares."""
        size = self.model.config.crop_size
        matrices = [_to_crop(candidate, size) for candidate in candidates]
        crops = np.stack(
            [_cut(frames[c.frame], m, c.side / size, size) for c, m in zip(candidates, matrices, strict=True)]
        )
        places, visibility, presence = judge(self._to_tensor(crops))
        inside = (places.cpu().numpy() + 1) / 2 * (size - 1)
        points = [
            p @ back[:, :2].T + back[:, 2]
            for p, back in zip(inside, map(cv2.invertAffineTransform, matrices), strict=True)
        ]
        seen: np.ndarray = np.ones(inside.shape[:2], np.float32)
        if visibility is not None:
            seen = (visibility > 0).float().cpu().numpy()
        return np.array(points, np.float32), seen, presence.sigmoid().cpu().numpy()

    def _glance(self, crops: Tensor) -> _Judgement:
        """Points (N, K, 2) in [-1, 1], logits of their visibility (N, K), and of presence (N,), of crops (N, 3, S, S)."""
        found = self.model(crops)
        return (
            found.points.float(),
            None if found.visibility is None else found.visibility.float(),
            found.presence.float(),
        )

    def _judge(self, crops: Tensor) -> _Judgement:
        """The same, more thoroughly."""
        return self._glance(crops)

    def _to_tensor(self, pictures: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(pictures).to(self.model.device).permute(0, 3, 1, 2)
        return tensor.to(self.model.dtype) / 255


class TorchLandmarker(_TorchDetector[FaceLandmarks]):
    """Find faces and their 96 landmarks with [`AdaATLandmarker`]; layout `"face96"`.

    Args:
        model (`AdaATLandmarker`): The networks, on the device where they shall run.
        max_faces (`int`, *optional*, defaults to 8): Most faces returned per frame.
        threshold (`float`, *optional*, defaults to 0.15): Detector score from which a place is examined, in [0, 1].
        presence (`float`, *optional*, defaults to 0.5): Score of the landmark network from which it counts as a face.
    """

    layouts = (FACE96.name,)

    def __init__(
        self, model: AdaATLandmarker, max_faces: int = 8, threshold: float = 0.15, presence: float = 0.5
    ) -> None:
        super().__init__(model, max_faces, threshold, presence)

    def _upright(self, points: np.ndarray) -> float:
        eyes = points[42:48].mean(0) - points[36:42].mean(0)
        return float(np.arctan2(eyes[1], eyes[0]))

    def _result(self, points: np.ndarray, visibility: np.ndarray, score: float) -> FaceLandmarks:
        return FaceLandmarks(points, self.model.config.layout, visibility, score)


class TorchBodyDetector(_TorchDetector[BodyKeypoints]):
    """Find bodies and their 18 key points with [`AdaATLandmarker`]; layout `"body18"`.

    Args:
        model (`AdaATLandmarker`): The networks, on the device where they shall run.
        max_bodies (`int`, *optional*, defaults to 8): Most bodies returned per frame.
        threshold (`float`, *optional*, defaults to 0.15): Detector score from which a place is examined, in [0, 1].
        presence (`float`, *optional*, defaults to 0.5): Score of the landmark network from which it counts as a body.
    """

    layouts = (BODY18.name,)
    # Bodies are framed less surely than faces, and one that is mistaken must not shrink to its head.
    looks, least_side = 3, 0.75
    sure = 0.98
    # Arms and legs that are thrown out move the middle of what is seen.
    largest_move = 0.25

    def __init__(
        self, model: AdaATLandmarker, max_bodies: int = 8, threshold: float = 0.15, presence: float = 0.5
    ) -> None:
        super().__init__(model, max_bodies, threshold, presence)

    def _judge(self, crops: Tensor) -> _Judgement:
        """What crops and their mirror images show together (Newell et al., 2016): the means of all logits, by which a place counts that
        both find likely, not the middle of two that contradict."""
        found, other = self.model(crops), self.model(crops.flip(-1))
        sides = list(BODY18.mirror)
        points = heatmap_centres((found.heatmaps + other.heatmaps.flip(-1)[:, sides]).float() / 2)
        visibility = None
        if found.visibility is not None:
            visibility = (found.visibility + other.visibility[:, sides]).float() / 2
        return points, visibility, (found.presence + other.presence).float() / 2

    @torch.no_grad()
    def find_parts(self, picture: np.ndarray, points: np.ndarray, visibility: np.ndarray) -> np.ndarray:
        """Tell which pixels of a picture are a body's, and its arms'; needs `config.parts`.

        Args:
            picture (`np.ndarray` of shape (H, W, 3)): uint8.
            points (`np.ndarray` of shape (18, 2)): The body's key points in pixels.
            visibility (`np.ndarray` of shape (18,)): Points with 0 are ignored.

        Returns:
            `np.ndarray` of shape (H, W, 3): How likely each pixel is each of `PARTS`, times 255, uint8; far from the points that are
            seen, `UNSEEN`.
        """
        shown = points[visibility > 0]
        upright = self._upright(points) if (visibility[[NECK, *HIPS]] > 0).all() else 0.0
        place = self._square(_Candidate(0, 0.0, 0.0, 0.0), shown, upright)
        size = self.model.config.crop_size
        matrix = _to_crop(place, size)
        crop = self._to_tensor(_cut(picture, matrix, place.side / size, size)[None])
        inside = (points @ matrix[:, :2].T + matrix[:, 2]) / (size - 1) * 2 - 1
        own, seen = (
            torch.from_numpy(value.astype(np.float32))[None].to(self.model.device) for value in (inside, visibility)
        )
        mirrored, sides = own * own.new_tensor([-1, 1]), list(BODY18.mirror)
        logits = self.model.tell_parts(crop, own, seen)
        other = self.model.tell_parts(crop.flip(-1), mirrored[:, sides], seen[:, sides]).flip(-1)
        found = (logits.float().softmax(1) + other.float().softmax(1)) / 2
        likely = (255 * found)[0].permute(1, 2, 0).round().byte().cpu().numpy()
        back = cv2.invertAffineTransform(to_cells(matrix))
        return cv2.warpAffine(likely, back, picture.shape[1::-1], flags=cv2.INTER_LINEAR, borderValue=UNSEEN)

    def _upright(self, points: np.ndarray) -> float:
        """A lying body is turned upright; smaller tilts stay, as the network has learned them."""
        spine = points[list(HIPS)].mean(0) - points[NECK]
        angle = float(np.arctan2(-spine[0], spine[1]))
        return angle if abs(angle) > MAX_TILT else 0.0

    def _result(self, points: np.ndarray, visibility: np.ndarray, score: float) -> BodyKeypoints | None:
        visibility = visibility * (1 - _mistaken_ears(points))
        return BodyKeypoints(points, BODY18.name, visibility, score) if visibility.sum() >= MIN_POINTS else None


def _mistaken_ears(points: np.ndarray) -> np.ndarray:
    """1 for the ears (18,) of a body (18, 2) that lie nearly as far down as the neck: of small people they are sometimes taken from a
    shoulder."""
    middle = points[list(EYES)].mean(0)
    down = points[NECK] - middle
    mistaken = np.zeros(len(points), np.float32)
    mistaken[list(EARS)] = (points[list(EARS)] - middle) @ down > LOWEST_EAR * (down @ down)
    return mistaken


def to_cells(matrix: np.ndarray) -> np.ndarray:
    """The affine matrix (2, 3) to the cells of `parts` by that to a crop's pixels."""
    return (matrix + [[0, 0, 0.5]]) / PARTS_STRIDE - [[0, 0, 0.5]]


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
