"""Parts that the tabs share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from ..serving.limits import ServingLimits
from ..serving.studio import Studio


@dataclass
class Outputs:
    """Components of a tab.

    Args:
        results (`list`): What a run fills, before the status.
        status (`gr.HTML`): Progress and, at the end, counts and speed.
        run, stop (`gr.Button`): Buttons.
        inputs (`list`): What a run is given, in the order of the arguments of `Tab.run`.
        examples (`list`): The inputs that examples fill.
    """

    results: list[Any]
    status: gr.HTML
    run: gr.Button
    stop: gr.Button
    inputs: list[Any] = field(default_factory=list)
    examples: list[Any] = field(default_factory=list)


class Tab:
    """One task of the page.

    Args:
        studio ([`Studio`]): The pipelines.
        settings ([`ServingLimits`]): Limits.
    """

    title = ""
    api_name = ""

    def __init__(self, studio: Studio, settings: ServingLimits) -> None:
        self.studio, self.settings = studio, settings

    def build(self) -> Outputs:
        """Lay out the tab."""
        raise NotImplementedError

    def run(self, *values: Any) -> Iterator[Any]:
        """Run the pipeline; yields results and status."""
        raise NotImplementedError


def photo_input(label: str, height: int = 280) -> gr.Image:
    """Where a photograph is given; it stays the file that was uploaded."""
    return gr.Image(label=label, sources=["upload", "webcam", "clipboard"], type="filepath", height=height)


def driver_input() -> gr.Video:
    """Where a driving video is given."""
    return gr.Video(label="Driving video", sources=["upload", "webcam"], include_audio=True, height=280)


def strength_sliders(groups: Sequence[str]) -> list[gr.Slider]:
    """One slider for each group of the face."""
    return [gr.Slider(0, 2, 1, step=0.1, label=f"Strength: {group}") for group in groups]


def run_controls() -> tuple[gr.Button, gr.Button, gr.HTML]:
    """Animate, Stop, and the status below them."""
    with gr.Row():
        run, stop = gr.Button("Animate", variant="primary"), gr.Button("Stop", variant="stop")
    return run, stop, gr.HTML("", label="Status", elem_classes="adaat-status")


def video_outputs(comparison: bool = True) -> Outputs:
    """The column with the buttons, the status, the video, the comparison and the download."""
    with gr.Column():
        run, stop, status = run_controls()
        video = gr.Video(label="Result", interactive=False, height=360, autoplay=True, buttons=["download"])
        results: list[Any] = [video]
        if comparison:
            results.append(
                gr.Video(label="Side by side", interactive=False, visible=False, height=260, buttons=["download"])
            )
        results.append(gr.DownloadButton("Download the video", interactive=False))
    return Outputs(results, status, run, stop)
