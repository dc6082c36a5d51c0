"""What the tabs that make videos show at the end."""

from pathlib import Path
from typing import Any

import gradio as gr

from ..processing.images import limit_size, load_image
from .layout import Tab
from .side_by_side import write_side_by_side


class VideoTab(Tab):
    """A tab whose result is a video."""

    def results(self, result: Any, photo: str, driver: str | None, compare: bool) -> tuple[Any, ...]:
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
