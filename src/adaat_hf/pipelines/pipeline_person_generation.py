"""Person image generation: a photographed person in another pose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from diffusers.utils import BaseOutput
from torch import Tensor
from tqdm.auto import tqdm

from ..models.limb_warp import prepare_layers
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.body_keypoints import BodyDetector
from ..processing.drawing import draw_pose
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import ImageInput, as_images, load_image, save_image
from ..processing.person_crop import PersonBox, cut_person
from .person_pipeline import PersonPipeline
from .persons import (
    FITS,
    PoseInput,
    SourcePerson,
    is_framed,
    one_for_each,
    place_poses,
    read_poses,
    read_source_person,
)


@dataclass
class PersonGenerationOutput(BaseOutput):
    """
    A person in new poses.

    Args:
        images (`list[PIL.Image.Image]`, `np.ndarray` of shape (N, H, W, 3) in [0, 1] or `Tensor` of shape (N, 3, H, W) in
            [0, 1]): One picture per pose, as `output_type` asked for.
        sources (`list[PIL.Image.Image]`): What the network saw of the source pictures.
        keypoints (`np.ndarray` of shape (N, 18, 2)): The poses in pixels of the images.
        visibility (`np.ndarray` of shape (N, 18)): 0 for a missing point.
        mark (`bool`): Whether `save` marks the files as synthetic (see `adaat_hf.marking`).
    """

    images: Any = None
    sources: list[PIL.Image.Image] | None = None
    keypoints: np.ndarray | None = None
    visibility: np.ndarray | None = None
    mark: bool = True

    def grid(self) -> PIL.Image.Image:
        """One row per pose: the source pictures, the pose, the result."""
        assert self.sources is not None and self.keypoints is not None and self.visibility is not None
        known = [np.asarray(source) for source in self.sources]
        rows = []
        for image, points, seen in zip(self.images, self.keypoints, self.visibility, strict=True):
            shown = load_image(image)
            rows.append(np.hstack([*known, draw_pose(points, seen, np.zeros_like(shown)), shown]))
        return PIL.Image.fromarray(np.vstack(rows))

    def save_grid(self, path: str | Path) -> Path:
        """Write [`~PersonGenerationOutput.grid`] as a picture, marked as the results are."""
        return save_image(np.asarray(self.grid()), path, self.mark)

    def save(self, path: str | Path) -> list[Path]:
        """Write the pictures: a single one to `path`, several to numbered names beside it (`out_000.png`, ...)."""
        path = Path(path)
        if len(self.images) == 1:
            return [save_image(load_image(self.images[0]), path, self.mark)]
        names = [path.with_name(f"{path.stem}_{number:03d}{path.suffix}") for number in range(len(self.images))]
        return [save_image(load_image(image), name, self.mark) for image, name in zip(self.images, names, strict=True)]


class PersonGenerationPipeline(PersonPipeline):
    """Show a photographed person in other poses.

    Args:
        generator ([`AdaATGenerator`]): Paints the person; made for 18 key points.
        image_processor ([`AdaATImageProcessor`]): Prepares pictures and key points.
        body_landmarker ([`AdaATLandmarker`], *optional*): Finds persons; without it, calls need `detector`, or poses as
            points.

    Example:
    ```python
    >>> from adaat_hf import AdaATPipeline

    >>> pipe = AdaATPipeline.from_pretrained("bundled/person")
    >>> result = pipe(source="me.jpg", pose=["other.jpg", "pose.json"])  # doctest: +SKIP
    >>> result.save_grid("grid.png")  # doctest: +SKIP
    ```"""

    def __init__(
        self,
        generator: AdaATGenerator,
        image_processor: AdaATImageProcessor,
        body_landmarker: AdaATLandmarker | None = None,
    ) -> None:
        super().__init__()
        self.check_generator(generator)
        self.register_modules(generator=generator, image_processor=image_processor, body_landmarker=body_landmarker)

    @torch.no_grad()
    def __call__(
        self,
        source: ImageInput | list[ImageInput],
        pose: PoseInput,
        *,
        fit: str = "person",
        person: int | str = "largest",
        pose_person: int | str | None = None,
        source_pose: PoseInput | None = None,
        crop: bool | None = None,
        height: int | None = None,
        width: int | None = None,
        detector: BodyDetector | None = None,
        batch_size: int | None = None,
        output_type: str = "pil",
        mark: bool = True,
        return_dict: bool = True,
        callback_on_step_end: Callable[[Any, int, int, dict[str, Any]], dict[str, Any] | None] | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> PersonGenerationOutput | tuple[Any]:
        """Show a person in one or more poses.

        Args:
            source: The photograph (see [`load_image`]), or several photographs of the same person in the same clothes; the
                first one gives background and framing.
            pose: The target pose (see [`read_poses`]): a photograph, a pose file, a list of points, or a list of these.
            fit (`str`, *optional*, defaults to `"person"`): `"person"` brings poses to the size and place of the person;
                `"picture"` takes them as they lie in their picture.
            person (`int` or `str`, *optional*, defaults to `"largest"`): Which person of the photograph: `"largest"`, or a
                number counted from the largest.
            pose_person (`int` or `str`, *optional*): The same for the pose; by default a photograph's largest person, and
                all of a file.
            source_pose (*optional*): The person's pose in pixels of the photograph, or a list with one for each, instead of
                detecting it.
            crop (`bool`, *optional*): Cut out the person. By default unless the photograph has the sides' ratio already.
            height, width (`int`, *optional*): Size of the result; the image processor's by default.
            detector ([`BodyDetector`], *optional*): Detector to use instead of the pipeline's own.
            batch_size (`int`, *optional*): Poses painted at once; by default as many as are fast and leave half of the free
                memory.
            output_type (`str`, *optional*, defaults to `"pil"`): `"pil"`, `"np"` or `"pt"`.
            mark (`bool`, *optional*, defaults to `True`): Mark the files that are written as synthetic: a small visible label
                and provenance metadata (see `adaat_hf.marking`). Frames in memory carry no label.
            return_dict (`bool`, *optional*, defaults to `True`): Return a [`PersonGenerationOutput`], else a tuple.
            callback_on_step_end (`Callable`, *optional*): Called after each batch with the pipeline, the batch's number,
                the number of pictures done, and the tensors named by `callback_on_step_end_tensor_inputs`.

        Raises:
            NoPersonError: if a photograph shows no person.
            PoseError: if a pose cannot be used.
            ValueError: if an argument is wrong or an input cannot be read.
        """
        images = as_images(source)
        size = (
            int(self.image_processor.size["height"] if height is None else height),
            int(self.image_processor.size["width"] if width is None else width),
        )
        names = callback_on_step_end_tensor_inputs or self._callback_tensor_inputs
        self.check_inputs(images, size, fit, batch_size, output_type, names)
        finder = detector or self.own_detector()
        given = one_for_each(source_pose, len(images))
        people = self.tell_parts(
            [read_source_person(image, finder, person, own) for image, own in zip(images, given, strict=True)]
        )
        poses = read_poses(pose, finder, pose_person)
        placed = place_poses(poses, people[0], fit)
        # A detector's doubt about a point says nothing about what lies in front of it (`BEHIND`).
        seen = [(one.visibility > 0).astype(np.float32) for one in poses]
        boxes = [self._frame(people[0], placed, seen, size, crop)]
        boxes += [self._frame(other, [], [], size, crop) for other in people[1:]]
        targets = np.stack([boxes[0].points_to_crop(points, *size) for points in placed])
        crops = [cut_person(one.picture, box, *size) for one, box in zip(people, boxes, strict=True)]
        parts = [
            cut_person(one.parts, box, *size) for one, box in zip(people, boxes, strict=True) if one.parts is not None
        ]
        own = np.stack([box.points_to_crop(one.pose.points, *size) for one, box in zip(people, boxes, strict=True)])
        own_seen = np.stack([one.pose.visibility for one in people])
        pictures = self._paint_poses(
            crops, parts, (own, own_seen), (targets, np.stack(seen)), batch_size, callback_on_step_end, names
        )
        self.maybe_free_model_hooks()
        result = self.image_processor.postprocess(pictures, output_type)
        if not return_dict:
            return (result,)
        return PersonGenerationOutput(
            result, [PIL.Image.fromarray(picture) for picture in crops], targets, np.stack(seen), mark
        )

    def check_inputs(
        self,
        sources: Sequence[ImageInput],
        size: tuple[int, int],
        fit: str,
        batch_size: int | None,
        output_type: str,
        tensor_inputs: list[str],
    ) -> None:
        """Raise `ValueError` for arguments that would fail later, before anything expensive happens."""
        if fit not in FITS:
            raise ValueError(f"fit is {fit!r}, expected one of {FITS}.")
        self.check_request(sources, batch_size, None, output_type, tensor_inputs)
        divisor = self.generator.config.size_divisor
        if min(size) < divisor or size[0] % divisor or size[1] % divisor:
            raise ValueError(
                f"The size is {size[1]}x{size[0]} (width x height), expected multiples of {divisor}, which this network needs."
            )
        self.check_sources(sources)

    @staticmethod
    def _frame(
        person: SourcePerson, poses: list[np.ndarray], seen: list[np.ndarray], size: tuple[int, int], crop: bool | None
    ) -> PersonBox:
        aspect = size[1] / size[0]
        return person.frame(poses, seen, aspect, not is_framed(person.picture, aspect) if crop is None else crop)

    def _paint_poses(
        self,
        crops: list[np.ndarray],
        parts: list[np.ndarray],
        own: tuple[np.ndarray, np.ndarray],
        targets: tuple[np.ndarray, np.ndarray],
        batch_size: int | None,
        callback: Callable[..., Any] | None,
        names: list[str],
    ) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1]."""
        size = crops[0].shape[:2]
        process = partial(self.image_processor, size={"height": size[0], "width": size[1]}, return_tensors="pt")
        source = process(crops)["pixel_values"]
        prepare = self.image_processor.prepare_keypoints
        points, seen = prepare(torch.from_numpy(own[0]), torch.from_numpy(own[1]), *size)
        poses, poses_seen = prepare(torch.from_numpy(targets[0]), torch.from_numpy(targets[1]), *size)
        prepared = None
        if parts and self.generator.config.moves_limbs:
            prepared = prepare_layers(source, points, seen, process(parts)["pixel_values"].float())
        if len(crops) == 1:
            source, points, seen = source[0], points[0], None if seen is None else seen[0]
        pictures: list[Tensor] = []
        with tqdm(total=len(poses), unit="picture", **self._bar_settings()) as bar:
            bar.set_description(f"painting on {self._execution_device}")
            for number, batch in enumerate(
                self.paint_tensors(source, points, poses, seen, poses_seen, batch_size, prepared)
            ):
                pictures.append(batch)
                bar.update(len(batch))
                if callback is not None:
                    tensors = {"images": batch}
                    callback(self, number, sum(map(len, pictures)), {name: tensors[name] for name in names})
        return torch.cat(pictures)


__all__ = ["PersonGenerationOutput", "PersonGenerationPipeline"]
