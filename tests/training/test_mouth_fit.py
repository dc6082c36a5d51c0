"""scripts/fit_mouth_interior.py: a generator gets the mouth colours of a training set, and keeps all it knew."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from conftest import MODERN, ROOT, tiny_config
from fresh_process import run_fresh
from safetensors.torch import save as save_tensors

from adaat_hf import ARKIT_EXPRESSIONS, AdaATGenerator, FaceCoefficients
from adaat_hf.models.mouth_interior import START
from adaat_hf.preparation.clips import encode_clip
from adaat_hf.training.packs import FACTS, TENSORS, VIDEO, write_pack


SKIN, INSIDE = np.array([200, 160, 120]), np.array([96, 40, 48])


@pytest.fixture
def speaker(face_model, tmp_path):
    """A pack with one clip: a flat face whose mouth opens wide, in three frames out of four."""
    expression = torch.zeros(12, len(ARKIT_EXPRESSIONS))
    expression[:, ARKIT_EXPRESSIONS.index("jawOpen")] = 0.7 * (torch.arange(12) % 4 > 0)
    face = FaceCoefficients(
        identity=torch.zeros(60), offset=torch.zeros(96, 3), expression=expression, rotation=torch.zeros(12, 3),
        scale=torch.full((12,), 110.0), translation=torch.full((12, 2), 128.0), valid=torch.ones(12, dtype=torch.bool),
    )  # fmt: skip
    points = face.project(face_model)
    frames = []
    for frame in points.numpy():
        picture = np.tile(SKIN.astype(np.uint8), (256, 256, 1))
        cv2.fillPoly(picture, [frame[60:68].round().astype(np.int32)], INSIDE.tolist())
        frames.append(picture)
    tensors = {"points": points, "visibility": torch.ones(12, 96), **vars(face)}
    (tmp_path / "packs").mkdir()
    parts = {
        VIDEO: encode_clip(frames, Fraction(10), 4),
        TENSORS: save_tensors({name: value.contiguous() for name, value in tensors.items()}),
        FACTS: json.dumps({"frames": 12, "fps": 10.0}).encode(),
    }
    write_pack(tmp_path / "packs" / "clips-00000.tar", [("speaker", parts)])
    return tmp_path / "packs"


def test_colours_between_the_lips_become_the_texture(speaker, tmp_path):
    generator = AdaATGenerator(tiny_config(**MODERN))
    generator.save_pretrained(tmp_path / "before" / "generator")
    script = ROOT / "scripts" / "fit_mouth_interior.py"
    done = run_fresh(
        [script, "--generator", tmp_path / "before" / "generator", "--clips", speaker, "--output", tmp_path / "after"]
    )
    assert done.returncode == 0, done.stderr
    fitted = AdaATGenerator.from_pretrained(tmp_path / "after")
    kept = fitted.state_dict()
    texture = kept.pop("mouth.texture")
    for name, value in generator.state_dict().items():
        assert torch.equal(value, kept.pop(name)), name
    assert not kept
    wide = texture[-1, :, 4, 6]
    # Three frames show the mouth, and the untrained colour counts as much as two.
    wanted = (3 * torch.tensor(INSIDE / SKIN.mean()) + 2 * torch.tensor(START)) / 5
    assert torch.allclose(wide, wanted.float(), atol=0.03)
    assert torch.allclose(texture[:, :, 4, 0], torch.tensor(START)), "the corners, where lips touch, are not measured"
