"""Bring back what a small painted picture cannot show: the fine detail of a photograph whose limbs were moved at full size."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .limb_warp import PreparedSources, move_limbs, prepare_sources


@dataclass(frozen=True)
class DetailSource:
    """Photographs of a body at full size, from which moved detail is taken.

    Args:
        pictures (`Tensor` of shape (S, 3, H, W)): The sources in [0, 1]; the background is the first one's.
        keypoints (`Tensor` of shape (S, K, 2)), visibility (`Tensor` of shape (S, K)): Key points in [-1, 1].
        prepared ([`PreparedSources`]): What is made once of the pictures, at this size.
    """

    pictures: Tensor
    keypoints: Tensor
    visibility: Tensor
    prepared: PreparedSources

    @classmethod
    def of_clip(
        cls,
        pictures: Tensor,
        keypoints: Tensor,
        visibility: Tensor,
        driving: Tensor,
        driving_visibility: Tensor,
        parts: Tensor | None = None,
    ) -> "DetailSource":
        """For all poses (T, K, 2) of a clip; `parts` (S, 3, H, W) of the pictures as for [`prepare_sources`]."""
        prepared = prepare_sources(pictures, keypoints, driving, visibility, driving_visibility, parts)
        return cls(pictures, keypoints, visibility, prepared)

    @torch.no_grad()
    def add(self, painted: Tensor, driving: Tensor, seen: Tensor, shares: Tensor | None = None) -> Tensor:
        """Enlarge painted pictures and add the detail that they lack.

        Args:
            painted (`Tensor` of shape (B, 3, h, w)): What the network painted, in [0, 1].
            driving (`Tensor` of shape (B, K, 2)), seen (`Tensor` of shape (B, K)): The poses in [-1, 1].
            shares (`Tensor` of shape (B, S, h, w), *optional*): How much of each source the network took.

        Returns:
            `Tensor` of shape (B, 3, H, W): in [0, 1].
        """
        small, large = (painted.shape[2], painted.shape[3]), (self.pictures.shape[2], self.pictures.shape[3])
        moved = self._moved(driving, seen, shares)
        missing = moved - _resized(F.adaptive_avg_pool2d(moved, small), large)
        return (_resized(painted, large) + missing).clamp(0, 1)

    def _moved(self, driving: Tensor, seen: Tensor, shares: Tensor | None) -> Tensor:
        total, frames = torch.zeros((), device=self.pictures.device), len(driving)
        # One source at a time: at full size, all of them would need much memory.
        for number in range(len(self.pictures)):
            one = slice(number, number + 1)
            picture = move_limbs(
                self.pictures[one].expand(frames, -1, -1, -1), self.keypoints[one].expand(frames, -1, -1), driving,
                self.visibility[one].expand(frames, -1), seen, self.prepared.source(number),
            ).composed()  # fmt: skip
            if shares is None:
                return picture
            total = total + _resized(shares[:, one], self.pictures.shape[2:]) * picture
        return total


def _resized(values: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    return F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)


__all__ = ["DetailSource"]
