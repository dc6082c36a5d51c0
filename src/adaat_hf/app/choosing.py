"""Who is in a photograph: crops to choose from."""

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from ..processing.body_keypoints import BodyDetector
from ..processing.crop import cut_out, face_box
from ..processing.images import limit_size, load_image
from ..processing.landmarks import FaceLandmarker
from ..processing.person_crop import cut_person, person_box, shift_inside
from ..processing.photo import find_faces


PREVIEW, SEARCHED = 160, 1280
LARGEST, ALL = "largest", "all"

Finder = Callable[[np.ndarray], list[np.ndarray]]


def face_crops(picture: np.ndarray, landmarker: FaceLandmarker) -> list[np.ndarray]:
    """Every face of a photograph (H, W, 3) as it will be cut out, the largest first."""
    crops = []
    for face in find_faces(picture, landmarker):
        points, visibility = face.as_face96()
        crops.append(cut_out(picture, face_box(points[None], visibility[None]), PREVIEW))
    return crops


def person_crops(picture: np.ndarray, detector: BodyDetector) -> list[np.ndarray]:
    """Every person of a photograph (H, W, 3), the largest first."""
    height, width = picture.shape[:2]
    crops = []
    for person in detector.detect(picture[None])[0]:
        box = shift_inside(person_box(person.points[None], person.visibility[None], 0.7), height, width)
        crops.append(cut_person(picture, box, PREVIEW, round(0.7 * PREVIEW)))
    return crops


def add_choice(photo: gr.Image, find: Finder, subject: str, may_choose_all: bool) -> gr.Radio:
    """Show who was found as soon as a photograph is there, and let the visitor choose.

    Args:
        photo (`gr.Image`): The photograph, as a file.
        find (`Callable`): Crops of a photograph (H, W, 3).
        subject (`str`): `"face"` or `"person"`.
        may_choose_all (`bool`): Whether all may be animated at once.
    """
    fixed = [LARGEST, ALL] if may_choose_all else [LARGEST]
    found = gr.Gallery(
        label=f"Found in the photograph ({subject})", show_label=False, columns=4, fit_columns=False, height=190,
        object_fit="contain", interactive=False, visible=False, allow_preview=False, buttons=[],
    )  # fmt: skip
    choice = gr.Radio(fixed, value=LARGEST, label=f"Which {subject}", visible=False)

    def look(path: str | None) -> tuple[Any, Any]:
        if path is None:
            return gr.update(value=None, visible=False), gr.update(visible=False)
        try:
            crops = find(limit_size(load_image(path), SEARCHED))
        except (ValueError, OSError) as error:
            raise gr.Error(str(error), title="The photograph cannot be used") from error
        if not crops:
            gr.Warning(f"No {subject} was found: use a clear, well lit view.")
            return gr.update(value=None, visible=False), gr.update(visible=False)
        captions = [f"{subject} {number}" for number in range(len(crops))]
        choices = fixed + [str(number) for number in range(len(crops))]
        several = len(crops) > 1
        return (
            gr.update(value=list(zip(crops, captions, strict=True)), visible=True),
            gr.update(choices=choices, value=LARGEST, visible=several),
        )

    photo.change(
        look, photo, [found, choice], api_visibility="private", show_progress="hidden", concurrency_id="look",
        concurrency_limit=2,
    )  # fmt: skip
    return choice


def chosen(choice: str | None) -> int | str:
    """A pipeline's argument of what the visitor chose."""
    text = choice or LARGEST
    return int(text) if text.isdigit() else text
