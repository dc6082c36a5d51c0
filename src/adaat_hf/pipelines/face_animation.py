"""What the pipelines that animate a face in a photograph share: components, painting, putting frames together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..control.fitting import FaceFitter
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.landmarks import FaceLandmarker
from ..processing.landmarks_torch import TorchLandmarker
from ..processing.photo import NoFaceError
from .base import AdaATPipeline
from .collecting import FrameTarget, collect_frames
from .driving import DrivingInput, DrivingMotion, read_driving
from .frame_policy import refuse_missing
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics, SoundFile
from .sources import SourcePhoto


@dataclass(frozen=True)
class PoseChunk:
    """Some successive frames to paint.

    Args:
        keypoints (`list[Tensor]`): For each face of the photograph, key points (N, K, 2) in pixels of its crop.
        untouched (`Tensor` of shape (N,), bool): Frames that show the photograph as it is.
    """

    keypoints: list[torch.Tensor]
    untouched: torch.Tensor


def check_side(side: int) -> int:
    """The side of the crops to paint; `ValueError` for one that the networks cannot paint."""
    if side % 32 or not 64 <= side <= 1024:
        raise ValueError(f"The size is {side}, expected a multiple of 32 from 64 to 1024.")
    return side


class FaceAnimationPipeline(AdaATPipeline):
    """Base of the pipelines that animate the face of a photograph; they differ in where the motion comes from.

    Args:
        generator ([`AdaATGenerator`]): Paints the face.
        face_model ([`AdaATFaceModel`]): Separates identity, expression and head pose.
        image_processor ([`AdaATImageProcessor`]): Prepares pictures for the generator.
        landmarker ([`AdaATLandmarker`], *optional*): Finds faces; without it, every call needs `landmarker`.
    """

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

    def own_landmarker(self) -> FaceLandmarker:
        """The pipeline's landmark detector, on its device.

        Raises:
            ValueError: if it has none.
        """
        if self.landmarker is None:
            raise ValueError("This pipeline has no landmarker component: pass landmarker=... to the call.")
        return TorchLandmarker(self.network("landmarker"))

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
        refuse_missing(drive.missing, frame_policy, "face", NoFaceError)
        return drive

    def paint_photo(
        self,
        photo: SourcePhoto,
        chunks: Iterable[PoseChunk],
        frames: int,
        batch_size: int | None,
        callback: Callable[..., Any] | None,
        names: list[str],
    ) -> Iterator[list[np.ndarray]]:
        """Yield, frame by frame, one painted crop per face.

        Args:
            photo ([`SourcePhoto`]): The photograph.
            chunks (`Iterable[PoseChunk]`): Poses, read as painting goes on.
            frames (`int`): Frames of all chunks together.
            batch_size, callback, names: see the pipelines' `batch_size` and `callback_on_step_end`.
        """
        done = number = 0
        with tqdm(total=frames, unit="frame", **self._bar_settings()) as bar:
            bar.set_description(f"painting on {self._execution_device}")
            for chunk in chunks:
                streams = [
                    self._paint_face(face.crop, face.coefficients, pose, batch_size)
                    for face, pose in zip(photo.faces, chunk.keypoints, strict=True)
                ]
                others = [chain.from_iterable(stream) for stream in streams[1:]]
                first = done
                for batch in streams[0]:
                    for crop in batch:
                        frame = [crop, *(next(other) for other in others)]
                        untouched = bool(chunk.untouched[done - first])
                        yield [face.crop for face in photo.faces] if untouched else frame
                        done += 1
                    bar.update(len(batch))
                    if callback is not None:
                        tensors = {"images": torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255}
                        callback(self, number, done, {name: tensors[name] for name in names})
                    number += 1

    def _paint_face(
        self, crop: np.ndarray, face: FaceCoefficients, poses: torch.Tensor, batch_size: int | None
    ) -> Iterator[np.ndarray]:
        source, start = self._prepare_face(crop, face)
        height, width = crop.shape[:2]
        driving = self.image_processor.normalize_keypoints(poses, height, width)
        return self.paint(source, start, driving, batch_size)

    def _prepare_face(self, crop: np.ndarray, face: FaceCoefficients) -> tuple[torch.Tensor, torch.Tensor]:
        height, width = crop.shape[:2]
        pixels = self.image_processor(crop, size={"height": height, "width": width}, return_tensors="pt")
        start = self.image_processor.normalize_keypoints(face.project(self.face_model)[0], height, width)
        return pixels["pixel_values"][0], start

    def open_face(self, crop: np.ndarray, face: FaceCoefficients) -> Callable[[torch.Tensor], torch.Tensor]:
        """Read a face to be painted again and again.

        Args:
            crop (`np.ndarray` of shape (S, S, 3)): The face, uint8.
            face ([`FaceCoefficients`]): One frame, in crop pixels.

        Returns:
            `Callable`: Paints it: key points (N, K, 2) in crop pixels to pictures (N, 3, S, S) in [0, 1], on the CPU.
        """
        source, start = self._prepare_face(crop, face)
        painter, subject = self.read_subject(source[None], start[None])
        height, width = crop.shape[:2]

        @torch.no_grad()
        def paint(poses: torch.Tensor) -> torch.Tensor:
            driving = self.image_processor.normalize_keypoints(poses, height, width)
            count = self.generator.config.num_keypoints
            found = painter(subject, driving[:, :count].to(self._execution_device)).images
            assert found is not None
            return found.float().clamp(0, 1).cpu()

        return paint

    def collect(
        self,
        photo: SourcePhoto,
        crops: Iterator[list[np.ndarray]],
        fps: Fraction,
        sound: SoundFile | None,
        statistics: AnimationStatistics,
        crop_only: bool,
        output: str | Path | None,
        output_type: str,
        mark: bool,
        started: float,
    ) -> AdaATPipelineOutput:
        """Put the painted crops into the photograph, and write them where `output` says so."""
        finish: Callable[[list[np.ndarray]], np.ndarray] = (lambda frame: frame[0]) if crop_only else photo.compose
        extent = photo.faces[0].crop.shape[:2] if crop_only else photo.picture.shape[:2]
        target = FrameTarget(fps, sound, None if output is None else Path(output), output_type, mark)
        return collect_frames(crops, finish, extent, target, statistics, started)
