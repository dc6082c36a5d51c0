"""What the operator's kernels share: how PyTorch differentiates them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.library import CustomOpDef


def differentiable(
    warp: CustomOpDef, backward: Callable[[Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]]
) -> None:
    """Give a kernel its gradients.

    Args:
        warp (`CustomOpDef`): Takes `feature`, `matrix` and `align_corners`.
        backward (`Callable`): Takes `feature`, `matrix`, the gradient of the result and `align_corners`; returns the gradients of
            the first two.
    """

    def remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        feature, matrix, ctx.align_corners = inputs
        ctx.save_for_backward(feature, matrix)

    def differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        feature, matrix = ctx.saved_tensors
        return *backward(feature, matrix, gradient, ctx.align_corners), None

    warp.register_autograd(differentiate, setup_context=remember)


__all__ = ["differentiable"]
