"""Face reenactment: a photograph takes over the expression and head motion of a driver."""

import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from ..control.fitting import FaceFitter
from ..control.retargeting import Control, Motion, Strengths, retarget, separate_lids
from ..control.template import MotionTemplate
from ..processing.images import ImageInput, as_images
from ..processing.landmarks import FaceLandmarker
from .driving import DrivingInput
from .face_animation import FaceAnimationPipeline, PoseChunk
from .frame_policy import FRAME_POLICIES, FramePolicy
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics
from .sources import read_source


class FaceReenactmentPipeline(FaceAnimationPipeline):
    """Animate the face of a photograph.

    Args:
        generator ([`AdaATGenerator`]): Paints the face.
        face_model ([`AdaATFaceModel`]): Separates identity, expression and head pose.
        image_processor ([`AdaATImageProcessor`]): Prepares pictures for the generator.
        landmarker ([`AdaATLandmarker`], *optional*): Finds faces; without it, every call needs `landmarker`.

    Example:
    ```python
    >>> from adaat_hf import AdaATPipeline

    >>> pipe = AdaATPipeline.from_pretrained("bundled/face")
    >>> clip = pipe(source="me.jpg", driving="clip.mp4")  # doctest: +SKIP
    >>> clip.save("out.mp4")  # doctest: +SKIP
    ```"""

    @torch.no_grad()
    def __call__(
        self,
        source: ImageInput | list[ImageInput],
        driving: DrivingInput,
        *,
        control: Control = "both",
        motion: Motion = "relative",
        strengths: Strengths | Mapping[str, float] | None = None,
        reference: int | None = None,
        source_face: int | str = "largest",
        driving_face: int = 0,
        frame_policy: FramePolicy = "hold",
        crop_only: bool = False,
        max_size: int | None = 1280,
        fps: Fraction | float | None = None,
        smoothing: bool = True,
        landmarker: FaceLandmarker | None = None,
        batch_size: int | None = None,
        output: str | Path | None = None,
        output_type: str = "pil",
        mark: bool = True,
        return_dict: bool = True,
        callback_on_step_end: Callable[[Any, int, int, dict[str, Any]], dict[str, Any] | None] | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> AdaATPipelineOutput | tuple[Any] | list[AdaATPipelineOutput]:
        """Animate a photograph.

        Args:
            source: The photograph (see [`load_image`]), or a list of them: each is animated and a list is returned.
            driving: The motion (see [`read_driving`]): a video, pictures, a landmark file or a motion template.
            control (`str`, *optional*, defaults to `"both"`): Follow the driver's `"expression"`, `"pose"` or `"both"`.
            motion (`str`, *optional*, defaults to `"relative"`): `"relative"` starts from the photograph's own pose and
                expression; `"absolute"` takes the driver's.
            strengths ([`Strengths`] or `dict`, *optional*): Factors for `eyes`, `brows`, `mouth` and `head`.
            reference (`int`, *optional*): Driver's frame that relative motion starts from; its calmest by default.
            source_face (`int` or `str`, *optional*, defaults to `"largest"`): `"largest"`, a number counted from the
                largest face, or `"all"`.
            driving_face (`int`, *optional*, defaults to 0): Which person of the driving video to follow.
            frame_policy (`str`, *optional*, defaults to `"hold"`): Driver's frames without a face: `"hold"` keeps the
                last pose, `"skip"` shows the untouched photograph, `"raise"` stops. The clip is never shortened.
            crop_only (`bool`, *optional*, defaults to `False`): Return the face crop instead of the whole photograph.
            max_size (`int`, *optional*, defaults to 1280): Longer side to which a larger photograph is reduced.
            fps (`Fraction` or `float`, *optional*): Frame rate; the driver's by default.
            smoothing (`bool`, *optional*, defaults to `True`): Remove jitter from the driver's motion.
            landmarker ([`FaceLandmarker`], *optional*): Detector to use instead of the pipeline's own.
            batch_size (`int`, *optional*): Frames painted at once; by default as many as are fast and leave half of the free
                memory.
            output (`str` or `Path`, *optional*): Write the mp4 while it is made; memory does not grow with its length.
            output_type (`str`, *optional*, defaults to `"pil"`): `"pil"`, `"np"` or `"pt"`.
            mark (`bool`, *optional*, defaults to `True`): Mark the files that are written as synthetic: a small visible label
                and provenance metadata (see `adaat_hf.marking`). Frames in memory carry no label.
            return_dict (`bool`, *optional*, defaults to `True`): Return an [`AdaATPipelineOutput`], else a tuple.
            callback_on_step_end (`Callable`, *optional*): Called after each batch with the pipeline, the batch's number,
                the number of frames done, and the tensors named by `callback_on_step_end_tensor_inputs`.

        Raises:
            NoFaceError: if the photograph or the driver shows no face.
            ValueError: if an argument is wrong or an input cannot be read.
        """
        started = time.perf_counter()
        sources = as_images(source)
        names = callback_on_step_end_tensor_inputs or self._callback_tensor_inputs
        self.check_inputs(control, motion, frame_policy)
        self.check_request(sources, batch_size, output, output_type, names)
        factors = strengths if isinstance(strengths, Strengths) else Strengths(**(strengths or {}))
        detector = landmarker or self.own_landmarker()
        fitter = FaceFitter(self.face_model)
        photos = [
            read_source(image, detector, fitter, self.size, choice=source_face, max_size=max_size) for image in sources
        ]
        drive = self._read_driving(driving, detector, fitter, driving_face, fps, smoothing, frame_policy)
        read_at = time.perf_counter()
        results = []
        for photo in photos:
            poses = [
                separate_lids(
                    retarget(
                        face.coefficients, drive.coefficients, control=control, motion=motion, strengths=factors,
                        reference=reference,
                    ).project(self.face_model)
                )
                for face in photo.faces
            ]  # fmt: skip
            frames = len(drive.coefficients)
            untouched = ~drive.coefficients.valid if frame_policy == "skip" else torch.zeros(frames, dtype=torch.bool)
            chunks = [PoseChunk(poses, untouched)]
            crops = self.paint_photo(photo, chunks, frames, batch_size, callback_on_step_end, names)
            statistics = AnimationStatistics(
                frames, drive.missing, frame_policy, str(self._execution_device), {"driving": read_at - started}
            )
            results.append(
                self.collect(
                    photo,
                    crops,
                    drive.fps,
                    drive.sound_from,
                    statistics,
                    crop_only,
                    output,
                    output_type,
                    mark,
                    started,
                )
            )
        self.maybe_free_model_hooks()
        if isinstance(source, (list, tuple)):
            return results
        return results[0] if return_dict else (results[0].frames,)

    def check_inputs(self, control: str, motion: str, frame_policy: str) -> None:
        """Raise `ValueError` for an option that does not exist."""
        for name, value, allowed in (
            ("control", control, ("both", "expression", "pose")),
            ("motion", motion, ("relative", "absolute")),
            ("frame_policy", frame_policy, FRAME_POLICIES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, expected one of {allowed}.")

    def motion_template(
        self,
        driving: DrivingInput,
        *,
        driving_face: int = 0,
        fps: Fraction | float | None = None,
        smoothing: bool = True,
        landmarker: FaceLandmarker | None = None,
    ) -> MotionTemplate:
        """Extract a driver's motion, to be saved and used again without its pictures; arguments as in `__call__`."""
        detector = landmarker or self.own_landmarker()
        drive = self._read_driving(
            driving, detector, FaceFitter(self.face_model), driving_face, fps, smoothing, "hold"
        )
        return MotionTemplate(drive.coefficients, float(drive.fps), self.size, self.face_model.config.layout)
