"""Motion templates: the motion of a clip as a small file that can drive any picture, without the clip itself."""

from dataclasses import dataclass
from pathlib import Path

import torch

from .coefficients import FaceCoefficients
from .motion_files import read_motion_file, write_motion_file


FORMAT = "adaat-face-motion"
VERSION = 1
_TENSORS = {"identity": 1, "offset": 2, "expression": 2, "rotation": 2, "scale": 1, "translation": 2, "valid": 1}


@dataclass(frozen=True)
class MotionTemplate:
    """Face-model coefficients of a driving clip, in the pixels of a crop of `size`.

    Args:
        coefficients ([`FaceCoefficients`]): The motion.
        fps (`float`): Frame rate.
        size (`int`, *optional*, defaults to 256): Side of the crop.
        layout (`str`, *optional*, defaults to `"face96"`): Key-point layout of the face model.
    """

    coefficients: FaceCoefficients
    fps: float
    size: int = 256
    layout: str = "face96"

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file; it appears under its name only when it is complete."""
        tensors = {name: getattr(self.coefficients, name) for name in _TENSORS}
        facts = {"fps": self.fps, "size": self.size, "layout": self.layout, "version": VERSION}
        return write_motion_file(path, FORMAT, tensors, facts)

    @classmethod
    def load(cls, path: str | Path) -> "MotionTemplate":
        """Read a template.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is no motion template, is damaged, or was written by a newer version.
        """
        tensors, facts = read_motion_file(path, FORMAT, VERSION)
        _check(tensors, path)
        return cls(FaceCoefficients(**tensors), facts["fps"], facts["size"], facts["layout"])


def _check(tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    if tensors.keys() != _TENSORS.keys():
        raise ValueError(f"{str(path)!r} holds {sorted(tensors)}, expected {sorted(_TENSORS)}.")
    frames = len(tensors["scale"])
    for name, dimensions in _TENSORS.items():
        per_frame = name not in ("identity", "offset")
        if tensors[name].ndim != dimensions or (per_frame and len(tensors[name]) != frames) or not frames:
            raise ValueError(f"{name} in {str(path)!r} has shape {tuple(tensors[name].shape)} for {frames} frames.")
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"{name} in {str(path)!r} has values that are not finite.")
