"""Examples that run with what is bundled: no network, no private picture."""

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundled import FIGURE_SAMPLE, VOICE_SAMPLE, save_portrait
from ..control.body_template import BodyMotionTemplate
from ..control.demo_body_motion import demo_body_motion
from ..control.demo_motion import demo_motion
from ..processing.sound import encode_sound, load_sound
from ..serving.studio import Studio


RATE, SPEECH_SECONDS = 16_000, 3


def example_rows(task: str, studio: Studio) -> list[list[str]]:
    """Values of the inputs that a tab's examples fill: a photograph, and a motion or a sound.

    Args:
        task (`str`): Name of the tab.
        studio ([`Studio`]): Its models define the motions.
    """
    folder = Path(_folder().name)
    portrait = _portrait(folder / "portrait.png")
    if task in ("reenact", "talk") and portrait is None:
        return []
    if task == "reenact":
        return [
            [str(portrait), str(demo_motion(studio.reenact.face_model).save(folder / "look_and_smile.safetensors"))]
        ]
    if task == "talk":
        return [[str(portrait), str(_short_speech(folder / "speech.wav"))]]
    wave = demo_body_motion(studio.pose.body_model)
    if task == "pose":
        return [[str(FIGURE_SAMPLE), str(wave.save(folder / "wave.safetensors"))]]
    return [[str(FIGURE_SAMPLE), str(_pose_file(wave, studio, folder / "waving.json"))]]


def _short_speech(path: Path) -> Path:
    """The beginning of the voice sample: a processor without a GPU takes its time for more."""
    encode_sound(load_sound(VOICE_SAMPLE, RATE)[: SPEECH_SECONDS * RATE], RATE, path, "wav")
    return path


def _pose_file(wave: BodyMotionTemplate, studio: Studio, path: Path) -> Path:
    """The pose in the middle of the motion, as a file of key points."""
    middle = wave.coefficients.frames(slice(len(wave.coefficients) // 2, len(wave.coefficients) // 2 + 1))
    path.write_text(json.dumps(middle.project(studio.pose.body_model)[0].tolist()))
    return path


def _portrait(path: Path) -> Path | None:
    """The portrait, `None` without scikit-image."""
    try:
        return save_portrait(path)
    except ImportError:
        return None


@lru_cache(maxsize=1)
def _folder() -> TemporaryDirectory[str]:
    """Lasts as long as the process."""
    return TemporaryDirectory(prefix="adaat-examples-")
