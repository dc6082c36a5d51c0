"""What the body model's coefficients of one clip (or one picture) are, and how they become key points."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .body_joints import NUM_JOINTS, to_body18
from .body_model import AdaATBodyModel
from .rotation import rotation_matrix


FLIP = (1.0, -1.0)


@dataclass(frozen=True)
class BodyCoefficients:
    """A body over T frames: one shape, and pose and camera per frame.

    The camera is a weak perspective: a point (x, y, z) of the posed body is seen at `scale * (x, -y) + translation`.

    Args:
        shape (`Tensor` of shape (N,)): Standard deviations of the shape components.
        bone_scale (`Tensor` of shape (29,)): Factor of the bone that ends in each point, for what is particular to this body.
        pose (`Tensor` of shape (T, 24, 3)): Rotation of each joint relative to its parent, axis times angle in radians; the
            pelvis's turns the whole body, 0 facing the camera.
        scale (`Tensor` of shape (T,)): Pixels per metre.
        translation (`Tensor` of shape (T, 2)): Where the pelvis is, in pixels.
        valid (`Tensor` of shape (T,), bool): Whether the person was seen in the frame.
        known (`Tensor` of shape (24,), bool): Whether the clip says how each joint is turned; the others have a usual pose.
    """

    shape: Tensor
    bone_scale: Tensor
    pose: Tensor
    scale: Tensor
    translation: Tensor
    valid: Tensor
    known: Tensor

    @classmethod
    def complete(
        cls, shape: Tensor, bone_scale: Tensor, pose: Tensor, scale: Tensor, translation: Tensor
    ) -> "BodyCoefficients":
        """A body of which every frame is valid and every joint is known."""
        valid, known = torch.ones(len(pose), dtype=torch.bool), torch.ones(NUM_JOINTS, dtype=torch.bool)
        return cls(shape, bone_scale, pose, scale, translation, valid, known)

    def __len__(self) -> int:
        return len(self.scale)

    def frames(self, index: slice | Tensor) -> "BodyCoefficients":
        """The same body in a selection of its frames."""
        per_frame = ("pose", "scale", "translation", "valid")
        return replace(self, **{name: getattr(self, name)[index] for name in per_frame})

    def points(self, model: AdaATBodyModel) -> Tensor:
        """Joints and face points of every frame in metres, the pelvis in the origin: `Tensor` of shape (T, 29, 3)."""
        return model(self.shape[None], rotation_matrix(self.pose), self.bone_scale[None])

    def project(self, model: AdaATBodyModel) -> Tensor:
        """The 18 key points of every frame: `Tensor` of shape (T, 18, 2), in pixels."""
        return self.place(to_body18(self.points(model)))

    def place(self, points: Tensor) -> Tensor:
        """Points (T, K, 3) of the posed body in pixels (T, K, 2)."""
        flat = points[..., :2] * points.new_tensor(FLIP)
        return self.scale[:, None, None] * flat + self.translation[:, None]


def hold_missing(coefficients: BodyCoefficients) -> BodyCoefficients:
    """Give frames without the person the pose of the last frame with it, or of the first one before any."""
    valid = coefficients.valid
    if bool(valid.all()) or not bool(valid.any()):
        return coefficients
    return replace(coefficients.frames(last_valid(valid)), valid=valid)


def last_valid(valid: Tensor) -> Tensor:
    """For every frame (T,) the number of the last valid one, or of the first one before any."""
    first = int(valid.nonzero()[0])
    return torch.where(valid, torch.arange(len(valid)), first).cummax(0).values
