"""A miniature training set: synthetic clips of a drawn face, packed as `adaat prepare` packs real ones."""

import json
from fractions import Fraction

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from conftest import draw_person
from safetensors.torch import save as save_tensors

from adaat_hf import demo_motion, retarget
from adaat_hf.preparation.clips import encode_clip
from adaat_hf.training.image_pairs import ImagePair, PosedImage, write_pairs
from adaat_hf.training.packs import FACTS, TENSORS, VIDEO, write_pack


SIZE = 64


def draw_face(points: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A face of filled polygons on a gradient, so that pictures follow key points."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[:] = np.linspace(0, 255, SIZE).astype(np.uint8)[None, :, None] * np.array([0.2, 0.4, 0.6])
    for members, colour in (
        (range(17), 0),
        (range(36, 42), 1),
        (range(42, 48), 1),
        (range(48, 60), 2),
        (range(31, 36), 3),
    ):
        shape = cv2.convexHull(points[list(members)].astype(np.int32))
        cv2.fillConvexPoly(picture, shape, colours[colour].tolist())
    return picture


@pytest.fixture(scope="session")
def packs(tmp_path_factory, face_model):
    """A folder with one pack of four clips of 12 frames; two are marked as real, two as generated."""
    folder = tmp_path_factory.mktemp("packs")
    random = np.random.default_rng(0)
    clips = {}
    motion = demo_motion(face_model, seconds=1.2, fps=10).coefficients.in_crop(torch.zeros(2), SIZE / 256)
    for number in range(4):
        coefficients = motion.frames(torch.tensor([0]))
        coefficients.identity.copy_(torch.from_numpy(random.normal(0, 1, 60)).float())
        clip = retarget(coefficients, motion, motion="absolute")
        points = clip.project(face_model)
        colours = random.integers(0, 255, (4, 3))
        frames = [draw_face(p.numpy(), colours) for p in points]
        tensors = {"points": points, "visibility": torch.ones(points.shape[:2]), **vars(clip)}
        facts = {
            "frames": len(frames),
            "fps": 10.0,
            "origin": "real" if number < 2 else "generated",
            "tier": "AB"[number % 2],
        }
        clips[f"clip_{number}"] = {
            VIDEO: encode_clip(frames, Fraction(10), 10),
            TENSORS: save_tensors({name: value.contiguous() for name, value in tensors.items()}),
            FACTS: json.dumps(facts).encode(),
        }
    write_pack(folder / "clips-00000.tar", clips.items())
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory, standing_pose):
    """A folder of pairs of drawn persons: two subjects with three pictures each, and every ordered pair of them."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    listed = []
    for subject in range(2):
        colours, images = random.integers(0, 255, (6, 3)), []
        for number in range(3):
            points = (standing_pose + random.normal(0, 0.02, (18, 2))) * [44, 64]
            file = f"s{subject}_{number}.png"
            PIL.Image.fromarray(draw_person(points, 64, 44, colours)).save(folder / file)
            images.append(PosedImage(file, points.tolist(), [1.0] * 17 + [float(number > 0)]))
        listed += [ImagePair(one, two, f"s{subject}") for one in images for two in images if one is not two]
    write_pairs(folder, listed)
    return folder
