"""Clips to pairs: frames are cut alike, differ in pose, and held-out persons go to validation."""

import numpy as np
import pytest
import torch
from conftest import draw_person

from adaat_hf import BodyKeypoints, VideoWriter
from adaat_hf.processing.images import load_image
from adaat_hf.training.augmentation import cut_off
from adaat_hf.training.image_pairs import ImagePairDataset, read_pairs
from adaat_hf.training.motion_pairs import prepare_motion
from adaat_hf.training.people import People


FRAMES = 12


class ByShade:
    """A detector that reads from a corner's brightness which frame it sees."""

    def __init__(self, poses):
        self.poses = poses

    def detect(self, frames):
        numbers = np.round(frames[:, :8, :8].mean((1, 2, 3)) / 15).astype(int)
        return [
            [] if n >= len(self.poses) else [BodyKeypoints(self.poses[n], "body18", np.ones(18, np.float32))]
            for n in numbers
        ]


@pytest.fixture
def clips(tmp_path, standing_pose):
    folder = tmp_path / "clips"
    folder.mkdir()
    poses = []
    for number in range(FRAMES):
        points = (standing_pose * [90, 130] + [60, 15]).astype(np.float32)
        points[[4, 7], 1] -= 5 * number
        poses.append(points)
    for name in ("walk", "dance", "nobody", "stranger"):
        with VideoWriter(folder / f"{name}.mp4", 10, 200, 160, crf=3) as writer:
            for number, points in enumerate(poses):
                frame = draw_person(points, 160, 200, np.random.default_rng(1).integers(0, 255, (6, 3)))
                frame[:8, :8] = 250 if name == "nobody" else 15 * number
                writer.write(frame)
    return folder, ByShade(poses)


def test_clips_become_pairs_of_frames_that_differ(clips, tmp_path):
    folder, detector = clips
    people = People({"walk": "anna", "nobody": "anna", "dance": "ben"}, frozenset({"ben"}))
    counts, left_out = prepare_motion(folder, tmp_path / "out", detector, people, (64, 44), frames=6, targets=2)
    assert counts == {"train": 12, "validation": 5}
    assert left_out.keys() == {"nobody", "stranger"} and "0 frames show a person" in left_out["nobody"]
    train, held_out = (read_pairs(tmp_path / "out" / split) for split in ("train", "validation"))
    assert {pair.subject for pair in train} == {"anna"} and {pair.subject for pair in held_out} == {"ben"}
    assert len({pair.source.file for pair in held_out}) == 1, "a held-out clip is painted from one frame"
    apart = [abs(pair.source.keypoints[4][1] - pair.target.keypoints[4][1]) for pair in train]
    assert min(apart) > 1 and all(pair.source.file != pair.target.file for pair in train)
    still = [abs(pair.source.keypoints[10][1] - pair.target.keypoints[10][1]) for pair in train]
    assert max(still) < 0.1, "all frames are cut alike"
    assert load_image(tmp_path / "out" / "train" / train[0].source.file).shape == (64, 44, 3)


def test_dyed_pairs_keep_their_shapes_and_change_their_colours_alike(pairs):
    plain = ImagePairDataset([pairs], (64, 44), seed=3, augment=False)
    dyed = ImagePairDataset([pairs], (64, 44), seed=3, augment=False, dyed=1.0)
    items = [(plain[number], dyed[number]) for number in range(8)]
    for before, after in items:
        assert after["source"].shape == before["source"].shape
        assert 0 <= after["source"].min() and after["source"].max() <= 1
        same = ((before["source"] - before["driving"]).abs() < 1e-6).all(0)
        torch.testing.assert_close(after["source"][:, same], after["driving"][:, same], atol=1e-5, rtol=0)
    changes = [(after["source"] - before["source"]).abs().mean() for before, after in items]
    assert np.mean(changes) > 0.03


def test_portraits_hold_the_head_and_lose_what_leaves_them_in_all_pictures_alike(standing_pose):
    """A picture whose colours are its coordinates tells where every pixel came from."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 64), indexing="ij")
    pictures = torch.stack([x, y, torch.zeros_like(x)]).expand(2, 3, -1, -1) / 2 + 0.5
    points = torch.from_numpy(standing_pose) * 2 - 1
    points = torch.stack([points, points + torch.tensor([0.1, 0.0])])
    lost = 0
    for seed in range(20):
        shown, there, visibility = cut_off(pictures, points, torch.ones(2, 18), np.random.default_rng(seed))
        inside = there.abs().amax(-1) < 1
        found = torch.nn.functional.grid_sample(shown, there[:, None], align_corners=True)[:, :2, 0].mT * 2 - 1
        assert (found - points).abs()[inside].max() < 0.03, seed
        assert inside[:, [0, 1, 14, 15, 16, 17]].all(), "the head and the neck stay"
        assert not inside[:, 10].any(), "an ankle is cut off"
        assert visibility[inside].all()
        assert (there[1] - there[0]).std(0).max() < 1e-5, "both pictures are enlarged alike"
        lost += int((visibility == 0).any())
    assert 4 < lost < 17, "what leaves the picture is lost in half of the cases"
