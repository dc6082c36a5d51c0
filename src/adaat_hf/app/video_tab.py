"""What the tabs that make videos share: the motion, the run, and what is shown at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from ..pipelines.driving import TEMPLATE_SUFFIX
from ..processing.images import limit_size, load_image
from ..serving.checks import check_length
from ..serving.running import Run
from ..video import VideoReader
from .handling import run_on_page
from .layout import Tab
from .side_by_side import write_side_by_side


class VideoTab(Tab):
    """A tab whose result is a video."""

    def read_motion(
        self, driver: str | None, file: str | None, load_template: Callable[[str], Any]
    ) -> tuple[Any, int | None]:
        """A pipeline's `driving`, and how many frames it has, if that is known before it is read.

        Raises:
            ValueError: if there is none, or it is too long.
        """
        if driver is not None:
            check_length(driver, self.settings.max_seconds, "driving video")
            return driver, VideoReader(driver).frame_estimate
        if file is None:
            raise ValueError("A driving video, or a file with a motion, is missing.")
        if not file.endswith(TEMPLATE_SUFFIX):
            return file, None
        template = load_template(file)
        return template, len(template.coefficients)

    def animate(
        self,
        folder: TemporaryDirectory[str],
        name: str,
        call: Callable[..., Any],
        frames: int | None,
        outputs: int,
        finish: Callable[[Any], tuple[Any, ...]],
    ) -> Iterator[Any]:
        """Run a pipeline and yield what the page shows.

        Args:
            folder (`TemporaryDirectory`): Where the video is written.
            name (`str`): Its name.
            call (`Callable`): Calls the pipeline with the arguments that it is given here.
            frames (`int`, *optional*): How many there will be.
            outputs (`int`): Outputs before the status.
            finish (`Callable`): Makes the outputs of the result.
        """
        output = Path(folder.name) / name
        run = Run(
            lambda step: call(output=output, max_size=self.settings.max_size, callback_on_step_end=step),
            self.studio.device,
            folder,
            self.settings.max_run_seconds,
            frames,
        )
        yield from run_on_page(run, outputs, finish)

    def compared(self, result: Any, photo: str, driver: str | None, compare: bool) -> tuple[Any, ...]:
        """Paths of the video, of the comparison if one is wanted, and of the file to download."""
        path = result.path
        side = None
        if compare:
            source = limit_size(load_image(photo), self.settings.max_size)
            guide = None if driver is None else Path(driver)
            side = write_side_by_side(path.with_name("side_by_side.mp4"), source, path, result.fps, guide)
        video, download = played(result)
        return video, gr.update(value=None if side is None else str(side), visible=side is not None), download


def played(result: Any) -> tuple[Any, ...]:
    """Path of the video, and of the file to download."""
    return str(result.path), gr.update(value=str(result.path), interactive=True)
