"""Talking face: a photograph says what a sound contains."""

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..control.arkit_files import read_arkit_csv
from ..control.face_model import AdaATFaceModel
from ..control.fitting import FaceFitter
from ..control.retargeting import Strengths, retarget, separate_lids
from ..control.talking import MotionChange, back_and_forth, close_lips, head_motion_of, resting_face
from ..control.template import MotionTemplate
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..models.modeling_motion import AdaATMotionModel
from ..processing.feature_extraction_adaat import AdaATFeatureExtractor
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import ImageInput
from ..processing.landmarks import FaceLandmarker
from ..processing.sound import SoundFacts, SoundReader, measure_sound
from ..processing.speech_synthesis import check_text, synthesize_speech
from ..video import DEFAULT_FPS, MAX_FPS
from .driving import DrivingInput
from .face_animation import FaceAnimationPipeline, PoseChunk, check_side
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics, SoundFile, StoredSound
from .sources import SourcePhoto, read_source
from .speaking import SpeakingStyle, SpeechMotion, frame_count


SoundInput = str | Path | tuple[np.ndarray, int]
HEAD_MOTIONS = ("generated", "none")
# From this share of samples at full scale on, a recording is badly clipped.
CLIPPED_SHARE = 0.02


class TalkingFacePipeline(FaceAnimationPipeline):
    """Make the face of a photograph talk.

    Args:
        generator ([`AdaATGenerator`]): Paints the face.
        face_model ([`AdaATFaceModel`]): Separates identity, expression and head pose.
        image_processor ([`AdaATImageProcessor`]): Prepares pictures for the generator.
        motion_model ([`AdaATMotionModel`]): Turns speech into motion.
        feature_extractor ([`AdaATFeatureExtractor`]): Prepares sound for the motion model.
        landmarker ([`AdaATLandmarker`], *optional*): Finds faces; without it, every call needs `landmarker`.

    Example:
    ```python
    >>> from adaat_hf import TalkingFacePipeline

    >>> pipe = TalkingFacePipeline.from_pretrained("bundled/face")
    >>> clip = pipe(source="me.jpg", sound="speech.wav", emotion="happy")  # doctest: +SKIP
    >>> clip.save("out.mp4")  # doctest: +SKIP
    ```"""

    motion_model: AdaATMotionModel
    feature_extractor: AdaATFeatureExtractor

    model_cpu_offload_seq = "landmarker->motion_model->generator"

    def __init__(
        self,
        generator: AdaATGenerator,
        face_model: AdaATFaceModel,
        image_processor: AdaATImageProcessor,
        motion_model: AdaATMotionModel,
        feature_extractor: AdaATFeatureExtractor,
        landmarker: AdaATLandmarker | None = None,
    ) -> None:
        super().__init__(generator, face_model, image_processor, landmarker)
        self.register_modules(motion_model=motion_model, feature_extractor=feature_extractor)

    @torch.no_grad()
    def __call__(
        self,
        source: ImageInput,
        sound: SoundInput | None = None,
        *,
        text: str | None = None,
        voice: str = "facebook/mms-tts-eng",
        performance: str | Path | MotionTemplate | None = None,
        emotion: str = "neutral",
        emotion_strength: float = 1.0,
        strengths: Strengths | Mapping[str, float] | None = None,
        head_motion: DrivingInput = "generated",
        seed: int = 0,
        fps: Fraction | float | None = None,
        size: int | None = None,
        source_face: int | str = "largest",
        crop_only: bool = False,
        max_size: int | None = 1280,
        landmarker: FaceLandmarker | None = None,
        batch_size: int | None = None,
        output: str | Path | None = None,
        output_type: str = "pil",
        mark: bool = True,
        return_dict: bool = True,
        callback_on_step_end: Callable[[Any, int, int, dict[str, Any]], dict[str, Any] | None] | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> AdaATPipelineOutput | tuple[Any]:
        """Make a photograph talk; one of `sound`, `text` and `performance` says how.

        Args:
            source: The photograph (see [`load_image`]).
            sound (`str`, `Path` or `tuple[np.ndarray, int]`, *optional*): Sound file, video with sound, or samples (N,)
                or (N, channels) in [-1, 1] with their rate in Hz. It becomes the sound of the result.
            text (`str`, *optional*): Words for a text-to-speech model to say instead.
            voice (`str`, *optional*): That transformers model; a Hub id (downloaded when it is first used) or a folder.
            performance (`str`, `Path` or [`MotionTemplate`], *optional*): Expressions and head motion recorded by an ARKit
                app (Live Link Face csv), or a motion template; `sound` then is only added to the video.
            emotion (`str`, *optional*, defaults to `"neutral"`): `"neutral"`, `"happy"`, `"angry"` or `"surprise"`.
            emotion_strength (`float`, *optional*, defaults to 1): From 0 to 2.
            strengths ([`Strengths`] or `dict`, *optional*): Factors for `eyes`, `brows`, `mouth` and `head`.
            head_motion (*optional*, defaults to `"generated"`): `"generated"` from the sound, `"none"`, or a driver whose
                head motion is used, back and forth if it is shorter than the sound (see [`read_driving`]).
            seed (`int`, *optional*, defaults to 0): The same seed moves head, gaze and lids the same way again.
            fps (`Fraction` or `float`, *optional*): Frame rate; 25 by default, that of a performance if there is one.
            size (`int`, *optional*): Side of the painted face crop, such as 256 or 512; the checkpoint's own by default.
            source_face (`int` or `str`, *optional*, defaults to `"largest"`): `"largest"`, a number counted from the
                largest face, or `"all"`.
            crop_only (`bool`, *optional*, defaults to `False`): Return the face crop instead of the whole photograph.
            max_size (`int`, *optional*, defaults to 1280): Longer side to which a larger photograph is reduced.
            landmarker ([`FaceLandmarker`], *optional*): Detector to use instead of the pipeline's own.
            batch_size (`int`, *optional*): Frames painted at once; by default as many as are fast and leave half of the free
                memory.
            output (`str` or `Path`, *optional*): Write the mp4 while it is made; memory does not grow with its length.
            output_type (`str`, *optional*, defaults to `"pil"`): `"pil"`, `"np"` or `"pt"`.
            mark (`bool`, *optional*, defaults to `True`): Mark the files that are written as synthetic: a small visible label
                and provenance metadata (see `adaat_hf.marking`). Frames in memory carry no label.
            return_dict (`bool`, *optional*, defaults to `True`): Return an [`AdaATPipelineOutput`], else a tuple.
            callback_on_step_end, callback_on_step_end_tensor_inputs: see [`FaceReenactmentPipeline`].

        Raises:
            NoFaceError: if the photograph, or a driver, shows no face.
            SoundError: if the sound cannot be read, is empty or silent.
            ValueError: if an argument is wrong or an input cannot be read.
        """
        started = time.perf_counter()
        names = callback_on_step_end_tensor_inputs or self._callback_tensor_inputs
        self.check_request([source], batch_size, output, output_type, names)
        style = SpeakingStyle(emotion, emotion_strength, seed)
        factors = strengths if isinstance(strengths, Strengths) else Strengths(**(strengths or {}))
        side = self._check_options(sound, text, performance, fps, size)
        heard = self._open_sound(sound, text, voice, seed)
        facts = None if heard is None else self._measure(heard)
        detector = landmarker or self.own_landmarker()
        fitter = FaceFitter(self.face_model)
        photo = read_source(source, detector, fitter, side, choice=source_face, max_size=max_size)
        if performance is not None:
            rate, frames, changes = self._performed(performance, fps)
        else:
            assert heard is not None and facts is not None
            rate = Fraction(fps or DEFAULT_FPS).limit_denominator(100_000)
            head = self._head_motion(head_motion, detector, fitter, rate)
            frames = frame_count(facts.seconds, rate)
            changes = self._spoken(heard, facts, rate, style, head)
        chunks = self._poses(photo, changes, factors)
        read_at = time.perf_counter()
        crops = self.paint_photo(photo, chunks, frames, batch_size, callback_on_step_end, names)
        statistics = AnimationStatistics(
            frames, device=str(self._execution_device), seconds={"driving": read_at - started}
        )
        result = self.collect(photo, crops, rate, heard, statistics, crop_only, output, output_type, mark, started)
        self.maybe_free_model_hooks()
        return result if return_dict else (result.frames,)

    def _check_options(
        self, sound: Any, text: str | None, performance: Any, fps: Fraction | float | None, size: int | None
    ) -> int:
        """The side of the crops, after a check of what can be checked at once."""
        if performance is None and (sound is None) == (text is None):
            given = "none of them" if sound is None else "sound and text"
            raise ValueError(f"Expected either sound, text or performance, but got {given}.")
        if text is not None:
            check_text(text)
        if fps is not None and not 0 < fps <= MAX_FPS:
            raise ValueError(f"The frame rate is {float(fps):g}, expected more than 0 and at most {MAX_FPS}.")
        return check_side(self.size if size is None else size)

    def _open_sound(self, sound: SoundInput | None, text: str | None, voice: str, seed: int) -> SoundFile | None:
        if text is not None:
            return StoredSound(*synthesize_speech(text, voice, seed))
        if sound is None:
            return None
        if isinstance(sound, (str, os.PathLike)):
            return Path(sound)
        samples, rate = np.asarray(sound[0], np.float32), int(sound[1])
        if samples.ndim == 2:
            samples = samples.mean(int(samples.shape[0] > samples.shape[1]))
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise ValueError(
                f"The sound has shape {np.shape(sound[0])}, expected finite samples (N,) or (N, channels), at least one."
            )
        return StoredSound(samples, rate)

    def _reader(self, sound: SoundFile) -> SoundReader:
        return SoundReader(Path(os.fspath(sound)), self.feature_extractor.sampling_rate)

    def _measure(self, sound: SoundFile) -> SoundFacts:
        facts = measure_sound(self._reader(sound))
        if facts.clipped > CLIPPED_SHARE:
            warnings.warn(
                f"{facts.clipped:.0%} of the sound is clipped (too loud for its format); lips may follow it badly.",
                stacklevel=3,
            )
        return facts

    def _head_motion(
        self, head_motion: DrivingInput, detector: FaceLandmarker, fitter: FaceFitter, fps: Fraction
    ) -> Tensor | None:
        """`None` for generated motion, else the motion (T, 6) at the output's frame rate, to be run back and forth."""
        if isinstance(head_motion, str) and head_motion in HEAD_MOTIONS:
            return None if head_motion == "generated" else torch.zeros(1, 6)
        drive = self._read_driving(head_motion, detector, fitter, 0, None, True, "hold")
        motion = head_motion_of(drive.coefficients)
        steps = torch.arange(int((len(motion) - 1) * fps / drive.fps) + 1) * float(drive.fps / fps)
        return back_and_forth(motion, steps)

    def _spoken(
        self, sound: SoundFile, facts: SoundFacts, fps: Fraction, style: SpeakingStyle, head: Tensor | None
    ) -> Iterator[MotionChange]:
        motion = SpeechMotion(
            self.network("motion_model"), self.feature_extractor, self._reader(sound),
            facts.speech_level, fps, style,
        )  # fmt: skip
        done = 0
        for change in motion:
            count = len(change.pose)
            if head is not None:
                change = MotionChange(change.expression, back_and_forth(head, torch.arange(done, done + count)))
            yield change
            done += count

    def _performed(
        self, performance: str | Path | MotionTemplate, fps: Fraction | float | None
    ) -> tuple[Fraction, int, Iterable[MotionChange]]:
        """Frame rate, number of frames and motion of a recorded performance."""
        if isinstance(performance, (str, Path)):
            table = Path(performance).suffix.lower() == ".csv"
            performance = read_arkit_csv(performance, self.face_model) if table else MotionTemplate.load(performance)
        face = performance.coefficients
        rate = Fraction(fps or performance.fps).limit_denominator(100_000)
        values = torch.cat([face.expression, head_motion_of(face)], 1)
        frames = max(1, round(len(values) / performance.fps * rate))
        values = back_and_forth(
            values, (torch.arange(frames) * performance.fps / float(rate)).clamp(max=len(values) - 1)
        )
        return rate, frames, [MotionChange(values[:, :-6], values[:, -6:])]

    def _poses(self, photo: SourcePhoto, changes: Iterable[MotionChange], strengths: Strengths) -> Iterator[PoseChunk]:
        rest = resting_face(self.face_model)
        faces = [close_lips(face.coefficients, self.face_model) for face in photo.faces]
        for change in changes:
            driving = change.coefficients(self.face_model)
            poses = [
                separate_lids(retarget(face, driving, strengths=strengths, reference=rest).project(self.face_model))
                for face in faces
            ]
            yield PoseChunk(poses, torch.zeros(len(change.pose), dtype=torch.bool))
