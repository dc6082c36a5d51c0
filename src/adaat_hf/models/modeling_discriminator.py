"""The patch discriminator, conditioned on the driving key points."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from .configuration_adaat import AdaATDiscriminatorConfig
from .keypoint_maps import gaussian_heatmaps
from .modeling_adaat import AdaATPreTrainedModel


class AdaATDiscriminator(AdaATPreTrainedModel):
    """Judge patches of a picture given the key points it should show (LSGAN: real is 1, painted is 0)."""

    config: AdaATDiscriminatorConfig
    base_model_prefix = "discriminator"

    def __init__(self, config: AdaATDiscriminatorConfig) -> None:
        super().__init__(config)
        widths = [3 + config.num_keypoints, *config.channels]
        normalise = spectral_norm if config.spectral_norm else nn.Identity()
        self.blocks = nn.ModuleList(normalise(nn.Conv2d(a, b, 4)) for a, b in pairwise(widths))
        self.head = normalise(nn.Conv2d(widths[-1], 1, 1))
        self.post_init()

    def forward(
        self, pixel_values: Tensor, driving_keypoints: Tensor, driving_visibility: Tensor | None = None
    ) -> Tensor:
        """Score patches.

        Args:
            pixel_values (`Tensor` of shape (B, 3, H, W)): Picture, RGB in [0, 1].
            driving_keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1].
            driving_visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point.

        Returns:
            `Tensor` of shape (B, 1, h, w): one score per patch.
        """
        picture = pixel_values.flip(1) if self.config.channel_order == "bgr" else pixel_values
        height, width = picture.shape[2:]
        maps = gaussian_heatmaps(driving_keypoints, height, width, self.config.heatmap_variance, driving_visibility)
        return self.judge(torch.cat([picture, maps.to(picture.dtype)], 1))

    def judge(self, inputs: Tensor) -> Tensor:
        """Score patches of pictures already joined with their heat maps, (B, 3 + K, H, W)."""
        feature = inputs
        for number, conv in enumerate(self.blocks, 1):
            feature = F.leaky_relu(conv(feature), 0.2)
            if number < len(self.blocks):
                feature = F.avg_pool2d(feature, 2)
        return self.head(feature)


__all__ = ["AdaATDiscriminator"]
