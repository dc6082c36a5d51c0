"""Shared fixtures: where the optional shared data lies, tiny models, and small files to give to pages and services."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
import torch
from sounds import tone

from adaat_hf import (
    AdaATBodyModel,
    AdaATConfig,
    AdaATFaceModel,
    AdaATGenerator,
    BodyFitter,
    FaceFitter,
    MotionTemplate,
    VideoWriter,
    demo_motion,
)
from adaat_hf.bundled import FIGURE_SAMPLE, VOICE_SAMPLE
from adaat_hf.control.body_model import load_body_model
from adaat_hf.control.demo_body_motion import demo_body_motion
from adaat_hf.control.face_model import load_face_model
from adaat_hf.processing.sound import encode_sound, load_sound


ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_folder(tmp_path_factory) -> Iterator[None]:
    """Tests that count what is left behind must not see what other processes keep in the machine's /tmp."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


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
def body_model() -> AdaATBodyModel:
    return load_body_model("bundled/person")


@pytest.fixture(scope="session")
def body_fitter(body_model: AdaATBodyModel) -> BodyFitter:
    return BodyFitter(body_model)


@pytest.fixture(scope="session")
def fitter(face_model: AdaATFaceModel) -> FaceFitter:
    return FaceFitter(face_model)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """NASA's public-domain portrait of Eileen Collins, (512, 512, 3), uint8."""
    return skimage.data.astronaut()


# A generator that runs in milliseconds and has every part of the real one.
TINY = {
    "encoder_channels": [4, 6, 8],
    "encoder_blocks": 1,
    "feature_channels": 12,
    "code_channels": 8,
    "code_blocks": 2,
    "alignment_channels": 6,
    "alignment_blocks": 1,
    "decoder_blocks": 1,
}


def tiny_config(**changes) -> AdaATConfig:
    """The configuration of such a generator, for 96 key points."""
    return AdaATConfig(**{"num_keypoints": 96, **TINY, **changes})


MODERN = {"prewarp": True, "blend_mask": True, "skip_strides": (1, 2), "heatmap_stride": 4, "heatmap_variance": 0.003}


PERSON = {**MODERN, "num_keypoints": 18, "prewarp_kind": "limbs", "multi_source": True}


@pytest.fixture
def tiny_generator() -> AdaATGenerator:
    return AdaATGenerator(tiny_config(**MODERN)).eval()


@pytest.fixture(scope="session")
def short_motion(face_model: AdaATFaceModel) -> MotionTemplate:
    """Eight frames of the demo motion, with a blink."""
    return demo_motion(face_model, seconds=0.8, fps=10)


@pytest.fixture(scope="session")
def standing_pose() -> np.ndarray:
    """The 18 points (x, y) of somebody who stands and looks at the camera, as shares of a 256x176 picture."""
    centre = [(0.5, 0.14), (0.5, 0.22)]
    right_arm, left_arm = (
        [(0.5 - side * 0.14, 0.22), (0.5 - side * 0.19, 0.36), (0.5 - side * 0.21, 0.49)] for side in (1, -1)
    )
    right_leg, left_leg = (
        [(0.5 - side * 0.09, 0.5), (0.5 - side * 0.1, 0.7), (0.5 - side * 0.1, 0.89)] for side in (1, -1)
    )
    head = [(0.47, 0.125), (0.53, 0.125), (0.44, 0.13), (0.56, 0.13)]
    return np.array([*centre, *right_arm, *left_arm, *right_leg, *left_leg, *head], np.float32)


def draw_person(points: np.ndarray, height: int, width: int, colours: np.ndarray) -> np.ndarray:
    """A person of thick coloured lines through points (18, 2) in pixels, on a gradient; (height, width, 3), uint8."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = np.linspace(60, 200, width).astype(np.uint8)[None, :, None]
    thick = max(2, height // 16)
    corner = points.round().astype(int).tolist()
    cv2.fillConvexPoly(picture, cv2.convexHull(points[[2, 5, 11, 8]].astype(np.int32)), colours[0].tolist())
    for number, (first, second) in enumerate([(2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13)]):
        cv2.line(picture, corner[first], corner[second], colours[1 + number // 2].tolist(), thick)
    cv2.circle(picture, corner[0], 2 * thick // 2 + 2, colours[5].tolist(), -1)
    return picture


@pytest.fixture(scope="session")
def studio():
    """The pipelines of the page and of the HTTP interface, with the bundled networks."""
    from adaat_hf.serving import Studio

    return Studio.load(device="cpu")


@pytest.fixture(scope="session")
def files(tmp_path_factory, astronaut, face_model, body_model):
    """Paths by name: photo, driver (a video with sound), motion, voice, figure, wave, pose."""
    folder = tmp_path_factory.mktemp("given")
    photo = astronaut[:320, 66:386]
    PIL.Image.fromarray(photo).save(folder / "photo.png")
    encode_sound(tone(1.0), 16_000, str(folder / "tone.wav"), "wav")
    with VideoWriter(folder / "driver.mp4", 8, 320, 320, sound_from=folder / "tone.wav") as writer:
        for number in range(8):
            writer.write(np.roll(photo, 2 * number, axis=1))
    demo_motion(face_model, seconds=1, fps=6).save(folder / "motion.safetensors")
    samples = load_sound(VOICE_SAMPLE)[8_000:24_000]
    encode_sound(samples, 16_000, str(folder / "voice.wav"), "wav")
    wave = demo_body_motion(body_model, seconds=1, fps=6)
    wave.save(folder / "wave.safetensors")
    (folder / "pose.json").write_text(json.dumps(wave.coefficients.project(body_model)[3].tolist()))
    names = ("photo.png", "driver.mp4", "motion.safetensors", "voice.wav", "wave.safetensors", "pose.json")
    return {name.split(".")[0]: str(folder / name) for name in names} | {"figure": str(FIGURE_SAMPLE)}


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    """Random VGG16 and AlexNet weights in the form of the ImageNet files, small in value."""
    import torchvision
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("backbones")
    torch.manual_seed(0)
    for name in ("vgg16", "alexnet"):
        features = getattr(torchvision.models, name)(weights=None).features
        save_file(
            {f"features.{key}": value for key, value in features.state_dict().items()}, folder / f"{name}.safetensors"
        )
    return folder
