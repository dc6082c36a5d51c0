"""The four pipelines of the page, which share their networks."""

from dataclasses import dataclass
from typing import Any

import torch

from ..devices import best_device
from ..pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from ..pipelines.pipeline_person_generation import PersonGenerationPipeline
from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
from ..pipelines.pipeline_talking_face import TalkingFacePipeline
from ..processing.backends import open_body_detector, open_landmarker
from ..processing.body_keypoints import BodyDetector
from ..processing.landmarks import FaceLandmarker


@dataclass(frozen=True)
class Studio:
    """Pipelines and detectors.

    Args:
        reenact ([`FaceReenactmentPipeline`]), talk ([`TalkingFacePipeline`]): For faces.
        pose ([`PoseTransferPipeline`]), person ([`PersonGenerationPipeline`]): For persons.
        landmarker ([`FaceLandmarker`]): Finds faces.
        detector ([`BodyDetector`]): Finds persons.
    """

    reenact: FaceReenactmentPipeline
    talk: TalkingFacePipeline
    pose: PoseTransferPipeline
    person: PersonGenerationPipeline
    landmarker: FaceLandmarker
    detector: BodyDetector

    @classmethod
    def load(
        cls,
        face: str = "bundled/face",
        person: str = "bundled/person",
        device: str | torch.device | None = None,
        landmarker: str | None = None,
        detector: str | None = None,
    ) -> "Studio":
        """Load the networks.

        Args:
            face, person (`str`): Repositories of a [`TalkingFacePipeline`] and of a [`PoseTransferPipeline`].
            device (`str` or `torch.device`, *optional*): Where they run; the best device there is by default.
            landmarker, detector (`str`, *optional*): Other detectors, see `adaat reenact --help` and `adaat pose --help`.
        """
        place = best_device(None if device is None else str(device))
        talk: Any = TalkingFacePipeline.from_pretrained(face).to(place)
        pose: Any = PoseTransferPipeline.from_pretrained(person).to(place)
        faces = {name: talk.components[name] for name in ("generator", "face_model", "image_processor", "landmarker")}
        persons = {name: pose.components[name] for name in ("generator", "image_processor", "body_landmarker")}
        reenact, generate = FaceReenactmentPipeline(**faces), PersonGenerationPipeline(**persons)
        for pipeline in (talk, pose, reenact, generate):
            pipeline.set_progress_bar_config(disable=True)
        return cls(
            reenact, talk, pose, generate,
            open_landmarker(landmarker) if landmarker else talk.own_landmarker(),
            open_body_detector(detector) if detector else pose.own_detector(),
        )  # fmt: skip

    @property
    def device(self) -> str:
        """Where the networks run."""
        return str(self.reenact.device)
