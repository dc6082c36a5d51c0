"""The body's motion that is made by numbers: a person who stands, and lifts and waves the right arm."""

import numpy as np
import torch

from adaat_hf import BodyMotionTemplate
from adaat_hf.control.demo_body_motion import demo_body_motion


RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, LEFT_WRIST, RIGHT_HIP, RIGHT_ANKLE, LEFT_ANKLE = 2, 3, 4, 7, 8, 10, 13


def test_an_arm_is_lifted_and_waved_and_the_feet_stay(body_model, tmp_path):
    motion = demo_body_motion(body_model, seconds=4, fps=10)
    points = motion.coefficients.project(body_model).numpy()
    assert points.shape == (40, 18, 2) and motion.fps == 10
    assert (points >= 0).all() and (points <= 512).all(), "all of it is in the picture"
    start, middle = points[0], points[20]
    assert start[RIGHT_WRIST, 1] > start[RIGHT_HIP, 1] - 30, "the arm hangs"
    assert middle[RIGHT_WRIST, 1] < middle[RIGHT_SHOULDER, 1] - 20, "the hand is above the shoulder"
    assert np.ptp(points[12:30, RIGHT_WRIST, 0]) > 15, "it waves"
    assert np.ptp(points[:, [RIGHT_ANKLE, LEFT_ANKLE]], axis=0).max() < 15, "the feet stay"
    again = BodyMotionTemplate.load(motion.save(tmp_path / "wave.safetensors"))
    assert torch.equal(again.coefficients.pose, motion.coefficients.pose)
