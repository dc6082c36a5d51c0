"""Body key points by ViTPose (Xu et al., 2022), with a person detector, both from transformers."""

from typing import Any, cast

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForObjectDetection, VitPoseForPoseEstimation

from .body_keypoints import BodyKeypoints


POSE_MODEL = "usyd-community/vitpose-base-simple"
PERSON_MODEL = "PekingU/rtdetr_r50vd_coco_o365"
# Model cards' recommendation for counting a joint as seen.
MIN_JOINT_SCORE = 0.3


class VitPoseBodyDetector:
    """Key points of up to `max_bodies` persons in the COCO-17 layout.

    Args:
        pose_model (`VitPoseForPoseEstimation`), pose_processor: Key points of a person's box.
        person_model, person_processor: Detector with a label `"person"`.
        max_bodies (`int`, *optional*, defaults to 8): Most persons returned per frame.
        threshold (`float`, *optional*, defaults to 0.3): Detection threshold in [0, 1].

    Raises:
        ValueError: if the detector knows no persons.
    """

    def __init__(
        self,
        pose_model: VitPoseForPoseEstimation,
        pose_processor: Any,
        person_model: Any,
        person_processor: Any,
        max_bodies: int = 8,
        threshold: float = 0.3,
    ) -> None:
        names = {str(name).lower(): int(index) for index, name in person_model.config.id2label.items()}
        if "person" not in names:
            raise ValueError(f"The detector knows {sorted(names)[:5]} and others, expected a label 'person'.")
        self.person_label = names["person"]
        self.pose_model, self.pose_processor = pose_model.eval(), pose_processor
        self.person_model, self.person_processor = person_model.eval(), person_processor
        self.max_bodies, self.threshold = max_bodies, threshold

    @classmethod
    def from_pretrained(
        cls, pose: str = POSE_MODEL, person: str = PERSON_MODEL, device: str | torch.device = "cpu", **kwargs: Any
    ) -> "VitPoseBodyDetector":
        """Load both models from the Hub or from folders.

        Args:
            pose (`str`): A `VitPoseForPoseEstimation`.
            person (`str`): A model for object detection.
            device (`str` or `torch.device`): Where they run.
            kwargs: Further arguments of the constructor.
        """
        return cls(
            cast(Any, VitPoseForPoseEstimation.from_pretrained(pose)).to(device),
            AutoImageProcessor.from_pretrained(pose),
            AutoModelForObjectDetection.from_pretrained(person).to(device),
            AutoImageProcessor.from_pretrained(person),
            **kwargs,
        )

    @torch.no_grad()
    def detect(self, frames: np.ndarray) -> list[list[BodyKeypoints]]:
        """See [`BodyDetector.detect`]; layout `"coco17"`."""
        boxes = self._persons(frames)
        shown = [number for number, found in enumerate(boxes) if len(found)]
        bodies: list[list[BodyKeypoints]] = [[] for _ in frames]
        if not shown:
            return bodies
        chosen = [boxes[number] for number in shown]
        inputs = self.pose_processor([frames[number] for number in shown], boxes=chosen, return_tensors="pt")
        extra = {}
        if getattr(self.pose_model.config.backbone_config, "num_experts", 1) > 1:
            # ViTPose++ has an expert per data set; the first one is COCO's.
            extra["dataset_index"] = torch.zeros(len(inputs["pixel_values"]), dtype=torch.long)
        outputs = self.pose_model(**inputs.to(self.pose_model.device), **extra)
        results = self.pose_processor.post_process_pose_estimation(outputs, boxes=chosen)
        for number, persons in zip(shown, results, strict=True):
            found = [_as_body(person) for person in persons]
            usable = [body for body in found if body.visibility.any()]
            bodies[number] = sorted(usable, key=lambda body: -body.size)
        return bodies

    @torch.no_grad()
    def _persons(self, frames: np.ndarray) -> list[np.ndarray]:
        """For each frame boxes (N, 4): left, top, width, height in pixels; the largest first."""
        inputs = self.person_processor(images=list(frames), return_tensors="pt").to(self.person_model.device)
        sizes = torch.tensor([frame.shape[:2] for frame in frames])
        results = self.person_processor.post_process_object_detection(
            self.person_model(**inputs), threshold=self.threshold, target_sizes=sizes
        )
        found = []
        for result in results:
            corners = result["boxes"][result["labels"] == self.person_label].float().cpu().numpy().reshape(-1, 4)
            extent = corners[:, 2:] - corners[:, :2]
            order = np.argsort(-extent.max(1, initial=0))[: self.max_bodies]
            found.append(np.c_[corners[:, :2], extent][order])
        return found


def _as_body(person: dict[str, torch.Tensor]) -> BodyKeypoints:
    points = person["keypoints"].float().cpu().numpy()
    scores = person["scores"].float().cpu().numpy().reshape(-1)
    return BodyKeypoints(points, "coco17", (scores > MIN_JOINT_SCORE).astype(np.float32), float(scores.mean()))
