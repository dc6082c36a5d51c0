"""Pictures of persons with their key points, and crops of them, to train the body landmarker."""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..models.limbs import body_coverage
from ..processing.body_keypoints import BODY18, HIPS, NECK, SHOULDERS, BodyDetector
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import load_image
from ..processing.landmarks_torch import MIN_POINTS as MIN_SHOWN
from .body_parts import NOTHING, decode_parts, encode_parts, label_parts
from .scenes import Scene, change_colours, encode_jpeg, label_pictures


LABELS, PARTS_SUFFIX = "labels.json", ".png"
NEGATIVES = 0.2
MIN_POINTS = 8
MIN_SIZE = 40
# Sides of crops, in units of the usual one, and how far their centres are off, in units of the body's box: as a second or third look
# gets them, and, this share of them, as the detector's squares are, which the first look gets.
NEAR, ROUGH, ROUGH_SHARE = ((0.8, 1.35), 0.06), ((0.7, 2.0), 0.15), 0.4
# Share of the crops from close-ups, whose border cuts the body off, and the longer side of these in units of the body's box.
CLOSE_UPS, CLOSE_UP_SIDES = 0.35, (0.3, 0.9)
# Points around one of which a close-up is taken: nose, neck, shoulders, hips.
MIDDLE = (0, NECK, *SHOULDERS, *HIPS)
# Share of the pictures whose surroundings are painted over; how much wider than the limbs is what stays, and how soft its edge in
# pixels where the outline is known.
REPLACED, KEPT_MARGIN, KEPT_SOFTNESS = 0.35, 1.4, 1.0


@dataclass(frozen=True)
class BodyScene(Scene):
    """
    A picture, the boxes of its bodies, and their key points.

    Args:
        bodies (`np.ndarray` of shape (N, 18, 3)): x and y in pixels, and visibility.
        parts (`tuple[bytes, ...]`): Labels of the picture's pixels for each body (see [`label_parts`]), PNG; none if they are not known.
    """

    bodies: np.ndarray
    parts: tuple[bytes, ...] = ()

    def labels(self, index: int) -> np.ndarray:
        """Labels of the pixels (H, W), uint8, for one of the bodies."""
        return decode_parts(self.parts[index])

    def varied(self, random: np.random.Generator) -> np.ndarray:
        """The picture, by chance with the bodies before a plain or shaded wall, so that rooms are not learned."""
        picture = self.decode()
        if not len(self.bodies) or random.random() >= REPLACED:
            return picture
        height, width = picture.shape[:2]
        if self.parts:
            bodies: np.ndarray = np.maximum.reduce([self.labels(n) != NOTHING for n in range(len(self.parts))])
            weight = cv2.GaussianBlur(bodies.astype(np.float32), (0, 0), KEPT_SOFTNESS)[..., None]
        else:
            points = AdaATImageProcessor.normalize_keypoints(torch.from_numpy(self.bodies[..., :2]), height, width)
            # The outline needs no more than a quarter of the picture's resolution.
            extent = (max(height // 4, 2), max(width // 4, 2))
            cover = body_coverage(points, torch.from_numpy(self.bodies[..., 2]), *extent, KEPT_MARGIN).amax(0)[0]
            weight = cv2.resize(cover.numpy(), (width, height))[..., None]
        return (weight * picture + (1 - weight) * _wall(height, width, random)).astype(np.uint8)

    def shown(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The picture, by chance a close-up of one of the bodies, and the bodies (N, 18, 3) in it."""
        picture, bodies = self.varied(random), self.bodies
        if len(bodies) and random.random() < CLOSE_UPS:
            picture, bodies = _close_up(picture, bodies, int(random.integers(len(bodies))), random)
        return picture, bodies

    @staticmethod
    def squares(
        content: np.ndarray, linear: np.ndarray, shift: np.ndarray, size: int
    ) -> list[tuple[float, float, float]]:
        """See [`Scene.squares`]; of bodies (N, 18, 3), what the square shows of each."""
        found = []
        for body in content:
            points = body[:, :2] @ linear.T + shift
            shown = points[(body[:, 2] > 0) & (points >= 0).all(1) & (points < size).all(1)]
            if len(shown) >= MIN_SHOWN:
                low, high = shown.min(0), shown.max(0)
                found.append((*((low + high) / 2).tolist(), float((high - low).max())))
        return found


def _wall(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """White, one colour, or a field of colours that run into each other; (H, W, 3) in [0, 255]."""
    cells = int(random.choice([1, 1, 2, 4, 9]))
    colours = random.uniform(0, 255, (cells, cells, 3)) if random.random() < 0.75 else np.full((1, 1, 3), 250.0)
    return cv2.resize(colours.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def load_body_scenes(
    folders: Iterable[str],
    teacher: BodyDetector,
    cache: Path,
    exclude: Sequence[str] = (),
    frames_per_video: int = 3,
) -> list[BodyScene]:
    """Label the pictures (and a few frames of each video) in some folders; labels are cached.

    Args:
        folders (`Iterable[str]`): Searched for pictures and videos.
        teacher ([`BodyDetector`]): Finds the bodies.
        cache (`Path`): Folder for the labels.
        exclude (`Sequence[str]`): Files whose name starts with one of these are left out.
        frames_per_video (`int`, *optional*, defaults to 3): Frames of every video.
    """
    scenes = []
    label = lambda frame: _label(frame, teacher)  # noqa: E731
    for picture, labels in label_pictures(folders, cache, label, exclude, frames_per_video):
        bodies = np.array([body["points"] for body in labels], np.float32).reshape(-1, BODY18.count, 3)
        parts = tuple(base64.b64decode(body["parts"]) for body in labels if body["parts"] is not None)
        scenes.append(BodyScene(encode_jpeg(picture), _boxes(bodies), bodies, parts))
    return scenes


def load_labelled_bodies(folder: Path) -> list[BodyScene]:
    """Pictures whose key points are known exactly; see scripts/render_bodies.py.

    Args:
        folder (`Path`): Holds the pictures and `labels.json`: for every name, bodies as 18 points (x, y, visibility); beside a picture
            of one body, there may be labels of its parts (png).
    """
    scenes = []
    for name, labels in json.loads((folder / LABELS).read_text()).items():
        bodies = np.array(labels, np.float32).reshape(-1, BODY18.count, 3)
        file = (folder / name).with_suffix(PARTS_SUFFIX)
        parts = (file.read_bytes(),) if file.is_file() else ()
        scenes.append(BodyScene(encode_jpeg(load_image(folder / name)), _boxes(bodies), bodies, parts))
    return scenes


def _label(picture: np.ndarray, teacher: BodyDetector) -> list[Any]:
    labels = []
    for found in teacher.detect(picture[None])[0]:
        body = np.c_[found.as_body18()]
        if (body[:, 2] > 0).sum() >= MIN_POINTS:
            parts = None if found.silhouette is None else encode_parts(label_parts(found.silhouette, body))
            labels.append(
                {"points": body.tolist(), "parts": None if parts is None else base64.b64encode(parts).decode()}
            )
    return labels


def _boxes(bodies: np.ndarray) -> np.ndarray:
    seen = [body[body[:, 2] > 0, :2] for body in bodies]
    return np.array([[*points.min(0), *points.max(0)] for points in seen], np.float32).reshape(-1, 4)


class BodyCropDataset(Dataset):
    """Endless crops of bodies.

    Items: `pixel_values` (3, S, S) in [0, 1]; `points` (18, 2) in [-1, 1]; `visibility` (18,); `presence` (): 1 for a
    body, 0 for a crop without one, whose points mean nothing.

    Args:
        scenes (`Sequence[BodyScene]`): Labelled pictures.
        size (`int`): Side S of the crops.
        margin (`float`): Side of a crop in units of the key points' box.
        seed (`int`, *optional*, defaults to 0): Start of the random numbers.
    """

    rough_share = ROUGH_SHARE

    def __init__(self, scenes: Sequence[BodyScene], size: int, margin: float, seed: int = 0) -> None:
        self.scenes, self.size, self.margin, self.seed = scenes, size, margin, seed
        self.bodies = [
            (number, index)
            for number, scene in enumerate(scenes)
            for index, box in enumerate(scene.boxes)
            if max(box[2] - box[0], box[3] - box[1]) >= MIN_SIZE
        ]
        if not self.bodies:
            raise ValueError(f"None of the {len(scenes)} pictures shows a person of at least {MIN_SIZE} px.")

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, 2, number))
        scene, index = self._chosen(random)
        shown = bool(random.random() >= NEGATIVES)
        place = self._place(scene.varied(random), scene, index, shown, random)
        crop = change_colours(place.cut(self.size), random)
        points, visibility = place.key_points(self.size)
        return {
            "pixel_values": torch.from_numpy(crop).permute(2, 0, 1).float() / 255,
            "points": torch.from_numpy(points),
            "visibility": torch.from_numpy(visibility),
            "presence": torch.tensor(float(shown)),
        }

    def _chosen(self, random: np.random.Generator) -> tuple[BodyScene, int]:
        """A body by chance."""
        scene, index = self.bodies[int(random.integers(len(self.bodies)))]
        return self.scenes[scene], index

    def _place(
        self, picture: np.ndarray, scene: BodyScene, index: int, shown: bool, random: np.random.Generator
    ) -> "CropPlace":
        """A turned square around a body of a scene, whose picture is given, or beside all bodies."""
        bodies, boxes = scene.bodies, scene.boxes
        if shown and random.random() < CLOSE_UPS:
            picture, bodies = _close_up(picture, bodies, index, random)
        body = bodies[index].copy()
        if random.random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            body = np.c_[BODY18.flip(body[:, :2], picture.shape[1]), body[list(BODY18.mirror), 2]]
            last = picture.shape[1] - 1
            boxes = np.c_[last - boxes[:, 2], boxes[:, 1], last - boxes[:, 0], boxes[:, 3]]
        seen = body[body[:, 2] > 0, :2]
        low, high = seen.min(0), seen.max(0)
        box = float((high - low).max())
        sides, offset = ROUGH if random.random() < self.rough_share else NEAR
        side = self.margin * box * random.uniform(*sides)
        centre = (low + high) / 2 + random.normal(0, offset, 2) * box
        if not shown:
            side *= random.uniform(0.3, 0.6)
            centre = _away(centre, box, boxes, picture.shape[1], picture.shape[0], random)
        angle = np.deg2rad(random.uniform(-180, 180) if random.random() < 0.15 else random.normal(0, 22))
        zoom = self.size / side
        linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = (self.size - 1) / 2 - linear @ centre
        border = cv2.BORDER_REPLICATE if random.random() < 0.6 else cv2.BORDER_CONSTANT
        return CropPlace(picture, body, np.c_[linear, shift], border)


@dataclass(frozen=True)
class CropPlace:
    """
    What of a picture a crop shows.

    Args:
        picture (`np.ndarray` of shape (H, W, C)): RGB, and more channels, as labels.
        body (`np.ndarray` of shape (18, 3)): x and y in its pixels, and visibility.
        matrix (`np.ndarray` of shape (2, 3)): From its pixels to the crop's.
        border (`int`): What OpenCV shows beyond the picture.
    """

    picture: np.ndarray
    body: np.ndarray
    matrix: np.ndarray
    border: int

    def cut(self, size: int) -> np.ndarray:
        """The crop (size, size, 3)."""
        picture = np.ascontiguousarray(self.picture[..., :3])
        zoom = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        if zoom < 0.6:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / zoom)
        return cv2.warpAffine(picture, self.matrix, (size, size), borderMode=self.border)

    def key_points(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The body's points (18, 2) in [-1, 1] of the crop, and which of them are seen in it (18,); float32."""
        moved = self.body[:, :2] @ self.matrix[:, :2].T + self.matrix[:, 2]
        points = moved / (size - 1) * 2 - 1
        inside = (np.abs(points) <= 1).all(1)
        return points.astype(np.float32), ((self.body[:, 2] > 0) & inside).astype(np.float32)


def _close_up(
    picture: np.ndarray, bodies: np.ndarray, index: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A window of a picture (H, W, 3) that cuts a body off, and all bodies (N, 18, 3) in it; unchanged where it would show too little."""
    body = bodies[index]
    seen = body[body[:, 2] > 0, :2]
    around = [point for point in MIDDLE if body[point, 2] > 0]
    if not around:
        return picture, bodies
    box = float((seen.max(0) - seen.min(0)).max())
    extent = box * random.uniform(*CLOSE_UP_SIDES) * np.array([1, random.uniform(0.6, 1.0)])[random.permutation(2)]
    centre = body[int(random.choice(around)), :2] + random.normal(0, 0.1, 2) * box
    low = np.maximum(centre - extent / 2, 0).astype(int)
    high = np.minimum(centre + extent / 2, picture.shape[1::-1]).astype(int)
    inside = (bodies[..., 2] > 0) & (bodies[..., :2] >= low).all(-1) & (bodies[..., :2] <= high - 1).all(-1)
    size = np.ptp(body[inside[index], :2], axis=0).max() if inside[index].sum() >= MIN_SHOWN else 0
    if size < MIN_SIZE:
        return picture, bodies
    return picture[low[1] : high[1], low[0] : high[0]], np.concatenate([bodies[..., :2] - low, inside[..., None]], -1)


def _away(
    centre: np.ndarray, box: float, boxes: np.ndarray, width: int, height: int, random: np.random.Generator
) -> np.ndarray:
    """A place anywhere in the picture that lies in no body's box, else one beside the body, which shows a part at most."""
    anywhere: np.ndarray = random.uniform(0, [width, height])
    free = ((anywhere < boxes[:, :2]) | (anywhere > boxes[:, 2:])).any(1).all()
    if free and random.random() < 0.6:
        return anywhere
    return centre + random.choice([-1, 1], 2) * [0.9 * box, random.uniform(0, 0.6) * box]
