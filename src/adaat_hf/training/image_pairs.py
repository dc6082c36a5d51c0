"""Pairs of pictures of one person in two poses, as a folder that `datasets` loads (`imagefolder`) and as training items."""

import io
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as T

from ..atomic import write_text
from ..processing.body_keypoints import BODY18
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import load_image
from ..processing.person_crop import PersonBox, cut_person
from .augmentation import PERSON_PLACEMENT, augment, cut_off, dye
from .items import DamagedItemError, as_item, first_sound_item, has_second_source, warn_once
from .packs import to_tensor


METADATA = "metadata.jsonl"
KEYPOINTS = ("keypoints", "visibility")
# Pictures that stay decoded in memory: 140 MB at 256x176 px, whatever the size of the data.
CACHED_PICTURES = 1024


@dataclass(frozen=True)
class PosedImage:
    """A picture of a person with its key points.

    Args:
        file (`str`): Path of the picture, relative to the folder of its split.
        keypoints (`list[list[float]]`): 18 points (x, y) in pixels of that picture.
        visibility (`list[float]`): 18 values, 0 for a missing point.
    """

    file: str
    keypoints: list[list[float]]
    visibility: list[float]


@dataclass(frozen=True)
class ImagePair:
    """Two pictures of a person.

    Args:
        source, target ([`PosedImage`]): The picture that is given and the one that is wanted.
        subject (`str`): Person in the same clothes; pairs of one subject share it.
    """

    source: PosedImage
    target: PosedImage
    subject: str

    def to_row(self) -> dict[str, Any]:
        """A line of `metadata.jsonl`; `datasets` makes the picture columns `source` and `target` of it."""
        row: dict[str, Any] = {"subject": self.subject}
        for role, image in (("source", self.source), ("target", self.target)):
            row[f"{role}_file_name"] = image.file
            row[f"{role}_keypoints"], row[f"{role}_visibility"] = image.keypoints, image.visibility
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "ImagePair":
        """The reverse of `to_row`."""
        images = {
            role: PosedImage(row[f"{role}_file_name"], *(row[f"{role}_{name}"] for name in KEYPOINTS))
            for role in ("source", "target")
        }
        return cls(**images, subject=row["subject"])


def write_posed_crop(
    picture: np.ndarray,
    box: PersonBox,
    points: np.ndarray,
    visibility: np.ndarray,
    file: Path,
    size: tuple[int, int],
) -> PosedImage:
    """Write the part of a picture (H, W, 3) in `box`, at `size`, as a jpeg; its key points are those of the picture.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): uint8.
        box ([`PersonBox`]): The part.
        points (`np.ndarray` of shape (18, 2)), visibility (`np.ndarray` of shape (18,)): In pixels of `picture`.
        file (`Path`): The jpeg, in the folder of its split.
        size (`tuple[int, int]`): Its height and width.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    crop = cut_person(picture, box, *size)
    cv2.imwrite(str(file), crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    inside = box.points_to_crop(points, *size)
    return PosedImage(file.name, np.round(inside, 2).tolist(), visibility.tolist())


def write_pairs(folder: Path, pairs: Sequence[ImagePair]) -> Path:
    """Write the metadata of a split next to its pictures; it appears when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_text(folder / METADATA, "".join(json.dumps(pair.to_row()) + "\n" for pair in pairs))


def read_pairs(folder: str | Path) -> list[ImagePair]:
    """The pairs of a split's folder.

    Raises:
        FileNotFoundError: if there is no `metadata.jsonl`, or it names a picture that does not exist.
        ValueError: if it lists nothing.
    """
    path = Path(folder) / METADATA
    if not path.is_file():
        packs = any(Path(folder).glob("*.tar"))
        advice = "it holds packs of clips" if packs else "make it with scripts/prepare_people.py"
        raise FileNotFoundError(f"There is no {METADATA} in {str(folder)!r}; {advice}.")
    pairs = [ImagePair.from_row(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    if not pairs:
        raise ValueError(f"{str(path)!r} lists no pairs.")
    files = {image.file for pair in pairs for image in (pair.source, pair.target)}
    missing = sorted(file for file in files if not (path.parent / file).is_file())
    if missing:
        raise FileNotFoundError(
            f"{str(path)!r} names {len(missing)} pictures that do not exist, such as {missing[0]!r}."
        )
    return pairs


def to_parquet(folder: Path, output: Path) -> None:
    """Write a split as one parquet file with the pictures inside, through `datasets`."""
    from datasets import load_dataset
    from datasets.table import embed_table_storage

    partial = output.with_name(f".{output.name}.part")
    cache = output.with_name(f".{output.name}.cache")
    try:
        split = load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(cache))
        embedded = split.with_format("arrow").map(
            embed_table_storage, batched=True, batch_size=100, keep_in_memory=False
        )
        embedded.with_format(None).to_parquet(str(partial))
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
        shutil.rmtree(cache, ignore_errors=True)


class ImagePairDataset(Dataset):
    """Endless training pairs; item number n is always the same for the same seed, so that a run can be resumed exactly.

    Items are dictionaries: `source` (3, H, W), or (2, 3, H, W) with a second source, and `driving` (3, H, W) in [0, 1];
    `source_keypoints`, `driving_keypoints` (K, 2) in [-1, 1] and `source_visibility`, `driving_visibility` (K,), the
    source's with a leading 2 where it has two pictures.

    Args:
        folders (`list[Path]`): Folders of splits.
        size (`tuple[int, int]`): Height and width of the items.
        seed (`int`): Start of the random numbers.
        augment (`bool`): Mirror, move and recolour.
        dyed (`float`): Share of items with quite different colours (see [`dye`]).
        cut_off (`float`): Share of items that are enlarged to portraits (see [`cut_off`]).
        second_source (`float`): Share of batches whose items have a second source: another picture of the subject, or
            the first one again where there is none.
        batch_size (`int`): Consecutive items that must be alike in this.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        size: tuple[int, int],
        *,
        seed: int = 0,
        augment: bool = True,
        dyed: float = 0.0,
        cut_off: float = 0.0,
        second_source: float = 0.0,
        batch_size: int = 1,
    ) -> None:
        self.pairs = [(folder, pair) for folder in folders for pair in read_pairs(folder)]
        self.size, self.seed, self.augment = size, seed, augment
        self.dyed, self.cut_off = dyed, cut_off
        self.second_source, self.batch_size = second_source, batch_size
        self.pictures: dict[str, dict[Path, PosedImage]] = defaultdict(dict)
        for folder, pair in self.pairs:
            for image in (pair.source, pair.target):
                self.pictures[pair.subject][folder / image.file] = image
        self._read = lru_cache(maxsize=CACHED_PICTURES)(_read_picture)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        two = has_second_source(self.seed, number, self.batch_size, self.second_source)
        return first_sound_item(lambda random: self._draw(random, two), self.seed, number)

    def _draw(self, random: np.random.Generator, second_source: bool) -> dict[str, Tensor]:
        folder, pair = self.pairs[int(random.integers(len(self.pairs)))]
        chosen = [(folder / image.file, image) for image in (pair.target, pair.source)]
        if second_source:
            others = self._others(folder, pair)
            chosen.append(others[int(random.integers(len(others)))] if others else chosen[1])
        return self._varied(*self._load(chosen), random)

    def item_of_row(self, row: dict[str, Any], random: np.random.Generator) -> dict[str, Tensor]:
        """The item of a row of [`to_parquet`], with its pictures as encoded bytes.

        Raises:
            DamagedItemError: if a picture cannot be read.
        """
        pictures, points, visibility = [], [], []
        for role in ("target", "source"):
            stored = row[role]
            name = f"{stored['path']} of subject {row['subject']}"
            picture, extent = _read_picture(io.BytesIO(stored["bytes"]), self.size, name)
            posed = PosedImage(name, row[f"{role}_keypoints"], row[f"{role}_visibility"])
            pictures.append(to_tensor(picture))
            points.append(_normalised(posed, *extent))
            visibility.append(torch.tensor(posed.visibility))
        return self._varied(torch.stack(pictures), torch.stack(points), torch.stack(visibility), random)

    def _varied(
        self, pictures: Tensor, points: Tensor, visibility: Tensor, random: np.random.Generator
    ) -> dict[str, Tensor]:
        if random.random() < self.dyed:
            pictures = dye(pictures, random)
        if self.augment:
            pictures, points, visibility = augment(
                pictures, points, visibility, BODY18.mirror, PERSON_PLACEMENT, random
            )
        if random.random() < self.cut_off:
            pictures, points, visibility = cut_off(pictures, points, visibility, random)
        return as_item(pictures, points, visibility)

    def _others(self, folder: Path, pair: ImagePair) -> list[tuple[Path, PosedImage]]:
        """Further pictures of the pair's subject."""
        used = {folder / pair.source.file, folder / pair.target.file}
        return [entry for entry in self.pictures[pair.subject].items() if entry[0] not in used]

    def _load(self, chosen: Sequence[tuple[Path, PosedImage]]) -> tuple[Tensor, Tensor, Tensor]:
        loaded = [self._read(path, self.size) for path, _ in chosen]
        points = [_normalised(image, *extent) for (_, image), (_, extent) in zip(chosen, loaded, strict=True)]
        visibility = torch.tensor([image.visibility for _, image in chosen])
        return torch.stack([to_tensor(picture) for picture, _ in loaded]), torch.stack(points), visibility

    def fixed(self, sources: int = 1) -> Iterator[dict[str, Any]]:
        """Every pair once, unchanged, with `key` and `subject`; for validation.

        Args:
            sources (`int`, *optional*, defaults to 1): Source pictures; the others are of the same subject and spread over
                its pictures. Pairs whose subject has too few are left out.
        """
        for number, (folder, pair) in enumerate(self.pairs):
            chosen = [(folder / image.file, image) for image in (pair.target, pair.source)]
            if sources > 1:
                others = self._others(folder, pair)
                if len(others) < sources - 1:
                    continue
                random = np.random.default_rng((self.seed, 4, number))
                chosen += [others[index] for index in random.choice(len(others), sources - 1, replace=False)]
            key = f"{pair.source.file}>{pair.target.file}"
            try:
                yield {**as_item(*self._load(chosen)), "key": key, "subject": pair.subject}
            except DamagedItemError as error:
                warn_once(f"Validation data is left out: {error}")


def _read_picture(
    file: Path | io.BytesIO, size: tuple[int, int], name: str | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture (H, W, 3), uint8, at `size`, and its own height and width."""
    try:
        picture = load_image(file if isinstance(file, Path) else PIL.Image.open(file))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise DamagedItemError(f"The picture {name or str(file)!r} cannot be read ({error}).") from error
    extent = picture.shape[:2]
    if extent != size:
        tensor = torch.from_numpy(picture.copy()).permute(2, 0, 1)
        picture = T.resize(tensor, list(size), antialias=True).permute(1, 2, 0).numpy()
    return picture, extent


def _normalised(image: PosedImage, height: int, width: int) -> Tensor:
    return AdaATImageProcessor.normalize_keypoints(torch.tensor(image.keypoints), height, width)
