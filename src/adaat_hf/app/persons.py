"""The tabs for persons: pose transfer and person image generation."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from ..control.body_retargeting import Placement
from ..control.body_template import BodyMotionTemplate
from ..serving.running import Run
from .choosing import add_choice, chosen, person_crops
from .handling import guarded, status_html
from .layout import Outputs, Tab, driver_input, photo_input, run_controls, video_outputs
from .video_tab import VideoTab


MOTIONS = [".safetensors", ".npz", ".npy", ".json"]
POSES = [".json", ".npz"]
MAX_PHOTOS = 4


class PoseTab(VideoTab):
    """A photographed person moves as a driver does."""

    title = "Pose"
    api_name = "pose"

    def build(self) -> Outputs:
        with gr.Row():
            with gr.Column():
                photo, choice, others = _person_inputs(self)
                driver = driver_input()
                template = gr.File(
                    label="or key points, an SMPL sequence or a motion template", file_types=MOTIONS, height=140
                )
                with gr.Accordion("Control", open=False):
                    placement = gr.Radio(["relative", "absolute"], value="relative", label="Place and size")
                    swap = gr.Checkbox(True, label="Keep the person's own proportions")
                    compare = gr.Checkbox(True, label="Also make a side-by-side video")
            outputs = video_outputs()
        outputs.inputs = [photo, others, driver, template, choice, placement, swap, compare]
        outputs.examples = [photo, template]
        return outputs

    def run(
        self,
        photo: str | None,
        others: list[str] | None,
        driver: str | None,
        template: str | None,
        choice: str | None,
        placement: Placement,
        swap: bool,
        compare: bool,
    ) -> Iterator[Any]:
        """Animate; yields video, comparison, download and status."""

        def work(folder: TemporaryDirectory[str]) -> Iterator[Any]:
            photos = _photos(photo, others)
            driving, frames = self.read_motion(driver, template, BodyMotionTemplate.load)
            call = partial(
                self.studio.pose, photos, driving, placement=placement, swap=swap, person=chosen(choice),
                detector=self.studio.detector,
            )  # fmt: skip
            shown = partial(self.compared, photo=photos[0], driver=driver, compare=compare)
            yield from self.animate(folder, "moving.mp4", call, frames, 3, shown)

        yield from guarded(work)


class PersonTab(Tab):
    """A photographed person in another pose."""

    title = "Person"
    api_name = "person"

    def build(self) -> Outputs:
        with gr.Row():
            with gr.Column():
                photo, choice, others = _person_inputs(self)
                pose = photo_input("Photograph of somebody in the wanted pose")
                points = gr.File(label="or a file of key points", file_types=POSES, height=140)
                fit = gr.Radio(["person", "picture"], value="person", label="Bring the pose to the size of")
            with gr.Column():
                run, stop, status = run_controls()
                picture = gr.Image(
                    label="Result", interactive=False, height=380, type="filepath", buttons=["download"]
                )
                grid = gr.Image(
                    label="Photograph, pose, result", interactive=False, height=280, type="filepath",
                    buttons=["download"],
                )  # fmt: skip
        return Outputs([picture, grid], status, run, stop, [photo, others, pose, points, choice, fit], [photo, points])

    def run(
        self,
        photo: str | None,
        others: list[str] | None,
        pose: str | None,
        points: str | None,
        choice: str | None,
        fit: str,
    ) -> Iterator[Any]:
        """Paint; yields picture, overview and status."""

        def work(folder: TemporaryDirectory[str]) -> Iterator[Any]:
            photos = _photos(photo, others)
            wanted = pose or points
            if wanted is None:
                raise ValueError("A photograph of the wanted pose, or a file of key points, is missing.")
            run: Run[Any] = Run(
                lambda step: self.studio.person(
                    photos, wanted, fit=fit, person=chosen(choice), pose_person="largest", callback_on_step_end=step,
                    detector=self.studio.detector,
                ),
                self.studio.device,
                folder,
                self.settings.max_run_seconds,
            )  # fmt: skip
            for _ in run:
                yield gr.skip(), gr.skip(), status_html("painting")
            result = run.result
            (path,) = result.save(Path(folder.name) / "person.png")
            overview = result.save_grid(Path(folder.name) / "overview.png")
            size = result.images[0].size
            yield str(path), str(overview), status_html(f"{size[0]}x{size[1]} px on {self.studio.device}")

        yield from guarded(work)


def _person_inputs(tab: Tab) -> tuple[gr.Image, gr.Radio, gr.File]:
    photo = photo_input("Photograph of a person, whole body")
    choice = add_choice(photo, lambda picture: person_crops(picture, tab.studio.detector), "person", False)
    others = gr.File(
        label=f"More photographs of the same person in the same clothes (up to {MAX_PHOTOS - 1})",
        file_types=["image"], file_count="multiple", height=140,
    )  # fmt: skip
    return photo, choice, others


def _photos(photo: str | None, others: list[str] | None) -> list[Any]:
    if photo is None:
        raise ValueError("A photograph of a person is missing.")
    if len(others or []) >= MAX_PHOTOS:
        raise ValueError(f"There are {len(others or []) + 1} photographs; this page takes up to {MAX_PHOTOS}.")
    return [photo, *(others or [])]
