"""Pose transfer: a photographed person moves as somebody else does."""

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..control.body_coefficients import BodyCoefficients
from ..control.body_fitting import BodyFitter
from ..control.body_model import AdaATBodyModel
from ..control.body_retargeting import PLACEMENTS, Placement, retarget_body, visible_points
from ..control.body_template import BodyMotionTemplate
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.body_keypoints import BodyDetector
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import ImageInput, as_images
from ..processing.person_paste import PersonCanvas
from .body_warnings import warn_if_seen_from_another_side
from .collecting import FrameTarget, collect_frames
from .driving_bodies import BodyDrivingInput, DrivingBody, read_body_motion
from .frame_policy import FRAME_POLICIES, FramePolicy, refuse_missing
from .moving_person import MovingPerson
from .person_pipeline import PersonPipeline
from .persons import NoPersonError, PoseInput, SourcePerson, one_for_each, read_source_person
from .pipeline_output import AdaATPipelineOutput, AnimationStatistics
from .source_bodies import fit_people


class PoseTransferPipeline(PersonPipeline):
    """Let a photographed person move as a driver does.

    Args:
        generator ([`AdaATGenerator`]): Paints the person; made for 18 key points.
        image_processor ([`AdaATImageProcessor`]): Prepares pictures and key points.
        body_model ([`AdaATBodyModel`]): Separates proportions and pose.
        body_landmarker ([`AdaATLandmarker`], *optional*): Finds persons; without it, calls need `detector`, or key points.

    Example:
    ```python
    >>> from adaat_hf import PoseTransferPipeline

    >>> pipe = PoseTransferPipeline.from_pretrained("bundled/person")
    >>> clip = pipe(source="me.jpg", driving="dance.mp4")  # doctest: +SKIP
    >>> clip.save("out.mp4")  # doctest: +SKIP
    ```"""

    body_model: AdaATBodyModel

    _exclude_from_cpu_offload = ["body_model"]

    def __init__(
        self,
        generator: AdaATGenerator,
        image_processor: AdaATImageProcessor,
        body_model: AdaATBodyModel,
        body_landmarker: AdaATLandmarker | None = None,
    ) -> None:
        super().__init__()
        self.check_generator(generator)
        self.register_modules(
            generator=generator,
            image_processor=image_processor,
            body_model=body_model,
            body_landmarker=body_landmarker,
        )

    @staticmethod
    def check_generator(generator: AdaATGenerator) -> None:
        """Raise `ValueError` for a generator of other key points, or one that does not move limbs: then there is neither a
        still background nor detail of the photograph."""
        PersonPipeline.check_generator(generator)
        if not generator.config.moves_limbs:
            raise ValueError(
                f"The generator has prewarp={generator.config.prewarp} and prewarp_kind={generator.config.prewarp_kind!r},"
                " expected one that moves limbs (prewarp=True, prewarp_kind='limbs')."
            )

    @torch.no_grad()
    def __call__(
        self,
        source: ImageInput | list[ImageInput],
        driving: BodyDrivingInput,
        *,
        placement: Placement = "relative",
        swap: bool = True,
        reference: int | None = None,
        person: int | str = "largest",
        driving_person: int = 0,
        source_pose: PoseInput | None = None,
        frame_policy: FramePolicy = "hold",
        crop_only: bool = False,
        max_size: int | None = 1280,
        height: int | None = None,
        fps: Fraction | float | None = None,
        detector: BodyDetector | None = None,
        batch_size: int | None = None,
        output: str | Path | None = None,
        output_type: str = "pil",
        mark: bool = True,
        return_dict: bool = True,
        callback_on_step_end: Callable[[Any, int, int, dict[str, Any]], dict[str, Any] | None] | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> AdaATPipelineOutput | tuple[Any]:
        """Animate a person.

        Args:
            source: The photograph (see [`load_image`]), or several photographs of the same person in the same clothes; the
                first one gives background and place.
            driving: The motion (see [`read_body_motion`]): a video, pictures, key points, an SMPL sequence or a motion
                template.
            placement (`str`, *optional*, defaults to `"relative"`): `"relative"` starts where the person stands in the
                photograph; `"absolute"` takes place and size from the driver's picture.
            swap (`bool`, *optional*, defaults to `True`): Keep the person's own proportions; otherwise take the driver's.
            reference (`int`, *optional*): Driver's frame that relative motion starts from; the first one by default.
            person (`int` or `str`, *optional*, defaults to `"largest"`): Which person of the photograph: `"largest"`, or a
                number counted from the largest.
            driving_person (`int`, *optional*, defaults to 0): Which person of the driving video to follow, from the largest.
            source_pose (*optional*): The person's pose in pixels of the photograph, or a list with one for each, instead of
                detecting it.
            frame_policy (`str`, *optional*, defaults to `"hold"`): Driver's frames without a person: `"hold"` keeps the last
                pose, `"skip"` shows the untouched photograph, `"raise"` stops. The clip is never shortened.
            crop_only (`bool`, *optional*, defaults to `False`): Return the part around the person instead of the whole
                photograph.
            max_size (`int`, *optional*, defaults to 1280): Longer side to which a larger photograph is reduced.
            height (`int`, *optional*): Height at which the network paints; the image processor's by default. The width
                follows from the motion.
            fps (`Fraction` or `float`, *optional*): Frame rate; the driver's by default.
            detector ([`BodyDetector`], *optional*): Detector to use instead of the pipeline's own.
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
            NoPersonError: if the photograph or the driver shows no person.
            PoseError: if key points cannot be used.
            ValueError: if an argument is wrong or an input cannot be read.
        """
        started = time.perf_counter()
        images = as_images(source)
        tall = int(self.image_processor.size["height"] if height is None else height)
        names = callback_on_step_end_tensor_inputs or self._callback_tensor_inputs
        self.check_request(images[:1], batch_size, output, output_type, names)
        self.check_inputs(images, placement, frame_policy, tall)
        finder = detector or self.own_detector()
        given = one_for_each(source_pose, len(images))
        people = [
            read_source_person(image, finder, person, own, max_size) for image, own in zip(images, given, strict=True)
        ]
        fitter = BodyFitter(self.body_model)
        people, bodies = fit_people(fitter, people)
        people = self.tell_parts(people)
        drive = self._read_driving(driving, finder, fitter, driving_person, fps, frame_policy)
        read_at = time.perf_counter()
        warn_if_seen_from_another_side(bodies, drive.coefficients)
        moved = self._retarget(people[0], bodies.frames(slice(0, 1)), drive, placement, swap, reference)
        scene = MovingPerson.prepare(
            people,
            moved.project(fitter.model).numpy(),
            visible_points(fitter.model, moved).numpy(),
            self.image_processor,
            tall,
            self.generator.config.size_divisor,
        )
        untouched = ~moved.valid if frame_policy == "skip" else torch.zeros(len(moved), dtype=torch.bool)
        crops = self.paint_scene(scene, untouched, batch_size, callback_on_step_end, names)
        statistics = AnimationStatistics(
            len(moved),
            drive.missing,
            frame_policy,
            str(self._execution_device),
            {"driving": read_at - started},
            "person",
        )
        canvas = PersonCanvas(people[0].picture, scene.box)
        finish: Callable[[np.ndarray], np.ndarray] = (lambda crop: crop) if crop_only else canvas.compose
        extent = scene.size if crop_only else people[0].picture.shape[:2]
        target = FrameTarget(drive.fps, drive.sound_from, None if output is None else Path(output), output_type, mark)
        result = collect_frames(crops, finish, (extent[0], extent[1]), target, statistics, started)
        self.maybe_free_model_hooks()
        return result if return_dict else (result.frames,)

    def check_inputs(self, sources: list[ImageInput], placement: str, frame_policy: str, height: int) -> None:
        """Raise `ValueError` for an option that does not exist or that this network cannot serve."""
        for name, value, allowed in (
            ("placement", placement, PLACEMENTS),
            ("frame_policy", frame_policy, FRAME_POLICIES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, expected one of {allowed}.")
        divisor = self.generator.config.size_divisor
        if height < 8 * divisor or height % divisor:
            raise ValueError(
                f"height is {height}, expected a multiple of {divisor} from {8 * divisor}, which this network needs."
            )
        self.check_sources(sources)

    def motion_template(
        self,
        driving: BodyDrivingInput,
        *,
        driving_person: int = 0,
        fps: Fraction | float | None = None,
        detector: BodyDetector | None = None,
    ) -> BodyMotionTemplate:
        """Extract the motion of a clip; see the call for the arguments."""
        fitter = BodyFitter(self.body_model)
        drive = self._read_driving(driving, detector or self.own_detector(), fitter, driving_person, fps, "hold")
        return BodyMotionTemplate(drive.coefficients, float(drive.fps), drive.size)

    def _read_driving(
        self,
        driving: BodyDrivingInput,
        detector: BodyDetector | None,
        fitter: BodyFitter,
        person: int,
        fps: Fraction | float | None,
        frame_policy: str,
    ) -> DrivingBody:
        def finder() -> BodyDetector:
            if detector is None:
                raise ValueError("This pipeline has no body_landmarker component: pass detector=... to the call.")
            return detector

        with tqdm(desc="reading the driver", unit="frame", **self._bar_settings()) as bar:
            drive = read_body_motion(driving, finder, fitter, person=person, fps=fps, progress=lambda _: bar.update())
        refuse_missing(drive.missing, frame_policy, "person", NoPersonError)
        return drive

    def _retarget(
        self,
        person: SourcePerson,
        body: BodyCoefficients,
        drive: DrivingBody,
        placement: Placement,
        swap: bool,
        reference: int | None,
    ) -> BodyCoefficients:
        height, width = person.picture.shape[:2]
        zoom, shift = 1.0, torch.zeros(2)
        if placement == "absolute":
            if drive.size is None:
                raise ValueError("placement='absolute' needs a driver with a picture or a known picture size.")
            zoom = height / drive.size[0]
            shift = torch.tensor([(width - zoom * drive.size[1]) / 2, 0.0])
        return retarget_body(
            self.body_model.float().cpu(), body, drive.coefficients, placement=placement, swap=swap,
            reference=reference, zoom=zoom, shift=shift,
        )  # fmt: skip

    def paint_scene(
        self,
        scene: MovingPerson,
        untouched: Tensor | None = None,
        batch_size: int | None = None,
        callback: Callable[..., Any] | None = None,
        names: Sequence[str] = (),
    ) -> Iterator[np.ndarray]:
        """Yield the painted crop (H, W, 3), uint8, of every frame.

        Args:
            scene ([`MovingPerson`]): What to paint.
            untouched (`Tensor` of shape (T,), bool, *optional*): Frames that show the photograph as it is.
            batch_size, callback, names: see the call's `batch_size` and `callback_on_step_end`.
        """
        done = 0
        untouched = torch.zeros(scene.frames, dtype=torch.bool) if untouched is None else untouched
        device = self._execution_device
        details = scene.details(device)
        with tqdm(total=len(untouched), unit="frame", **self._bar_settings()) as bar:
            bar.set_description(f"painting on {device}")
            source, points, driving, seen, driving_seen = scene.inputs()
            outputs = self.paint_outputs(source, points, driving, seen, driving_seen, batch_size, scene.prepared)
            for number, found in enumerate(outputs):
                pictures = scene.finished(found, details, done).cpu()
                count = len(pictures)
                arrays = (pictures.permute(0, 2, 3, 1) * 255).round().byte().numpy()
                for index in range(count):
                    yield scene.untouched if untouched[done + index] else arrays[index]
                done += count
                bar.update(count)
                if callback is not None:
                    tensors = {"images": pictures}
                    callback(self, number, done, {name: tensors[name] for name in names})


__all__ = ["PoseTransferPipeline"]
