"""Face reenactment: a photograph takes over the expression and head motion of a driver."""

import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm.auto import tqdm

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..control.fitting import FaceFitter
from ..control.retargeting import Control, Motion, Strengths, retarget, separate_lids
from ..control.template import MotionTemplate
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.image_processing_adaat import OUTPUT_TYPES, AdaATImageProcessor
from ..processing.images import ImageInput, as_images
from ..processing.landmarks import FaceLandmarker
from ..processing.landmarks_torch import TorchLandmarker
from ..processing.photo import NoFaceError
from ..video import VideoWriter, check_writable
from .base import AdaATPipeline
from .driving import DrivingInput, DrivingMotion, read_driving
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics, LazyFrames, VideoFrames
from .sources import SourcePhoto, read_source


FramePolicy = Literal["hold", "skip", "raise"]
FRAME_POLICIES = ("hold", "skip", "raise")


class FaceReenactmentPipeline(AdaATPipeline):
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

    face_model: AdaATFaceModel
    image_processor: AdaATImageProcessor
    landmarker: AdaATLandmarker | None

    model_cpu_offload_seq = "landmarker->generator"  # type: ignore[assignment]  # diffusers types it as None
    _exclude_from_cpu_offload = ["face_model"]
    _optional_components = ["landmarker"]
    _callback_tensor_inputs = ["images"]

    def __init__(
        self,
        generator: AdaATGenerator,
        face_model: AdaATFaceModel,
        image_processor: AdaATImageProcessor,
        landmarker: AdaATLandmarker | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            generator=generator, face_model=face_model, image_processor=image_processor, landmarker=landmarker
        )
        self.size = int(image_processor.size["height"])

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
        batch_size: int = 4,
        output: str | Path | None = None,
        output_type: str = "pil",
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
            batch_size (`int`, *optional*, defaults to 4): Frames painted at once.
            output (`str` or `Path`, *optional*): Write the mp4 while it is made; memory does not grow with its length.
            output_type (`str`, *optional*, defaults to `"pil"`): `"pil"`, `"np"` or `"pt"`.
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
        self.check_inputs(sources, control, motion, frame_policy, batch_size, output, output_type, names)
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
            batches = self._paint_photo(photo, poses, drive, frame_policy, batch_size, callback_on_step_end, names)
            statistics = AnimationStatistics(
                len(drive.coefficients), drive.missing, frame_policy, str(self._execution_device),
                {"driving": read_at - started},
            )  # fmt: skip
            results.append(self._collect(photo, batches, drive, statistics, crop_only, output, output_type, started))
        self.maybe_free_model_hooks()
        if isinstance(source, (list, tuple)):
            return results
        return results[0] if return_dict else (results[0].frames,)

    def check_inputs(
        self,
        sources: list[ImageInput],
        control: str,
        motion: str,
        frame_policy: str,
        batch_size: int,
        output: str | Path | None,
        output_type: str,
        tensor_inputs: list[str],
    ) -> None:
        """Raise `ValueError` for arguments that would fail later, before anything expensive happens."""
        for name, value, allowed in (
            ("control", control, ("both", "expression", "pose")),
            ("motion", motion, ("relative", "absolute")),
            ("frame_policy", frame_policy, FRAME_POLICIES),
            ("output_type", output_type, OUTPUT_TYPES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, expected one of {allowed}.")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1.")
        if output is not None:
            check_writable(output)
            if len(sources) != 1:
                raise ValueError(f"output takes one source picture, but {len(sources)} were given.")
        unknown = set(tensor_inputs) - set(self._callback_tensor_inputs)
        if unknown:
            raise ValueError(f"Callbacks can get {self._callback_tensor_inputs}, but not {sorted(unknown)}.")

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

    def own_landmarker(self) -> FaceLandmarker:
        """The pipeline's landmark detector, on its device.

        Raises:
            ValueError: if it has none.
        """
        if self.landmarker is None:
            raise ValueError("This pipeline has no landmarker component: pass landmarker=... to the call.")
        return TorchLandmarker(self.landmarker.to(self._execution_device))

    def _read_driving(
        self,
        driving: DrivingInput,
        detector: FaceLandmarker,
        fitter: FaceFitter,
        face_index: int,
        fps: Fraction | float | None,
        smoothing: bool,
        frame_policy: str,
    ) -> DrivingMotion:
        with tqdm(desc="reading the driver", unit="frame", **self._bar_settings()) as bar:
            drive = read_driving(
                driving, lambda: detector, fitter, self.size, face_index=face_index, fps=fps, smoothing=smoothing,
                progress=lambda _: bar.update(),
            )  # fmt: skip
        if frame_policy == "raise" and drive.missing:
            shown = ", ".join(map(str, drive.missing[:10])) + (", ..." if len(drive.missing) > 10 else "")
            raise NoFaceError(f"The driver shows no face in {len(drive.missing)} frames: {shown}.")
        return drive

    def _bar_settings(self) -> dict[str, Any]:
        return dict(getattr(self, "_progress_bar_config", {}))

    def _paint_photo(
        self,
        photo: SourcePhoto,
        poses: list[torch.Tensor],
        drive: DrivingMotion,
        frame_policy: str,
        batch_size: int,
        callback: Callable[..., Any] | None,
        names: list[str],
    ) -> Iterator[list[np.ndarray]]:
        """Yield, frame by frame, one painted crop per face."""
        untouched = (
            ~drive.coefficients.valid if frame_policy == "skip" else torch.zeros(len(poses[0]), dtype=torch.bool)
        )
        streams = [
            self._paint_face(face.crop, face.coefficients, pose, batch_size)
            for face, pose in zip(photo.faces, poses, strict=True)
        ]
        done = 0
        with tqdm(total=len(poses[0]), unit="frame", **self._bar_settings()) as bar:
            bar.set_description(f"painting on {self._execution_device}")
            for number, batch in enumerate(zip(*streams, strict=True)):
                for frame in zip(*batch, strict=True):
                    yield [face.crop for face in photo.faces] if untouched[done] else list(frame)
                    done += 1
                bar.update(len(batch[0]))
                if callback is not None:
                    tensors = {"images": torch.from_numpy(batch[0]).permute(0, 3, 1, 2).float() / 255}
                    callback(self, number, done, {name: tensors[name] for name in names})

    def _paint_face(
        self, crop: np.ndarray, face: FaceCoefficients, poses: torch.Tensor, batch_size: int
    ) -> Iterator[np.ndarray]:
        normalize = self.image_processor.normalize_keypoints
        pixels = self.image_processor(crop, return_tensors="pt")["pixel_values"][0]
        height, width = pixels.shape[1:]
        start = normalize(face.project(self.face_model)[0], height, width)
        return self.paint(pixels, start, normalize(poses, height, width), batch_size)

    def _collect(
        self,
        photo: SourcePhoto,
        crops: Iterator[list[np.ndarray]],
        drive: DrivingMotion,
        statistics: AnimationStatistics,
        crop_only: bool,
        output: str | Path | None,
        output_type: str,
        started: float,
    ) -> AdaATPipelineOutput:
        painting_at = time.perf_counter()
        finish = (lambda frame: frame[0]) if crop_only else photo.compose
        path = None
        if output is not None:
            extent = photo.faces[0].crop.shape if crop_only else photo.picture.shape
            with VideoWriter(output, drive.fps, extent[1], extent[0], drive.sound_from) as writer:
                for frame in crops:
                    writer.write(finish(frame))
            path = Path(output)
            frames: Any = VideoFrames(path, statistics.frames)
        else:
            kept = list(crops)
            frames = LazyFrames(len(kept), lambda number: finish(kept[number]))
        now = time.perf_counter()
        statistics.seconds.update(painting=now - painting_at, total=now - started)
        if output_type != "pil":
            tensor = torch.from_numpy(np.stack(list(frames.arrays()))).permute(0, 3, 1, 2).float() / 255
            frames = self.image_processor.postprocess(tensor, output_type)
        return AdaATPipelineOutput(frames, drive.fps, statistics, drive.sound_from, path)
