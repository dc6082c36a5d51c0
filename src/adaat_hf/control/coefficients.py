"""What the face model's coefficients of one clip (or one picture) are, and how they become key points."""

from dataclasses import dataclass, replace

from torch import Tensor

from .face_model import AdaATFaceModel
from .rotation import rotation_matrix


PER_FRAME = ("expression", "rotation", "scale", "translation", "valid")


@dataclass(frozen=True)
class FaceCoefficients:
    """A face over T frames: one identity, and expression and head pose per frame.

    Args:
        identity (`Tensor` of shape (N,)): Standard deviations of the identity components.
        offset (`Tensor` of shape (K, 3)): What is particular to this face beyond the identity basis, in model units.
        expression (`Tensor` of shape (T, 52)): ARKit-named expressions in [0, 1].
        rotation (`Tensor` of shape (T, 3)): Head rotation, axis times angle in radians.
        scale (`Tensor` of shape (T,)): Pixels per model unit (distance of the outer eye corners of the mean face).
        translation (`Tensor` of shape (T, 2)): Pixels.
        valid (`Tensor` of shape (T,), bool): Whether a face was seen in the frame.
    """

    identity: Tensor
    offset: Tensor
    expression: Tensor
    rotation: Tensor
    scale: Tensor
    translation: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.scale)

    def frames(self, index: slice | Tensor) -> "FaceCoefficients":
        """The same face in a selection of its frames."""
        return replace(self, **{name: getattr(self, name)[index] for name in PER_FRAME})

    def project(self, model: AdaATFaceModel) -> Tensor:
        """Key points of every frame: `Tensor` of shape (T, K, 2), in pixels."""
        frames = len(self)
        return model(
            self.identity.expand(frames, -1),
            self.expression,
            rotation_matrix(self.rotation),
            self.scale,
            self.translation,
            self.offset.expand(frames, -1, -1),
        )

    def in_crop(self, origin: Tensor, zoom: Tensor | float) -> "FaceCoefficients":
        """Move to a picture cut at `origin` (2,) pixels and enlarged `zoom` times."""
        return replace(self, scale=self.scale * zoom, translation=(self.translation - origin) * zoom)
