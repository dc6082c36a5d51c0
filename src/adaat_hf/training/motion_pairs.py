"""Clips of moving persons to training pairs: follow the person, cut all frames alike, pair frames that differ in pose."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..models.limbs import pose_distance
from ..processing.body_keypoints import BodyDetector
from ..processing.body_tracking import BodyTrack, track_body
from ..processing.person_crop import inside_picture, person_box, shift_inside
from ..video import VideoReader
from .image_pairs import ImagePair, PosedImage, write_pairs, write_posed_crop
from .people import People


# Frames with fewer points are not used.
MIN_POINTS = 8
# Of all targets of a source frame, those among this share that differ most from it are used.
DIFFERENT = 0.6


def prepare_motion(
    folder: Path,
    output: Path,
    detector: BodyDetector,
    people: People,
    size: tuple[int, int],
    frames: int = 24,
    targets: int = 3,
) -> tuple[Counter[str], dict[str, str]]:
    """Write the splits `train` and `validation` below `output`.

    Args:
        folder (`Path`): Videos, each of one person before a camera that stands still.
        output (`Path`): Where the splits go.
        detector ([`BodyDetector`]): Finds the key points.
        people ([`People`]): Subjects (a person in the same clothes) of the clips, and who is held out.
        size (`tuple[int, int]`): Height and width of the crops.
        frames (`int`, *optional*, defaults to 24): Frames taken of every clip, spread over it.
        targets (`int`, *optional*, defaults to 3): Targets of every training frame. Held-out clips are painted from their
            frame with the most points, once for every other frame.

    Returns:
        `tuple[Counter[str], dict[str, str]]`: pairs of each split, and why other clips were left out.
    """
    splits: dict[str, list[ImagePair]] = {"train": [], "validation": []}
    left_out = {}
    for file in tqdm(sorted(folder.glob("*.mp4")), desc="following persons on cpu", unit="clip"):
        subject = people.subjects.get(file.stem)
        if subject is None:
            left_out[file.stem] = "It belongs to no subject."
            continue
        split = "validation" if subject in people.held_out else "train"
        images = cut_clip(file, output / split, detector, size, frames)
        if len(images) < 2:
            left_out[file.stem] = f"{len(images)} frames show a person well enough, at least 2 are needed."
            continue
        pairs = _pair_best(images) if split == "validation" else _pair_different(images, targets)
        splits[split] += [ImagePair(images[source], images[target], subject) for source, target in pairs]
    for split, found in splits.items():
        write_pairs(output / split, found)
    return Counter({split: len(found) for split, found in splits.items()}), left_out


def cut_clip(file: Path, output: Path, detector: BodyDetector, size: tuple[int, int], count: int) -> list[PosedImage]:
    """Cut `count` frames of a video around the followed person, all alike, and write them as pictures."""
    reader = VideoReader(file)
    wanted = np.linspace(0, reader.frame_estimate - 1, count).astype(int)
    chosen = [frame for number, frame in enumerate(reader) if number in wanted]
    track = track_body(chosen, detector)
    height, width = chosen[0].shape[:2]
    track = BodyTrack(track.points, track.visibility * inside_picture(track.points, height, width))
    usable = np.flatnonzero((track.visibility > 0).sum(1) >= MIN_POINTS)
    if not len(usable):
        return []
    box = person_box(track.points[usable], track.visibility[usable], size[1] / size[0])
    box = shift_inside(box, height, width)
    return [
        write_posed_crop(
            chosen[number], box, track.points[number], track.visibility[number],
            output / f"{file.stem}__{number:03d}.jpg", size,
        )
        for number in usable
    ]  # fmt: skip


def _pair_best(images: list[PosedImage]) -> Iterable[tuple[int, int]]:
    """The frame with the most points, paired with all others."""
    best = int(np.argmax([sum(image.visibility) for image in images]))
    return [(best, target) for target in range(len(images)) if target != best]


def _pair_different(images: list[PosedImage], count: int) -> Iterable[tuple[int, int]]:
    """Every frame with `count` others, spread over those that differ most from it in pose."""
    points = torch.tensor([image.keypoints for image in images])
    seen = torch.tensor([image.visibility for image in images])
    pairs = []
    for source in range(len(images)):
        apart = pose_distance(points[source].expand_as(points), points, seen[source].expand_as(seen), seen)
        apart[source] = -1
        order = apart.argsort(descending=True)[: max(count, int(DIFFERENT * (len(images) - 1)))]
        steps = np.linspace(0, len(order) - 1, min(count, len(images) - 1)).round().astype(int)
        pairs += [(source, int(order[step])) for step in sorted(set(steps.tolist()))]
    return pairs
