"""Batch normalisation over the pictures of all processes, so that many small batches count as one large one."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """Sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """What `torch.nn.SyncBatchNorm` computes, also on CPU, where PyTorch has none.

    Example:
    ```python
    >>> import torch
    >>> from adaat_hf.training.synced_batch_norm import SyncedBatchNorm2d

    >>> SyncedBatchNorm2d(8)(torch.rand(2, 8, 4, 4)).shape  # without processes like nn.BatchNorm2d
    torch.Size([2, 8, 4, 4])
    ```"""

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not self.training or not together:
            return super().forward(feature)
        values = feature.float()
        count = values.new_tensor(values.numel() / values.shape[1]).expand(1)
        totals = _Sum.apply(torch.cat([values.sum((0, 2, 3)), count]))
        mean = totals[:-1] / totals[-1]
        # The mean square of the distance from the common mean: more exact than the difference of two large sums.
        squares = (values - mean[:, None, None]).square().sum((0, 2, 3))
        variance = _Sum.apply(squares) / totals[-1]
        self._track(mean.detach(), variance.detach(), totals[-1].detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        shifted = (values - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        return shifted.to(feature.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


def synchronise_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace the batch norms of a model by ones that see all processes; names of the weights stay.

    Args:
        model (`nn.Module`): Changed in place.
        device (`torch.device`): Where it will train: PyTorch's own, faster, needs a GPU.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            synced = SyncedBatchNorm2d(child.num_features, child.eps, child.momentum)
            synced.load_state_dict(child.state_dict())
            setattr(model, name, synced)
        else:
            synchronise_batch_norm(child, device)
    return model
