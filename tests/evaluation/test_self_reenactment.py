"""Scoring self-reenactment: the numbers know the truth from a copy."""

import numpy as np
import pytest
import torch
from torch import nn

from adaat_hf import FaceLandmarks, VideoWriter
from adaat_hf.evaluation.contact_sheet import contact_sheet
from adaat_hf.evaluation.metrics import mean_scores
from adaat_hf.evaluation.self_reenactment import driving_frames, paint_case, read_cases, score_case


class Brightest:
    """A detector whose 96 points are the brightest pixel."""

    def detect(self, frames):
        found = []
        for frame in frames:
            bright = frame.sum(-1)
            y, x = np.unravel_index(bright.argmax(), bright.shape)
            points = np.tile(np.array([x, y], np.float32), (96, 1))
            shown = bright.max() > 600
            found.append([FaceLandmarks(points, "face96", np.ones(96, np.float32))] if shown else [])
        return found


class Distance(nn.Module):
    """Stands in for LPIPS."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, first, second):
        return self.scale * (first - second).abs().mean().reshape(1, 1, 1, 1)


@pytest.fixture
def cases(tmp_path):
    with VideoWriter(tmp_path / "dot.mp4", 25, 64, 64) as writer:
        for number in range(12):
            frame = np.full((64, 64, 3), 60, np.uint8)
            frame[28:36, 8 + 4 * number : 16 + 4 * number] = 255
            writer.write(frame)
    return list(read_cases(tmp_path, Brightest()))


def test_the_truth_scores_best(cases):
    assert [case.frame for case in cases] == driving_frames(12) == [3, 5, 8, 11]
    case = cases[1]
    truth, copy = (score_case(case, picture, Distance(), Brightest()) for picture in (case.driving, case.source))
    assert truth.ssim == pytest.approx(1, abs=1e-5) and truth.l1 == 0 and truth.keypoint_distance == 0
    assert copy.ssim < 0.99 and copy.l1 > 0.01 and copy.keypoint_distance > 15
    lost = score_case(case, np.zeros_like(case.source), Distance(), Brightest())
    means = mean_scores([truth, lost])
    assert means["lost"] == 0.5 and means["keypoint_distance"] == 0


def test_painters_get_the_picture_and_normalised_points(cases):
    def paint(source, here, there):
        assert source.shape == (1, 3, 64, 64) and here.abs().max() <= 1 and there.shape == (1, 96, 2)
        assert (there - here)[0, :, 0].mean() > 0.3, "the dot moves to the right"
        return torch.ones_like(source) * 2

    assert (paint_case(cases[1], paint) == 255).all()


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no mp4"):
        next(read_cases(tmp_path, Brightest()))


def test_contact_sheets_hold_frames_from_first_to_last():
    frames = [np.full((20, 40, 3), number, np.uint8) for number in range(100)]
    sheet = contact_sheet(frames, 100, columns=3, rows=2, width=40)
    assert sheet.shape == (40, 120, 3) and sheet[0, 0, 0] == 0 and sheet[-1, -1, 0] == 99
    assert contact_sheet(frames[:2], 2, columns=3, rows=2, width=40).shape == (20, 120, 3)
