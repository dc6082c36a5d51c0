"""DeepFashion's in-shop pictures with the public lists of pairs and key points (Zhu et al., 2019), or the authors' json."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...processing.images import IMAGE_SUFFIXES
from ...processing.pose_files import PoseError, as_pose
from ...training.image_pairs import ImagePair, PosedImage
from ..sources import ClipSource, LayoutError, Listing, Missing, make_key


HEIGHT, WIDTH = 256, 176
SPLITS = ("train", "test")
# A person's number and the number of the clothes in a flattened name.
_SUBJECT = re.compile(r"^(.*id\d{8}\d{2})")


def list_deepfashion(folder: Path) -> Listing:
    """What a folder has of DeepFashion; all pictures of one person in the same clothes become one clip, with their pairs.

    Args:
        folder (`Path`): Anywhere below it, for `train` and `test` or one of them: `fasion-resize-pairs-<split>.csv` (`from,to`)
            with `fasion-resize-annotation-<split>.csv` (`name:keypoints_y:keypoints_x`), or the authors' json with the split
            in its name (`source_image`, `target_image`, `source_lm`, `target_lm`); and the pictures, 256x256 or 256x176
            (height x width), under the flattened names of the lists or in the data set's own folders.

    Raises:
        LayoutError: if there is no list, or one has another form.
    """
    listing = Listing()
    files = _find_pictures(folder)
    for split in SPLITS:
        pairs = list(_read_split(folder, split, listing))
        subjects: dict[str, list[ImagePair]] = defaultdict(list)
        for pair in pairs:
            absent = [image.file for image in (pair.source, pair.target) if image.file not in files]
            if not absent:
                subjects[pair.subject].append(pair)
            listing.missing += [Missing(name, split, "There is no such picture.") for name in absent]
        listing.sources += [_source(name, split, found, files) for name, found in subjects.items()]
    if not listing.listed:
        raise LayoutError(
            f"There is no *pairs*train*.csv, *pairs*test*.csv, *train*.json or *test*.json below {str(folder)!r}: get the lists of"
            " pairs and key points (https://github.com/tengteng95/Pose-Transfer)."
        )
    listing.missing = list(dict.fromkeys(listing.missing))
    return listing


def _source(subject: str, split: str, pairs: list[ImagePair], files: dict[str, Path]) -> ClipSource:
    images = {image.file: image for pair in pairs for image in (pair.source, pair.target)}
    names = list(images)
    chosen = [[names.index(pair.source.file), names.index(pair.target.file)] for pair in pairs]
    facts: dict[str, Any] = {
        "person": subject[:-2],
        "subject": subject,
        "clip": subject,
        "video": subject,
        "pairs": chosen,
    }
    return ClipSource(
        make_key(subject, f"{split}/{subject}"), split, tuple(files[name] for name in names), len(names),
        facts=facts, poses=tuple(images.values()),
    )  # fmt: skip


def _read_split(folder: Path, split: str, listing: Listing) -> Iterator[ImagePair]:
    """The readable pairs of a split; unreadable lines are noted as missing."""
    pairs, annotations = (_one(folder, f"*{name}*{split}*.csv") for name in ("pairs", "annotation"))
    if pairs is not None:
        if annotations is None:
            raise LayoutError(
                f"{pairs.name!r} lists names only: *annotation*{split}*.csv with their key points is needed."
            )
        yield from _read_csv(pairs, annotations, split, listing)
    elif (found := _one(folder, f"*{split}*.json")) is not None:
        yield from _read_json(found, split, listing)


def _one(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.rglob(pattern))
    if len(found) > 1:
        raise LayoutError(
            f"Expected one {pattern} below {str(folder)!r}, found {', '.join(repr(p.name) for p in found)}."
        )
    return found[0] if found else None


def _read_csv(pairs: Path, annotations: Path, split: str, listing: Listing) -> Iterator[ImagePair]:
    known = _read_annotations(annotations, split, listing)
    for number, row in enumerate(_rows(pairs, ",", ("from", "to")), 2):
        listing.count(split)
        unknown = [str(name) for name in (row["from"], row["to"]) if name not in known]
        if unknown:
            reason = f"{pairs.name!r}, line {number}: {unknown[0]!r} has no readable annotation."
            listing.missing.append(Missing(unknown[0], split, reason))
        else:
            yield ImagePair(known[row["from"]], known[row["to"]], subject_of(row["from"]))


def _read_annotations(path: Path, split: str, listing: Listing) -> dict[str, PosedImage]:
    known = {}
    for number, row in enumerate(_rows(path, ":", ("name", "keypoints_y", "keypoints_x")), 2):
        try:
            y, x = json.loads(row["keypoints_y"]), json.loads(row["keypoints_x"])
            known[row["name"]] = _posed(row["name"], list(zip(x, y, strict=True)))
        except (json.JSONDecodeError, TypeError, ValueError) as error:
            reason = f"{path.name!r}, line {number}: the key points are damaged: {error}"
            listing.missing.append(Missing(str(row["name"]), split, reason))
    return known


def _rows(path: Path, delimiter: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        # The key points' lists hold the commas that other files use as delimiters.
        reader = csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=True)
        names = reader.fieldnames or []
        if not set(columns) <= set(names):
            raise LayoutError(f"{str(path)!r} has the columns {list(names)[:5]}, expected {list(columns)}.")
        yield from reader


def _read_json(path: Path, split: str, listing: Listing) -> Iterator[ImagePair]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise LayoutError(f"{str(path)!r} is no json: {error}.") from error
    keys = ("source_image", "target_image", "source_lm", "target_lm")
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and set(keys) <= item.keys() for item in content
    ):
        raise LayoutError(f"{str(path)!r} is not the authors' json: expected a list of objects with {list(keys)}.")
    for number, item in enumerate(content):
        listing.count(split)
        names = [Path(item[f"{role}_image"]).name for role in ("source", "target")]
        try:
            source, target = (
                _posed(name, item[f"{role}_lm"]) for name, role in zip(names, ("source", "target"), strict=True)
            )
            yield ImagePair(source, target, subject_of(source.file))
        except PoseError as error:
            listing.missing.append(Missing(" > ".join(names), split, f"{path.name!r}, item {number}: {error}"))


def _posed(name: str, points: Any) -> PosedImage:
    pose = as_pose(points, size=(HEIGHT, WIDTH), layout="body18", check_order=False)
    return PosedImage(name, pose.points.tolist(), pose.visibility.tolist())


def subject_of(name: str) -> str:
    """Person and clothes of a flattened name, such as `fashionWOMENDressesid0000262902` of `...02_1front.jpg`."""
    found = _SUBJECT.match(name)
    return found[1] if found else Path(name).stem


def flattened(path: Path) -> str:
    """Name in the lists of a picture in the data set's own folders, `fashion/WOMEN/Dresses/id_00002629/02_1_front.jpg`."""
    *folders, name = path.parts[-5:]
    if len(folders) < 4 or not folders[-1].startswith("id_"):
        return path.name
    number, *rest = name.split("_")
    return "".join([*folders[:-1], folders[-1].replace("_", ""), number, "_", *rest])


def _find_pictures(folder: Path) -> dict[str, Path]:
    files = [file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES]
    return {name: file for file in files for name in (file.name, flattened(file))}
