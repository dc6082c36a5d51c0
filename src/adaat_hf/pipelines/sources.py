"""The face to animate: found in a photograph, cut out, and described by the face model."""

from dataclasses import dataclass

import numpy as np
import torch

from ..control.coefficients import FaceCoefficients
from ..control.fitting import FaceFitter
from ..processing.crop import FaceBox, cut_out, face_box, paste_back
from ..processing.images import ImageInput, limit_size, load_image
from ..processing.landmarks import FaceLandmarker, FaceLandmarks
from ..processing.photo import MIN_FACE_PIXELS, NoFaceError, find_faces


@dataclass(frozen=True)
class SourceFace:
    """One face of a photograph.

    Args:
        box ([`FaceBox`]): Where it is.
        crop (`np.ndarray` of shape (S, S, 3)): The face, uint8.
        coefficients ([`FaceCoefficients`]): One frame, in crop pixels.
    """

    box: FaceBox
    crop: np.ndarray
    coefficients: FaceCoefficients


@dataclass(frozen=True)
class SourcePhoto:
    """A photograph and its faces to animate.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): uint8.
        faces (`list[SourceFace]`): At least one.
    """

    picture: np.ndarray
    faces: list[SourceFace]

    def compose(self, crops: list[np.ndarray]) -> np.ndarray:
        """The photograph with one painted crop (S, S, 3) per face laid in."""
        result = self.picture
        for face, crop in zip(self.faces, crops, strict=True):
            result = paste_back(result, crop, face.box)
        return result


def read_source(
    image: ImageInput,
    landmarker: FaceLandmarker,
    fitter: FaceFitter,
    size: int,
    *,
    choice: int | str = "largest",
    max_size: int | None = None,
) -> SourcePhoto:
    """Find the faces of a photograph and fit the face model to them.

    Args:
        image: See [`load_image`].
        landmarker, fitter: Landmark detector and face-model fitter.
        size (`int`): Side of the crops.
        choice (`int` or `str`, *optional*, defaults to `"largest"`): `"largest"`, `"all"`, or a number, counted from the
            largest face.
        max_size (`int`, *optional*): A larger photograph is reduced to this longer side.

    Raises:
        NoFaceError: if no face is found, or the chosen one does not exist or is too small.
        ValueError: if `choice` is unknown.
    """
    picture = limit_size(load_image(image), max_size)
    chosen = choose_faces(find_faces(picture, landmarker), choice)
    return SourcePhoto(picture, [_source_face(picture, face, fitter, size) for face in chosen])


def choose_faces(faces: list[FaceLandmarks], choice: int | str) -> list[FaceLandmarks]:
    """The faces to animate; see [`read_source`]."""
    if choice not in ("largest", "all") and (isinstance(choice, (bool, str)) or choice < 0):
        raise ValueError(f"The face choice is {choice!r}, expected 'largest', 'all' or a number from 0.")
    if not faces:
        raise NoFaceError("No face was found in the source picture; a clear view of one is needed.")
    if isinstance(choice, int) and choice >= len(faces):
        raise NoFaceError(f"Face number {choice} was asked for, but the source picture has {len(faces)} (from 0).")
    wanted = faces if choice == "all" else [faces[0 if choice == "largest" else int(choice)]]
    large = [face for face in wanted if face.size >= MIN_FACE_PIXELS]
    if not large:
        raise NoFaceError(
            f"The face in the source picture is {wanted[0].size:.0f} px large, at least {MIN_FACE_PIXELS} px are needed."
        )
    return large


def _source_face(picture: np.ndarray, face: FaceLandmarks, fitter: FaceFitter, size: int) -> SourceFace:
    points, visibility = face.as_face96()
    box = face_box(points[None], visibility[None])
    inside = torch.from_numpy(box.points_to_crop(points, size))
    coefficients = fitter.fit(inside[None], torch.from_numpy(visibility)[None])
    return SourceFace(box, cut_out(picture, box, size), coefficients)
