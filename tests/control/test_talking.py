"""Motion of a talking face: blinks, borrowed head motion, lips that meet."""

import dataclasses

import numpy as np
import pytest
import torch

from adaat_hf import ARKIT_EXPRESSIONS, read_arkit_csv, retarget
from adaat_hf.control.arkit_files import is_performance
from adaat_hf.control.rotation import rotation_matrix, rotation_vector
from adaat_hf.control.talking import (
    MotionChange,
    back_and_forth,
    blink_amount,
    close_lips,
    head_motion_of,
    resting_face,
)
from adaat_hf.training.motion_targets import frontal_points, lip_opening


def test_a_blink_closes_fast_and_opens_slowly():
    amount = blink_amount(torch.arange(0, 1, 0.01), [0.3])
    assert amount[:30].max() == 0 and amount[62:].max() == 0 and torch.isclose(amount.max(), torch.tensor(1.0))
    peak = int(amount.argmax())
    closed = (amount > 0.5).nonzero().flatten()
    assert peak - 30 < 12 and closed[-1] - peak > peak - closed[0]
    at_25 = blink_amount(torch.arange(25) / 25, [0.33])
    assert at_25.max() > 0.95, "some frame shows the eyes closed"


def test_no_motion_leaves_the_face(face_model, short_motion):
    face = short_motion.coefficients.frames(torch.tensor([3]))
    still = MotionChange(torch.zeros(5, 52), torch.zeros(5, 6)).coefficients(face_model)
    moved = retarget(face, still, reference=resting_face(face_model))
    assert torch.allclose(moved.project(face_model), face.project(face_model).expand(5, -1, -1), atol=1e-3)


def test_a_head_motion_is_borrowed(face_model, short_motion):
    driver = short_motion.coefficients
    motion = head_motion_of(driver)
    change = MotionChange(torch.zeros(len(driver), 52), motion).coefficients(face_model)
    face = dataclasses.replace(driver.frames(torch.tensor([0])), rotation=torch.tensor([[0.1, 0.0, 0.0]]))
    moved = retarget(face, change, reference=resting_face(face_model))
    turned = rotation_matrix(moved.rotation) @ rotation_matrix(face.rotation).transpose(1, 2)
    assert torch.allclose(rotation_vector(turned), motion[:, :3], atol=1e-4)
    lengths = (moved.translation - face.translation) / face.scale
    assert torch.allclose(lengths, motion[:, 4:], atol=1e-4)


def test_short_motion_runs_back_and_forth():
    values = torch.arange(4.0)[:, None]
    found = back_and_forth(values, torch.tensor([0.0, 2.5, 3.0, 4.0, 6.0, 7.0, 12.5]))
    assert found[:, 0].tolist() == [0.0, 2.5, 3.0, 2.0, 0.0, 1.0, 0.5]
    assert back_and_forth(torch.ones(1, 6), torch.arange(9)).shape == (9, 6)


def test_an_open_mouth_is_closed_before_it_speaks(face_model, short_motion):
    face = short_motion.coefficients.frames(torch.tensor([0]))
    face.expression[0, ARKIT_EXPRESSIONS.index("jawOpen")] = 0.5
    face.expression[0, ARKIT_EXPRESSIONS.index("mouthSmileLeft")] = 0.4
    face.offset[[67, 66, 65], 1] += 0.05
    assert lip_opening(frontal_points(face, face_model))[0] > 0.1
    closed = close_lips(face, face_model)
    gap = (
        frontal_points(closed, face_model)[0, [67, 66, 65], 1] - frontal_points(closed, face_model)[0, [61, 62, 63], 1]
    )
    assert gap.max() < 0.021
    assert torch.allclose(close_lips(closed, face_model).offset, closed.offset, atol=1e-6), "closed lips stay closed"
    assert closed.expression[0, ARKIT_EXPRESSIONS.index("mouthSmileLeft")] == 0.4, "the smile stays"
    assert torch.equal(face.offset[36:48], closed.offset[36:48])


def live_link(path, frames=130, timecode=True, **changes):
    """A csv as Live Link Face writes it."""
    names = [name[0].upper() + name[1:] for name in ARKIT_EXPRESSIONS]
    header = [*(["Timecode", "BlendshapeCount"] if timecode else []), *names, "HeadYaw", "HeadPitch", "HeadRoll"]
    lines = [",".join(header)]
    for frame in range(frames):
        values = dict.fromkeys(header, "0.0")
        second, number = divmod(frame + 17, 30)
        values |= {"Timecode": f"10:00:{second:02d}:{number:02d}.123", "BlendshapeCount": "61"}
        values |= {"JawOpen": f"{0.5 * (frame % 10) / 10:.3f}", "HeadYaw": "0.2", "HeadPitch": "0.1"}
        values |= {name: str(value) for name, value in changes.items()}
        lines.append(",".join(values[name] for name in header))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_live_link_files(tmp_path, face_model):
    path = live_link(tmp_path / "face.csv")
    assert is_performance(path)
    template = read_arkit_csv(path, face_model)
    assert len(template.coefficients) == 130 and template.fps == 30
    jaw = template.coefficients.expression[:, ARKIT_EXPRESSIONS.index("jawOpen")]
    assert np.allclose(jaw[:10], 0.05 * np.arange(10), atol=1e-3)
    points = template.coefficients.project(face_model)
    straight = dataclasses.replace(template.coefficients, rotation=torch.zeros(130, 3)).project(face_model)
    nose = points[0, 30] - straight[0, 30]
    assert nose[0] > 1 and nose[1] > 1, "to the left hand, which is right in the picture, and down"
    assert read_arkit_csv(live_link(tmp_path / "x.csv", timecode=False), face_model).fps == 60
    assert read_arkit_csv(path, face_model, fps=24).fps == 24


def test_damaged_performances_are_refused(tmp_path, face_model):
    with pytest.raises(FileNotFoundError, match="nowhere.csv"):
        read_arkit_csv(tmp_path / "nowhere.csv", face_model)
    other = tmp_path / "openface.csv"
    other.write_text("frame,x_0\n1,2\n")
    assert not is_performance(other)
    for path, message in (
        (other, "no column 'jawOpen'"),
        (live_link(tmp_path / "none.csv", frames=0), "no frames"),
        (live_link(tmp_path / "nan.csv", JawOpen="nan"), "'jawopen'.*not finite"),
        (live_link(tmp_path / "text.csv", MouthClose="wide"), "damaged number in the column 'mouthclose'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_arkit_csv(path, face_model)
