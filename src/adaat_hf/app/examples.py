"""Examples that run with what is bundled: no network, no private picture."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from ..bundled import VOICE_SAMPLE
from ..control.demo_motion import demo_motion
from ..processing.images import save_image
from .studio import Studio


def example_rows(task: str, studio: Studio) -> list[list[str]]:
    """Values of the inputs that a tab's examples fill: a photograph, and a motion or a sound.

    Args:
        task (`str`): Name of the tab.
        studio ([`Studio`]): Its models define the motions.
    """
    folder = _folder()
    portrait = portrait_file(folder)
    if task in ("reenact", "talk") and portrait is None:
        return []
    if task == "reenact":
        return [
            [str(portrait), str(demo_motion(studio.reenact.face_model).save(folder / "look_and_smile.safetensors"))]
        ]
    if task == "talk":
        return [[str(portrait), str(VOICE_SAMPLE)]]
    return []


def portrait_file(folder: Path) -> Path | None:
    """NASA's public-domain portrait of the astronaut Eileen Collins, which scikit-image carries; `None` without it."""
    try:
        import skimage.data
    except ImportError:
        return None
    return save_image(skimage.data.astronaut()[:320, 66:386], folder / "portrait.png")


@lru_cache(maxsize=1)
def _folder() -> Path:
    return Path(mkdtemp(prefix="adaat-examples-"))
