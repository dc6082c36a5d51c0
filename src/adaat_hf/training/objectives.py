"""What generator and discriminator are trained for: the weighted losses of one batch."""

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..evaluation.backbones import lpips_metric
from .arguments import TrainingArguments
from .losses import (
    PerceptualLoss,
    discriminator_adversarial_loss,
    generator_adversarial_loss,
    inner_face,
    mouth_difference,
    weighted_l1,
)
from .tasks import Task


class NonFiniteLossError(FloatingPointError):
    """A loss is NaN or infinite; the message names it."""


class Objective:
    """The losses that a run's settings ask for.

    Args:
        args (`TrainingArguments`): The weights.
        task ([`Task`]): Says which regions count more.
        accelerator (`Accelerator`): Of the run.
    """

    def __init__(self, args: TrainingArguments, task: Task, accelerator: Accelerator) -> None:
        self.args, self.task, self.accelerator = args, task, accelerator
        self.layout = torch.channels_last if args.channels_last else torch.contiguous_format
        perceptual = PerceptualLoss(args.backbone, args.perceptual_scales)
        self.perceptual = perceptual.to(accelerator.device).to(memory_format=self.layout)
        self.lpips: nn.Module | None = None
        if args.lpips_weight or args.validation_data:
            self.lpips = lpips_metric(args.lpips_backbone).to(accelerator.device)

    def discriminator_losses(
        self, discriminator: nn.Module, painted: Tensor, batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """LSGAN of real and painted pictures, which pass through the network as one batch."""
        there, seen = (batch[f"driving_{name}"] for name in ("keypoints", "visibility"))
        with self.accelerator.autocast():
            pictures = torch.cat([batch["driving"], painted.detach().to(batch["driving"].dtype)])
            scores = discriminator(
                pictures.to(memory_format=self.layout), torch.cat([there, there]), torch.cat([seen, seen])
            )
        return {"discriminator": discriminator_adversarial_loss(*scores.chunk(2))}

    def generator_losses(
        self, painted: Tensor, batch: dict[str, Tensor], discriminator: nn.Module | None
    ) -> dict[str, Tensor]:
        """All parts by name, and `generator`, their weighted sum.

        Args:
            painted (`Tensor` of shape (B, 3, H, W)): The generator's pictures.
            batch (`dict[str, Tensor]`): Items of the task's data set.
            discriminator (`nn.Module`, *optional*): Judges them; without it there is no adversarial part.
        """
        args, target = self.args, batch["driving"].to(memory_format=self.layout)
        weight = self.task.loss_weights(batch)
        with self.accelerator.autocast():
            parts = {"perceptual": (args.perceptual_weight, self.perceptual(painted, target, weight))}
            if args.pixel_weight:
                parts["pixel"] = (args.pixel_weight, weighted_l1(painted, target, weight))
            if args.lpips_weight and self.lpips is not None:
                parts["lpips"] = (args.lpips_weight, self.lpips(painted * 2 - 1, target * 2 - 1).mean())
            parts |= self._face_losses(painted, target, batch["driving_keypoints"], weight)
            if discriminator is not None:
                scores = discriminator(painted, batch["driving_keypoints"], batch["driving_visibility"])
                parts["adversarial"] = (args.adversarial_weight, generator_adversarial_loss(scores))
            total = torch.stack([share * value for share, value in parts.values()]).sum()
        return {name: value for name, (_, value) in parts.items()} | {"generator": total}

    def _face_losses(
        self, painted: Tensor, target: Tensor, points: Tensor, weight: Tensor | None
    ) -> dict[str, tuple[float, Tensor]]:
        parts = {}
        if self.args.inner_face_weight:
            cuts = [inner_face(item, points) for item in (painted, target)]
            stress = None if weight is None else inner_face(weight, points)
            parts["inner_face"] = (self.args.inner_face_weight, self.perceptual(*cuts, stress, scales=[1.0]))
        if self.args.mouth_interior_weight:
            parts["mouth_interior"] = (self.args.mouth_interior_weight, mouth_difference(painted, target, points))
        return parts


def refuse_non_finite(losses: dict[str, Tensor], step: int) -> None:
    """Stop before broken losses reach the weights.

    Args:
        losses (`dict[str, Tensor]`): By name.
        step (`int`): Shown in the message.

    Raises:
        NonFiniteLossError: naming the first loss that is NaN or infinite, and all others' values.
    """
    values = dict(
        zip(losses, torch.stack([value.detach().float() for value in losses.values()]).tolist(), strict=True)
    )
    broken = [name for name, value in values.items() if not -float("inf") < value < float("inf")]
    if broken:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise NonFiniteLossError(
            f"In step {step} the loss {broken[0]!r} is {values[broken[0]]} ({shown}). The newest checkpoint is intact;"
            " a lower learning_rate, max_grad_norm, or mixed_precision: bf16 may help."
        )
