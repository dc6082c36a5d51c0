"""Configuration of the landmarker of faces or bodies."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class AdaATLandmarkerConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATLandmarker`].

    Args:
        layout (`str`, *optional*, defaults to `"face96"`): Key-point layout that is predicted (`"face96"`, `"body18"`).
        num_keypoints (`int`, *optional*, defaults to 96): Points of that layout.
        detector_channels (`tuple[int, ...]`, *optional*, defaults to `(16, 32, 64, 96, 128)`): Channels of the
            detector after each halving of the resolution.
        detector_stride (`int`, *optional*, defaults to 8): Pixels per cell of the detector's output.
        detector_size (`int`, *optional*, defaults to 320): Longer side of the picture at the coarsest search.
        crop_size (`int`, *optional*, defaults to 128): Side of the crops in which landmarks are predicted.
        crop_margin (`float`, *optional*, defaults to 1.5): Side of the crop in units of the landmarks' box.
        channels (`tuple[int, ...]`, *optional*, defaults to `(32, 64, 112, 176, 224)`): Channels of the landmark network
            after each halving of the resolution.
        visibility (`bool`, *optional*, defaults to `False`): Also predict which landmarks can be seen.
        parts (`bool`, *optional*, defaults to `False`): Also tell which pixels are a body's, and which of them its arms'.
        parts_channels (`tuple[int, ...]`, *optional*, defaults to `(16, 32, 48, 64, 64)`): Channels of the network that does, after
            each halving of the resolution.
        heatmap_channels (`int`, *optional*, defaults to 96): Channels from which it makes one heat map per landmark.
    """

    model_type = "adaat_landmarker"

    layout: str = "face96"
    num_keypoints: int = 96
    detector_channels: list[int] | tuple[int, ...] = (16, 32, 64, 96, 128)
    detector_stride: int = 8
    detector_size: int = 320
    crop_size: int = 128
    crop_margin: int | float = 1.5
    channels: list[int] | tuple[int, ...] = (32, 64, 112, 176, 224)
    heatmap_channels: int = 96
    visibility: bool = False
    parts: bool = False
    parts_channels: list[int] | tuple[int, ...] = (16, 32, 48, 64, 64)

    def validate_structure(self) -> None:
        """Check the fields against each other."""
        strides = [2 ** (level + 1) for level in range(len(self.detector_channels))]
        if self.detector_stride not in strides:
            raise ValueError(f"detector_stride is {self.detector_stride}, expected one of {strides}.")
        divisor = 2 ** max(len(self.channels), len(self.parts_channels) if self.parts else 0)
        if self.crop_size % divisor:
            raise ValueError(f"crop_size is {self.crop_size}, expected a multiple of {divisor}.")
        if self.parts and self.layout != "body18":
            raise ValueError(f"parts is True with layout {self.layout!r}, expected 'body18': only bodies have parts.")


__all__ = ["AdaATLandmarkerConfig"]
