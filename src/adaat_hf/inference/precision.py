"""Paint in 16 bits where that changes nothing visible, and return to 32 where it fails."""

import copy
import logging

import torch
from torch import Tensor

from ..models.limb_warp import PreparedSources
from ..models.modeling_adaat import AdaATGeneratorOutput
from .plan import InferencePlan, PlannedSource


# Largest mean difference of pictures in [0, 1] that a 16-bit type may make: less than one of 256 steps.
LARGEST_DIFFERENCE = 0.003
PROBE_POSES = 2
logger = logging.getLogger(__name__)


class GuardedPainter:
    """Paint in a 16-bit type; from the first picture on that is not finite, in the plan's own type.

    Args:
        plan ([`InferencePlan`]): The network in its own type.
        dtype (`torch.dtype`): The faster type.
    """

    def __init__(self, plan: InferencePlan, dtype: torch.dtype) -> None:
        self.exact, self.fast = plan, copy.deepcopy(plan).to(dtype)
        self.dtype = dtype

    def read_source(
        self, pictures: Tensor, keypoints: Tensor, visibility: Tensor | None = None
    ) -> tuple[PlannedSource, PlannedSource]:
        """See [`InferencePlan.read_source`]; in both types."""
        fast = self.fast.read_source(pictures, keypoints, visibility)
        return fast, self.exact.read_source(pictures, keypoints, visibility)

    def __call__(
        self,
        source: tuple[PlannedSource, PlannedSource],
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """See [`InferencePlan`]."""
        if self.dtype != self.exact.dtype:
            found = self.fast(source[0], driving_keypoints, driving_visibility, prepared)
            if found.images.isfinite().all():
                return found
            logger.warning(
                "Painting in %s gave values that are not finite; going on in %s.", self.dtype, self.exact.dtype
            )
            self.dtype = self.exact.dtype
        return self.exact(source[1], driving_keypoints, driving_visibility, prepared)


@torch.no_grad()
def probed_dtype(plan: InferencePlan, device: torch.device) -> torch.dtype:
    """The fastest type in which a plan paints the same picture as in 32 bits, tried on random pictures and poses.

    Args:
        plan ([`InferencePlan`]): On its device.
        device (`torch.device`): Where it paints.
    """
    for dtype in fast_types(device):
        difference = _difference(plan, dtype, device)
        if difference <= LARGEST_DIFFERENCE:
            return dtype
        logger.info("Painting in %s differs by %.4f from 32 bits, which is too much.", dtype, difference)
    return plan.dtype


def fast_types(device: torch.device) -> tuple[torch.dtype, ...]:
    """The 16-bit types in which a device is faster, by preference; none on processors that do not multiply bfloat16 themselves."""
    if device.type == "cpu":
        abilities = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        able = any(getattr(torch.cpu, name)() for name in abilities if hasattr(torch.cpu, name))
        return (torch.bfloat16,) if able else ()
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        return (torch.float16,)
    return torch.bfloat16, torch.float16


def _difference(plan: InferencePlan, dtype: torch.dtype, device: torch.device) -> float:
    """Mean difference that a type makes; infinite where a value is not finite."""
    config = plan.network.config
    side = 16 * config.size_divisor
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, side, side, generator=generator).to(device)
    points = (torch.rand(PROBE_POSES, config.num_keypoints, 2, generator=generator) * 1.6 - 0.8).to(device)
    exact = copy.deepcopy(plan).float()
    wanted = exact(exact.read_source(picture, points[:1]), points).images
    fast = copy.deepcopy(plan).to(dtype)
    found = fast(fast.read_source(picture, points[:1]), points).images
    assert wanted is not None and found is not None
    difference = (found.float() - wanted).abs().mean().item()
    return difference if found.isfinite().all() else float("inf")


__all__ = ["GuardedPainter", "fast_types", "probed_dtype"]
