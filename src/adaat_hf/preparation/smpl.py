"""Published SMPL coefficients of a clip, moved to the pixels of its crops."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..control.smpl_files import IPER_PICTURE, SMPLFileError, read_smpl_motion


def smpl_tensors(
    path: Path, frames: slice, to_crop: np.ndarray | None, height: int
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A stretch of a clip's SMPL coefficients.

    Args:
        path (`Path`): iPER's file of the whole clip.
        frames (`slice`): The stretch.
        to_crop (`np.ndarray` of shape (2, 3)): From the pixels of pictures to those of crops.
        height (`int`): Height of the pictures, whose middle square the cameras refer to.

    Returns:
        `tuple[dict, dict]`: tensors `smpl_pose` (T, 24, 3), `smpl_betas` (10,), `smpl_scale` (T,) in crop pixels per metre and
        `smpl_translation` (T, 2) in crop pixels; or none, and a fact `smpl` that says why.
    """
    try:
        motion = read_smpl_motion(path)
    except SMPLFileError as error:
        return {}, {"smpl": str(error).replace(str(path), path.name)}
    if len(motion.pose) < frames.stop:
        return {}, {"smpl": f"{path.name!r} has {len(motion.pose)} poses, at least {frames.stop} are needed."}
    assert to_crop is not None
    linear, shift = torch.from_numpy(to_crop).float().split([2, 1], 1)
    zoom = height / IPER_PICTURE
    place = (motion.translation[frames] + 0.5) * zoom - 0.5
    scale = motion.scale[frames] * zoom * linear[0, 0].abs()
    return {
        "smpl_pose": motion.pose[frames].clone(),
        "smpl_betas": motion.betas.clone(),
        "smpl_scale": scale,
        "smpl_translation": place @ linear.T + shift[:, 0],
    }, {}
