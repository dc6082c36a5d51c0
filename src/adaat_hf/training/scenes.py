"""Whole pictures with faces or bodies, to train the detector: labelled photographs, with faces of clips laid into them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from ..processing.boxes import suppress_overlaps
from ..processing.images import IMAGE_SUFFIXES, load_image
from ..processing.landmarks import FaceLandmarker
from ..processing.photo import find_small_faces
from ..video import VIDEO_SUFFIXES, VideoReader
from .packs import PackedClip


LONGEST_SIDE = 640


@dataclass(frozen=True)
class Scene:
    """A picture and the boxes (N, 4) of its landmarks: left, top, right, bottom in pixels.

    Args:
        picture (`bytes`): JPEG.
        boxes (`np.ndarray` of shape (N, 4)): Faces or bodies.
    """

    picture: bytes
    boxes: np.ndarray

    def decode(self) -> np.ndarray:
        """The picture (H, W, 3), RGB, uint8."""
        return cv2.cvtColor(
            np.asarray(cv2.imdecode(np.frombuffer(self.picture, np.uint8), cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB
        )

    def varied(self, random: np.random.Generator) -> np.ndarray:
        """The picture as it is shown in training, by chance with other surroundings where they can be told apart."""
        return self.decode()

    def shown(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The picture, or a part of it, as it is shown to the detector, and what is in it, for [`squares`]."""
        return self.varied(random), self.boxes

    @staticmethod
    def squares(
        content: np.ndarray, linear: np.ndarray, shift: np.ndarray, size: int
    ) -> list[tuple[float, float, float]]:
        """Centre x, y and side of what the detector shall find in a square of `size` pixels.

        Args:
            content (`np.ndarray` of shape (N, 4)): What is in the picture, as boxes.
            linear (`np.ndarray` of shape (2, 2)), shift (`np.ndarray` of shape (2,)): From the picture's pixels to the square's, a
                turn, one zoom and a shift.
        """
        zoom = float(np.sqrt(np.linalg.det(linear)))
        found = []
        for left, top, right, bottom in content:
            x, y = linear @ [(left + right) / 2, (top + bottom) / 2] + shift
            if 0 <= x < size and 0 <= y < size:
                found.append((float(x), float(y), float(zoom * max(right - left, bottom - top))))
        return found


def load_scenes(
    folders: Iterable[str], teacher: FaceLandmarker, cache: Path, frames_per_video: int = 3
) -> list[Scene]:
    """Label the pictures (and a few frames of each video) in some folders; labels are cached."""
    labelled = label_pictures(
        folders, cache, lambda picture: find_boxes(picture, teacher).tolist(), frames_per_video=frames_per_video
    )
    return [Scene(encode_jpeg(picture), np.array(boxes, np.float32).reshape(-1, 4)) for picture, boxes in labelled]


def label_pictures(
    folders: Iterable[str],
    cache: Path,
    label: Callable[[np.ndarray], list[Any]],
    exclude: Sequence[str] = (),
    frames_per_video: int = 3,
) -> Iterator[tuple[np.ndarray, list[Any]]]:
    """Pictures (H, W, 3) and frames of videos with their labels, which are cached.

    Args:
        folders (`Iterable[str]`): Searched for pictures and videos.
        cache (`Path`): Folder for the labels.
        label (`Callable`): From a picture to what `json` can hold.
        exclude (`Sequence[str]`): Files whose name starts with one of these are left out.
        frames_per_video (`int`, *optional*, defaults to 3): Frames of every video, spread over it.
    """
    files = [
        f
        for folder in folders
        for f in sorted(Path(folder).rglob("*"))
        if f.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES and not f.name.startswith(tuple(exclude))
    ]
    cache.mkdir(parents=True, exist_ok=True)
    for file in tqdm(files, desc="labelling pictures on cpu", unit="file"):
        path = cache / f"{hashlib.sha1(str(file.resolve()).encode()).hexdigest()}_{frames_per_video}.json"
        pictures = list(_pictures(file, frames_per_video))
        if path.exists():
            labels = json.loads(path.read_text())
        else:
            labels = [label(picture) for picture in pictures]
            path.write_text(json.dumps(labels))
        yield from zip(pictures, labels, strict=True)


def encode_jpeg(picture: np.ndarray) -> bytes:
    """A picture (H, W, 3), uint8, as JPEG."""
    return cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def _pictures(file: Path, frames_per_video: int) -> Iterator[np.ndarray]:
    if file.suffix.lower() in IMAGE_SUFFIXES:
        pictures = [load_image(file)]
    else:
        reader = VideoReader(file)
        wanted = set(np.linspace(0, reader.frame_estimate - 1, frames_per_video).astype(int).tolist())
        pictures = [frame for number, frame in enumerate(reader) if number in wanted]
    for picture in pictures:
        shrink = LONGEST_SIDE / max(picture.shape[:2])
        yield cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else picture


def find_boxes(picture: np.ndarray, teacher: FaceLandmarker) -> np.ndarray:
    """Boxes (N, 4) of all faces that the teacher finds in the picture or in enlarged windows of it."""
    faces = teacher.detect(picture[None])[0] + find_small_faces(picture, teacher)
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
    return boxes[suppress_overlaps(boxes, np.ones(len(boxes)))]


class SceneDataset(Dataset):
    """Endless training pictures for the detector.

    Items: `pixel_values` (3, S, S) in [0, 1]; `boxes` (MAX_FACES, 3): centre x, y and longer side in pixels, zeros where
    there is none. Half of the pictures get additional faces from the clips, if there are any, of sizes from 12 pixels to
    the picture's.
    """

    MAX_FACES = 8

    def __init__(self, scenes: Sequence[Scene], clips: list[PackedClip], size: int, seed: int = 0) -> None:
        self.scenes, self.clips, self.size, self.seed = scenes, clips, size, seed

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, 1, number))
        picture, boxes = self._background(random)
        for _ in range(int(random.choice([0, 0, 1, 1, 2, 3])) if self.clips else 0):
            self._lay_in(picture, boxes, random)
        if random.random() < 0.5:
            picture = picture[:, ::-1]
            boxes = [(self.size - 1 - x, y, side) for x, y, side in boxes]
        picture = change_colours(np.ascontiguousarray(picture), random)
        target = torch.zeros(self.MAX_FACES, 3)
        for index, box in enumerate(boxes[: self.MAX_FACES]):
            target[index] = torch.tensor(box)
        return {"pixel_values": torch.from_numpy(picture).permute(2, 0, 1).float() / 255, "boxes": target}

    def _background(self, random: np.random.Generator) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
        if self.clips and random.random() < 0.25:
            clip = self.clips[int(random.integers(len(self.clips)))]
            picture, points = random_frame(clip, random)
            content, squares = np.array([[*points.min(0), *points.max(0)]], np.float32), Scene.squares
            zoom = self.size / picture.shape[0] * random.uniform(0.3, 1.4)
        else:
            scene = self.scenes[int(random.integers(len(self.scenes)))]
            picture, content = scene.shown(random)
            squares = scene.squares
            zoom = self.size / max(picture.shape[:2]) * np.exp(random.uniform(-0.2, 0.9))
        angle = np.deg2rad(random.normal(0, 12))
        linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array(picture.shape[1::-1]) / 2
        free = np.maximum(np.abs(middle * zoom * 2 - self.size), 1) / 2
        shift = self.size / 2 - linear @ middle + random.uniform(-free, free)
        fill = tuple(int(v) for v in random.integers(0, 255, 3))
        moved = cv2.warpAffine(picture, np.c_[linear, shift], (self.size, self.size), borderValue=fill)
        return moved, squares(content, linear, shift, self.size)

    def _lay_in(
        self, picture: np.ndarray, boxes: list[tuple[float, float, float]], random: np.random.Generator
    ) -> None:
        """Put a face of a clip into the picture where it covers no other face."""
        frame, points = random_frame(self.clips[int(random.integers(len(self.clips)))], random)
        low, high = points.min(0), points.max(0)
        own = float((high - low).max())
        side = float(np.exp(random.uniform(np.log(12), np.log(0.75 * self.size))))
        x, y = random.uniform(0.3 * side, self.size - 0.3 * side, 2)
        if any(np.hypot(x - a, y - b) < 0.9 * (side + c) for a, b, c in boxes):
            return
        angle, zoom = np.deg2rad(random.normal(0, 15)), side / own
        linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = np.array([x, y]) - linear @ ((low + high) / 2)
        source = cv2.GaussianBlur(frame, (0, 0), 0.4 / zoom) if zoom < 0.7 else frame
        extent = (self.size, self.size)
        laid = cv2.warpAffine(source, np.c_[linear, shift], extent, borderMode=cv2.BORDER_REPLICATE)
        mask: np.ndarray = np.zeros(frame.shape[:2], np.uint8)
        centre = ((low + high) / 2 - [0, 0.08 * own]).astype(int).tolist()
        axes = [int(own * random.uniform(0.55, 0.75)), int(own * random.uniform(0.7, 0.85))]
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
        if random.random() < 0.3:
            mask[:] = 255
        mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(1, 8))
        weight = cv2.warpAffine(mask, np.c_[linear, shift], extent)[..., None] / 255.0
        picture[:] = (weight * laid + (1 - weight) * picture).astype(np.uint8)
        boxes.append((float(x), float(y), side))


def random_frame(clip: PackedClip, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame (H, W, 3) in which the face was found, and its landmarks (96, 2) in pixels."""
    tensors = clip.tensors()
    usable = tensors["visibility"].any(1).nonzero().flatten().numpy()
    number = int(random.choice(usable))
    return clip.frames([number])[0], tensors["points"][number].numpy()


def change_colours(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Random brightness, contrast, colour cast, gray, noise and blur of a picture (H, W, 3), uint8."""
    values: np.ndarray = picture.astype(np.float32)
    values = (values - 128) * random.uniform(0.6, 1.35) + 128 + random.uniform(-35, 35)
    values *= random.uniform(0.85, 1.15, 3)
    if random.random() < 0.1:
        values[:] = values.mean(2, keepdims=True)
    if random.random() < 0.3:
        values = cv2.GaussianBlur(values, (0, 0), random.uniform(0.3, 1.6))
    if random.random() < 0.4:
        values += random.normal(0, random.uniform(1, 10), values.shape)
    return values.clip(0, 255).astype(np.uint8)
