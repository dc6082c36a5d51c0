"""DeepFashion's pictures of one person in the same clothes as one prepared clip: pictures, published key points, pairs."""

import io
import json

import PIL.Image
import torch
from safetensors.torch import save as save_tensors

from ..training.packs import FACTS, TENSORS
from .layouts.deepfashion import HEIGHT, WIDTH
from .sources import ClipSource, UnusableClip


# In 256x256 pictures the person stands in the middle, between two white margins.
MARGIN = 40


def prepare_pictures(source: ClipSource) -> dict[str, bytes]:
    """Prepare the pictures of a person.

    Returns:
        `dict[str, bytes]`: Its parts by suffix: the pictures `.000.jpg`, `.001.jpg`, ...; tensors `points` (T, 18, 2) in pixels
        and `visibility` (T, 18); facts as json, with the `pictures`' suffixes, their published names and `pairs` of their
        numbers.

    Raises:
        UnusableClip: if no pair is left.
        OSError: if a picture has gone since it was listed.
    """
    pictures: dict[str, bytes] = {}
    numbers: dict[int, int] = {}
    unusable = []
    for number, file in enumerate(source.files):
        content = file.read_bytes()
        try:
            content = _without_margins(content, file.suffix.lower())
        except (OSError, SyntaxError, UnusableClip, PIL.Image.DecompressionBombError) as error:
            unusable.append(f"{file.name}: {error}")
            continue
        numbers[number] = len(pictures)
        pictures[f".{len(pictures):03d}{file.suffix.lower()}"] = content
    listed = source.facts["pairs"]
    pairs = [[numbers[one], numbers[two]] for one, two in listed if one in numbers and two in numbers]
    if not pairs:
        raise UnusableClip("; ".join(unusable) or "it has no pair")
    poses = [source.poses[number] for number in numbers]
    tensors = {
        "points": torch.tensor([pose.keypoints for pose in poses]),
        "visibility": torch.tensor([pose.visibility for pose in poses]),
    }
    facts = {**source.facts, "kind": "person", "frames": len(pictures), "fps": 1.0, "pairs": pairs}
    facts |= {"pictures": list(pictures), "names": [pose.file for pose in poses]}
    facts |= {"left_out": unusable, "pairs_left_out": len(listed) - len(pairs)} if unusable else {}
    return {**pictures, TENSORS: save_tensors(tensors), FACTS: json.dumps(facts).encode()}


def _without_margins(content: bytes, suffix: str) -> bytes:
    """An encoded picture of 256x176 pixels: as it is, or the middle of a square one."""
    with PIL.Image.open(io.BytesIO(content)) as picture:
        picture.load()
        if picture.size == (WIDTH, HEIGHT):
            return content
        if picture.size != (HEIGHT, HEIGHT):
            raise UnusableClip(
                f"it is {picture.width}x{picture.height}, expected {WIDTH}x{HEIGHT} or {HEIGHT}x{HEIGHT}"
            )
        buffer = io.BytesIO()
        kind = "PNG" if suffix == ".png" else "JPEG"
        options = {} if kind == "PNG" else {"quality": 100, "subsampling": 0}
        picture.convert("RGB").crop((MARGIN, 0, MARGIN + WIDTH, HEIGHT)).save(buffer, kind, **options)
        return buffer.getvalue()
