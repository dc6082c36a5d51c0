"""Motion templates of bodies: the motion of a clip as a small file that can drive any person, without the clip itself."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .body_coefficients import BodyCoefficients
from .body_joints import NUM_JOINTS, NUM_POINTS
from .motion_files import read_motion_file, write_motion_file


FORMAT = "adaat-body-motion"
VERSION = 1


@dataclass(frozen=True)
class BodyMotionTemplate:
    """Body-model coefficients of a driving clip.

    Args:
        coefficients ([`BodyCoefficients`]): The motion, in pixels of the clip.
        fps (`float`): Frame rate.
        size (`tuple[int, int]`, *optional*): Height and width of the clip's picture, where there was one.
    """

    coefficients: BodyCoefficients
    fps: float
    size: tuple[int, int] | None = None

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file; it appears under its name only when it is complete."""
        facts = {"fps": self.fps, "size": self.size, "version": VERSION}
        return write_motion_file(path, FORMAT, dict(vars(self.coefficients)), facts)

    @classmethod
    def load(cls, path: str | Path) -> "BodyMotionTemplate":
        """Read a template.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is no template of a body's motion, is damaged, or was written by a newer version.
        """
        tensors, facts = read_motion_file(path, FORMAT, VERSION)
        _check(tensors, path)
        size = facts["size"]
        return cls(BodyCoefficients(**tensors), facts["fps"], None if size is None else (size[0], size[1]))


def _check(tensors: dict[str, Tensor], path: str | Path) -> None:
    frames, shape = len(tensors.get("scale", ())), len(tensors.get("shape", ()))
    expected = {
        "shape": (shape,), "bone_scale": (NUM_POINTS,), "pose": (frames, NUM_JOINTS, 3), "scale": (frames,),
        "translation": (frames, 2), "valid": (frames,), "known": (NUM_JOINTS,),
    }  # fmt: skip
    if tensors.keys() != expected.keys():
        raise ValueError(f"{str(path)!r} holds {sorted(tensors)}, expected {sorted(expected)}.")
    for name, extent in expected.items():
        if tuple(tensors[name].shape) != extent or not frames:
            raise ValueError(f"{name} in {str(path)!r} has shape {tuple(tensors[name].shape)} for {frames} frames.")
        if not torch.isfinite(tensors[name].float()).all():
            raise ValueError(f"{name} in {str(path)!r} has values that are not finite.")
    if not tensors["valid"].any():
        raise ValueError(f"No frame of {str(path)!r} shows a person.")


__all__ = ["BodyMotionTemplate"]
