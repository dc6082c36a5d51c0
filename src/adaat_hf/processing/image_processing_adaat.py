"""Pixels and key points to the generator's inputs, and its pictures back."""

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tvF
from transformers.image_processing_backends import TorchvisionBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_transforms import group_images_by_shape, reorder_images
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs, Unpack
from transformers.utils import TensorType


OUTPUT_TYPES = ("pil", "np", "pt")


KEYPOINT_CONVENTIONS = ("aligned", "released")
# Where the released code leaves missing points, in pixels.
RELEASED_MISSING = -1.0


class AdaATImageProcessor(TorchvisionBackend):
    """Prepare pictures and key points for [`AdaATGenerator`]: RGB in [0, 1] at the network's size.

    Args:
        keypoint_convention (`str`, *optional*, defaults to `"aligned"`): See `prepare_keypoints`.
        kwargs: Further settings, such as `size`.

    Example:
    ```python
    >>> import numpy as np
    >>> from adaat_hf import AdaATImageProcessor

    >>> processor = AdaATImageProcessor(size={"height": 64, "width": 64})
    >>> processor(np.zeros((80, 80, 3), np.uint8), return_tensors="pt")["pixel_values"].shape
    torch.Size([1, 3, 64, 64])
    ```"""

    resample = PILImageResampling.BILINEAR
    size = {"height": 256, "width": 256}
    do_resize = True
    do_rescale = True
    rescale_factor = 1 / 255
    do_convert_rgb = True
    model_input_names = ["pixel_values"]

    def __init__(self, keypoint_convention: str = "aligned", **kwargs: Unpack[ImagesKwargs]) -> None:
        if keypoint_convention not in KEYPOINT_CONVENTIONS:
            raise ValueError(
                f"keypoint_convention is {keypoint_convention!r}, expected one of {KEYPOINT_CONVENTIONS}."
            )
        super().__init__(**kwargs)
        self.keypoint_convention = keypoint_convention

    def _preprocess(  # type: ignore[override]  # cropping, normalising and padding do not occur
        self,
        images: list[Tensor],
        do_resize: bool,
        size: SizeDict,
        resample: "PILImageResampling | tvF.InterpolationMode | int | None",
        do_rescale: bool,
        rescale_factor: float,
        disable_grouping: bool | None,
        return_tensors: str | TensorType | None,
        **kwargs: object,
    ) -> BatchFeature:
        grouped, index = group_images_by_shape(images, disable_grouping=disable_grouping)
        processed = {}
        for shape, stacked in grouped.items():
            if do_resize and tuple(stacked.shape[-2:]) != (size.height, size.width):
                stacked = self.resize(stacked, size=size, resample=resample)
            # Floating pictures are in [0, 1] already.
            if do_rescale and not stacked.is_floating_point():
                stacked = self.rescale(stacked, rescale_factor)
            processed[shape] = stacked
        return BatchFeature({"pixel_values": reorder_images(processed, index)}, tensor_type=return_tensors)

    def prepare_keypoints(
        self, points: Tensor, visibility: Tensor, height: int, width: int
    ) -> tuple[Tensor, Tensor | None]:
        """Key points to the generator's inputs.

        Args:
            points (`Tensor` of shape (..., K, 2)): In pixels.
            visibility (`Tensor` of shape (..., K)): 0 for a missing point.
            height, width (`int`): Size of the picture that the pixels refer to.

        Returns:
            `tuple[Tensor, Tensor | None]`: positions in [-1, 1] and visibility. With `keypoint_convention="released"`, as
            the authors' code has it: pixels divided by width and height, and a missing point at -1 px of the processor's
            own size, where it draws a ghost in the top left corner, instead of a visibility.
        """
        points = points.float()
        if self.keypoint_convention == "aligned":
            return self.normalize_keypoints(points, height, width), visibility
        seen = points / points.new_tensor([width, height])
        ghost = RELEASED_MISSING / points.new_tensor([self.size["width"], self.size["height"]])
        return torch.where(visibility[..., None] > 0, seen, ghost) * 2 - 1, None

    @staticmethod
    def normalize_keypoints(points: Tensor, height: int, width: int) -> Tensor:
        """Pixel positions (..., 2) to [-1, 1], where -1 and 1 are the centres of the border pixels."""
        return points / torch.tensor([width - 1, height - 1], dtype=points.dtype, device=points.device) * 2 - 1

    @staticmethod
    def postprocess(pictures: Tensor, output_type: str = "pil") -> list[PIL.Image.Image] | np.ndarray | Tensor:
        """Pictures (B, 3, H, W) in [0, 1] as PIL pictures (`"pil"`), an array (B, H, W, 3) in [0, 1] (`"np"`), or the
        tensor itself (`"pt"`).

        Raises:
            ValueError: if `output_type` is none of these.
        """
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type is {output_type!r}, expected one of {OUTPUT_TYPES}.")
        if output_type == "pt":
            return pictures
        arrays = pictures.detach().float().clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
        return arrays if output_type == "np" else [PIL.Image.fromarray(picture) for picture in to_uint8(arrays)]


def to_uint8(pictures: np.ndarray) -> np.ndarray:
    """Round pictures in [0, 1] to 8 bits."""
    return (pictures * 255).round().astype(np.uint8)


__all__ = ["AdaATImageProcessor"]
