"""Photographs of persons in two poses to training pairs: find the person, cut both pictures alike, write them down."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from tqdm.auto import tqdm

from ..processing.body_keypoints import BodyDetector
from ..processing.images import IMAGE_SUFFIXES, load_image
from ..processing.person_crop import PersonBox, inside_picture, person_box, shift_inside
from .image_pairs import ImagePair, PosedImage, write_pairs, write_posed_crop


SEPARATOR = "__"
# A pair is left out if fewer points are seen, the person is smaller, or more of the crop lies beyond the picture.
MIN_POINTS = 11
MIN_HEIGHT = 90
MAX_OUTSIDE = 0.12


@dataclass(frozen=True)
class People:
    """Who is on which photographs.

    Args:
        subjects (`Mapping[str, str]`): Subject (a person in the same clothes) of every name of photographs.
        held_out (`frozenset[str]`): Subjects kept out of training.
        set_aside (`frozenset[str]`): Names that are used for neither, such as held-out persons in other clothes.
    """

    subjects: Mapping[str, str]
    held_out: frozenset[str]
    set_aside: frozenset[str] = frozenset()

    @classmethod
    def from_yaml(cls, path: str | Path) -> "People":
        """Read `train` and `held_out`, both mappings from a subject to the names of its photographs, and the list `set_aside`.

        Raises:
            ValueError: if a name occurs twice.
        """
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        groups = {**content["train"], **content["held_out"]}
        aside = content.get("set_aside", [])
        counts = Counter([name for names in groups.values() for name in names] + aside)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"{str(path)!r} names {twice[0]!r} more than once.")
        subjects = {name: subject for subject, names in groups.items() for name in names}
        return cls(subjects, frozenset(content["held_out"]), frozenset(aside))

    def not_for_training(self) -> list[str]:
        """Names of the photographs that no part of a trained model may have seen."""
        return sorted(self.set_aside | {name for name, subject in self.subjects.items() if subject in self.held_out})


class UnusablePair(ValueError):
    """A pair is left out; the message says why."""


def prepare_people(
    folder: Path, output: Path, detector: BodyDetector, people: People, size: tuple[int, int]
) -> tuple[Counter[str], dict[str, str]]:
    """Write the splits `train` and `validation` below `output`, every pair in both directions.

    Args:
        folder (`Path`): Photographs `NAME__0.jpg` and `NAME__1.jpg` of the same person, clothes and camera.
        output (`Path`): Where the splits go.
        detector ([`BodyDetector`]): Finds the key points.
        people ([`People`]): Subjects and the split.
        size (`tuple[int, int]`): Height and width of the crops.

    Returns:
        `tuple[Counter[str], dict[str, str]]`: pairs of each split, and why others were left out.
    """
    names = sorted({f.stem.rpartition(SEPARATOR)[0] for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES})
    splits: dict[str, list[ImagePair]] = {"train": [], "validation": []}
    left_out = {}
    for name in tqdm(names, desc="finding persons on cpu", unit="pair"):
        subject = people.subjects.get(name)
        if subject is None:
            left_out[name] = "It belongs to no subject."
            continue
        split = "validation" if subject in people.held_out else "train"
        try:
            first, second = _prepare_pair(folder, name, output / split, detector, size)
        except UnusablePair as error:
            left_out[name] = str(error)
            continue
        splits[split] += [ImagePair(first, second, subject), ImagePair(second, first, subject)]
    for split, pairs in splits.items():
        write_pairs(output / split, pairs)
    return Counter({split: len(pairs) for split, pairs in splits.items()}), left_out


def _prepare_pair(
    folder: Path, name: str, output: Path, detector: BodyDetector, size: tuple[int, int]
) -> tuple[PosedImage, PosedImage]:
    files = sorted(folder.glob(f"{name}{SEPARATOR}[01].*"))
    if len(files) != 2:
        raise UnusablePair(f"There are {len(files)} pictures, expected 2.")
    pictures = [load_image(file) for file in files]
    if pictures[0].shape != pictures[1].shape:
        raise UnusablePair("The pictures differ in size.")
    found = [_only_person(picture, detector) for picture in pictures]
    points, visibility = (np.stack(values) for values in zip(*found, strict=True))
    height, width = pictures[0].shape[:2]
    box = shift_inside(person_box(points, visibility, size[1] / size[0]), height, width)
    _check(points, visibility, box, height, width)
    first, second = (
        write_posed_crop(
            pictures[number], box, points[number], visibility[number], output / f"{name}{SEPARATOR}{number}.jpg", size
        )
        for number in range(2)
    )
    return first, second


def _only_person(picture: np.ndarray, detector: BodyDetector) -> tuple[np.ndarray, np.ndarray]:
    bodies = detector.detect(picture[None])[0]
    if len(bodies) != 1:
        raise UnusablePair(f"There are {len(bodies)} persons in one picture, expected 1.")
    points, visibility = bodies[0].as_body18()
    return points, visibility * inside_picture(points, *picture.shape[:2])


def _check(points: np.ndarray, visibility: np.ndarray, box: PersonBox, height: int, width: int) -> None:
    fewest = int((visibility > 0).sum(1).min())
    if fewest < MIN_POINTS:
        raise UnusablePair(f"Only {fewest} points are seen in one picture, at least {MIN_POINTS} are needed.")
    if box.height < MIN_HEIGHT:
        raise UnusablePair(f"The person takes {box.height:.0f} px, at least {MIN_HEIGHT} are needed.")
    if (outside := box.outside(height, width)) > MAX_OUTSIDE:
        raise UnusablePair(f"{outside:.0%} of the crop lie beyond the picture, at most {MAX_OUTSIDE:.0%} may.")
