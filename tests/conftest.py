"""Shared fixtures: where the optional shared data lies, and tiny models."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from adaat_hf import AdaATConfig, AdaATFaceModel, AdaATGenerator, FaceFitter, MotionTemplate
from adaat_hf.control.face_model import load_face_model


ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with data that is not part of the repository; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the shared data in {SHARED}, which is not part of the repository")
    return SHARED


@pytest.fixture(scope="session")
def face_model() -> AdaATFaceModel:
    return load_face_model("bundled/face")


@pytest.fixture(scope="session")
def fitter(face_model: AdaATFaceModel) -> FaceFitter:
    return FaceFitter(face_model)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """NASA's public-domain portrait of Eileen Collins, (512, 512, 3), uint8."""
    return skimage.data.astronaut()


def tiny_config(**changes) -> AdaATConfig:
    """A generator that runs in milliseconds and has every part of the real one."""
    values = {
        "num_keypoints": 96,
        "encoder_channels": (4, 6, 8),
        "encoder_blocks": 1,
        "feature_channels": 12,
        "code_channels": 8,
        "code_blocks": 2,
        "alignment_channels": 6,
        "alignment_blocks": 1,
        "decoder_blocks": 1,
    }
    return AdaATConfig(**{**values, **changes})


MODERN = {"prewarp": True, "blend_mask": True, "skip_strides": (1, 2), "heatmap_stride": 4, "heatmap_variance": 0.003}


@pytest.fixture
def tiny_generator() -> AdaATGenerator:
    return AdaATGenerator(tiny_config(**MODERN)).eval()


@pytest.fixture(scope="session")
def short_motion(face_model: AdaATFaceModel) -> MotionTemplate:
    """Eight frames of the demo motion, with a blink."""
    from adaat_hf import demo_motion

    return demo_motion(face_model, seconds=0.8, fps=10)
