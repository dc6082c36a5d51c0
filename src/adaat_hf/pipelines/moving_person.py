"""What is prepared once for a clip of a moving person: the part of the photograph to paint, its key points, its background."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models.detail import DetailSource
from ..models.limb_warp import PreparedSources, prepare_sources
from ..models.modeling_adaat import AdaATGeneratorOutput
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.person_crop import PersonBox, cut_person, natural_aspect, person_box, shift_inside
from .cut_off import head_extent, round_head
from .persons import SourcePerson


# Width of the painted part in units of its height.
NARROWEST, WIDEST = 0.5, 1.4
# Detail is added up to this many times the painted size; below the second factor there is none to add.
LARGEST_DETAIL, LEAST_DETAIL = 3.0, 1.1
# Forearms and shins, as numbers of key points, and how far hands and feet go on beyond them, in their lengths.
FOREARMS_AND_SHINS, BEYOND = ((3, 4), (6, 7), (9, 10), (12, 13)), 0.5


@dataclass(frozen=True)
class _View:
    """The sources (S, 3, H, W), their parts (S, 3, H, W) if known, their key points and those of all frames, at one size; points in
    [-1, 1]."""

    pictures: Tensor
    parts: Tensor | None
    points: Tensor
    seen: Tensor
    driving: Tensor
    driving_seen: Tensor


@dataclass(frozen=True)
class MovingPerson:
    """A person in front of a background, with the poses of a clip.

    Args:
        box ([`PersonBox`]): The part of the photograph that is painted.
        size (`tuple[int, int]`): Height and width of the finished pictures.
        untouched (`np.ndarray` of shape (H, W, 3)): That part of the photograph as it is, uint8.
        prepared ([`PreparedSources`]): What is made once of the photographs, as the network sees them.
    """

    box: PersonBox
    size: tuple[int, int]
    untouched: np.ndarray
    prepared: PreparedSources
    _small: _View
    _large: _View | None

    @classmethod
    def prepare(
        cls,
        people: list[SourcePerson],
        poses: np.ndarray,
        seen: np.ndarray,
        processor: AdaATImageProcessor,
        height: int,
        divisor: int,
    ) -> "MovingPerson":
        """Choose what to paint.

        Args:
            people (`list[SourcePerson]`): Photographs of the person; the first one is animated.
            poses (`np.ndarray` of shape (T, 18, 2)), seen (`np.ndarray` of shape (T, 18)): The clip, in its pixels.
            processor ([`AdaATImageProcessor`]): Prepares pictures and key points.
            height (`int`): Height at which the network paints.
            divisor (`int`): What its height and width must be multiples of.
        """
        first = people[0]
        tall, wide = first.picture.shape[:2]
        # What lies beyond the photograph is not shown, so it needs no room.
        around = np.concatenate([first.pose.points[None], poses])
        shown = np.concatenate([first.pose.visibility[None], seen * (first.pose.visibility > 0)])
        heads = [head for pose in zip(around, shown, strict=True) if (head := head_extent(*pose)) is not None]
        around, shown = _with_hands_and_feet(around, shown)
        around = np.clip(around, 0, [wide - 1, tall - 1])
        aspect = float(np.clip(natural_aspect(around, shown), NARROWEST, WIDEST))
        small = (height, max(1, round(height * aspect / divisor)) * divisor)
        aspect = small[1] / small[0]
        boxes = [_box_with_heads(person_box(around, shown, aspect), heads, tall, wide)]
        boxes += [other.frame([], [], aspect, crop=True) for other in people[1:]]
        detail = min(boxes[0].height / small[0], LARGEST_DETAIL)
        large = (round(small[0] * detail), round(small[1] * detail)) if detail > LEAST_DETAIL else small
        views = {size: _view(people, boxes, poses, seen, processor, size) for size in {small, large}}
        view = views[small]
        prepared = prepare_sources(view.pictures, view.points, view.driving, view.seen, view.driving_seen, view.parts)
        untouched = cut_person(first.picture, boxes[0], *large)
        return cls(boxes[0], large, untouched, prepared, view, views[large] if large != small else None)

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self._small.driving)

    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Arguments of [`~AdaATPipeline.paint_outputs`]; a single source has no dimension of its own."""
        view = self._small
        if len(view.pictures) > 1:
            return view.pictures, view.points, view.driving, view.seen, view.driving_seen
        return view.pictures[0], view.points[0], view.driving, view.seen[0], view.driving_seen

    def details(self, device: torch.device) -> DetailSource | None:
        """Where the finished pictures' detail comes from; `None` if the photograph has no more than the network paints."""
        view = self._large
        if view is None:
            return None
        pictures, points, seen, driving, driving_seen = (
            value.to(device) for value in (view.pictures, view.points, view.seen, view.driving, view.driving_seen)
        )
        parts = None if view.parts is None else view.parts.to(device)
        return DetailSource.of_clip(pictures, points, seen, driving, driving_seen, parts)

    def finished(self, found: AdaATGeneratorOutput, details: DetailSource | None, start: int) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] of what the network returned for the frames from `start` on."""
        assert found.images is not None
        painted = found.images.float().clamp(0, 1)
        if details is None or self._large is None:
            return painted
        frames = slice(start, start + len(painted))
        driving, seen = (
            values[frames].to(painted.device) for values in (self._large.driving, self._large.driving_seen)
        )
        shares = None if found.source_shares is None else found.source_shares.float()
        return details.add(painted, driving, seen, shares)


def _with_hands_and_feet(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Key points (T, 18, 2), seen (T, 18), and where hands and feet end."""
    inner, outer = np.array(FOREARMS_AND_SHINS).T
    ends = points[:, outer] + BEYOND * (points[:, outer] - points[:, inner])
    return np.concatenate([points, ends], 1), np.concatenate([seen, seen[:, outer] * (seen[:, inner] > 0)], 1)


def _box_with_heads(box: PersonBox, heads: list[np.ndarray], tall: int, wide: int) -> PersonBox:
    """A box in the picture that also holds the hair (4, 2) of all poses; that of the first, the source's own, even above the
    picture's border."""
    if not heads:
        return shift_inside(box, tall, wide)
    end = [wide - 1, tall - 1]
    needed = np.concatenate([np.clip(heads[0], [0, -np.inf], end), np.clip(np.concatenate(heads), 0, end)])
    return shift_inside(box.holding(needed), tall, wide, needed)


def _view(
    people: list[SourcePerson],
    boxes: list[PersonBox],
    poses: np.ndarray,
    seen: np.ndarray,
    processor: AdaATImageProcessor,
    size: tuple[int, int],
) -> _View:
    own = [box.points_to_crop(person.pose.points, *size) for person, box in zip(people, boxes, strict=True)]

    def cut(pictures: list[np.ndarray]) -> Tensor:
        crops = []
        for picture, person, box, pose in zip(pictures, people, boxes, own, strict=True):
            border = min(size[0] - 1, math.ceil(-box.top * size[0] / box.height))
            crops.append(round_head(cut_person(picture, box, *size), border, pose, person.pose.visibility))
        found = processor(crops, size={"height": size[0], "width": size[1]}, return_tensors="pt")["pixel_values"]
        return found.float()

    parts = [person.parts for person in people if person.parts is not None]
    points = processor.normalize_keypoints(torch.from_numpy(np.stack(own)), *size)
    driving = processor.normalize_keypoints(torch.from_numpy(boxes[0].points_to_crop(poses, *size)), *size)
    shown = torch.from_numpy(np.stack([person.pose.visibility for person in people])).float()
    return _View(
        cut([person.picture for person in people]),
        cut(parts) if len(parts) == len(people) else None,
        points, shown, driving, torch.from_numpy(seen).float(),
    )  # fmt: skip
