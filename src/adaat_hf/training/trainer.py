"""The training loop of the generator and its discriminator, on Accelerate."""

import json
import time
from pathlib import Path
from typing import Any, cast

import PIL.Image
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import get_scheduler

from ..control.face_model import AdaATFaceModel
from ..evaluation.backbones import lpips_metric
from ..models.configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_discriminator import AdaATDiscriminator
from .arguments import TrainingArguments
from .averaging import averaged_model
from .checkpoints import checkpoint_step, newest_checkpoint, save_checkpoint
from .data import RangeSampler
from .losses import (
    PerceptualLoss,
    discriminator_adversarial_loss,
    generator_adversarial_loss,
    inner_face,
    weighted_l1,
)
from .tasks import open_task
from .validation import CONDITIONS, validate


class Trainer:
    """One training run.

    Args:
        args (`TrainingArguments`): Its settings.
        face_model (`AdaATFaceModel`, *optional*): Needed if `args.fitted_keypoints` is not 0.
    """

    def __init__(self, args: TrainingArguments, face_model: AdaATFaceModel | None = None) -> None:
        self.args = args
        self.output = Path(args.output_dir)
        self.accelerator = Accelerator(
            mixed_precision=args.mixed_precision,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            log_with=args.log_with,
            project_config=ProjectConfiguration(str(self.output), logging_dir=str(self.output / "logs")),
        )
        set_seed(args.seed)
        self._build_models()
        self.task = open_task(args, self.config.num_keypoints, face_model)
        self._prepare()
        self.step = 0

    def _build_models(self) -> None:
        args = self.args
        if args.init_from is not None:
            generator = AdaATGenerator.from_pretrained(args.init_from, dtype=torch.float32)
        else:
            generator = AdaATGenerator(AdaATConfig.from_preset(args.preset, **args.model))
        self.config: AdaATConfig = generator.config
        settings = {
            "num_keypoints": self.config.num_keypoints,
            "heatmap_variance": self.config.heatmap_variance,
            **args.discriminator,
        }
        discriminator = AdaATDiscriminator(AdaATDiscriminatorConfig(**settings))
        if self.accelerator.num_processes > 1:
            generator = nn.SyncBatchNorm.convert_sync_batchnorm(generator)
        layout = torch.channels_last if args.channels_last else torch.contiguous_format
        self.layout = layout
        self.generator = generator.train().to(memory_format=layout)
        self.discriminator = discriminator.train().to(memory_format=layout)
        device = self.accelerator.device
        self.average: AveragedModel | None = None
        if args.ema_decay:
            self.average = averaged_model(self.generator, args.ema_decay, device)
        self.perceptual = PerceptualLoss(args.backbone, args.perceptual_scales).to(device).to(memory_format=layout)
        self.lpips = None
        if args.lpips_weight or args.validation_data:
            self.lpips = lpips_metric(args.lpips_backbone).to(device)

    def _prepare(self) -> None:
        args = self.args
        betas = (args.adam_beta1, args.adam_beta2)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), args.learning_rate, betas)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), args.discriminator_learning_rate, betas
        )
        schedulers = [
            get_scheduler(
                args.schedule if args.schedule != "constant" else "constant_with_warmup",
                optimizer,
                args.warmup_steps,
                args.max_steps,
            )
            for optimizer in (self.optimizer, self.discriminator_optimizer)
        ]
        prepared = self.accelerator.prepare(
            self.generator, self.discriminator, self.optimizer, self.discriminator_optimizer
        )
        self.generator, self.discriminator, self.optimizer, self.discriminator_optimizer = prepared
        self.schedulers = schedulers
        for scheduler in schedulers:
            self.accelerator.register_for_checkpointing(scheduler)
        if self.average is not None:
            self.accelerator.register_for_checkpointing(self.average)
        if args.compile:
            self.generator = torch.compile(self.generator)

    @property
    def samples_per_step(self) -> int:
        """Pairs that all processes together see per optimiser step."""
        return self.args.batch_size * self.args.gradient_accumulation_steps * self.accelerator.num_processes

    def train(self) -> dict[str, float]:
        """Train to `max_steps` or the time limit, then write the generator. Returns the last validation scores."""
        args, accelerator = self.args, self.accelerator
        self.output.mkdir(parents=True, exist_ok=True)
        self._resume()
        if accelerator.is_main_process:
            accelerator.init_trackers("adaat")
            (self.output / "arguments.json").write_text(json.dumps(args.to_dict(), indent=2))
        started = time.monotonic()
        scores: dict[str, float] = {}
        bar = tqdm(total=args.max_steps, initial=self.step, disable=not accelerator.is_main_process, unit="step")
        bar.set_description(f"training on {accelerator.device}")
        losses: dict[str, Tensor] = {}
        for batch in self._loader():
            with accelerator.accumulate(self.generator, self.discriminator):
                losses = self._train_batch(batch)
            if not accelerator.sync_gradients:
                continue
            self.step += 1
            bar.update()
            if self.step % args.logging_steps == 0:
                self._log(losses, bar, started)
            if args.validation_data and self.step % args.validation_steps == 0:
                scores = self._validate()
            if self.step % args.checkpoint_steps == 0:
                save_checkpoint(accelerator, self.output, self.step, args.checkpoints_kept)
            if args.time_limit is not None and time.monotonic() - started > 60 * args.time_limit:
                break
        bar.close()
        save_checkpoint(accelerator, self.output, self.step, args.checkpoints_kept)
        scores = self._validate() if args.validation_data else scores
        self.save()
        accelerator.end_training()
        return scores

    def _loader(self) -> Any:
        args, accelerator = self.args, self.accelerator
        sampler = RangeSampler(
            self.step * self.samples_per_step,
            args.max_steps * self.samples_per_step,
            accelerator.process_index,
            accelerator.num_processes,
        )
        loader = DataLoader(
            self.task.dataset,
            args.batch_size,
            sampler=sampler,
            num_workers=args.num_workers,
            drop_last=True,
            pin_memory=accelerator.device.type == "cuda",
            prefetch_factor=4 if args.num_workers else None,
        )
        for batch in loader:
            yield {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}

    def _train_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        accelerator, args = self.accelerator, self.args
        conditions = {name: batch[name] for name in CONDITIONS}
        source = batch["source"]
        if source.ndim == 4:
            source = source.to(memory_format=self.layout)
        with accelerator.autocast():
            painted = self.generator(source, **conditions).images
        adversarial = args.adversarial_weight > 0 and self.step >= args.adversarial_start
        losses = self._train_discriminator(painted, batch) if adversarial else {}
        losses |= self._generator_losses(painted, batch, adversarial)
        accelerator.backward(losses["generator"])
        if adversarial:
            self.discriminator.requires_grad_(True)
        self._step(self.optimizer, self.generator, self.schedulers[0])
        if self.average is not None and accelerator.sync_gradients:
            self.average.update_parameters(accelerator.unwrap_model(self.generator))
        return losses

    def _train_discriminator(self, painted: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        there, seen = batch["driving_keypoints"], batch["driving_visibility"]
        with self.accelerator.autocast():
            real = self.discriminator(batch["driving"].to(memory_format=self.layout), there, seen)
            fake = self.discriminator(painted.detach(), there, seen)
        loss = discriminator_adversarial_loss(real, fake)
        self.accelerator.backward(loss)
        self._step(self.discriminator_optimizer, self.discriminator, self.schedulers[1])
        # The generator's adversarial loss must not leave gradients in the discriminator.
        self.discriminator.requires_grad_(False)
        return {"discriminator": loss.detach()}

    def _generator_losses(self, painted: Tensor, batch: dict[str, Tensor], adversarial: bool) -> dict[str, Tensor]:
        args = self.args
        target = batch["driving"].to(memory_format=self.layout)
        points = batch["driving_keypoints"]
        weight = self.task.loss_weights(batch)
        losses: dict[str, Tensor] = {}
        with self.accelerator.autocast():
            losses["perceptual"] = self.perceptual(painted, target, weight)
            total = args.perceptual_weight * losses["perceptual"]
            if args.inner_face_weight:
                cuts = [inner_face(item, points) for item in (painted, target)]
                stress = None if weight is None else inner_face(weight, points)
                losses["inner_face"] = self.perceptual(*cuts, stress, scales=[1.0])
                total = total + args.inner_face_weight * losses["inner_face"]
            if args.pixel_weight:
                losses["pixel"] = weighted_l1(painted, target, weight)
                total = total + args.pixel_weight * losses["pixel"]
            if args.lpips_weight and self.lpips is not None:
                losses["lpips"] = self.lpips(painted * 2 - 1, target * 2 - 1).mean()
                total = total + args.lpips_weight * losses["lpips"]
            if adversarial:
                discriminator = self.accelerator.unwrap_model(self.discriminator)
                scores = discriminator(painted, batch["driving_keypoints"], batch["driving_visibility"])
                losses["adversarial"] = generator_adversarial_loss(scores)
                total = total + args.adversarial_weight * losses["adversarial"]
        return {name: value.detach() for name, value in losses.items()} | {"generator": total}

    def _step(self, optimizer: Any, model: nn.Module, scheduler: Any) -> None:
        if self.accelerator.sync_gradients:
            if self.args.max_grad_norm:
                self.accelerator.clip_grad_norm_(model.parameters(), self.args.max_grad_norm)
        optimizer.step()
        if self.accelerator.sync_gradients:
            scheduler.step()
        optimizer.zero_grad()

    def _log(self, losses: dict[str, Tensor], bar: Any, started: float) -> None:
        values = {name: float(self.accelerator.gather(value.detach()).mean()) for name, value in losses.items()}
        done = self.step - bar.initial
        values["images_per_second"] = done * self.samples_per_step / (time.monotonic() - started)
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})
        self.accelerator.log(values, step=self.step)

    def trained_generator(self) -> AdaATGenerator:
        """The averaged weights if there are any, else the current ones."""
        averaged = self.average
        if averaged is None:
            return self.accelerator.unwrap_model(self.generator)
        return cast(AdaATGenerator, averaged.module)

    def _validate(self) -> dict[str, float]:
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return {}
        generator = self.trained_generator()
        was_training = generator.training
        generator.eval()
        scores, grid = validate(generator, self.task.validation_pairs(), cast(nn.Module, self.lpips))
        generator.train(was_training)
        self.accelerator.log({f"validation/{name}": value for name, value in scores.items()}, step=self.step)
        samples = self.output / "samples"
        samples.mkdir(exist_ok=True)
        PIL.Image.fromarray(grid).save(samples / f"step-{self.step:07d}.jpg", quality=92)
        for tracker in self.accelerator.trackers:
            if tracker.name == "tensorboard":
                tracker.writer.add_image("validation", grid, self.step, dataformats="HWC")
        tqdm.write(f"step {self.step}: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
        with open(self.output / "validation.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, **scores}) + "\n")
        return scores

    def _resume(self) -> None:
        newest = newest_checkpoint(self.output)
        if newest is not None:
            self.accelerator.load_state(str(newest))
            self.step = checkpoint_step(newest)

    def save(self) -> None:
        """Write the generator and the discriminator below `output_dir`."""
        if self.accelerator.is_main_process:
            self.trained_generator().eval().save_pretrained(self.output / "generator")
            self.accelerator.unwrap_model(self.discriminator).save_pretrained(self.output / "discriminator")
