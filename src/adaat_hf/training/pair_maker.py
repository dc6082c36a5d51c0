"""Training items from prepared clips: two or three frames of one clip, with their key points."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..models.limbs import pose_distance
from ..processing.body_keypoints import BODY18
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.keypoints import FACE96, LOWER_LIDS, UPPER_LIDS
from .augmentation import FACE_PLACEMENT, PERSON_PLACEMENT, augment, cut_off, dye
from .items import DamagedItemError, as_item, warn_once
from .packs import Clip, to_tensor


# Driving frames among which the most different one is looked for.
CANDIDATES = 8
COEFFICIENTS = ("identity", "offset", "expression", "rotation", "scale", "translation", "valid")
LAYOUTS = {"face": (FACE96, FACE_PLACEMENT), "person": (BODY18, PERSON_PLACEMENT)}
# A frame of a clip with fewer points is not used.
MIN_POINTS = {"face": 1, "person": 8}
# How far the form of prepared clips may be from that of the items.
ASPECT_TOLERANCE = 0.02


class PairMaker:
    """Draws training items from clips.

    Items are dictionaries: `source` (3, H, W), or (2, 3, H, W) with a second source, and `driving` (3, H, W) in [0, 1];
    `source_keypoints`, `driving_keypoints` (K, 2) in [-1, 1] and `source_visibility`, `driving_visibility` (K,), the
    source's with a leading 2 where it has two pictures. Of clips whose pairs are published (DeepFashion) only those are drawn.

    Args:
        task (`str`): `"face"` or `"person"`.
        size (`tuple[int, int]`): Height and width of the pictures.
        num_keypoints (`int`): Leading key points of the clips' layout that are returned.
        face_model (`AdaATFaceModel`, *optional*): Needed for `fitted_keypoints`.
        augment, hard_pairs, fitted_keypoints, dyed, cut_off: see [`TrainingArguments`].
    """

    def __init__(
        self,
        task: Literal["face", "person"],
        size: tuple[int, int],
        num_keypoints: int,
        face_model: AdaATFaceModel | None = None,
        *,
        augment: bool = True,
        hard_pairs: float = 0.5,
        fitted_keypoints: float = 0.0,
        dyed: float = 0.0,
        cut_off: float = 0.0,
    ) -> None:
        self.task, self.size, self.num_keypoints = task, size, num_keypoints
        self.layout, self.placement = LAYOUTS[task]
        self.face_model = face_model if fitted_keypoints else None
        self.augment, self.hard_pairs, self.fitted, self.dyed = augment, hard_pairs, fitted_keypoints, dyed
        self.cut_off = cut_off

    def item(
        self, clip: Clip, tensors: dict[str, Tensor], second_source: bool, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Frames of a clip, whose `tensors` were read, as one item.

        Raises:
            ValueError: if the clip is of the other task, or of another form than the items.
        """
        self.check(clip, tensors)
        source, driving = self._choose_frames(clip, tensors, random)
        chosen = [driving, source]
        if second_source:
            chosen.append(self._further_source(clip, tensors, chosen, random))
        pictures = torch.stack([to_tensor(frame) for frame in clip.frames(chosen)])
        points = tensors["points"][chosen].clone()
        if self.face_model is not None and random.random() < self.fitted:
            points[0] = self._fitted(tensors, driving)
        points = AdaATImageProcessor.normalize_keypoints(points, *pictures.shape[2:])
        visibility = tensors["visibility"][chosen].clone()
        if self.dyed and random.random() < self.dyed:
            pictures = dye(pictures, random)
        if self.augment:
            pictures, points, visibility = augment(
                pictures, points, visibility, self.layout.mirror, self.placement, random
            )
        if self.cut_off and random.random() < self.cut_off:
            pictures, points, visibility = cut_off(pictures, points, visibility, random)
        pictures = _resized(pictures, self.size, clip)
        return as_item(pictures, points[:, : self.num_keypoints], visibility[:, : self.num_keypoints])

    def check(self, clip: Clip, tensors: dict[str, Tensor]) -> None:
        """Raise unless a clip is of this task."""
        count = tensors["points"].shape[1]
        if count != self.layout.count:
            raise ValueError(
                f"The clips in {str(clip.pack)!r} have {count} key points, expected {self.layout.count} for the task {self.task!r}."
            )

    def _choose_frames(self, clip: Clip, tensors: dict[str, Tensor], random: np.random.Generator) -> tuple[int, int]:
        if pairs := clip.facts.get("pairs"):
            source, driving = pairs[int(random.integers(len(pairs)))]
            return source, driving
        usable = usable_frames(tensors, self.task)
        first = int(random.choice(usable))
        candidates = random.choice(usable, CANDIDATES)
        if random.random() >= self.hard_pairs:
            return first, int(candidates[0])
        return first, int(candidates[int(self._apart(tensors, first, candidates, random).argmax())])

    def _apart(
        self, tensors: dict[str, Tensor], first: int, candidates: np.ndarray, random: np.random.Generator
    ) -> Tensor:
        """How far the candidates' key points are from those of the first frame."""
        start, ends = tensors["points"][first], tensors["points"][candidates]
        if self.task == "person":
            seen = tensors["visibility"]
            return pose_distance(start.expand_as(ends), ends, seen[first].expand(len(ends), -1), seen[candidates])
        if random.random() < 0.5:
            return (ends - start).norm(dim=-1).mean(1)
        return (_openings(ends) - _openings(start)).abs().amax(1)

    def _further_source(
        self, clip: Clip, tensors: dict[str, Tensor], chosen: list[int], random: np.random.Generator
    ) -> int:
        """Another frame; of pictures whose pairs are published one that is not in the pair, or the source again."""
        if "pairs" not in clip.facts:
            return int(random.choice(usable_frames(tensors, self.task)))
        others = [number for number in range(clip.facts["frames"]) if number not in chosen]
        return int(random.choice(others)) if others else chosen[1]

    def _fitted(self, tensors: dict[str, Tensor], frame: int) -> Tensor:
        assert self.face_model is not None
        whole = FaceCoefficients(**{name: tensors[name] for name in COEFFICIENTS})
        return whole.frames(torch.tensor([frame])).project(self.face_model)[0]


def usable_frames(tensors: dict[str, Tensor], task: str) -> np.ndarray:
    """Numbers of the frames that show the subject well enough."""
    return ((tensors["visibility"] > 0).sum(1) >= MIN_POINTS[task]).nonzero().flatten().numpy()


def _openings(points: Tensor) -> Tensor:
    """How far eyes and mouth are open, (..., 8), in the unit of points (..., 96, 2)."""
    return (points[..., UPPER_LIDS, :] - points[..., LOWER_LIDS, :]).norm(dim=-1)


def _resized(pictures: Tensor, size: tuple[int, int], clip: Clip) -> Tensor:
    """Pictures (N, 3, H, W) of a clip at `size`."""
    height, width = pictures.shape[2:]
    if (height, width) == tuple(size):
        return pictures
    if abs(width / height * size[0] / size[1] - 1) > ASPECT_TOLERANCE:
        raise ValueError(
            f"The clips in {str(clip.pack)!r} are {height}x{width} pixels (height x width), which would be distorted at the"
            f" resolution {size[0]}x{size[1]}: prepare them with --size {size[0]} {size[1]}, or change the resolution."
        )
    return T.resize(pictures, list(size), antialias=True).clamp(0, 1)


def fixed_pairs(
    clips: Iterable[Clip], task: str, size: tuple[int, int], num_keypoints: int, per_clip: int = 1
) -> Iterator[dict[str, Any]]:
    """Validation pairs: the published ones, or frame 0 as the source and frames spread over the rest of the clip as driving
    pictures."""
    for clip in clips:
        try:
            yield from _fixed_pairs_of(clip, task, size, num_keypoints, per_clip)
        except DamagedItemError as error:
            warn_once(f"Validation data is left out: {error}")


def _fixed_pairs_of(
    clip: Clip, task: str, size: tuple[int, int], num_keypoints: int, per_clip: int
) -> Iterator[dict[str, Any]]:
    tensors = clip.tensors()
    for source, driving in clip.facts.get("pairs") or _spread(tensors, task, per_clip):
        pictures = torch.stack([to_tensor(frame) for frame in clip.frames([driving, source])])
        points = AdaATImageProcessor.normalize_keypoints(tensors["points"][[driving, source]], *pictures.shape[2:])
        visibility = tensors["visibility"][[driving, source]]
        item = as_item(_resized(pictures, size, clip), points[:, :num_keypoints], visibility[:, :num_keypoints])
        yield {**item, "key": clip.key, "frame": driving, "subject": clip.facts.get("subject", clip.key)}


def _spread(tensors: dict[str, Tensor], task: str, count: int) -> list[tuple[int, int]]:
    usable, frames = set(usable_frames(tensors, task).tolist()), len(tensors["points"])
    numbers = [int(n) for n in np.linspace(frames // 4, frames - 1, 4).astype(int)[-count:] if n in usable]
    return [(0, number) for number in numbers] if 0 in usable else []
