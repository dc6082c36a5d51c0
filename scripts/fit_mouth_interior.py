# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Give a trained generator a mouth interior: the average inside of the open mouths of a training set.

    python scripts/fit_mouth_interior.py --generator runs/face_compact_128/generator --clips data/faces/train \\
        --output runs/face_compact_mouth/generator
"""

import argparse
from pathlib import Path

import torch
from tqdm.auto import tqdm

from adaat_hf import AdaATConfig, AdaATGenerator
from adaat_hf.bundled import bundled_path
from adaat_hf.models.mouth_interior import (
    OPENINGS,
    TEXTURE_SIZE,
    mouth_coordinates,
    opening_shares,
    skin_brightness,
    start_texture,
)
from adaat_hf.training.data import select_clips
from adaat_hf.training.packs import PackedClip, read_packs, to_tensor


# Frames per clip, from those whose mouths are open widest; mouths that are nearly closed show nothing.
FRAMES, SMALLEST_OPENING = 6, 0.04
# Landmarks of the inner lips lie a little on the lips: between these shares of the opening, it is the mouth that shows.
MOUTH_FROM, MOUTH_TO = 0.1, 0.75
# Average of this many frames' worth of the untrained value: cells that are never seen keep it.
PRIOR = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, required=True, help="folder of the generator")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of packs (adaat prepare)")
    parser.add_argument("--exclude", nargs="*", default=[], help="clips left out, by a part of their key")
    parser.add_argument("--output", type=Path, required=True, help="folder for the generator")
    args = parser.parse_args()
    clips, _ = select_clips([clip for folder in args.clips for clip in read_packs(folder)], args.exclude, {}, {})
    source = bundled_path(str(args.generator.parent)) or args.generator.parent
    trained = AdaATGenerator.from_pretrained(source / args.generator.name, dtype=torch.float32)
    generator = AdaATGenerator(AdaATConfig(**{**trained.config.to_diff_dict(), "mouth_interior": True}))
    generator.load_state_dict(trained.state_dict(), strict=False)
    generator.mouth.texture.data.copy_(average_mouths(clips))
    generator.save_pretrained(args.output)
    print(f"{args.output}: mouth interior from {len(clips)} clips")


def average_mouths(clips: list[PackedClip]) -> torch.Tensor:
    """The texture of [`MouthInterior`]: mean colours relative to the skin's brightness, by place and opening."""
    total = PRIOR * start_texture()
    count = torch.full((len(OPENINGS), 1, *TEXTURE_SIZE), PRIOR)
    for clip in tqdm(clips, desc="looking into mouths on cpu", unit="clip"):
        for picture, points in open_mouths(clip):
            add_mouth(total, count, picture, points)
    return total / count


def open_mouths(clip: PackedClip) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pictures (1, 3, H, W) and key points (1, K, 2) in [-1, 1] of a clip's widest mouths."""
    tensors = clip.tensors()
    points = tensors["points"]
    width = (points[:, 64] - points[:, 60]).norm(dim=-1).clamp_min(1e-3)
    opening = (points[:, [67, 66, 65], 1] - points[:, [61, 62, 63], 1]).mean(1) / width
    opening[~tensors["visibility"].any(1)] = 0
    numbers = [int(n) for n in opening.argsort(descending=True)[::3][:FRAMES] if opening[n] > SMALLEST_OPENING]
    if not numbers:
        return []
    pictures = [to_tensor(frame)[None] for frame in clip.frames(numbers)]
    side = pictures[0].shape[-1]
    return [(picture, points[[n]] / (side - 1) * 2 - 1) for picture, n in zip(pictures, numbers, strict=True)]


def add_mouth(total: torch.Tensor, count: torch.Tensor, picture: torch.Tensor, points: torch.Tensor) -> None:
    """Sort the pixels between the lips into the cells of the texture."""
    across, down, inside, opening = mouth_coordinates(points, *picture.shape[2:])
    height = (down[0] - MOUTH_FROM) / (MOUTH_TO - MOUTH_FROM)
    chosen = (inside[0] > 0.5) & (height >= 0) & (height <= 1)
    if not chosen.any():
        return
    colours = (picture / skin_brightness(picture, points).clamp_min(0.05))[0][:, chosen].clamp(0, 1.5)
    rows = (height[chosen] * (TEXTURE_SIZE[0] - 1)).round().long()
    columns = (across[0][chosen].clamp(0, 1) * (TEXTURE_SIZE[1] - 1)).round().long()
    cell = rows * TEXTURE_SIZE[1] + columns
    sums = torch.zeros(3, TEXTURE_SIZE[0] * TEXTURE_SIZE[1]).index_add_(1, cell, colours)
    counts = torch.zeros(TEXTURE_SIZE[0] * TEXTURE_SIZE[1]).index_add_(0, cell, torch.ones(len(cell)))
    seen = (counts > 0).float()
    mean = (sums / counts.clamp_min(1)).view(3, *TEXTURE_SIZE)
    for level, share in enumerate(opening_shares(opening)[0]):
        total[level] += share * mean
        count[level] += share * seen.view(1, *TEXTURE_SIZE)


if __name__ == "__main__":
    main()
