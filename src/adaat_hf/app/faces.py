"""The tabs for faces: reenact and talk."""

from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from ..control.retargeting import Control, Motion
from ..control.template import MotionTemplate
from ..serving.checks import check_length
from ..video import DEFAULT_FPS
from .choosing import add_choice, chosen, face_crops
from .handling import guarded
from .layout import Outputs, driver_input, photo_input, strength_sliders, video_outputs
from .video_tab import VideoTab, played


GROUPS = ("eyes", "brows", "mouth", "head")
TEMPLATES = [".safetensors", ".csv", ".npz"]


class ReenactTab(VideoTab):
    """A photograph moves as a driver does."""

    title = "Reenact"
    api_name = "reenact"

    def build(self) -> Outputs:
        with gr.Row():
            with gr.Column():
                photo, choice = _face_inputs(self)
                driver = driver_input()
                template = gr.File(
                    label="or a motion template or landmark file", file_types=TEMPLATES, type="filepath", height=140
                )
                with gr.Accordion("Control", open=False):
                    control = gr.Radio(["both", "expression", "pose"], value="both", label="What to follow")
                    motion = gr.Radio(["relative", "absolute"], value="relative", label="Motion")
                    sliders = strength_sliders(GROUPS)
                    compare = gr.Checkbox(True, label="Also make a side-by-side video")
            outputs = video_outputs()
        outputs.inputs = [photo, driver, template, choice, control, motion, *sliders, compare]
        outputs.examples = [photo, template]
        return outputs

    def run(
        self,
        photo: str | None,
        driver: str | None,
        template: str | None,
        choice: str | None,
        control: Control,
        motion: Motion,
        eyes: float,
        brows: float,
        mouth: float,
        head: float,
        compare: bool,
    ) -> Iterator[Any]:
        """Animate; yields video, comparison, download and status."""

        def work(folder: TemporaryDirectory[str]) -> Iterator[Any]:
            if photo is None:
                raise ValueError("A photograph of a face is missing.")
            driving, frames = self.read_motion(driver, template, MotionTemplate.load)
            call = partial(
                self.studio.reenact, photo, driving, control=control, motion=motion, source_face=chosen(choice),
                strengths={"eyes": eyes, "brows": brows, "mouth": mouth, "head": head},
                landmarker=self.studio.landmarker,
            )  # fmt: skip
            shown = partial(self.compared, photo=photo, driver=driver, compare=compare)
            yield from self.animate(folder, "reenacted.mp4", call, frames, 3, shown)

        yield from guarded(work)


class TalkTab(VideoTab):
    """A photograph says what a sound contains."""

    title = "Talk"
    api_name = "talk"

    def build(self) -> Outputs:
        with gr.Row():
            with gr.Column():
                photo, choice = _face_inputs(self)
                sound = gr.Audio(label="Speech", sources=["upload", "microphone"], type="filepath")
                with gr.Accordion("Control", open=False):
                    emotion = gr.Radio(["neutral", "happy", "angry", "surprise"], value="neutral", label="Emotion")
                    strength = gr.Slider(0, 2, 1, step=0.1, label="Strength of the emotion")
                    head_motion = gr.Radio(["generated", "none"], value="generated", label="Head motion")
                    seed = gr.Number(0, precision=0, minimum=0, label="Seed of head motion and blinks")
                    sliders = strength_sliders(GROUPS)
            outputs = video_outputs(comparison=False)
        outputs.inputs = [photo, sound, choice, emotion, strength, head_motion, seed, *sliders]
        outputs.examples = [photo, sound]
        return outputs

    def run(
        self,
        photo: str | None,
        sound: str | None,
        choice: str | None,
        emotion: str,
        strength: float,
        head_motion: str,
        seed: float,
        eyes: float,
        brows: float,
        mouth: float,
        head: float,
    ) -> Iterator[Any]:
        """Animate; yields video, download and status."""

        def work(folder: TemporaryDirectory[str]) -> Iterator[Any]:
            if photo is None:
                raise ValueError("A photograph of a face is missing.")
            if sound is None:
                raise ValueError("A sound of somebody speaking is missing.")
            seconds = check_length(sound, self.settings.max_seconds, "sound")
            call = partial(
                self.studio.talk, photo, sound, emotion=emotion, emotion_strength=strength, head_motion=head_motion,
                seed=int(seed), source_face=chosen(choice), landmarker=self.studio.landmarker,
                strengths={"eyes": eyes, "brows": brows, "mouth": mouth, "head": head},
            )  # fmt: skip
            yield from self.animate(folder, "talking.mp4", call, round(seconds * DEFAULT_FPS), 2, played)

        yield from guarded(work)


def _face_inputs(tab: VideoTab) -> tuple[gr.Image, gr.Radio]:
    photo = photo_input("Photograph of a face")
    return photo, add_choice(photo, lambda picture: face_crops(picture, tab.studio.landmarker), "face", True)
