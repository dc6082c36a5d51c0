"""The training loop of the generator and its discriminator, on Accelerate."""

from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, ProjectConfiguration, gather_object, set_seed
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..control.face_model import AdaATFaceModel
from ..models.configuration_adaat import AdaATConfig
from ..models.modeling_adaat import AdaATGenerator
from .arguments import TrainingArguments
from .averaging import averaged_model
from .checkpoints import RunState, load_checkpoint, newest_checkpoint, replace_folder, save_checkpoint
from .loading import load_batches, restore_streams, stream_state
from .networks import build_discriminator, build_generator, fields_of, make_adam, make_scheduler
from .objectives import Objective, refuse_non_finite
from .records import RunRecord, check_tracker
from .stopping import Stop
from .synced_batch_norm import synchronise_batch_norm
from .tasks import open_task
from .validation import CONDITIONS, draw_features, draw_grid, score_pairs


class Trainer:
    """One training run.

    Args:
        args (`TrainingArguments`): Its settings.
        face_model (`AdaATFaceModel`, *optional*): Needed if `args.fitted_keypoints` is not 0.
        stages (`list[dict]`, *optional*): What the generator's configuration records of its stages, this one last.
    """

    def __init__(
        self,
        args: TrainingArguments,
        face_model: AdaATFaceModel | None = None,
        stages: list[dict[str, Any]] | None = None,
    ) -> None:
        self.args, self.stages = args, stages
        self.output = Path(args.output_dir)
        check_tracker(args.log_with)
        set_seed(args.seed)
        generator = build_generator(args)
        self.config: AdaATConfig = generator.config
        # A network for several sources has weights that a batch with one source leaves alone.
        partly = self.config.multi_source and args.second_source < 1
        self.accelerator = Accelerator(
            mixed_precision=args.mixed_precision,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            log_with=None if args.log_with == "none" else args.log_with,
            project_config=ProjectConfiguration(str(self.output), logging_dir=str(self.output / "logs")),
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=partly)],
        )
        if args.mixed_precision == "fp16" and self.accelerator.device.type == "cpu":
            raise ValueError(
                "mixed_precision is 'fp16', which needs a GPU: gradients vanish without its scaler. Use bf16."
            )
        self.task = open_task(args, self.config.num_keypoints, face_model, self.accelerator.num_processes)
        if args.validation_data and next(iter(self.task.validation_pairs()), None) is None:
            raise ValueError(f"There is no usable pair in the validation data {args.validation_data!r}.")
        self.objective = Objective(args, self.task, self.accelerator)
        self._prepare(generator)
        self.step = self.samples = 0
        # With streaming, by data worker of this process: the epoch, and the number of its next example.
        self.streams: dict[str, Any] = {}
        self.record = RunRecord(self.output, self.accelerator, args)

    def _prepare(self, generator: AdaATGenerator) -> None:
        args, accelerator = self.args, self.accelerator
        judge = build_discriminator(args, self.config)
        self.architecture = {"generator": fields_of(self.config), "discriminator": fields_of(judge.config)}
        network: nn.Module = generator
        if accelerator.num_processes > 1:
            network = synchronise_batch_norm(network, accelerator.device)
        layout = self.objective.layout
        network, discriminator = (model.to(memory_format=layout) for model in (network, judge))
        self.average: AveragedModel | None = None
        if args.ema_decay:
            self.average = averaged_model(network, args.ema_decay, accelerator.device)
            accelerator.register_for_checkpointing(self.average)
        optimizers = [
            make_adam(args, network, args.learning_rate),
            make_adam(args, discriminator, args.discriminator_learning_rate),
        ]
        self.schedulers = [make_scheduler(args, optimizer) for optimizer in optimizers]
        for scheduler in self.schedulers:
            accelerator.register_for_checkpointing(scheduler)
        self.generator, self.discriminator, self.optimizer, self.discriminator_optimizer = accelerator.prepare(
            network, discriminator, *optimizers
        )
        if args.compile:
            self.generator = torch.compile(self.generator)

    @property
    def samples_per_step(self) -> int:
        """Pairs that all processes together see per optimiser step."""
        return self.args.batch_size * self.args.gradient_accumulation_steps * self.accelerator.num_processes

    def train(self) -> dict[str, float]:
        """Train to `max_steps` or an early stop, then write the generator. Returns the last validation scores.

        Raises:
            NonFiniteLossError: if a loss is NaN or infinite.
            CheckpointError: if a checkpoint cannot be written, or the newest one is of another network.
        """
        args, accelerator = self.args, self.accelerator
        self.output.mkdir(parents=True, exist_ok=True)
        self._resume()
        scores: dict[str, float] | None = None
        with Stop(accelerator, args.time_limit) as stop, self.record.running(self.step) as record:
            for batch in load_batches(self):
                with accelerator.accumulate(self.generator, self.discriminator):
                    losses = self._train_batch(batch)
                if not accelerator.sync_gradients:
                    continue
                self.step += 1
                self.samples += self.samples_per_step
                scores = None
                rates = {"learning_rate": float(self.schedulers[0].get_last_lr()[0])}
                record.step(self.step, losses, rates, self.samples_per_step)
                if args.validation_data and self.step % args.validation_steps == 0:
                    scores = self.validate()
                if self.step % args.checkpoint_steps == 0:
                    self._save_checkpoint()
                if stop.now():
                    break
            self._save_checkpoint()
            if args.validation_data and scores is None:
                scores = self.validate()
            self.save()
        return scores or {}

    def _train_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        accelerator, args = self.accelerator, self.args
        conditions = {name: batch[name] for name in CONDITIONS}
        source = batch["source"]
        if source.ndim == 4:
            source = source.to(memory_format=self.objective.layout)
        with accelerator.autocast():
            painted = self.generator(source, **conditions).images
        adversarial = args.adversarial_weight > 0 and self.step >= args.adversarial_start
        losses = self._train_discriminator(painted, batch) if adversarial else {}
        judge = accelerator.unwrap_model(self.discriminator) if adversarial else None
        losses |= self.objective.generator_losses(painted, batch, judge)
        refuse_non_finite(losses, self.step + 1)
        accelerator.backward(losses["generator"])
        if adversarial:
            self.discriminator.requires_grad_(True)
        self._step(self.optimizer, self.generator, self.schedulers[0])
        if self.average is not None and accelerator.sync_gradients:
            self.average.update_parameters(accelerator.unwrap_model(self.generator))
        return {name: value.detach() for name, value in losses.items()}

    def _train_discriminator(self, painted: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        losses = self.objective.discriminator_losses(self.discriminator, painted, batch)
        refuse_non_finite(losses, self.step + 1)
        self.accelerator.backward(losses["discriminator"])
        self._step(self.discriminator_optimizer, self.discriminator, self.schedulers[1])
        # The generator's adversarial loss must not leave gradients in the discriminator.
        self.discriminator.requires_grad_(False)
        return losses

    def _step(self, optimizer: Any, model: nn.Module, scheduler: Any) -> None:
        if self.accelerator.sync_gradients and self.args.max_grad_norm:
            self.accelerator.clip_grad_norm_(model.parameters(), self.args.max_grad_norm)
        optimizer.step()
        if self.accelerator.sync_gradients:
            scheduler.step()
        optimizer.zero_grad()

    def trained_generator(self) -> AdaATGenerator:
        """The averaged weights if there are any, else the current ones."""
        averaged = self.average
        if averaged is None:
            return self.accelerator.unwrap_model(self.generator)
        return cast(AdaATGenerator, averaged.module)

    def validate(self) -> dict[str, float]:
        """Scores on the validation data, of which every process paints its share; the main one draws fixed pairs."""
        accelerator, record = self.accelerator, self.record
        generator = self.trained_generator()
        was_training = generator.training
        generator.eval()
        rank, count = accelerator.process_index, accelerator.num_processes
        mine = (pair for number, pair in enumerate(self.task.validation_pairs()) if number % count == rank)
        found = gather_object(score_pairs(generator, mine, cast(nn.Module, self.objective.lpips)))
        scores = {name: sum(row[name] for row in found) / len(found) for name in found[0]}
        if accelerator.is_main_process:
            record.scores(self.step, scores)
            record.picture(self.step, "pairs", draw_grid(generator, self.task.validation_pairs()))
            record.picture(self.step, "features", draw_features(generator, self.task.validation_pairs()))
        generator.train(was_training)
        accelerator.wait_for_everyone()
        return scores

    def _save_checkpoint(self) -> None:
        streams = gather_object([stream_state(self)]) if self.args.streaming else []
        state = RunState(self.step, self.samples, self.architecture, streams)
        save_checkpoint(self.accelerator, self.output, state, self.args.checkpoints_kept)

    def _resume(self) -> None:
        newest = newest_checkpoint(self.output)
        if newest is not None:
            state = load_checkpoint(self.accelerator, newest, self.architecture)
            self.step, self.samples = state.step, state.samples
            restore_streams(self, state.streams)

    def save(self) -> None:
        """Write the generator and the discriminator below `output_dir`."""
        if self.accelerator.is_main_process:
            generator = self.trained_generator().eval()
            if self.stages:
                generator.config.adaat_stages = self.stages
            discriminator = self.accelerator.unwrap_model(self.discriminator)
            replace_folder(self.output / "generator", generator.save_pretrained)
            replace_folder(self.output / "discriminator", discriminator.save_pretrained)
