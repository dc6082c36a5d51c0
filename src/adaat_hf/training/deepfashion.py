"""DeepFashion's in-shop pictures and the public lists of pairs and key points, as pairs that `datasets` loads."""

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
from tqdm.auto import tqdm

from ..processing.images import IMAGE_SUFFIXES
from ..processing.pose_files import PoseError, as_pose
from .image_pairs import ImagePair, PosedImage, write_pairs


# Zhu et al., Progressive Pose Attention Transfer, 2019; the paper's section 4 uses the same split.
PUBLISHED_PAIRS = {"train": 101_966, "test": 8_570}
HEIGHT, WIDTH = 256, 176
# In 256x256 pictures the person stands in the middle, between two white margins.
MARGIN = 40
MISSING = "missing.csv"
# A person's number and the number of the clothes in a flattened name.
_SUBJECT = re.compile(r"^(.*id\d{8}\d{2})")


class DeepFashionError(ValueError):
    """The lists or pictures cannot be used; the message says why."""


@dataclass(frozen=True)
class DeepFashionReport:
    """What became of a list of pairs.

    Args:
        split (`str`): `"train"` or `"test"`.
        listed (`int`): Pairs in the list.
        written (`int`): Pairs in the data set.
        missing (`dict[str, str]`): Why pictures could not be used; `missing.csv` holds the same.
    """

    split: str
    listed: int
    written: int
    missing: dict[str, str]

    def __str__(self) -> str:
        published = PUBLISHED_PAIRS[self.split]
        count = "as published" if self.listed == published else f"not the published {published}"
        text = f"{self.split}: {self.listed} pairs listed ({count}), {self.written} written"
        left = self.listed - self.written
        return text + (f", {left} left out for want of {len(self.missing)} pictures ({MISSING})" if left else "")


def prepare_deepfashion(
    images: Path,
    pairs: Path,
    annotations: Path | None,
    output: Path,
    split: str,
    *,
    allow_missing: bool = False,
) -> DeepFashionReport:
    """Write the split's folder `output/<split>`.

    Args:
        images (`Path`): Folder with the pictures, 256x256 or 256x176 (height x width), under the flattened names of the lists
            or in the data set's own folders.
        pairs (`Path`): `fasion-resize-pairs-*.csv` (`from,to`), or the authors' json (`source_image`, `target_image`,
            `source_lm`, `target_lm`).
        annotations (`Path`, *optional*): `fasion-resize-annotation-*.csv` (`name:keypoints_y:keypoints_x`), for csv pairs.
        output (`Path`): Where the split goes.
        split (`str`): `"train"` or `"test"`.
        allow_missing (`bool`, *optional*, defaults to `False`): Go on without pairs whose pictures are missing.

    Raises:
        FileNotFoundError: if a list or the picture folder does not exist.
        DeepFashionError: if a list has another form, or pictures are missing and this is not allowed.
    """
    if split not in PUBLISHED_PAIRS:
        raise DeepFashionError(f"The split is {split!r}, expected one of {sorted(PUBLISHED_PAIRS)}.")
    for path in (images, pairs, *([annotations] if annotations else [])):
        if not path.exists():
            raise FileNotFoundError(f"{str(path)!r} does not exist.")
    listed = list(_read_json(pairs) if pairs.suffix == ".json" else _read_csv(pairs, annotations))
    files = _find_pictures(images)
    folder = output / split
    folder.mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    done: set[str] = set()
    for image in tqdm([i for pair in listed for i in (pair.source, pair.target)], desc="copying", unit="picture"):
        if image.file not in done | missing.keys():
            reason = _copy(files.get(image.file), folder / image.file)
            if reason is None:
                done.add(image.file)
            else:
                missing[image.file] = reason
    _write_missing(folder, missing)
    if missing and not allow_missing:
        shown = ", ".join(list(missing)[:3])
        raise DeepFashionError(
            f"{len(missing)} pictures of the list cannot be used, such as {shown}; all are in {str(folder / MISSING)!r}."
            " Get them, or allow missing pictures."
        )
    kept = [pair for pair in listed if {pair.source.file, pair.target.file} <= done]
    write_pairs(folder, kept)
    return DeepFashionReport(split, len(listed), len(kept), missing)


def _read_csv(pairs: Path, annotations: Path | None) -> Iterator[ImagePair]:
    if annotations is None:
        raise DeepFashionError(f"{str(pairs)!r} lists names only: the annotation csv with their key points is needed.")
    known = _read_annotations(annotations)
    for number, row in enumerate(_rows(pairs, ",", ("from", "to")), 2):
        for name in (row["from"], row["to"]):
            if name not in known:
                raise DeepFashionError(f"{str(pairs)!r}, line {number}: {name!r} has no annotation.")
        yield ImagePair(known[row["from"]], known[row["to"]], subject_of(row["from"]))


def _read_annotations(path: Path) -> dict[str, PosedImage]:
    known = {}
    for number, row in enumerate(_rows(path, ":", ("name", "keypoints_y", "keypoints_x")), 2):
        try:
            y, x = json.loads(row["keypoints_y"]), json.loads(row["keypoints_x"])
            points = list(zip(x, y, strict=True))
        except (json.JSONDecodeError, TypeError, ValueError) as error:
            raise DeepFashionError(f"{str(path)!r}, line {number}: the key points are damaged: {error}.") from error
        known[row["name"]] = _posed(row["name"], points, f"{str(path)!r}, line {number}")
    return known


def _rows(path: Path, delimiter: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        # The key points' lists hold the commas that other files use as delimiters.
        reader = csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=True)
        names = reader.fieldnames or []
        if not set(columns) <= set(names):
            raise DeepFashionError(f"{str(path)!r} has the columns {list(names)[:5]}, expected {list(columns)}.")
        yield from reader


def _read_json(path: Path) -> Iterator[ImagePair]:
    content = json.loads(path.read_text(encoding="utf-8"))
    keys = ("source_image", "target_image", "source_lm", "target_lm")
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and set(keys) <= item.keys() for item in content
    ):
        raise DeepFashionError(
            f"{str(path)!r} is not the authors' json: expected a list of objects with {list(keys)}."
        )
    for number, item in enumerate(content):
        source, target = (
            _posed(Path(item[f"{role}_image"]).name, item[f"{role}_lm"], f"{str(path)!r}, item {number}")
            for role in ("source", "target")
        )
        yield ImagePair(source, target, subject_of(source.file))


def _posed(name: str, points: Any, where: str) -> PosedImage:
    try:
        pose = as_pose(points, size=(HEIGHT, WIDTH), layout="body18", check_order=False)
    except PoseError as error:
        raise DeepFashionError(f"{where}: {error}") from error
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


def _copy(file: Path | None, target: Path) -> str | None:
    """Copy a picture, without its margins; returns why that cannot be done."""
    if file is None:
        return "There is no such picture."
    if target.exists():
        return None
    partial = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        with PIL.Image.open(file) as picture:
            if picture.size == (WIDTH, HEIGHT):
                try:
                    os.link(file, partial)
                except OSError:
                    shutil.copyfile(file, partial)
            elif picture.size == (HEIGHT, HEIGHT):
                box = (MARGIN, 0, MARGIN + WIDTH, HEIGHT)
                picture.convert("RGB").crop(box).save(partial, quality=100, subsampling=0)
            else:
                return f"It is {picture.width}x{picture.height}, expected {WIDTH}x{HEIGHT} or {HEIGHT}x{HEIGHT}."
        partial.replace(target)
    except OSError as error:
        return f"It cannot be read: {error}."
    finally:
        partial.unlink(missing_ok=True)
    return None


def _write_missing(folder: Path, missing: dict[str, str]) -> None:
    path = folder / MISSING
    if not missing:
        path.unlink(missing_ok=True)
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "reason"])
        writer.writerows(sorted(missing.items()))
